/* Dictionaries of other tools (test/fixtures/dictionaries): latents and reconstructions are those
 * of SAELens' loaders, or of sparsify, to 1e-6; their place is read from files and path; what does
 * not belong to the format is refused by name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/safetensors.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_npz.h"
#include "test/support/support_sae.h"
#include "tools/train/sae_folder.h"

#define FIXTURES "test/fixtures/dictionaries/"
#define ROWS_FILE "test/fixtures/saelens/rows/shard.safetensors"
#define BOUND 1e-6

enum { ROWS = 96, D = 8, F = 32 };

static const struct fixture {
	const char *name, *folder, *hook, *model;
	bool hook_from_path, model_from_path;
} fixtures[] = {
	{"gemma-scope", "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71",
	 "blocks.20.hook_resid_post", "google/gemma-2-2b", true, true},
	{"gemma-scope-deflated", "gemma-scope-2b-pt-res/layer_3/width_16k/average_l0_59",
	 "blocks.3.hook_resid_post", "google/gemma-2-2b", true, true},
	{"gemma-scope-fortran", "gemma-scope-2b-pt-res/layer_3/width_16k/average_l0_13",
	 "blocks.3.hook_resid_post", "google/gemma-2-2b", true, true},
	{"gemma-scope-2", "gemma-scope-2-270m-pt/resid_post/layer_2_width_32_l0_small",
	 "model.layers.2.output", "google/gemma-3-270m", false, false},
	{"gemma-scope-2-bare", "gemma-scope-2-270m-pt/resid_post_all/layer_5_width_32_l0_big",
	 "blocks.5.hook_resid_post", "google/gemma-3-270m", true, true},
	{"llama-scope", "Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L3R-8x",
	 "blocks.3.hook_resid_post", "Llama-3.1-8B", false, true},
	{"llama-scope-f32", "Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x",
	 "blocks.15.hook_resid_post", "Llama-3.1-8B", false, true},
	{"sparsify", "sparsify-run/layers.3", "layers.3", "organisation/tiny-llama", true, false},
	{"sparsify-latents", "sparsify-run/layers.2", "layers.2", "organisation/tiny-llama", true,
	 false},
};
enum { FIXTURE_COUNT = sizeof fixtures / sizeof *fixtures };

static char folder[256];

static int set_up(void **state)
{
	(void)state;
	ck_make_folder(folder, sizeof folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

/* --- as the tools that wrote them --- */

static const float *tensor_of(ps_safetensors *file, const char *path, const char *name,
			      uint64_t cols)
{
	const uint64_t shape[2] = {ROWS, cols};
	const ps_tensor_info *tensor;

	assert_int_equal(ps_safetensors_open(file, &ps_sys_linux, path, NULL), 0);
	assert_int_equal(ps_safetensors_expect(file, name, PS_F32, 2, shape, &tensor, NULL), 0);
	return ps_safetensors_data(file, tensor);
}

static void compare_fixture(const struct fixture *fixture)
{
	static float latents[ROWS * F], x_hat[ROWS * D], x[ROWS * D];
	ps_safetensors rows, first, second;
	ps_sae_folder out;
	ps_diag diag = {{0}};
	char path[512];
	double error[2];

	snprintf(path, sizeof path, FIXTURES "%s", fixture->folder);
	if (ps_sae_folder_load(&out, path, &diag))
		fail_msg("%s: %s", fixture->name, diag.text);
	memcpy(x, tensor_of(&rows, ROWS_FILE, "activations", D), sizeof x);
	run_sae(&out.sae, x, ROWS, latents, x_hat);
	snprintf(path, sizeof path, FIXTURES "expect/%s.safetensors", fixture->name);
	error[0] = largest_error_of_rows(latents, tensor_of(&first, path, "latents", F), ROWS, F);
	error[1] = largest_error_of_rows(x_hat, tensor_of(&second, path, "reconstruction", D), ROWS,
					 D);
	printf("%s: latents differ by %.2g, reconstructions by %.2g\n", fixture->name, error[0],
	       error[1]);
	assert_true(error[0] <= BOUND && error[1] <= BOUND);
	ps_safetensors_close(&rows);
	ps_safetensors_close(&first);
	ps_safetensors_close(&second);
	ps_sae_folder_close(&out);
}

