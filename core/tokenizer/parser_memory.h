/* core/tokenizer/parser_memory.h: memory for yajl, which does not check that it got any.
 *
 * An allocation that fails leaves the parser by longjmp. yajl allocates in its own functions alone,
 * never below our callbacks, so no frame of ours is passed over but the caller's:
 *
 *	ps_parser_memory memory;
 *
 *	ps_parser_memory_open(&memory);
 *	if (setjmp(memory.failed))
 *		rc = no memory
 *	else
 *		rc = a function that calls yajl with &memory.functions
 *	ps_parser_memory_close(&memory);
 *
 * close frees what yajl did not. A thread has its own. The sizes that yajl asks for grow with the
 * file, so they do not overflow. */
#ifndef PS_CORE_TOKENIZER_PARSER_MEMORY_H
#define PS_CORE_TOKENIZER_PARSER_MEMORY_H

#include <setjmp.h>
#include <yajl/yajl_common.h>

typedef struct ps_parser_memory {
	jmp_buf failed;
	yajl_alloc_funcs functions;
	struct ps_parser_block *first; /* what is not freed yet */
} ps_parser_memory;

void ps_parser_memory_open(ps_parser_memory *memory);
void ps_parser_memory_close(ps_parser_memory *memory);

#endif
