/* A study whose models are a checkpoint and itself with known damage: each measure finds what was
 * planted, and finds nothing where nothing was.
 *
 *   copy    the same weights in another folder
 *   above   a head of a layer above the SAE's is zeroed: the SAE sees nothing of it
 *   head    a head below is zeroed
 *   neuron  a neuron of the SAE's own layer is scaled: what changes has one direction */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "test/support/support_foreign.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/feature_file.h"
#include "tools/study/study.h"
#include "tools/train/sae_folder.h"

#define MODEL "demo/models/llama"

/* Shapes of the model, and what is planted. */
enum {
	WIDTH = 128,
	HEADS = 4,
	HEAD_WIDTH = 32,
	MLP_WIDTH = 384,
	LAYER = 3,         /* the SAE's */
	WEIGHTS = 1179648, /* of all projections */
	HEAD = 2,
	NEURON = 77,
	OCTAVES = 4, /* the neuron's output times 2 to this power */
	ALIGNED = 8, /* latents that read the neuron's direction most */
};

static char scratch[] = "/tmp/prunescope-planted-XXXXXX";
static ps_session session;
static json_t *results;

/* --- damage --- */

static const char *path_of(const char *name)
{
	static char path[2][160];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof path[turn], "%s/%s", scratch, name);
	return path[turn];
}

static int run(const char *format, const char *a, const char *b)
{
	char command[400];

	snprintf(command, sizeof command, format, a, b);
	return system(command);
}

/* Where a matrix of the model begins in its file. */
static off_t place_of(int layer, const char *projection)
{
	char name[96];
	ps_safetensors file;
	const ps_tensor_info *tensor;
	off_t at;

	snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, projection);
	if (ps_safetensors_open(&file, &ps_sys_linux, MODEL "/model.safetensors", NULL))
		return -1;
	tensor = ps_safetensors_find(&file, name);
	at = tensor && tensor->dtype == PS_BF16
		     ? (const char *)ps_safetensors_data(&file, tensor) - (const char *)file.map
		     : -1;
	ps_safetensors_close(&file);
	return at;
}

/* Zeroes what the output projection makes of a head. */
static int zero_head(int fd, int layer)
{
	static const uint16_t zeros[HEAD_WIDTH];
	const off_t at = place_of(layer, "self_attn.o_proj");

	for (off_t row = 0; row < WIDTH; row++)
		if (at < 0 ||
		    pwrite(fd, zeros, sizeof zeros,
			   at + (row * HEADS + HEAD) * (off_t)sizeof zeros) != sizeof zeros)
			return -1;
	return 0;
}

/* Adds to the exponents of the weights that bring a neuron's output into the stream. */
static int scale_neuron(int fd, int layer)
{
	const off_t at = place_of(layer, "mlp.down_proj");

	for (off_t row = 0; row < WIDTH; row++) {
		const off_t place = at + (row * MLP_WIDTH + NEURON) * (off_t)sizeof(uint16_t);
		uint16_t weight;

		if (at < 0 || pread(fd, &weight, sizeof weight, place) != sizeof weight)
			return -1;
		if (weight & 0x7f80)
			weight = (uint16_t)(weight + (OCTAVES << 7));
		if (pwrite(fd, &weight, sizeof weight, place) != sizeof weight)
			return -1;
	}
	return 0;
}