static void latents_and_reconstructions(void **state)
{
	(void)state;
	for (int i = 0; i < FIXTURE_COUNT; i++)
		compare_fixture(&fixtures[i]);
}

static void places_and_shapes(void **state)
{
	(void)state;
	for (int i = 0; i < FIXTURE_COUNT; i++) {
		const struct fixture *fixture = &fixtures[i];
		ps_sae_about about;
		ps_sae shape;
		size_t bytes;
		char path[512];
		bool foreign;

		snprintf(path, sizeof path, FIXTURES "%s", fixture->folder);
		assert_int_equal(ps_sae_folder_about(path, &about, &foreign, NULL), 0);
		assert_true(foreign);
		assert_string_equal(about.hook_name, fixture->hook);
		assert_string_equal(about.model_name, fixture->model);
		assert_int_equal(about.hook_from_path, fixture->hook_from_path);
		assert_int_equal(about.model_from_path, fixture->model_from_path);
		assert_int_equal(ps_sae_folder_measure(path, &shape, &bytes, NULL), 0);
		assert_int_equal(shape.d_in, D);
		assert_int_equal(shape.d_sae, F);
		assert_true(bytes >= ps_sae_bytes(D, F));
	}
}

/* --- what is refused --- */

/* The files of a dictionary, written into the scratch folder anew. */
static void clear(void)
{
	ck_remove_folder(folder);
	ck_make_folder(folder, sizeof folder);
}

static void refused(const char *file, const char *want)
{
	ps_sae_folder out;
	ps_diag diag = {{0}};
	int rc = ps_sae_folder_load(&out, folder, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, file) || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; '%s: ... %s' is expected", rc, diag.text, file, want);
	assert_null(out.arena.base);
}

static int remove_file(const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return remove(path);
}

static void mkdir_in(const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(mkdir(path, 0777), 0);
}

static void loads(void)
{
	ps_sae_folder out;
	ps_diag diag = {{0}};

	if (ps_sae_folder_load(&out, folder, &diag))
		fail_msg("%s", diag.text);
	ps_sae_folder_close(&out);
}

/* A sound tensor of 2 inputs and 3 latents. */
static const float numbers[6] = {0.5f, 1, 1.5f, 2, 2.5f, 3};

static void add(ck_model *weights, const char *file, const char *name, int rank, size_t rows,
		size_t cols)
{
	ck_tensor *tensor = ck_add(weights, name, "F32", rank, rows, cols);

	tensor->data = numbers;
	strcpy(tensor->file, file);
}

/* --- sparsify --- */

#define SPARSIFY "sae.safetensors"

static ck_model sparsify_weights(void)
{
	ck_model weights = {.count = 0};

	add(&weights, SPARSIFY, "encoder.weight", 2, 3, 2);
	add(&weights, SPARSIFY, "encoder.bias", 1, 0, 3);
	add(&weights, SPARSIFY, "W_dec", 2, 3, 2);
	add(&weights, SPARSIFY, "b_dec", 1, 0, 2);
	return weights;
}

static void refuse_sparsify(const char *cfg, const char *want)
{
	ck_write_text(folder, "cfg.json", cfg);
	refused("cfg.json", want);
}

