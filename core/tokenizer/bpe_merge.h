/* core/tokenizer/bpe_merge.h: merges a row of symbols: the lowest rank first, the leftmost of
 * equals. */
#ifndef PS_CORE_TOKENIZER_BPE_MERGE_H
#define PS_CORE_TOKENIZER_BPE_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/array.h"
#include "core/base/error.h"
#include "core/tokenizer/token_vocab.h"

/* Memory for long rows, kept between calls. All zeros at first. */
typedef struct ps_merge_scratch {
	int32_t *link; /* (2, n): the previous and the next symbol that is left, -1 for none */
	size_t link_capacity;
	uint64_t *heap; /* rank << 32 | place of the left symbol */
	size_t heap_capacity, heap_count;
	ps_room *room; /* NULL: no limit */
} ps_merge_scratch;

/* Merges *n symbols in ids, in place; *n becomes what is left. PS_EBUDGET if there is no memory. */
int ps_merge_row(const ps_merge_table *merges, ps_merge_scratch *scratch, int32_t *ids, size_t *n,
		 ps_diag *diag) PS_MUST_USE;

/* Bytes that it holds. */
size_t ps_merge_scratch_bytes(const ps_merge_scratch *scratch);

/* Frees the memory. */
void ps_merge_scratch_free(ps_merge_scratch *scratch);

#endif