/* A copy of the model in scratch/name, damaged if it is to be. */
static int plant(const char *name, int (*damage)(int fd, int layer), int layer)
{
	char path[200];
	int fd, rc = run("cp -r " MODEL " %s", path_of(name), "");

	if (rc || !damage)
		return rc;
	snprintf(path, sizeof path, "%s/%s/model.safetensors", scratch, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	rc = fd < 0 ? -1 : damage(fd, layer);
	close(fd);
	return rc;
}

/* --- the study --- */

/* The texts are earlier wordings of this repository's own pages: what is measured must not follow
 * what the pages say. */
static const char study_text[] = "models: [{name: llama, path: " MODEL ", layer: 3%2$s}]\n"
				 "checkpoints:\n"
				 "  - {name: copy, path: %1$s/copy}\n"
				 "  - {name: above, path: %1$s/above}\n"
				 "  - {name: head, path: %1$s/head}\n"
				 "  - {name: neuron, path: %1$s/neuron}\n"
				 "text: [test/fixtures/planted/text.txt]\n"
				 "methods: [magnitude]\n"
				 "sparsities: [0.5]\n"
				 "seeds: [7]\n"
				 "window: 64\n"
				 "calibration_tokens: 64\n"
				 "train_tokens: 4096\n"
				 "ppl: {text: test/fixtures/planted/held-out.txt, window: 64, "
				 "stride: 64, max_tokens: 1088}\n"
				 "sae: {d_sae: 256, k: 8, batch: 128, lr: 0.01}\n"
				 "controls: {retrain: false, random: false}\n"
				 "features: false\n"
				 "splice: {windows: 8}\n"
				 "ablation: {features: 8, windows: 2}\n"
				 "bootstrap: {samples: 100}\n";

/* A gnuplot that draws the least there is: figures are none of this test's. */
static int plain_figures(void)
{
	const char *before = getenv("PATH");
	char path[8192];
	FILE *file;

	if (mkdir(path_of("bin"), 0700))
		return -1;
	file = fopen(path_of("bin/gnuplot"), "w");
	if (!file)
		return -1;
	fputs("#!/bin/sh\necho '<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\">"
	      "<path d=\"M0 0L9 9\"/></svg>'\n",
	      file);
	if (fclose(file) || chmod(path_of("bin/gnuplot"), 0700))
		return -1;
	snprintf(path, sizeof path, "%s:%s", path_of("bin"), before ? before : "");
	return setenv("PATH", path, 1);
}

/* more: of the model's keys. */
static int run_study(const char *more)
{
	char file[160], out[160];
	json_t *result = NULL;
	FILE *f;
	int rc;

	snprintf(file, sizeof file, "%s", path_of("study.yaml"));
	snprintf(out, sizeof out, "%s", path_of("out"));
	f = fopen(file, "w");
	if (!f)
		return -1;
	rc = fprintf(f, study_text, scratch, more);
	if (fclose(f) || rc < 0)
		return -1;
	json_decref(results);
	results = NULL;
	rc = ps_run_study(&session, &(ps_study_args){.file = file, .out = out, .keep_caches = true},
			  &result);
	json_decref(result);
	if (!rc)
		rc = ps_file_read_json(&ps_sys_linux, path_of("out/results.json"), (size_t)16 << 20,
				       &results, &session.diag);
	if (rc)
		fprintf(stderr, "%s\n", session.diag.text);
	return rc;
}

static int set_up(void **state)
{
	(void)state;
	session = (ps_session){.threads = 2, .memory_bytes = (size_t)1 << 30, .quiet = true};
	if (!mkdtemp(scratch) || setenv("XDG_CACHE_HOME", scratch, 1) ||
	    ps_session_start(&session) || plain_figures() || plant("copy", NULL, 0) ||
	    plant("above", zero_head, LAYER + 2) || plant("head", zero_head, LAYER - 1) ||
	    plant("neuron", scale_neuron, LAYER))
		return -1;
	return run_study("");
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(results);
	ps_session_end(&session);
	return run("rm -rf %s", scratch, "");
}

/* --- what is found --- */

static const json_t *model(void)
{
	return json_array_get(json_object_get(results, "models"), 0);
}

static const json_t *control(const char *name)
{
	const json_t *list = json_object_get(results, "controls"), *c;
	size_t i;

	json_array_foreach (list, i, c)
		if (!strcmp(json_string_value(json_object_get(c, "name")), name))
			return c;
	fail_msg("there is no control %s", name);
	return NULL;
}

static double number(const json_t *holder, const char *key)
{
	const json_t *value = json_object_get(holder, key);

	if (!json_is_number(value))
		fail_msg("%s is no number", key);
	return json_number_value(value);
}

/* A number of the first SAE. */
static double of_sae(const json_t *holder, const char *key)
{
	return number(json_array_get(json_object_get(holder, "saes"), 0), key);
}

static double end_of(const json_t *holder, const char *interval, const char *end)
{
	return number(json_object_get(holder, interval), end);
}

/* Survival at the highest threshold, cosine 0.9. */
static double strict_survival(const json_t *c)
{
	return json_number_value(json_array_get(json_object_get(c, "survival"), 4));
}

/* What the SAE sees of a model in which nothing changed up to its layer. */
static void check_unseen(const json_t *c)
{
	const json_t *survival = json_object_get(c, "survival"), *value;
	size_t i;

	json_array_foreach (survival, i, value)
		assert_true(json_number_value(value) == 1);
	assert_int_equal(i, 5);
	assert_true(number(c, "mnn_survival") == 1);
	assert_true(number(c, "jaccard") == 1);
	assert_true(fabs(number(c, "cosine") - 1) < 1e-12);
	assert_true(of_sae(c, "fvu") == of_sae(model(), "fvu"));
	assert_true(of_sae(c, "l0") == of_sae(model(), "l0"));
	assert_true(of_sae(c, "dead_fraction") == of_sae(model(), "dead_fraction"));
}

static void a_copy_differs_in_nothing(void **state)
{
	const json_t *c = control("copy"), *spliced = json_object_get(c, "splice");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(c, "kind")), "checkpoint");
	check_unseen(c);
	assert_true(number(c, "ppl") == number(model(), "ppl"));
	assert_true(number(c, "delta_log_ppl") == 0);
	assert_true(json_equal(spliced, json_object_get(model(), "splice")));
	assert_true(json_equal(json_object_get(c, "splices"), json_object_get(model(), "splices")));
	assert_true(number(json_array_get(json_object_get(c, "splices"), 0), "ce_recovered") ==
		    number(spliced, "ce_recovered"));
	assert_true(number(c, "sparsity_achieved") == 0);
}