static void sparsify_configs(void **state)
{
	const ck_model weights = sparsify_weights();

	(void)state;
	clear();
	ck_write_file(folder, SPARSIFY, &weights);
	ck_write_text(folder, "cfg.json", "{\"d_in\": 2, \"num_latents\": 3, \"k\": 1}");
	loads();
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1, \"transcode\": true}",
			"transcode is true");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1, \"skip_connection\": true}",
			"skip_connection is true");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1, \"signed\": true}",
			"signed is true");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1, \"signed\": 0}",
			"signed is 0: it must be true or false");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1, \"activation\": \"groupmax\"}",
			"activation is \"groupmax\"");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1, \"alpha\": 1}",
			"alpha is 1: no version of sparsify");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 4}", "k is 4 with 3 latents");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3}", "k is 32 with 3 latents");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1.0}", "k is 1.0");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": -3, \"k\": 1}", "num_latents is -3");
	refuse_sparsify("{\"num_latents\": 3, \"k\": 1}", "d_in is missing");
	refuse_sparsify("{\"d_in\": 2147483647, \"expansion_factor\": 2147483647, \"k\": 1}",
			"latents");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 4294967296}", "k is 4294967296");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": \"3\", \"k\": 1}", "num_latents is \"3\"");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1, \"activation\": 1}",
			"activation is 1: it must be a text");
	refuse_sparsify("{\"d_in\": 2, \"num_latents\": 3, \"k\": 1,"
			" \"activation\": \"topk and some more words\"}",
			"it must be a text, and not so long");
	refuse_sparsify("{\"d_in\": 2, \"expansion_factor\": \"\", \"k\": 1}",
			"expansion_factor is \"\"");
	refuse_sparsify("[]", "not a JSON object");
	refuse_sparsify("{", "line 1");
	assert_int_equal(remove_file("cfg.json"), 0);
	mkdir_in("cfg.json");
	refused("cfg.json", "is a folder, not a file");
}

/* num_latents counts if it is there and not 0; the words of both versions are known. */
static void sparsify_defaults(void **state)
{
	const ck_model weights = sparsify_weights();

	(void)state;
	clear();
	ck_write_file(folder, SPARSIFY, &weights);
	ck_write_text(folder, "cfg.json",
		      "{\"d_in\": 2, \"num_latents\": 3, \"expansion_factor\": 7, \"k\": 1,"
		      " \"activation\": null, \"multi_topk\": false, \"normalize_decoder\": true}");
	loads();
	ck_write_text(folder, "cfg.json", "{\"d_in\": 2, \"num_latents\": 0, \"k\": 1}");
	refused(SPARSIFY, "encoder.weight: dimension 0 is 3, must be 64");
	ck_write_text(folder, "cfg.json", "{\"d_in\": 2, \"k\": 1, \"expansion_factor\": 2}");
	refused(SPARSIFY, "encoder.weight: dimension 0 is 3, must be 4");
}

/* The folder's name is a hook where it is the name of a module; the run's file names the model. */
static void sparsify_places(void **state)
{
	static const struct {
		const char *name, *hook;
	} all[] = {
		{"layers.3", "layers.3"}, {"layers_4", "layers.4"}, {"h.5", "h.5"}, {"run-7", ""}};
	const ck_model weights = sparsify_weights();
	char base[256];

	(void)state;
	clear();
	strcpy(base, folder);
	ck_write_text(base, "config.json", "{\"model\": \"org/model\"}");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		ps_sae_about about;
		bool foreign;

		snprintf(folder, sizeof folder, "%.200s/%s", base, all[i].name);
		assert_int_equal(mkdir(folder, 0777), 0);
		ck_write_file(folder, SPARSIFY, &weights);
		ck_write_text(folder, "cfg.json", "{\"d_in\": 2, \"num_latents\": 3, \"k\": 1}");
		assert_int_equal(ps_sae_folder_about(folder, &about, &foreign, NULL), 0);
		assert_string_equal(about.hook_name, all[i].hook);
		assert_int_equal(about.hook_from_path, *all[i].hook != 0);
		assert_string_equal(about.model_name, "org/model");
	}
	ck_write_text(base, "config.json", "{\"model\": [\"org/model\"]}");
	refused("config.json", "model is [\"org/model\"]: it must be a text");
	ck_write_text(base, "config.json", "no JSON");
	refused("config.json", "line 1");
	strcpy(folder, base);
}

