/* tools/cmd/feature_file: a table of features reads back as it was written, also as CSV. One that
 * is damaged, or holds what no table holds, is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "test/support/support_foreign.h"
#include "test/support/support_sys_double.h"
#include "tools/cmd/feature_file.h"

enum { LATENTS = 5, TAUS = 2 };
static const double taus[TAUS] = {0.5, 0.75};
static char folder[256], path[512], csv[512];

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/features", folder);
	snprintf(csv, sizeof csv, "%s/features.csv", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

/* Every value tells its latent and its place. Latent 0 never fires. */
static void fill(void *context, size_t latent, bool large, ps_feature_row *row)
{
	const bool *has = context;

	row->rows_dense = (int64_t)(latent * 10);
	row->rate_dense = (double)latent / 8;
	row->pearson = latent ? 0.125 * (double)latent : NAN;
	row->class = latent ? PS_CLASS_SHIFTED : PS_CLASS_NONE;
	if (has[PS_FEATURE_MATCH]) {
		row->cosine = 0.25f * (float)latent;
		row->nearest = (int32_t)(LATENTS - latent);
		row->mutual = 1;
		row->survival[1] = latent == 3;
	}
	if (has[PS_FEATURE_ABLATION])
		row->ablation_effect = latent == 2 ? -1.5 : NAN;
	if (!large)
		return;
	for (size_t b = 0; b < PS_ACTIVATION_BINS; b++)
		row->histogram[PS_PRUNED][b] = (int32_t)(latent * 100 + b);
	row->context_window[PS_DENSE][9] = (int32_t)latent;
	row->context_token[PS_PRUNED][3][15] = (int32_t)latent + 7;
	row->context_value[PS_PRUNED][9][PS_DENSE][15] = 0.5f + (float)latent;
}

static int write_file(const bool has[PS_FEATURE_GROUPS], size_t latents)
{
	json_t *about = ps_feature_about(40, taus, TAUS);
	ps_feature_spec spec = {.path = path,
				.about = about,
				.latents = latents,
				.taus = TAUS,
				.has = has,
				.fill = fill,
				.context = (void *)has};
	int rc;

	rc = ps_feature_file_write(&ps_sys_linux, &spec, NULL);
	json_decref(about);
	return rc;
}

static const bool all[PS_FEATURE_GROUPS] = {true, true, true, true, true};
static const bool few[PS_FEATURE_GROUPS] = {true};

static int open_file(ps_feature_file *file, bool verify, ps_diag *diag)
{
	*diag = (ps_diag){{0}};
	return ps_feature_file_open(file, &ps_sys_linux, path, verify, diag);
}

static void a_table_reads_back_as_written(void **state)
{
	ps_feature_file file;
	ps_diag diag;

	(void)state;
	assert_int_equal(write_file(all, LATENTS), 0);
	assert_int_equal(open_file(&file, true, &diag), 0);
	assert_int_equal(file.rows, 40);
	assert_int_equal(file.latents, LATENTS);
	assert_int_equal(file.taus, TAUS);
	assert_true(file.tau[1] == 0.75);
	assert_int_equal(file.file.file_bytes - file.file.data_offset,
			 ps_feature_file_bytes(LATENTS, TAUS, all));
	for (size_t j = 0; j < LATENTS; j++) {
		ps_feature_row row;

		ps_feature_file_read(&file, j, &row);
		assert_int_equal(row.rows_dense, j * 10);
		assert_true(row.rate_dense == (double)j / 8);
		assert_true(j ? row.pearson == 0.125 * (double)j : isnan(row.pearson));
		assert_int_equal(row.nearest, LATENTS - j);
		assert_true(row.cosine == 0.25f * (float)j);
		assert_true(row.mutual && row.survival[1] == (j == 3) && !row.survival[0]);
		assert_true(j == 2 ? row.ablation_effect == -1.5 : isnan(row.ablation_effect));
		assert_true(isnan(row.pruned_ablation_effect));
		assert_int_equal(row.histogram[PS_PRUNED][63], j * 100 + 63);
		assert_int_equal(row.context_window[PS_DENSE][9], j);
		assert_int_equal(row.context_window[PS_PRUNED][0], -1);
		assert_int_equal(row.context_token[PS_PRUNED][3][15], j + 7);
		assert_true(row.context_value[PS_PRUNED][9][PS_DENSE][15] == 0.5f + (float)j);
	}
	ps_feature_file_close(&file);
}