static void damage_above_the_sae_shows_in_the_loss_alone(void **state)
{
	const json_t *c = control("above");

	(void)state;
	check_unseen(c);
	assert_true(number(c, "sparsity_achieved") == (double)WIDTH * HEAD_WIDTH / WEIGHTS);
	assert_true(number(c, "delta_log_ppl") > 0.01);
	assert_true(number(json_object_get(c, "splice"), "ce_clean") >
		    number(json_object_get(model(), "splice"), "ce_clean"));
}

static void damage_below_the_sae_shows_in_every_measure(void **state)
{
	static const char *const names[] = {"head", "neuron"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const json_t *c = control(names[i]);

		printf("%s: %+.4f nats, survival %.3f, Jaccard %.3f, cosine %.4f, FVU %.4f\n",
		       names[i], number(c, "delta_log_ppl"), strict_survival(c),
		       number(c, "jaccard"), number(c, "cosine"), number(c, "fvu"));
		assert_true(number(c, "delta_log_ppl") > 0.01);
		assert_true(strict_survival(c) < 0.97);
		assert_true(end_of(c, "jaccard_interval", "high") < 1);
		assert_true(number(c, "cosine") < 0.999);
		assert_true(number(c, "fvu") > of_sae(model(), "fvu"));
		assert_true(number(json_object_get(c, "splice"), "ce_clean") >
			    number(json_object_get(model(), "splice"), "ce_clean"));
	}
}

/* --- ablation in the reconstruction --- */

/* A copy of the study's SAE, without what says that we made it, and with a decoder row of zeros
 * (latent < 0: none). */
static void silence(int64_t latent, const char *name)
{
	static const float zeros[WIDTH];
	char path[120];
	const ps_tensor_info *dec;
	ps_safetensors file;
	uint64_t at;

	assert_int_equal(
		run("cp -r %s %s", path_of("out/runs/llama/dense/sae/seed-7"), path_of(name)), 0);
	snprintf(path, sizeof path, "%s/%s", scratch, name);
	assert_int_equal(run("rm %s/manifest.json %s/training.safetensors", path, path), 0);
	strcat(path, "/sae_weights.safetensors");
	assert_int_equal(ps_safetensors_open(&file, &ps_sys_linux, path, NULL), 0);
	dec = ps_safetensors_find(&file, "W_dec");
	assert_non_null(dec);
	at = dec->offset + (uint64_t)latent * sizeof zeros;
	ps_safetensors_close(&file);
	ps_test_make_foreign(path);
	if (latent >= 0)
		ps_test_write_at(path, at, zeros, sizeof zeros);
}

/* The loss with that SAE's reconstruction, on the ablation's windows. */
static double spliced_loss(const char *name)
{
	char sae[200], tokens[200];
	json_t *result = NULL;
	double loss;

	snprintf(sae, sizeof sae, "%s/%s", scratch, name);
	snprintf(tokens, sizeof tokens, "%s/out/runs/llama/tokens.safetensors", scratch);
	if (ps_run_eval(&session,
			&(ps_eval_args){.sae = sae,
					.model = MODEL,
					.tokens = tokens,
					.layer = LAYER,
					.windows = 2},
			&result))
		fail_msg("%s", session.diag.text);
	loss = number(result, "ce_sae");
	json_decref(result);
	return loss;
}