static void sparsify_tensors(void **state)
{
	static const float bad[6] = {0.5f, 1, NAN, 2, 2.5f, 3};
	ck_model weights = sparsify_weights();

	(void)state;
	clear();
	ck_write_text(folder, "cfg.json", "{\"d_in\": 2, \"num_latents\": 3, \"k\": 1}");
	add(&weights, SPARSIFY, "W_skip", 2, 2, 2);
	ck_write_file(folder, SPARSIFY, &weights);
	refused(SPARSIFY, "tensor W_skip does not belong");
	weights = sparsify_weights();
	ck_remove(&weights, "b_dec");
	ck_write_file(folder, SPARSIFY, &weights);
	refused(SPARSIFY, "has no tensor b_dec");
	weights = sparsify_weights();
	weights.tensors[2].data = bad;
	ck_write_file(folder, SPARSIFY, &weights);
	refused(SPARSIFY, "W_dec holds nan at row 1, column 0 (offset ");
	weights = sparsify_weights();
	ck_write_file(folder, SPARSIFY, &weights);
	ck_write_text(folder, "cfg.json", "{\"d_in\": 3, \"num_latents\": 2, \"k\": 1}");
	refused(SPARSIFY, "encoder.weight: dimension 0 is 3, must be 2");
}

/* --- Gemma Scope --- */

static uint8_t archive[1 << 14];

struct array {
	const char *name, *shape;
	const float *values;
	size_t count;
};

static void write_npz(const struct array *arrays, size_t count)
{
	static uint8_t bytes[8][512];
	struct npz_entry entries[8];
	char path[512], dictionary[128];
	FILE *out;
	size_t length;

	for (size_t i = 0; i < count; i++) {
		snprintf(entries[i].name, sizeof entries[i].name, "%s.npy", arrays[i].name);
		snprintf(dictionary, sizeof dictionary,
			 "{'descr': '<f4', 'fortran_order': False, 'shape': %s}", arrays[i].shape);
		entries[i].bytes = bytes[i];
		entries[i].length = npz_array(dictionary, arrays[i].values, arrays[i].count,
					      bytes[i], sizeof bytes[i]);
	}
	length = npz_write(entries, count, archive, sizeof archive);
	snprintf(path, sizeof path, "%s/params.npz", folder);
	out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(archive, 1, length, out), length);
	assert_int_equal(fclose(out), 0);
}

#define GEMMA                                                                                      \
	{"W_enc", "(2, 3)", numbers, 6}, {"W_dec", "(3, 2)", numbers, 6},                          \
		{"b_enc", "(3,)", numbers, 3},                                                     \
	{                                                                                          \
		"b_dec", "(2,)", numbers, 2                                                        \
	}

static void gemma_scope_arrays(void **state)
{
	static const float negative[3] = {0.5f, -0.25f, 1}, infinite[3] = {0.5f, INFINITY, 1},
			   two[3] = {1, 1, 2};
	const struct array good[] = {GEMMA, {"threshold", "(3,)", numbers, 3}}, without[] = {GEMMA},
			   another[] = {GEMMA,
					{"threshold", "(3,)", numbers, 3},
					{"x", "(1,)", numbers, 1}},
			   below[] = {GEMMA, {"threshold", "(3,)", negative, 3}},
			   beyond[] = {GEMMA, {"threshold", "(3,)", infinite, 3}},
			   scaled[] = {GEMMA,
				       {"threshold", "(3,)", numbers, 3},
				       {"scaling_factor", "(3,)", two, 3}},
			   scalar[] = {GEMMA, {"threshold", "()", numbers, 1}};

	(void)state;
	clear();
	write_npz(good, 5);
	loads();
	write_npz(without, 4);
	refused("params.npz", "has no tensor threshold");
	write_npz(another, 6);
	refused("params.npz", "tensor x does not belong");
	write_npz(below, 5);
	refused("params.npz", "threshold holds -0.25 at element 1");
	write_npz(beyond, 5);
	refused("params.npz", "threshold holds inf at element 1");
	write_npz(scaled, 6);
	refused("params.npz", "scaling_factor holds other numbers than 1");
	write_npz(scalar, 5);
	refused("params.npz", "threshold: has 0 dimensions, must have 1");
}

