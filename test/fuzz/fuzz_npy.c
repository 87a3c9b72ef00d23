/* test/fuzz/fuzz_npy.c: takes any bytes for activations in an npy file, and reads their first
 * rows. */
#include "io/cache_store.h"
#include "test/fuzz/support_fuzz.h"

enum { WIDTH_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static float row[WIDTH_MAX];
	const char *path = support_fuzz_file("rows.npy", bytes, length);
	ps_cache cache;
	ps_diag diag = {{0}};
	int rc = ps_cache_open(&cache, &ps_sys_linux, path, NULL, &diag);

	if (!rc && cache.source.width <= WIDTH_MAX)
		for (uint64_t id = 0; id < cache.source.rows && id < 64 && !rc; id++)
			rc = cache.source.gather(cache.source.self, &id, 1, row, &diag);
	support_fuzz_check(rc, &diag);
	ps_cache_close(&cache);
	return 0;
}
