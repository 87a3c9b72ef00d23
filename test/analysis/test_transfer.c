/* analysis/transfer and analysis/firing against numpy, over rows in memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/firing.h"
#include "analysis/transfer.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

enum { WIDTH = 12, LATENTS = 40, ACTIVE = 5, ROWS = 1500, WINDOWS = 23 };
#define LIMIT 5e-8 /* f32 rows through an f32 dictionary */

/* As generate.py's transfer() makes it. */
static struct {
	float enc[LATENTS * WIDTH], dec[LATENTS * WIDTH], b_enc[LATENTS], b_dec[WIDTH];
	float dense[ROWS * WIDTH], pruned[ROWS * WIDTH];
	int32_t tokens[ROWS], other_tokens[ROWS], windows[ROWS];
	uint64_t words[(ROWS / PS_ROW_BLOCK + 1) * (PS_ROW_BLOCK / 64 + 1)];
} data;

static const ps_sae sae = {.arch = PS_SAE_TOPK,
			   .d_in = WIDTH,
			   .d_sae = LATENTS,
			   .k = ACTIVE,
			   .apply_b_dec_to_input = true,
			   .enc = data.enc,
			   .dec = data.dec,
			   .b_enc = data.b_enc,
			   .b_dec = data.b_dec};
static const ps_bootstrap plan = {.replicates = 100, .confidence = 0.95, .seed = 31};

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	const float *rows = self;

	(void)diag;
	for (size_t i = 0; i < count; i++)
		memcpy(out + i * WIDTH, rows + ids[i] * WIDTH, WIDTH * sizeof *out);
	return 0;
}

static void take(const int32_t *values, const uint64_t *ids, size_t count, int32_t *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = values[ids[i]];
}

static void column(void *self, ps_row_column which, const uint64_t *ids, size_t count, int32_t *out)
{
	(void)self;
	take(which == PS_ROW_TOKEN_ID ? data.tokens : data.windows, ids, count, out);
}

static void other_column(void *self, ps_row_column which, const uint64_t *ids, size_t count,
			 int32_t *out)
{
	(void)self;
	take(which == PS_ROW_TOKEN_ID ? data.other_tokens : data.windows, ids, count, out);
}

static ps_row_source source_of(float *rows, const int32_t *tokens)
{
	return (ps_row_source){.self = rows,
			       .rows = ROWS,
			       .width = WIDTH,
			       .gather = gather,
			       .columns = 1 << PS_ROW_TOKEN_ID | 1 << PS_ROW_WINDOW_ID,
			       .column = tokens == data.tokens ? column : other_column};
}

static ps_row_list fill(void)
{
	static float noise[ROWS * WIDTH];

	memset(data.words, 0, sizeof data.words);
	assert_true(ps_row_list_words(ROWS) <= sizeof data.words / sizeof *data.words);
	analysis_fill_matrix(data.enc, LATENTS * WIDTH, 900, 0);
	analysis_fill_matrix(data.dec, LATENTS * WIDTH, 901, 0);
	analysis_fill_matrix(data.b_enc, LATENTS, 902, 0);
	analysis_fill_matrix(data.b_dec, WIDTH, 903, 0);
	analysis_fill_matrix(data.dense, ROWS * WIDTH, 904, 0);
	analysis_fill_matrix(noise, ROWS * WIDTH, 905, 0);
	for (size_t i = 0; i < ROWS * WIDTH; i++) {
		data.dense[i] *= 4;
		data.pruned[i] = data.dense[i] + 1.5f * noise[i];
	}
	for (int r = 0; r < ROWS; r++) {
		data.tokens[r] = data.other_tokens[r] = r % 97;
		data.windows[r] = r * 7919 % WINDOWS * 3 + 5;
		if (r % 11)
			data.words[r / 64] |= (uint64_t)1 << r % 64;
	}
	return ps_row_list_make(data.words, ROWS);
}

static int run(const ps_row_source *dense, const ps_row_source *pruned, const ps_row_list *rows,
	       int threads, ps_diag *diag, ps_transfer *out)
{
	analysis_bench bench;
	ps_arena arena;
	ps_clusters clusters;
	int rc;

	analysis_open(&bench, threads);
	assert_int_equal(ps_arena_create(&arena,
					 ps_clusters_bytes(ROWS) +
						 ps_transfer_bytes(&sae, WINDOWS, &plan, threads),
					 &bench.diag),
			 0);
	assert_int_equal(ps_clusters_of_windows(dense, rows, &arena, &bench.diag, &clusters), 0);
	assert_int_equal(clusters.count, WINDOWS);
	rc = ps_transfer_run(&(ps_transfer_input){.sae = &sae,
						  .dense = dense,
						  .pruned = pruned,
						  .rows = rows,
						  .clusters = &clusters},
			     &plan, &bench.context, &arena, out);
	*diag = bench.diag;
	ps_arena_destroy(&arena);
	analysis_close(&bench);
	return rc;
}