static void paths_that_are_not_read(void **state)
{
	const struct array good[] = {GEMMA, {"threshold", "(3,)", numbers, 3}};
	char inner[300], base[256];

	(void)state;
	clear();
	strcpy(base, folder);
	snprintf(inner, sizeof inner, "%s/embedding", base);
	mkdir(inner, 0777);
	strcpy(folder, inner);
	write_npz(good, 5);
	refused("embedding", "an SAE of the embedding");
	strcpy(folder, base);
	snprintf(inner, sizeof inner, "%s/gemma-scope-2b-pt-transcoders", base);
	mkdir(inner, 0777);
	strcpy(folder, inner);
	write_npz(good, 5);
	refused("transcoders", "a transcoder");
	strcpy(folder, base);
}

/* --- Gemma Scope 2 --- */

#define PARAMS "params.safetensors"

static void refuse_gemma_2(const char *config, const char *want)
{
	ck_write_text(folder, "config.json", config);
	refused("config.json", want);
}

static ck_model gemma_2_weights(void)
{
	ck_model weights = {.count = 0};

	add(&weights, PARAMS, "w_enc", 2, 2, 3);
	add(&weights, PARAMS, "w_dec", 2, 3, 2);
	add(&weights, PARAMS, "b_enc", 1, 0, 3);
	add(&weights, PARAMS, "b_dec", 1, 0, 2);
	add(&weights, PARAMS, "threshold", 1, 0, 3);
	return weights;
}

static void gemma_scope_2_configs(void **state)
{
	ck_model weights = gemma_2_weights();

	(void)state;
	clear();
	ck_write_file(folder, PARAMS, &weights);
	loads();
	ck_write_text(folder, "config.json", "{\"architecture\": \"jump_relu\", \"width\": 3}");
	loads();
	refuse_gemma_2("{\"architecture\": \"topk\"}", "architecture is \"topk\"");
	refuse_gemma_2("{\"type\": \"transcoder\"}", "type is \"transcoder\"");
	refuse_gemma_2("{\"affine_connection\": true}", "affine_connection is true");
	refuse_gemma_2("{\"width\": 16384}", "width is 16384, tensor w_enc has 3 latents");
	refuse_gemma_2("{\"hf_hook_point_in\": \"a.1.b\", \"hf_hook_point_out\": \"a.1.c\"}",
		       "another place than hf_hook_point_in");
	refuse_gemma_2("{\"hf_hook_point_in\": 3}", "hf_hook_point_in is 3");
	refuse_gemma_2("{\"skip\": true}", "skip is true: no version of Gemma Scope 2");
	refuse_gemma_2("{\"hf_hook_point_out\": 3}", "hf_hook_point_out is 3");
	refuse_gemma_2("{\"model_name\": 3}", "model_name is 3");
	refuse_gemma_2("{\"architecture\": 3}", "architecture is 3");
	refuse_gemma_2("{\"apply_b_dec_to_input\": 3}", "apply_b_dec_to_input is 3");
	refuse_gemma_2("{\"l0\": \"3\"}", "l0 is \"3\": it must be a finite number");
	refuse_gemma_2("{\"l0\": NaN}", "l0 is \"NaN\"");
	refuse_gemma_2("{\"width\": 0}", "width is 0: it must be a whole number above 0");
	refuse_gemma_2("no JSON", "line 1");
	ck_write_text(folder, "config.json",
		      "{\"l0\": null, \"affine_connection\": false, \"type\": null}");
	loads();
	add(&weights, PARAMS, "affine_skip_connection", 2, 2, 2);
	ck_write_text(folder, "config.json", "{}");
	ck_write_file(folder, PARAMS, &weights);
	refused(PARAMS, "affine_skip_connection");
}

