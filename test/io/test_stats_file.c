/* io/stats_file: calibration statistics read back as written. Those of another model, or with a
 * flipped bit, are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "io/stats_file.h"
#include "test/support/support_foreign.h"
#include "test/support/support_sys_double.h"

#define DIGEST 0x0123456789abcdefu
#define TOKENS 42

static const ps_model_config config = {.family = PS_FAMILY_LLAMA,
				       .layers = 2,
				       .width = 1500, /* more than are rounded at a time */
				       .heads = 2,
				       .kv_heads = 1,
				       .head_width = 6,
				       .mlp_width = 10};
static const size_t cols[PS_INPUTS] = {1500, 12, 1500, 10};
static char folder[256], path[512];

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/stats", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

static double value_of(int layer, int input, size_t col)
{
	return 1.0 / 3 + layer + 2 * input + (double)col / 1024;
}

/* Writes statistics, every mean times a factor. */
static int write_scaled(double factor)
{
	json_t *provenance = json_pack("{s:{s:s}}", "inputs", "model", "0123456789abcdef");
	ps_stats_spec spec = {
		.path = path, .config = &config, .provenance = provenance, .tokens = TOKENS};
	double *mean[PS_INPUTS];
	int rc;

	for (int i = 0; i < PS_INPUTS; i++) {
		mean[i] = malloc(config.layers * cols[i] * sizeof *mean[i]);
		assert_non_null(mean[i]);
		for (size_t layer = 0; layer < config.layers; layer++)
			for (size_t c = 0; c < cols[i]; c++)
				mean[i][layer * cols[i] + c] = factor * value_of((int)layer, i, c);
		spec.mean[i] = mean[i];
	}
	rc = ps_stats_file_write(&ps_sys_linux, &spec, NULL);
	for (int i = 0; i < PS_INPUTS; i++)
		free(mean[i]);
	json_decref(provenance);
	return rc;
}

static void write_stats(void)
{
	assert_int_equal(write_scaled(1), 0);
}

static int open_stats(ps_stats_file *stats, const ps_model_config *model, uint64_t digest,
		      ps_diag *diag)
{
	return ps_stats_file_open(stats, &ps_sys_linux, path, model, &digest, diag);
}

static void written_statistics_read_back_rounded_to_f32(void **state)
{
	double mean[1500];
	ps_stats_file stats;

	(void)state;
	write_stats();
	assert_int_equal(open_stats(&stats, &config, DIGEST, NULL), 0);
	for (int layer = 0; layer < (int)config.layers; layer++)
		for (int i = 0; i < PS_INPUTS; i++) {
			ps_stats_file_read(&stats, layer, (ps_input)i, mean);
			for (size_t c = 0; c < cols[i]; c++)
				assert_true(mean[c] == (float)value_of(layer, i, c));
		}
	assert_int_equal(stats.file.count, config.layers * PS_PROJECTIONS);
	assert_int_equal(stats.file.file_bytes - stats.file.data_offset,
			 ps_stats_data_bytes(&config));
	assert_int_equal(json_integer_value(json_object_get(stats.file.metadata, "tokens")),
			 TOKENS);
	ps_stats_file_close(&stats);
}

static void statistics_of_another_model_are_refused(void **state)
{
	ps_model_config wider = config, deeper = config;
	ps_stats_file stats;
	ps_diag diag = {{0}};

	(void)state;
	write_stats();
	assert_int_equal(open_stats(&stats, &config, DIGEST + 1, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "statistics of another model"));
	wider.mlp_width++;
	assert_int_equal(open_stats(&stats, &wider, DIGEST, NULL), PS_EINPUT);
	deeper.layers++;
	diag = (ps_diag){{0}};
	assert_int_equal(open_stats(&stats, &deeper, DIGEST, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "model.layers.2."));
	ps_stats_file_close(&stats);
}

static void a_flipped_bit_is_refused(void **state)
{
	ps_stats_file stats;
	ps_diag diag = {{0}};
	FILE *file;
	int byte;

	(void)state;
	write_stats();
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, -5, SEEK_END), 0);
	byte = getc(file);
	assert_int_equal(fseek(file, -5, SEEK_END), 0);
	putc(byte ^ 1, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(open_stats(&stats, &config, DIGEST, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "block 0"));
}

static void means_that_are_not_finite_or_negative_are_refused(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY, -1};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ps_stats_file stats;
		ps_diag diag = {{0}};
		uint64_t offset;

		write_stats();
		ps_test_make_foreign(path);
		assert_int_equal(open_stats(&stats, &config, DIGEST, &diag), 0);
		offset = ps_safetensors_find(&stats.file, "model.layers.1.mlp.gate_proj.weight")
				 ->offset;
		ps_stats_file_close(&stats);
		ps_test_write_at(path, offset + 2 * sizeof(float), &bad[i], sizeof bad[i]);
		assert_int_equal(open_stats(&stats, &config, DIGEST, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, "model.layers.1.mlp.gate_proj.weight"));
		assert_non_null(strstr(diag.text, "column 2 "));
	}
}

static void means_that_overflow_are_not_written(void **state)
{
	ps_stats_file stats;

	(void)state;
	assert_int_equal(write_scaled(1e300), PS_EFAILED);
	assert_int_equal(open_stats(&stats, &config, DIGEST, NULL), PS_EINPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(written_statistics_read_back_rounded_to_f32),
		TEST(statistics_of_another_model_are_refused),
		TEST(a_flipped_bit_is_refused),
		TEST(means_that_are_not_finite_or_negative_are_refused),
		TEST(means_that_overflow_are_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