static void overlap_and_reconstruction_equal_numpys(void **state)
{
	const ps_row_list rows = fill();
	const ps_row_source dense = source_of(data.dense, data.tokens),
			    pruned = source_of(data.pruned, data.tokens);
	double golden[25];
	closeness c = {0};
	ps_transfer out;
	ps_diag diag = {{0}};

	(void)state;
	analysis_golden("transfer", golden, 25);
	assert_int_equal(run(&dense, &pruned, &rows, 2, &diag, &out), 0);
	assert_int_equal(out.rows, rows.count);
	analysis_add_interval(&c, "jaccard", &out.jaccard, golden);
	analysis_add_interval(&c, "cosine", &out.cosine, golden + 3);
	analysis_add_interval(&c, "fvu of the dense rows", &out.fvu_dense, golden + 6);
	analysis_add_interval(&c, "fvu of the pruned rows", &out.fvu_pruned, golden + 9);
	analysis_add_interval(&c, "change of fvu", &out.fvu_change, golden + 12);
	analysis_add_interval(&c, "l0 of the dense rows", &out.l0_dense, golden + 15);
	analysis_add_interval(&c, "l0 of the pruned rows", &out.l0_pruned, golden + 18);
	analysis_add_interval(&c, "change of l0", &out.l0_change, golden + 21);
	closeness_add_named(&c, "jaccard by chance", out.jaccard_chance, golden[24], 1);
	assert_closeness(&c, "measures", LIMIT);
	assert_true(out.empty_rows == 0 && out.jaccard.unit == PS_UNIT_WINDOWS);
}

/* Every third row lies where no latent is active. */
static void rows_without_latents_are_left_out_and_counted(void **state)
{
	const ps_row_list rows = fill();
	const ps_row_source dense = source_of(data.dense, data.tokens);
	size_t empty = 0;
	ps_transfer out;
	ps_diag diag = {{0}};

	(void)state;
	for (size_t j = 0; j < LATENTS; j++)
		data.b_enc[j] = -0.01f;
	for (size_t r = 0; r < ROWS; r += 3) {
		memcpy(data.dense + r * WIDTH, data.b_dec, sizeof data.b_dec);
		empty += r % 11 != 0;
	}
	assert_int_equal(run(&dense, &dense, &rows, 2, &diag, &out), 0);
	assert_int_equal(out.empty_rows, empty);
	assert_true(out.jaccard.estimate == 1 && out.jaccard_chance > 0 &&
		    out.jaccard_chance < 0.5);
	for (size_t j = 0; j < LATENTS; j++)
		data.b_enc[j] = -1e6f;
	assert_int_equal(run(&dense, &dense, &rows, 2, &diag, &out), 0);
	assert_true(out.empty_rows == rows.count && isnan(out.jaccard.estimate) &&
		    isnan(out.jaccard_chance) && out.jaccard.why == PS_WHY_UNDEFINED);
}

static void a_model_agrees_with_itself(void **state)
{
	const ps_row_list rows = fill();
	const ps_row_source dense = source_of(data.dense, data.tokens);
	ps_transfer out;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(run(&dense, &dense, &rows, 1, &diag, &out), 0);
	assert_true(out.jaccard.estimate == 1 && out.jaccard.why == PS_WHY_CONSTANT &&
		    isnan(out.jaccard.low));
	assert_true(out.fvu_change.estimate == 0 && out.l0_change.why == PS_WHY_CONSTANT);
	assert_near(out.cosine.estimate, 1, 1e-15);
}

static void threads_do_not_change_a_bit(void **state)
{
	const ps_row_list rows = fill();
	const ps_row_source dense = source_of(data.dense, data.tokens),
			    pruned = source_of(data.pruned, data.tokens);
	ps_transfer one, three;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(run(&dense, &pruned, &rows, 1, &diag, &one), 0);
	assert_int_equal(run(&dense, &pruned, &rows, 3, &diag, &three), 0);
	assert_memory_equal(&one, &three, sizeof one);
}

static void other_texts_and_shapes_are_refused(void **state)
{
	const ps_row_list rows = fill();
	const ps_row_source dense = source_of(data.dense, data.tokens);
	ps_row_source pruned = source_of(data.pruned, data.other_tokens);
	ps_transfer out;
	ps_diag diag = {{0}};

	(void)state;
	data.other_tokens[1000] = 5000;
	assert_int_equal(run(&dense, &pruned, &rows, 1, &diag, &out), PS_EINPUT);
	assert_non_null(strstr(diag.text, "row 1000 is token 30 in the dense cache and 5000"));
	pruned.columns = 1 << PS_ROW_WINDOW_ID;
	assert_int_equal(run(&dense, &pruned, &rows, 1, &diag, &out), PS_EINPUT);
	assert_non_null(strstr(diag.text, "pruned cache does not say its token ids"));
	pruned = source_of(data.pruned, data.tokens);
	pruned.rows--;
	assert_int_equal(run(&dense, &pruned, &rows, 1, &diag, &out), PS_EINPUT);
	pruned = source_of(data.pruned, data.tokens);
	pruned.width = 8;
	assert_int_equal(run(&dense, &pruned, &rows, 1, &diag, &out), PS_EINPUT);
}