static void what_was_not_measured_is_not_there(void **state)
{
	ps_feature_file file;
	ps_feature_row row;
	ps_diag diag;

	(void)state;
	assert_int_equal(write_file(few, LATENTS), 0);
	assert_int_equal(open_file(&file, true, &diag), 0);
	assert_true(file.has[PS_FEATURE_STATS] && !file.has[PS_FEATURE_MATCH] &&
		    !file.has[PS_FEATURE_ABLATION]);
	assert_null(ps_safetensors_find(&file.file, "cosine"));
	ps_feature_file_read(&file, 2, &row);
	assert_true(isnan(row.cosine) && row.nearest == -1 && isnan(row.ablation_effect));
	assert_true(row.pearson == 0.25);
	ps_feature_file_close(&file);
}

static void the_csv_has_a_line_a_latent(void **state)
{
	ps_feature_file file;
	ps_diag diag;
	char *text, *line;
	size_t length, lines = 0;

	(void)state;
	assert_int_equal(write_file(all, LATENTS), 0);
	assert_int_equal(open_file(&file, true, &diag), 0);
	assert_false(ps_feature_csv_is_ours(csv));
	assert_int_equal(ps_feature_csv_write(&file, csv, NULL), 0);
	assert_true(ps_feature_csv_is_ours(csv));
	assert_false(ps_feature_csv_is_ours(path));
	ps_feature_file_close(&file);
	assert_int_equal(ps_file_read(&ps_sys_linux, csv, 1 << 20, &text, &length, NULL), 0);
	for (line = text; *line; line = strchr(line, '\n') + 1)
		lines++;
	assert_int_equal(lines, 1 + LATENTS);
	assert_non_null(strstr(text, "latent,class,rows_dense,"));
	assert_non_null(strstr(text, ",survival_0.5,survival_0.75\n"));
	line = strstr(text, "\n0,");
	assert_int_equal(strncmp(line, "\n0,,0,0,0,0,0,", 14), 0);
	line = strstr(text, "\n3,");
	assert_int_equal(strncmp(line, "\n3,shifted,30,0,0,0.375,0,", 26), 0);
	assert_non_null(strstr(line, ",0.75,2,1,0,1\n"));
	free(text);
}

static void a_flipped_bit_is_refused(void **state)
{
	ps_feature_file file;
	ps_diag diag;
	char byte = 1;

	(void)state;
	assert_int_equal(write_file(all, LATENTS), 0);
	ps_test_write_at(path, 4096 + 77, &byte, 1);
	assert_int_equal(open_file(&file, true, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "block 0"));
}

/* What a table cannot hold, put in behind its checksums' back. */
static void values_that_cannot_be_are_refused_by_name(void **state)
{
	static const float infinite = INFINITY, nan_value = NAN;
	static const double beyond = -INFINITY;
	static const int32_t below = -2, negative = -1;
	static const uint8_t no_class = PS_FEATURE_CLASSES, two = 2;
	static const int64_t missing = -1;
	static const struct {
		const char *tensor;
		const void *value;
		size_t bytes;
	} wrong[] = {
		{"pearson", &beyond, 8},         {"cosine", &nan_value, 4},
		{"context_value", &infinite, 4}, {"context_token", &below, 4},
		{"histogram", &negative, 4},     {"nearest", &negative, 4},
		{"class", &no_class, 1},         {"mutual", &two, 1},
		{"survival", &two, 1},           {"rows_dense", &missing, 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		ps_feature_file file;
		ps_diag diag;
		uint64_t offset;
		char element[64];

		assert_int_equal(write_file(all, LATENTS), 0);
		assert_int_equal(open_file(&file, true, &diag), 0);
		offset = ps_safetensors_find(&file.file, wrong[i].tensor)->offset;
		ps_feature_file_close(&file);
		ps_test_write_at(path, offset + 2 * wrong[i].bytes, wrong[i].value, wrong[i].bytes);
		assert_int_equal(open_file(&file, false, &diag), PS_EINPUT);
		snprintf(element, sizeof element, "element 2 (offset %llu)",
			 (unsigned long long)(offset + 2 * wrong[i].bytes));
		if (!strstr(diag.text, wrong[i].tensor) || !strstr(diag.text, element))
			fail_msg("%s", diag.text);
	}
}

static void other_files_are_refused(void **state)
{
	ps_feature_file file;
	ps_diag diag;

	(void)state;
	assert_int_equal(write_file(all, LATENTS), 0);
	ps_test_make_foreign(path);
	assert_int_equal(open_file(&file, true, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "is no table of features"));
	ps_feature_file_close(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_table_reads_back_as_written),
		TEST(what_was_not_measured_is_not_there),
		TEST(the_csv_has_a_line_a_latent),
		TEST(a_flipped_bit_is_refused),
		TEST(values_that_cannot_be_are_refused_by_name),
		TEST(other_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