/* Without its decoder row a latent is missing from the reconstruction, and from nothing else. */
static void the_spliced_effect_is_that_of_a_decoder_row_of_zeros(void **state)
{
	json_t *record = NULL;
	const json_t *result, *direct, *about = json_object_get(model(), "ablation");
	double whole, farthest = 0;
	size_t told = 0;

	(void)state;
	assert_int_equal(ps_file_read_json(&ps_sys_linux,
					   path_of("out/runs/llama/dense/ablation-spliced.json"),
					   1 << 20, &record, NULL),
			 0);
	result = json_object_get(record, "result");
	silence(-1, "whole");
	whole = spliced_loss("whole");
	for (size_t i = 0; i < 8; i++) {
		const json_int_t latent =
			json_integer_value(json_array_get(json_object_get(result, "latent"), i));
		const double effect =
			json_number_value(json_array_get(json_object_get(result, "effect"), i));
		double silent;

		if (effect == 0)
			continue; /* it fires on none of the windows */
		silence(latent, "silent");
		silent = spliced_loss("silent");
		assert_int_equal(run("rm -r %s", path_of("silent"), ""), 0);
		printf("latent %lld: %+.6f, by its row %+.6f\n", (long long)latent, effect,
		       silent - whole);
		farthest = fmax(farthest, fabs(effect - (silent - whole)));
		told++;
	}
	assert_true(told >= 3);
	assert_true(farthest < 3e-6);
	direct = json_object_get(about, "spliced");
	assert_true(number(direct, "mean_effect") == number(result, "mean_effect"));
	assert_true(number(direct, "mean_direct") == number(about, "mean_effect"));
	json_decref(record);
}

/* --- a pretrained dictionary --- */

/* The study's own SAE in the place of a dictionary that somebody else trained: both transfers say
 * the same. */
static void a_dictionary_says_what_the_same_sae_says(void **state)
{
	static const char *const keys[] = {
		"jaccard", "jaccard_interval",    "jaccard_empty_rows", "jaccard_chance", "fvu",
		"l0",      "fvu_change_interval", "fvu_interval"};
	const json_t *list, *c, *about;
	char more[200];
	size_t i;

	(void)state;
	assert_int_equal(run("cp -r %s %s", path_of("out/runs/llama/dense/sae/seed-7"),
			     path_of("dictionary")),
			 0);
	assert_int_equal(run("rm %s %s", path_of("dictionary/manifest.json"),
			     path_of("dictionary/training.safetensors")),
			 0);
	snprintf(more, sizeof more, ", dictionary: %s/dictionary", scratch);
	assert_int_equal(run_study(more), 0);
	about = json_object_get(model(), "dictionary");
	assert_string_equal(json_string_value(json_object_get(about, "architecture")), "topk");
	assert_true(number(about, "d_sae") == 256);
	assert_true(number(about, "l0") <= 8);
	list = json_object_get(results, "conditions");
	c = json_array_get(list, 0);
	for (i = 0; i < sizeof keys / sizeof *keys; i++)
		assert_true(json_equal(json_object_get(json_object_get(c, "dictionary"), keys[i]),
				       json_object_get(c, keys[i])));
	assert_true(number(json_object_get(c, "dictionary"), "jaccard") < 1);
	list = json_object_get(results, "controls");
	assert_int_equal(json_array_size(list), 4);
	json_array_foreach (list, i, c) {
		const json_t *other = json_object_get(c, "dictionary");

		assert_true(number(other, "jaccard") == number(c, "jaccard"));
		assert_true(number(other, "fvu") == number(c, "fvu"));
	}
}

/* --- latent by latent --- */

/* The table of what becomes of each latent of the dense SAE in a checkpoint. *kept: how many of the
 * active ones stay as they are. */
static void open_table(const char *name, ps_safetensors *table, int64_t *active, int64_t *kept)
{
	char sae[160], dense[160], pruned[160], out[160];
	json_t *result = NULL;

	snprintf(sae, sizeof sae, "%s/out/runs/llama/dense/sae/seed-7", scratch);
	snprintf(dense, sizeof dense, "%s/out/runs/llama/dense/cache", scratch);
	snprintf(pruned, sizeof pruned, "%s/out/runs/llama/%s/cache", scratch, name);
	snprintf(out, sizeof out, "%s/%s.features", scratch, name);
	if (ps_run_features(
		    &session,
		    &(ps_features_args){.sae = sae, .dense = dense, .pruned = pruned, .out = out},
		    &result) ||
	    ps_safetensors_open(table, &ps_sys_linux, out, &session.diag))
		fail_msg("%s", session.diag.text);
	*active = json_integer_value(json_object_get(result, "active"));
	*kept = json_integer_value(json_object_get(result, "kept"));
	assert_true(*active > 50);
	json_decref(result);
}

static const double *column(const ps_safetensors *table, const char *name)
{
	return ps_safetensors_data(table, ps_safetensors_find(table, name));
}