static int failing_gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	(void)self;
	(void)count;
	(void)out;
	return ids[0] > 700 ? ps_fail(diag, PS_EINPUT, "shard 3 is corrupt") : 0;
}

static void a_source_that_fails_is_passed_on(void **state)
{
	const ps_row_list rows = fill();
	const ps_row_source dense = source_of(data.dense, data.tokens);
	ps_row_source pruned = source_of(data.pruned, data.tokens);
	ps_transfer out;
	ps_diag diag = {{0}};

	(void)state;
	pruned.gather = failing_gather;
	assert_int_equal(run(&dense, &pruned, &rows, 2, &diag, &out), PS_EINPUT);
	assert_string_equal(diag.text, "shard 3 is corrupt");
}

static void firing_is_counted_by_window(void **state)
{
	const ps_row_list rows = fill();
	const ps_row_source dense = source_of(data.dense, data.tokens);
	double golden[3 * LATENTS];
	closeness activations = {0};
	analysis_bench bench;
	ps_arena arena;
	ps_clusters clusters;
	ps_firing firing;

	(void)state;
	analysis_golden("firing", golden, 3 * LATENTS);
	analysis_open(&bench, 2);
	assert_int_equal(
		ps_arena_create(&arena, ps_clusters_bytes(ROWS) + ps_firing_bytes(&sae, WINDOWS, 2),
				&bench.diag),
		0);
	assert_int_equal(ps_clusters_of_windows(&dense, &rows, &arena, &bench.diag, &clusters), 0);
	assert_int_equal(
		ps_firing_count(&sae, &dense, &rows, &clusters, &bench.context, &arena, &firing),
		0);
	for (size_t j = 0; j < LATENTS; j++) {
		uint64_t sum = 0;

		for (size_t c = 0; c < WINDOWS; c++)
			sum += firing.counts[c * LATENTS + j];
		assert_int_equal(firing.total[j], golden[j]);
		assert_int_equal(sum, golden[j]);
		closeness_add_named(&activations, "sum", firing.activation[j], golden[LATENTS + j],
				    fmax(1, golden[LATENTS + j]));
		closeness_add_named(&activations, "peak", firing.peak[j], golden[2 * LATENTS + j],
				    fmax(1, golden[2 * LATENTS + j]));
	}
	assert_closeness(&activations, "activations", 1e-6);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static void from_self(void *self, ps_row_column which, const uint64_t *ids, size_t count,
		      int32_t *out)
{
	assert_int_equal(which, PS_ROW_WINDOW_ID);
	take(self, ids, count, out);
}

static void windows_become_clusters_in_order_of_their_ids(void **state)
{
	static const int32_t windows[8] = {7, -2, 7, 9, 2000000000, -2, 9, 7};
	uint64_t words[PS_ROW_BLOCK / 64 + 1] = {1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 |
						 1 << 7};
	static const uint32_t expected[6] = {1, 0, 1, 2, 0, 1};
	ps_row_source source = {.self = (void *)(uintptr_t)windows,
				.rows = 8,
				.columns = 1 << PS_ROW_WINDOW_ID,
				.column = from_self};
	const ps_row_list rows = ps_row_list_make(words, 8);
	ps_diag diag = {{0}};
	ps_arena arena;
	ps_clusters clusters;

	(void)state;
	assert_int_equal(ps_arena_create(&arena, ps_clusters_bytes(6), &diag), 0);
	assert_int_equal(ps_clusters_of_windows(&source, &rows, &arena, &diag, &clusters), 0);
	assert_int_equal(clusters.count, 3);
	assert_memory_equal(clusters.of_row, expected, sizeof expected);
	ps_arena_rewind(&arena, 0);
	source.rows = 7;
	assert_int_equal(ps_clusters_of_windows(&source, &rows, &arena, &diag, &clusters),
			 PS_EINPUT);
	ps_arena_rewind(&arena, 0);
	source.columns = 0;
	assert_int_equal(ps_clusters_of_windows(&source, &rows, &arena, &diag, &clusters),
			 PS_EINPUT);
	ps_arena_destroy(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlap_and_reconstruction_equal_numpys),
		cmocka_unit_test(rows_without_latents_are_left_out_and_counted),
		cmocka_unit_test(a_model_agrees_with_itself),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(other_texts_and_shapes_are_refused),
		cmocka_unit_test(a_source_that_fails_is_passed_on),
		cmocka_unit_test(firing_is_counted_by_window),
		cmocka_unit_test(windows_become_clusters_in_order_of_their_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