static void gemma_scope_2_places(void **state)
{
	static const struct {
		const char *config, *model, *hook;
	} all[] = {
		{"{\"model_name\": \"gemma-v3-1b-pt\"}", "google/gemma-3-1b-pt", ""},
		{"{\"model_name\": \"gemma-v3-270m-pt\"}", "google/gemma-3-270m", ""},
		{"{\"model_name\": \"gemma-v3-270m-it\"}", "google/gemma-3-270m-it", ""},
		{"{\"model_name\": \"google/gemma-3-4b-it\"}", "google/gemma-3-4b-it", ""},
		{"{\"hf_hook_point_in\": \"model.layers.4.output\"}", "", "model.layers.4.output"},
		{"{\"hf_hook_point_in\": \"model.layers.4.output\","
		 " \"hf_hook_point_out\": \"model.layers.4.output\"}",
		 "", "model.layers.4.output"},
		{"{}", "", ""},
	};
	const ck_model weights = gemma_2_weights();
	char base[256];

	(void)state;
	clear();
	ck_write_file(folder, PARAMS, &weights);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		ps_sae_about about;
		bool foreign;

		ck_write_text(folder, "config.json", all[i].config);
		assert_int_equal(ps_sae_folder_about(folder, &about, &foreign, NULL), 0);
		assert_string_equal(about.model_name, all[i].model);
		assert_string_equal(about.hook_name, all[i].hook);
		assert_false(about.model_from_path || about.hook_from_path);
	}
	strcpy(base, folder);
	mkdir_in("layer_4_width_16k");
	strcat(folder, "/layer_4_width_16k");
	ck_write_file(folder, PARAMS, &weights);
	ck_write_text(folder, "config.json", "{\"hf_hook_point_in\": \"model.layers.4.output\"}");
	loads();
	refuse_gemma_2("{\"hf_hook_point_in\": \"model.layers.3.output\"}",
		       "hf_hook_point_in is model.layers.3.output, but the folder's name says "
		       "layer 4");
	strcpy(folder, base);
}

/* --- Llama Scope --- */

#define FINAL "checkpoints/final.safetensors"
#define LLAMA "\"d_model\": 2, \"d_sae\": 3, \"norm_activation\": \"none\""

static ck_model llama_weights(void)
{
	ck_model weights = {.count = 0};

	add(&weights, FINAL, "encoder.weight", 2, 3, 2);
	add(&weights, FINAL, "encoder.bias", 1, 0, 3);
	add(&weights, FINAL, "decoder.weight", 2, 2, 3);
	add(&weights, FINAL, "decoder.bias", 1, 0, 2);
	return weights;
}

static void refuse_llama(const char *config, const char *want)
{
	ck_write_text(folder, "hyperparams.json", config);
	refused("hyperparams.json", want);
}

static void take_llama(const char *config, ps_sae_arch arch, bool rescaled, float threshold)
{
	ps_sae_folder out;
	ps_diag diag = {{0}};

	ck_write_text(folder, "hyperparams.json", config);
	if (ps_sae_folder_load(&out, folder, &diag))
		fail_msg("%s: %s", config, diag.text);
	assert_int_equal(out.sae.arch, arch);
	assert_int_equal(out.sae.rescale_by_decoder_norm, rescaled);
	if (out.sae.threshold)
		assert_true(fabsf(out.sae.threshold[2] - threshold) <= 1e-6f * threshold);
	ps_sae_folder_close(&out);
}

static void refuse_llama_shapes(void)
{
	refuse_llama(
		"{\"d_model\": 2147483647, \"expansion_factor\": 2, \"norm_activation\": \"none\"}",
		"4294967294 latents are more than can be read");
	refuse_llama("{\"d_model\": 2, \"d_sae\": null, \"norm_activation\": \"none\"}",
		     "expansion_factor is missing");
	refuse_llama("{\"d_model\": \"2\", \"d_sae\": 3}", "d_model is \"2\"");
	refuse_llama("{" LLAMA ", \"top_k\": 0, \"act_fn\": \"topk\"}", "top_k is 0");
	refuse_llama("{" LLAMA ", \"act_fn\": 1}", "act_fn is 1");
	refuse_llama("{\"d_model\": 2, \"d_sae\": 3, \"norm_activation\": 1}",
		     "norm_activation is 1");
	refuse_llama("{" LLAMA ", \"act_fn\": \"topk\", \"top_k\": 2,"
		     " \"sparsity_include_decoder_norm\": 1}",
		     "sparsity_include_decoder_norm is 1");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 1e300}",
		     "it must not be negative, nor too large for an f32");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"use_decoder_bias\": 1}",
		     "use_decoder_bias is 1");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"hook_point_in\": 1}",
		     "hook_point_in is 1");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"hook_point_out\": 1}",
		     "hook_point_out is 1");
	refuse_llama("{\"d_model\": 2, \"d_sae\": 3, \"jump_relu_threshold\": 0.5,"
		     " \"dataset_average_activation_norm\": {\"in\": \"1\"}}",
		     "it must be {\"in\": a number above 0");
	refuse_llama("{\"d_model\": 2, \"d_sae\": 3, \"jump_relu_threshold\": 0.5,"
		     " \"dataset_average_activation_norm\": {\"in\": 1, \"out\": -1}}",
		     "it must be {\"in\": a number above 0");
	refuse_llama("no JSON", "line 1");
}