/* Of the latents whose activations vary in both models. */
static double mean_pearson(const ps_safetensors *table, size_t latents, double *least)
{
	const double *pearson = column(table, "pearson");
	double sum = 0;
	size_t count = 0;

	*least = 1;
	for (size_t f = 0; f < latents; f++)
		if (!isnan(pearson[f])) {
			sum += pearson[f];
			*least = fmin(*least, pearson[f]);
			count++;
		}
	assert_true(count > 50);
	return sum / (double)count;
}

static void latents_follow_the_damage(void **state)
{
	static const struct {
		const char *name;
		bool damaged;
	} cases[] = {{"copy", false}, {"above", false}, {"head", true}, {"neuron", true}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_safetensors table;
		int64_t active, kept;
		double mean, least;

		open_table(cases[i].name, &table, &active, &kept);
		mean = mean_pearson(&table, 256, &least);
		printf("%s: Pearson %.4f, at least %.4f; %lld of %lld kept\n", cases[i].name, mean,
		       least, (long long)kept, (long long)active);
		if (cases[i].damaged) {
			assert_true(mean < 0.99);
			assert_true(kept < active);
		} else {
			assert_true(least > 1 - 1e-12);
			assert_int_equal(kept, active);
		}
		ps_safetensors_close(&table);
	}
}

/* The direction that the neuron writes, as the SAE's layer gets it. */
static void read_direction(double direction[WIDTH])
{
	const off_t at = place_of(LAYER, "mlp.down_proj");
	ps_safetensors file;

	assert_int_equal(
		ps_safetensors_open(&file, &ps_sys_linux, MODEL "/model.safetensors", NULL), 0);
	for (size_t d = 0; d < WIDTH; d++) {
		const uint16_t *weights = (const void *)((const char *)file.map + at);
		const uint32_t bits = (uint32_t)weights[d * MLP_WIDTH + NEURON] << 16;
		float weight;

		memcpy(&weight, &bits, sizeof weight);
		direction[d] = (double)weight;
	}
	ps_safetensors_close(&file);
}

/* How much of the neuron's direction a latent's encoder reads: |cosine|. */
static double reading(const ps_sae *sae, size_t latent, const double direction[WIDTH])
{
	double product = 0, own = 0, other = 0;

	for (size_t d = 0; d < WIDTH; d++) {
		const double weight = (double)sae->enc[latent * WIDTH + d];

		product += weight * direction[d];
		own += weight * weight;
		other += direction[d] * direction[d];
	}
	return fabs(product) / sqrt(own * other);
}

/* Whether a latent is among the few that read the direction most. */
static bool is_aligned(const double *readings, size_t latents, size_t latent)
{
	size_t above = 0;

	for (size_t f = 0; f < latents; f++)
		above += readings[f] > readings[latent];
	return above < ALIGNED;
}

/* Scaling a neuron of the SAE's own layer moves each row along the direction that the neuron
 * writes, and no other way. So the latents that read this direction change most. */
static void latents_that_read_the_neuron_change_most(void **state)
{
	double direction[WIDTH], sum[2] = {0}, readings[256];
	size_t count[2] = {0};
	ps_safetensors table;
	ps_sae_folder sae;
	int64_t active, kept;
	const double *pearson;

	(void)state;
	read_direction(direction);
	assert_int_equal(
		ps_sae_folder_load(&sae, path_of("out/runs/llama/dense/sae/seed-7"), &session.diag),
		0);
	open_table("neuron", &table, &active, &kept);
	pearson = column(&table, "pearson");
	for (size_t f = 0; f < 256; f++)
		readings[f] = isnan(pearson[f]) ? -1 : reading(&sae.sae, f, direction);
	for (size_t f = 0; f < 256; f++)
		if (!isnan(pearson[f])) {
			const bool aligned = is_aligned(readings, 256, f);

			sum[aligned] += pearson[f];
			count[aligned]++;
		}
	assert_int_equal(count[1], ALIGNED);
	printf("Pearson %.4f of the %d latents that read it most, %.4f of the others\n",
	       sum[1] / ALIGNED, ALIGNED, sum[0] / (double)count[0]);
	assert_true(sum[1] / ALIGNED < sum[0] / (double)count[0] - 0.02);
	ps_safetensors_close(&table);
	ps_sae_folder_close(&sae);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_differs_in_nothing),
		cmocka_unit_test(damage_above_the_sae_shows_in_the_loss_alone),
		cmocka_unit_test(damage_below_the_sae_shows_in_every_measure),
		cmocka_unit_test(latents_follow_the_damage),
		cmocka_unit_test(latents_that_read_the_neuron_change_most),
		cmocka_unit_test(the_spliced_effect_is_that_of_a_decoder_row_of_zeros),
		cmocka_unit_test(a_dictionary_says_what_the_same_sae_says),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
