/* core/base/digest_chain: the digest of chained blocks is the digest of all bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/digest.h"
#include "core/base/digest_chain.h"
#include "core/base/rng.h"

#define BYTES_MAX (PS_DIGEST_BLOCK * 9)

/* `together`: blocks that are summed by one call. */
static uint64_t digest_by_blocks(const char *data, size_t bytes, size_t together)
{
	const uint64_t blocks = ps_digest_chain_blocks(bytes);
	const size_t tail = bytes - (size_t)blocks * PS_DIGEST_BLOCK;
	uint64_t sums[9 * PS_DIGEST_SUMS];
	ps_digest_chain chain;

	ps_digest_chain_start(&chain);
	for (uint64_t first = 0; first < blocks; first += together) {
		const size_t count = blocks - first < together ? blocks - first : together;

		ps_digest_sums(data + first * PS_DIGEST_BLOCK, count, sums);
		ps_digest_chain_add(&chain, sums, count);
	}
	return ps_digest_chain_end(&chain, data + bytes - tail - PS_DIGEST_STRIPE, tail, bytes);
}

static void any_length_gives_the_digest_of_all_bytes(void **state)
{
	char *data = malloc(BYTES_MAX + 1);
	ps_rng rng = ps_rng_make(7, 1);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i <= BYTES_MAX; i++)
		data[i] = (char)ps_rng_u64(&rng);
	for (size_t bytes = PS_DIGEST_SHORT + 1; bytes <= BYTES_MAX; bytes++)
		for (size_t unaligned = 0; unaligned < 2 && bytes < BYTES_MAX; unaligned++)
			assert_int_equal(digest_by_blocks(data + unaligned, bytes, 1 + bytes % 4),
					 ps_digest_of(data + unaligned, bytes));
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_length_gives_the_digest_of_all_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