static void llama_scope_configs(void **state)
{
	const ck_model weights = llama_weights();
	char inner[300];

	(void)state;
	clear();
	snprintf(inner, sizeof inner, "%s/checkpoints", folder);
	mkdir(inner, 0777);
	ck_write_file(folder, FINAL, &weights);
	take_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5}", PS_SAE_JUMPRELU, false, 0.5f);
	take_llama("{" LLAMA ", \"act_fn\": \"topk\", \"jump_relu_threshold\": 0.5, \"top_k\": 2}",
		   PS_SAE_JUMPRELU, false, 0.5f);
	take_llama("{" LLAMA ", \"act_fn\": \"topk\", \"top_k\": 2}", PS_SAE_TOPK, true, 0);
	take_llama("{" LLAMA ", \"act_fn\": \"topk\", \"top_k\": 2,"
		   " \"sparsity_include_decoder_norm\": false}",
		   PS_SAE_TOPK, false, 0);
	take_llama("{" LLAMA ", \"act_fn\": \"relu\"}", PS_SAE_JUMPRELU, false, 0);
	take_llama("{\"d_model\": 2, \"d_sae\": 3, \"jump_relu_threshold\": 0.5,"
		   " \"dataset_average_activation_norm\": {\"in\": 0.5}}",
		   PS_SAE_JUMPRELU, false, 1.41421356f);
	refuse_llama("{" LLAMA ", \"act_fn\": \"jumprelu\"}", "jump_relu_threshold is missing");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": -0.5}",
		     "jump_relu_threshold is -0.5: it must not be negative");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": NaN}", "jump_relu_threshold is \"NaN\"");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"act_fn\": \"relu\"}",
		     "act_fn is relu");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"act_fn\": \"gelu\"}",
		     "act_fn is \"gelu\"");
	refuse_llama("{" LLAMA ", \"act_fn\": \"topk\", \"top_k\": 4}", "top_k is 4 with 3");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"use_glu_encoder\": true}",
		     "use_glu_encoder is true");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"hook_point_in\": \"a\","
		     " \"hook_point_out\": \"b\"}",
		     "another hook than hook_point_in");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"sae_type\": \"crosscoder\"}",
		     "sae_type is \"crosscoder\"");
	refuse_llama("{" LLAMA ", \"jump_relu_threshold\": 0.5, \"beta\": 1}",
		     "beta is 1: no version of Language-Model-SAEs");
	refuse_llama("{\"d_model\": 2, \"d_sae\": 3, \"jump_relu_threshold\": 0.5}",
		     "norm_activation and dataset_average_activation_norm are missing");
	refuse_llama("{\"d_model\": 2, \"d_sae\": 3, \"jump_relu_threshold\": 0.5,"
		     " \"norm_activation\": \"token-wise\"}",
		     "norm_activation is \"token-wise\"");
	refuse_llama("{\"d_model\": 2, \"d_sae\": 3, \"jump_relu_threshold\": 0.5,"
		     " \"dataset_average_activation_norm\": {\"in\": 0}}",
		     "dataset_average_activation_norm");
	refuse_llama("{\"d_model\": 2, \"d_sae\": 3, \"jump_relu_threshold\": 0.5,"
		     " \"dataset_average_activation_norm\": {\"in\": 1, \"out\": 2}}",
		     "in and out differ");
	refuse_llama_shapes();
	ck_write_text(folder, "hyperparams.json",
		      "{" LLAMA ", \"jump_relu_threshold\": 0.5, \"use_decoder_bias\": false}");
	refused(FINAL, "tensor decoder.bias does not belong");
}

