/* core/base/digest_chain.h: the XXH3 of bytes that several threads read.
 *
 * XXH3 takes its input in blocks of 1,024 bytes. What a block adds to the eight accumulators does
 * not depend on the blocks before it; only the scramble after each block does. So threads compute
 * the sums of blocks in any order, and one thread chains the sums in order, which is a sixteenth of
 * the bytes. The result is ps_digest_of of all bytes.
 *
 *   ps_digest_chain_start(&chain);
 *   ps_digest_sums(data, blocks, sums);           any thread
 *   ps_digest_chain_add(&chain, sums, blocks);    in the order of the blocks
 *   ps_digest_chain_end(&chain, tail, tail_bytes, bytes)
 *
 * Source: the XXH3 algorithm, github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md. */
#ifndef PS_CORE_BASE_DIGEST_CHAIN_H
#define PS_CORE_BASE_DIGEST_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#define PS_DIGEST_BLOCK ((size_t)1024)
#define PS_DIGEST_SUMS 8 /* of one block */
/* Bytes before the tail that ps_digest_chain_end looks at. */
#define PS_DIGEST_STRIPE ((size_t)64)
/* An input of more bytes than this can be chained. A shorter one is for ps_digest_of. */
#define PS_DIGEST_SHORT ((size_t)1024)

typedef struct ps_digest_chain {
	uint64_t sums[PS_DIGEST_SUMS];
} ps_digest_chain;

/* Blocks of an input that are chained: all whole ones, but never its last byte. */
static inline uint64_t ps_digest_chain_blocks(uint64_t bytes)
{
	return (bytes - 1) / PS_DIGEST_BLOCK;
}

void ps_digest_chain_start(ps_digest_chain *chain);
/* The sums (blocks, PS_DIGEST_SUMS) of whole blocks. The data may have any alignment. */
void ps_digest_sums(const void *data, size_t blocks, uint64_t *sums);
void ps_digest_chain_add(ps_digest_chain *chain, const uint64_t *sums, size_t blocks);
/* The digest of an input of `bytes` > PS_DIGEST_SHORT. tail: its last PS_DIGEST_STRIPE +
 * tail_bytes bytes. tail_bytes, 1 to PS_DIGEST_BLOCK: those behind the blocks that were chained. */
uint64_t ps_digest_chain_end(const ps_digest_chain *chain, const void *tail, size_t tail_bytes,
			     uint64_t bytes);

#endif
