/* core/tokenizer/bpe_merge.h: merges a row of symbols in place, lowest rank first, leftmost of equals. */
#ifndef PS_CORE_TOKENIZER_BPE_MERGE_H
#define PS_CORE_TOKENIZER_BPE_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/tokenizer/token_vocab.h"

/* Memory for long rows, kept between calls; all zero at first. */
typedef struct ps_merge_scratch {
	int32_t *link; /* (2, n): previous and next living symbol, -1 for none */
	size_t link_capacity;
	uint64_t *heap; /* rank << 32 | position of the left symbol */
	size_t heap_capacity, heap_count;
} ps_merge_scratch;

/* ids: n symbols in; *n symbols out. */
int ps_merge_row(const ps_merge_table *merges, ps_merge_scratch *scratch, int32_t *ids, size_t *n,
		 ps_diag *diag) PS_MUST_USE;

size_t ps_merge_scratch_bytes(const ps_merge_scratch *scratch);
void ps_merge_scratch_free(ps_merge_scratch *scratch);

#endif