/* The safetensors file may be away, and a pickle in its place. */
static void llama_scope_weights(void **state)
{
	(void)state;
	clear();
	mkdir_in("checkpoints");
	ck_write_text(folder, "hyperparams.json", "{" LLAMA ", \"jump_relu_threshold\": 0.5}");
	refused(FINAL, "No such file or directory");
	ck_write_text(folder, "checkpoints/final.pth", "PK");
	refused("checkpoints", "holds final.pth, a torch file (pickle), which is not read");
}

/* --- any of them --- */

static int load_one(void *path)
{
	ps_sae_folder out;
	int rc = ps_sae_folder_load(&out, path, NULL);

	if (!rc)
		ps_sae_folder_close(&out);
	return rc;
}

static void every_allocation_of_a_load_may_fail(void **state)
{
	static const int of_each_format[] = {0, 3, 5, 7};

	(void)state;
	setenv("TZ", "UTC0", 1); /* else mktime, for libzip, reads a file and keeps what it says */
	setenv("XDG_CACHE_HOME", folder, 1);
	ps_json_memory_watch();
	alloc_double_allow_loss(true); /* libzip, where it opens an entry */
	for (size_t i = 0; i < sizeof of_each_format / sizeof *of_each_format; i++) {
		char path[512];

		snprintf(path, sizeof path, FIXTURES "%s", fixtures[of_each_format[i]].folder);
		assert_true(alloc_double_sweep(NULL, load_one, path) > 20);
	}
	alloc_double_allow_loss(false);
}

static void what_is_none_of_them_is_named(void **state)
{
	char base[256];

	(void)state;
	clear();
	ck_write_text(folder, "shard-00000.safetensors", "");
	refused(folder, "an activation cache, not an SAE");
	clear();
	ck_write_text(folder, "model.safetensors", "");
	refused(folder, "a model, not an SAE");
	clear();
	ck_write_text(folder, "model.safetensors.index.json", "");
	refused(folder, "a model, not an SAE");
	clear();
	strcpy(base, folder);
	ck_write_text(folder, "notes.txt", "text");
	mkdir_in(".hidden");
	ck_write_text(folder, ".hidden/params.npz", "");
	mkdir_in("a");
	mkdir_in("a/b");
	mkdir_in("a/b/c");
	mkdir_in("a/b/c/d");
	ck_write_text(folder, "a/b/c/d/params.npz", ""); /* too deep */
	refused("cfg.json", "No such file or directory");
	mkdir_in("z");
	ck_write_text(folder, "z/cfg.json", "");
	refused("/z", "holds SAEs in folders of their own: name one, such as ");
	ck_write_text(folder, "a/b/c/hyperparams.json", "");
	refused("/a/b/c", "holds SAEs in folders of their own");
	mkdir_in("b");
	ck_write_text(folder, "b/params.npz", "");
	refused("/a/b/c", "holds SAEs in folders of their own");
	ck_write_text(folder, "file", "text");
	strcat(folder, "/file");
	refused("/file", "a file: an SAE is a folder");
	strcpy(folder, base);
	ck_write_text(folder, "file", "GGUF\3");
	strcat(folder, "/file");
	refused("/file", ", not an SAE: an SAE is a folder");
	strcpy(folder, base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latents_and_reconstructions),
		cmocka_unit_test(places_and_shapes),
		cmocka_unit_test(sparsify_configs),
		cmocka_unit_test(sparsify_defaults),
		cmocka_unit_test(sparsify_places),
		cmocka_unit_test(sparsify_tensors),
		cmocka_unit_test(gemma_scope_arrays),
		cmocka_unit_test(paths_that_are_not_read),
		cmocka_unit_test(gemma_scope_2_configs),
		cmocka_unit_test(gemma_scope_2_places),
		cmocka_unit_test(llama_scope_configs),
		cmocka_unit_test(llama_scope_weights),
		cmocka_unit_test(every_allocation_of_a_load_may_fail),
		cmocka_unit_test(what_is_none_of_them_is_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
