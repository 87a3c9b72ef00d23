/* test/fuzz/fuzz_stats.c: takes any bytes for calibration statistics of the tiny model. */
#include "io/stats_file.h"
#include "test/fuzz/support_fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("stats.safetensors", bytes, length);
	const ps_model_config *config = support_fuzz_model();
	double mean[64];
	ps_stats_file stats = {0};
	ps_diag diag = {0};
	int rc = ps_stats_file_open(&stats, &ps_sys_linux, path, config, &support_fuzz_digest,
				    &diag);

	support_fuzz_check(rc, &diag);
	for (int layer = 0; layer < (int)config->layers && !rc; layer++)
		for (int input = 0; input < (int)PS_INPUTS; input++)
			ps_stats_file_read(&stats, layer, (ps_input)input, mean);
	ps_stats_file_close(&stats);
	return 0;
}
