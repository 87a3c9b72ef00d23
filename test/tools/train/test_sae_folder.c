/* tools/train/sae_folder: the folders of SAELens are read, of every architecture and of older
 * versions; what is missing, contradicts itself or is not finite is refused by name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/checked.h"
#include "test/support/support_checkpoint.h"
#include "tools/train/sae_folder.h"
#include "tools/train/sae_folder_save.h"

#define D 3
#define F 4
#define SMALLEST "\"d_in\": 3, \"d_sae\": 4" /* beside the architecture */
#define TOPK "{\"architecture\": \"topk\", \"k\": 2, " SMALLEST "}"

static char folder[256];
/* W_enc [D, F]: element (d, f) is 10 d + f. W_dec [F, D]: element (f, d) is 100 + 10 f + d. */
static float w_enc[D * F], w_dec[F * D];
static const float b_enc[F] = {0.5f, 1.5f, 2.5f, 3.5f}, b_dec[D] = {-1, -2, -3},
		   threshold[F] = {0.25f, 0, 0.75f, 1}, r_mag[F] = {1, 2, 3, 4},
		   b_mag[F] = {5, 6, 7, 8};

static int set_up(void **state)
{
	(void)state;
	for (int d = 0; d < D; d++)
		for (int f = 0; f < F; f++) {
			w_enc[d * F + f] = (float)(10 * d + f);
			w_dec[f * D + d] = (float)(100 + 10 * f + d);
		}
	ck_make_folder(folder, sizeof folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

static void add(ck_model *weights, const char *name, int rank, size_t rows, size_t cols,
		const float *data)
{
	ck_tensor *tensor = ck_add(weights, name, "F32", rank, rows, cols);

	tensor->data = data;
	strcpy(tensor->file, "sae_weights.safetensors");
}

/* What every architecture but gated has. */
static ck_model topk_weights(void)
{
	ck_model weights = {.count = 0};

	add(&weights, "W_enc", 2, D, F, w_enc);
	add(&weights, "W_dec", 2, F, D, w_dec);
	add(&weights, "b_enc", 1, 0, F, b_enc);
	add(&weights, "b_dec", 1, 0, D, b_dec);
	return weights;
}

static void write_folder(const char *cfg, const ck_model *weights)
{
	if (cfg)
		ck_write_text(folder, "cfg.json", cfg);
	ck_write_file(folder, "sae_weights.safetensors", weights);
}

static void load(ps_sae_folder *out, const char *cfg, const ck_model *weights)
{
	ps_diag diag = {{0}};
	int rc;

	write_folder(cfg, weights);
	rc = ps_sae_folder_load(out, folder, &diag);
	if (rc)
		fail_msg("returned %d: %s", rc, diag.text);
}

/* Refused as PS_EINPUT, with both texts in the message, and nothing is held. */
static void refuse(const char *cfg, const ck_model *weights, const char *file, const char *want)
{
	ps_sae_folder out;
	ps_diag diag = {{0}};
	int rc;

	write_folder(cfg, weights);
	rc = ps_sae_folder_load(&out, folder, &diag);
	if (rc != PS_EINPUT || !strstr(diag.text, file) || !strstr(diag.text, want))
		fail_msg("%s: returned %d, '%s'; '%s' is expected", cfg, rc, diag.text, want);
	assert_null(out.arena.base);
}

static void refuse_cfg(const char *cfg, const char *want)
{
	const ck_model weights = topk_weights();

	refuse(cfg, &weights, "cfg.json", want);
}

/* --- what is read --- */

static void check_matrices(const ps_sae *sae)
{
	assert_int_equal(sae->d_in, D);
	assert_int_equal(sae->d_sae, F);
	for (int f = 0; f < F; f++)
		for (int d = 0; d < D; d++) {
			assert_true(sae->enc[f * D + d] == (float)(10 * d + f));
			assert_true(sae->dec[f * D + d] == (float)(100 + 10 * f + d));
		}
	assert_memory_equal(sae->b_dec, b_dec, sizeof b_dec);
}

static void topk_is_read_with_its_encoder_latent_by_latent(void **state)
{
	const ck_model weights = topk_weights();
	ps_sae_folder out;

	(void)state;
	load(&out, TOPK, &weights);
	assert_int_equal(out.sae.arch, PS_SAE_TOPK);
	assert_int_equal(out.sae.k, 2);
	check_matrices(&out.sae);
	assert_memory_equal(out.sae.b_enc, b_enc, sizeof b_enc);
	assert_null(out.sae.threshold);
	assert_null(out.firing);
	assert_null(out.alive);
	ps_sae_folder_close(&out);
	ps_sae_folder_close(&out);
}

static void jumprelu_has_thresholds(void **state)
{
	ck_model weights = topk_weights();
	ps_sae_folder out;

	(void)state;
	refuse("{\"architecture\": \"jumprelu\", " SMALLEST "}", &weights, "sae_weights",
	       "threshold");
	add(&weights, "threshold", 1, 0, F, threshold);
	load(&out, "{\"architecture\": \"jumprelu\", " SMALLEST "}", &weights);
	assert_int_equal(out.sae.arch, PS_SAE_JUMPRELU);
	assert_int_equal(out.sae.k, 0);
	check_matrices(&out.sae);
	assert_memory_equal(out.sae.threshold, threshold, sizeof threshold);
	ps_sae_folder_close(&out);
}

static void standard_is_relu(void **state)
{
	const ck_model weights = topk_weights();
	ps_sae_folder out;

	(void)state;
	load(&out, "{\"architecture\": \"standard\", " SMALLEST "}", &weights);
	assert_int_equal(out.sae.arch, PS_SAE_RELU);
	check_matrices(&out.sae);
	ps_sae_folder_close(&out);
}

static void gated_has_names_of_its_own(void **state)
{
	ck_model weights = topk_weights();
	ps_sae_folder out;

	(void)state;
	refuse("{\"architecture\": \"gated\", " SMALLEST "}", &weights, "sae_weights", "b_gate");
	strcpy(ck_find(&weights, "b_enc")->name, "b_gate");
	add(&weights, "r_mag", 1, 0, F, r_mag);
	refuse("{\"architecture\": \"gated\", " SMALLEST "}", &weights, "sae_weights", "b_mag");
	add(&weights, "b_mag", 1, 0, F, b_mag);
	load(&out, "{\"architecture\": \"gated\", " SMALLEST "}", &weights);
	assert_int_equal(out.sae.arch, PS_SAE_GATED);
	check_matrices(&out.sae);
	assert_memory_equal(out.sae.b_enc, b_enc, sizeof b_enc);
	assert_memory_equal(out.sae.r_mag, r_mag, sizeof r_mag);
	assert_memory_equal(out.sae.b_mag, b_mag, sizeof b_mag);
	ps_sae_folder_close(&out);
}

static void a_folder_of_saelens_6_says_where_it_is_from(void **state)
{
	const ck_model weights = topk_weights();
	ps_sae_folder out;

	(void)state;
	load(&out,
	     "{\"architecture\": \"topk\", \"k\": 3, " SMALLEST ", \"dtype\": \"float32\","
	     " \"device\": \"cpu\", \"apply_b_dec_to_input\": false,"
	     " \"normalize_activations\": \"none\", \"reshape_activations\": \"none\","
	     " \"rescale_acts_by_decoder_norm\": true, \"metadata\": {\"sae_lens_version\":"
	     " \"6.5.1\", \"model_name\": \"gemma3_text\", \"hook_name\":"
	     " \"blocks.13.hook_resid_post\", \"prepend_bos\": true, \"context_size\": 256}}",
	     &weights);
	assert_int_equal(out.sae.k, 3);
	assert_false(out.sae.apply_b_dec_to_input);
	assert_true(out.sae.rescale_by_decoder_norm);
	assert_string_equal(out.about.model_name, "gemma3_text");
	assert_string_equal(out.about.hook_name, "blocks.13.hook_resid_post");
	assert_true(out.about.prepend_bos);
	assert_int_equal(out.about.context_size, 256);
	ps_sae_folder_close(&out);
}

/* Before version 6 what metadata holds stood among the other keys. */
static void a_folder_of_an_older_saelens_says_it_elsewhere(void **state)
{
	const ck_model weights = topk_weights();
	ps_sae_folder out;

	(void)state;
	load(&out,
	     "{\"architecture\": \"standard\", " SMALLEST ", \"hook_name\":"
	     " \"blocks.5.hook_resid_pre\", \"model_name\": \"gpt2\", \"hook_layer\": 5,"
	     " \"context_size\": 128, \"activation_fn_str\": \"relu\", "
	     "\"finetuning_scaling_factor\":"
	     " false, \"sae_lens_training_version\": \"3.20.0\"}",
	     &weights);
	assert_int_equal(out.sae.arch, PS_SAE_RELU);
	assert_true(out.sae.apply_b_dec_to_input);
	assert_false(out.sae.rescale_by_decoder_norm);
	assert_string_equal(out.about.hook_name, "blocks.5.hook_resid_pre");
	assert_string_equal(out.about.model_name, "gpt2");
	assert_int_equal(out.about.context_size, 128);
	assert_true(out.foreign);
	ps_sae_folder_close(&out);
}

/* As SAELens: its default is 100. The width of this SAE is below that, so it is refused by that
 * number. */
static void an_absent_k_is_100(void **state)
{
	(void)state;
	refuse_cfg("{\"architecture\": \"topk\", " SMALLEST "}", "k is 100 with d_sae 4");
}

static void the_digest_tells_folders_apart(void **state)
{
	ck_model weights = topk_weights();
	ps_sae_folder first, again, other;

	(void)state;
	load(&first, TOPK, &weights);
	load(&again, TOPK, &weights);
	assert_true(first.digest == again.digest);
	ps_sae_folder_close(&again);
	load(&other, "{\"architecture\": \"topk\", \"k\": 1, " SMALLEST "}", &weights);
	assert_true(first.digest != other.digest);
	ps_sae_folder_close(&other);
	ck_find(&weights, "b_dec")->data = b_enc;
	load(&other, TOPK, &weights);
	assert_true(first.digest != other.digest);
	ps_sae_folder_close(&other);
	ps_sae_folder_close(&first);
}

/* training.safetensors of another tool's making: firing_count I64 [count]. */
static void write_firing(const int64_t *counts, size_t count)
{
	char path[300], header[128] = {0};
	const uint64_t length = 96;
	FILE *file;

	snprintf(header, sizeof header,
		 "{\"firing_count\":{\"dtype\":\"I64\",\"shape\":[%zu],"
		 "\"data_offsets\":[0,%zu]}}",
		 count, count * sizeof *counts);
	memset(header + strlen(header), ' ', sizeof header - strlen(header));
	snprintf(path, sizeof path, "%s/training.safetensors", folder);
	file = fopen(path, "wb");
	assert_non_null(file);
	fwrite(&length, sizeof length, 1, file);
	fwrite(header, 1, (size_t)length, file);
	fwrite(counts, sizeof *counts, count, file);
	assert_int_equal(fclose(file), 0);
}

static void firing_counts_say_which_latents_are_alive(void **state)
{
	static const int64_t counts[F] = {0, 7, 0, 1};
	const uint8_t alive[F] = {0, 1, 0, 1};
	const ck_model weights = topk_weights();
	ps_sae_folder out;
	char path[300];

	(void)state;
	write_firing(counts, F);
	load(&out, TOPK, &weights);
	assert_memory_equal(out.firing, counts, sizeof counts);
	assert_memory_equal(out.alive, alive, sizeof alive);
	ps_sae_folder_close(&out);
	write_firing(counts, F - 1);
	refuse(TOPK, &weights, "training.safetensors", "firing_count");
	snprintf(path, sizeof path, "%s/training.safetensors", folder);
	assert_int_equal(unlink(path), 0);
}

/* --- what is refused --- */

static void keys_that_are_missing_or_contradict(void **state)
{
	(void)state;
	refuse_cfg("{\"architecture\": \"transcoder\", " SMALLEST "}", "transcoder");
	refuse_cfg("{\"architecture\": 7, " SMALLEST "}", "architecture is 7");
	refuse_cfg("{\"architecture\": \"topk\", \"k\": 2, \"d_in\": 3}", "d_sae is missing");
	refuse_cfg("{\"architecture\": \"topk\", \"k\": 2, \"d_sae\": 4}", "d_in is missing");
	refuse_cfg("{\"architecture\": \"topk\", \"k\": 2, \"d_in\": 3, \"d_sae\": -4}",
		   "d_sae is -4");
	refuse_cfg("{\"architecture\": \"topk\", \"k\": 2, \"d_in\": 3, \"d_sae\": 4294967296}",
		   "d_sae is 4294967296");
	refuse_cfg("{\"architecture\": \"topk\", \"k\": 0, " SMALLEST "}", "k is 0");
	refuse_cfg("{\"architecture\": \"topk\", \"k\": 5, " SMALLEST "}", "k is 5");
	refuse_cfg("{\"architecture\": \"topk\", \"k\": 2, " SMALLEST
		   ", \"normalize_activations\": \"layer_norm\"}",
		   "layer_norm");
	refuse_cfg("{\"architecture\": \"topk\", \"architecture\": \"topk\", " SMALLEST "}",
		   "duplicate");
	refuse_cfg("[]", "not a JSON object");
	refuse_cfg("", "line 1");
	refuse_cfg("\xef\xbb\xbf{}", "UTF-8");
}

static void shapes_other_than_those_of_the_config(void **state)
{
	static const char *const names[] = {"W_enc", "W_dec", "b_enc", "b_dec"};
	static const float ones[F * F];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		ck_model weights = topk_weights();
		ck_tensor *tensor = ck_find(&weights, names[i]);

		tensor->shape[0]++;
		tensor->data = ones;
		refuse(TOPK, &weights, "sae_weights", names[i]);
		weights = topk_weights();
		strcpy(ck_find(&weights, names[i])->name, "another");
		refuse(TOPK, &weights, "sae_weights", names[i]);
		weights = topk_weights();
		ck_find(&weights, names[i])->dtype = "I32";
		refuse(TOPK, &weights, "sae_weights", names[i]);
	}
}

static void numbers_that_are_not_finite(void **state)
{
	float enc[D * F], bias[F];
	ck_model weights = topk_weights();

	(void)state;
	memcpy(enc, w_enc, sizeof enc);
	enc[1 * F + 2] = NAN;
	ck_find(&weights, "W_enc")->data = enc;
	refuse(TOPK, &weights, "sae_weights", "W_enc holds nan at row 1, column 2 (offset ");
	weights = topk_weights();
	memcpy(bias, b_enc, sizeof bias);
	bias[3] = -INFINITY;
	ck_find(&weights, "b_enc")->data = bias;
	refuse(TOPK, &weights, "sae_weights", "b_enc holds -inf at element 3 (offset ");
}

/* Before memory is planned for it. */
static void a_file_too_short_for_its_config(void **state)
{
	const char *const huge =
		"{\"architecture\": \"topk\", \"k\": 2, \"d_in\": 2000000, \"d_sae\": 2000000}";
	const ck_model weights = topk_weights();
	ps_diag diag = {{0}};
	ps_sae shape;
	size_t bytes;

	(void)state;
	refuse(huge, &weights, "sae_weights", "too short");
	assert_int_equal(ps_sae_folder_measure(folder, &shape, &bytes, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "too short"));
}

static void a_measure_is_what_a_load_takes(void **state)
{
	const ck_model weights = topk_weights();
	ps_sae_folder out;
	ps_sae shape;
	size_t bytes;

	(void)state;
	load(&out, TOPK, &weights);
	assert_int_equal(ps_sae_folder_measure(folder, &shape, &bytes, NULL), 0);
	assert_int_equal(shape.arch, PS_SAE_TOPK);
	assert_int_equal(shape.d_in, D);
	assert_int_equal(shape.d_sae, F);
	assert_int_equal(shape.k, 2);
	assert_int_equal(bytes, out.arena.size_bytes);
	ps_sae_folder_close(&out);
}

/* Writes an SAE of ours at path, with its manifest. first: its first bias. */
static void save_ours(const char *path, float first, bool finish)
{
	json_t *provenance = json_pack("{s:s}", "command", "test");
	const uint64_t firing[F] = {1, 0, 2, 3};
	const ps_sae_about about = {.hook_name = "hook"};
	ps_folder *out;
	ps_arena arena;
	ps_sae sae;
	bool done;

	assert_int_equal(ps_arena_create(&arena, ps_sae_bytes(D, F), NULL), 0);
	assert_int_equal(ps_sae_create(&sae, PS_SAE_TOPK, D, F, 2, &arena, NULL), 0);
	sae.b_enc[0] = first;
	assert_int_equal(ps_folder_begin(&out, &ps_sys_linux,
					 &(ps_folder_spec){.path = path,
							   .kind = "sae",
							   .provenance = provenance,
							   .replace = true},
					 &done, NULL),
			 0);
	assert_int_equal(ps_sae_folder_save(out,
					    &(ps_sae_written){.sae = &sae,
							      .about = &about,
							      .firing = firing,
							      .provenance = provenance,
							      .why = "it is made so"},
					    NULL),
			 0);
	if (finish)
		assert_int_equal(ps_folder_finish(out, NULL, NULL), 0);
	ps_folder_close(out);
	ps_arena_destroy(&arena);
	json_decref(provenance);
}

static void refuse_ours(const char *path, const char *want)
{
	ps_sae_folder out;
	ps_diag diag = {{0}};
	int rc = ps_sae_folder_load(&out, path, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
}

/* Puts the file of one SAE into the folder of the other. */
static void move(const char *from, const char *to, const char *name)
{
	char source[400], target[400];

	snprintf(source, sizeof source, "%s/%s", from, name);
	snprintf(target, sizeof target, "%s/%s", to, name);
	assert_int_equal(rename(source, target), 0);
}

static void files_of_ours_must_be_those_of_the_manifest(void **state)
{
	static const char *const names[] = {"sae_weights.safetensors", "training.safetensors",
					    "cfg.json"};
	char one[300], other[300], path[400];
	ps_sae_folder out;
	ps_sae shape;
	size_t bytes;

	(void)state;
	snprintf(one, sizeof one, "%s/one", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	for (size_t i = 0; i < 3; i++) {
		save_ours(one, 1, true);
		assert_int_equal(ps_sae_folder_load(&out, one, NULL), 0);
		ps_sae_folder_close(&out);
		save_ours(other, 2, true);
		move(other, one, names[i]);
		if (i == 0) /* the other two are equal */
			refuse_ours(one, "sae_weights.safetensors: is not the file");
		snprintf(path, sizeof path, "%s/%s", one, names[i]);
		assert_int_equal(unlink(path), 0);
		refuse_ours(one, names[i]);
	}
	save_ours(one, 1, true);
	ck_write_text(one, "cfg.json", TOPK);
	refuse_ours(one, "cfg.json");
	assert_int_equal(ps_sae_folder_measure(one, &shape, &bytes, NULL), PS_EINPUT);
	/* Without a manifest it is another tool's. */
	snprintf(path, sizeof path, "%s/" PS_MANIFEST, one);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ps_sae_folder_load(&out, one, NULL), 0);
	ps_sae_folder_close(&out);
}

static void an_unfinished_sae_is_refused(void **state)
{
	char one[300];

	(void)state;
	snprintf(one, sizeof one, "%s/unfinished", folder);
	save_ours(one, 1, false);
	refuse_ours(one, "not finished");
}

static void files_that_are_not_there(void **state)
{
	const ck_model weights = topk_weights();
	char path[300];

	(void)state;
	write_folder(TOPK, &weights);
	snprintf(path, sizeof path, "%s/cfg.json", folder);
	assert_int_equal(unlink(path), 0);
	refuse(NULL, &weights, "cfg.json", "cfg.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topk_is_read_with_its_encoder_latent_by_latent),
		cmocka_unit_test(jumprelu_has_thresholds),
		cmocka_unit_test(standard_is_relu),
		cmocka_unit_test(gated_has_names_of_its_own),
		cmocka_unit_test(a_folder_of_saelens_6_says_where_it_is_from),
		cmocka_unit_test(a_folder_of_an_older_saelens_says_it_elsewhere),
		cmocka_unit_test(an_absent_k_is_100),
		cmocka_unit_test(the_digest_tells_folders_apart),
		cmocka_unit_test(firing_counts_say_which_latents_are_alive),
		cmocka_unit_test(keys_that_are_missing_or_contradict),
		cmocka_unit_test(shapes_other_than_those_of_the_config),
		cmocka_unit_test(numbers_that_are_not_finite),
		cmocka_unit_test(a_file_too_short_for_its_config),
		cmocka_unit_test(a_measure_is_what_a_load_takes),
		cmocka_unit_test(files_of_ours_must_be_those_of_the_manifest),
		cmocka_unit_test(an_unfinished_sae_is_refused),
		cmocka_unit_test(files_that_are_not_there),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
