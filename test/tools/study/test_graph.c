/* The graph of a small study: its nodes, and which of them each field of the study file changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/study/cost.h"
#include "tools/study/graph.h"

static char scratch[] = "/tmp/prunescope-graph-XXXXXX";

static int write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	int rc;

	if (!file)
		return -1;
	rc = fputs(text, file);
	return fclose(file) || rc < 0 ? -1 : 0;
}

/* What is read of an SAE without its weights. more: keys of its cfg.json. */
static int make_dictionary(const char *name, int latents, const char *more)
{
	char path[128], config[400];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	if (mkdir(path, 0700))
		return -1;
	snprintf(path, sizeof path, "%s/%s/cfg.json", scratch, name);
	snprintf(config, sizeof config,
		 "{\"architecture\": \"topk\", \"k\": 4, \"d_in\": 128, \"d_sae\": %d, %s"
		 "\"metadata\": {\"sae_lens_version\": \"6.5.0\", \"model_name\": \"\", "
		 "\"hook_name\": \"blocks.2.hook_resid_post\"}}",
		 latents, more);
	if (write_file(path, config))
		return -1;
	snprintf(path, sizeof path, "%s/%s/sae_weights.safetensors", scratch, name);
	file = fopen(path, "w");
	if (!file)
		return -1;
	if (ftruncate(fileno(file), (off_t)latents * 128 * (off_t)sizeof(float))) {
		fclose(file);
		return -1;
	}
	return fclose(file);
}

static int make_scratch(void **state)
{
	char path[512];

	(void)state;
	if (!mkdtemp(scratch))
		return -1;
	for (int i = 0; i < 2; i++) {
		FILE *file;

		snprintf(path, sizeof path, "%s/text-%d", scratch, i);
		file = fopen(path, "w");
		if (!file)
			return -1;
		fprintf(file, "The text of number %d.\n", i);
		fclose(file);
	}
	snprintf(path, sizeof path,
		 "cp -r demo/models/llama %s/copy && cp -r %s/copy %s/other && printf x >>"
		 "%s/other/tokenizer.json",
		 scratch, scratch, scratch, scratch);
	if (system(path))
		return -1;
	/* The last weight of the file is another one. */
	snprintf(path, sizeof path,
		 "cp -r %s/copy %s/changed && printf xy | dd of=%s/changed/model.safetensors bs=1 "
		 "seek=$(($(stat -c %%s %s/copy/model.safetensors) - 2)) conv=notrunc 2>/dev/null",
		 scratch, scratch, scratch, scratch);
	if (system(path))
		return -1;
	return make_dictionary("dictionary", 8, "") || make_dictionary("large", 1 << 16, "") ||
			       make_dictionary("scaled", 8,
					       "\"normalize_activations\": "
					       "\"expected_average_only_in\", ")
		       ? -1
		       : 0;
}

static int remove_scratch(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	return system(command);
}

/* The lines of the study file that the tests start from; a field is a line of its own. */
static const char *const lines[] = {
	"name: a study",
	"models:\n  - name: llama\n    path: demo/models/llama\n    layer: 2",
	"text: [@/text-0]",
	"methods: [magnitude, wanda]",
	"sparsities: [0.5]",
	"seeds: [7, 42]",
	"pruned_seeds: 2",
	"window: 64",
	"calibration_tokens: 1024",
	"train_tokens: 8000",
	"cache_tokens: 6400",
	"min_chars: 0",
	"bos: none",
	"documents: file",
	"magnitude:\n  scope: global\n  pool_embedding: false",
	"wanda:\n  scope: row\n  calibration: sequential",
	"ppl:\n  text: @/text-1\n  window: 64\n  stride: 32\n  max_tokens: 400",
	("sae:\n  arch: topk\n  init: shared\n  expansion: 2\n  k: 8\n"
	 "  batch: 128\n  lr: 0.001"),
	("controls:\n  retrain: true\n  random: true\n  at_sparsity: 0.5\n  rounding: [int4]\n"
	 "  matched: [magnitude]\n  frozen: [decoder]"),
	"splice:\n  windows: 8",
	"ablation:\n  features: 10\n  windows: 4",
	"bootstrap:\n  samples: 100",
	"allow_fewer: false",
	"checkpoints:\n  - name: kin\n    path: @/copy",
	"features: true",
};

/* Writes the study file, with one text replaced; "@" is the scratch folder. */
static const char *write_study(const char *from, const char *to)
{
	static char path[128];
	char whole[4096] = "", *at;
	FILE *file;

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		strcat(whole, lines[i]);
		strcat(whole, "\n");
	}
	at = from ? strstr(whole, from) : NULL;
	if (from && !at)
		fail_msg("the study has no '%s'", from);
	snprintf(path, sizeof path, "%s/study.yaml", scratch);
	file = fopen(path, "w");
	assert_non_null(file);
	for (const char *p = whole; *p; p++) {
		if (p == at) {
			for (const char *q = to; *q; q++)
				*q == '@' ? fputs(scratch, file) : fputc(*q, file);
			p += strlen(from) - 1;
		} else {
			*p == '@' ? fputs(scratch, file) : fputc(*p, file);
		}
	}
	fclose(file);
	return path;
}

struct built {
	ps_study_file *file;
	ps_session session;
	ps_graph graph;
	char out[128];
};

static int build(struct built *b, const char *from, const char *to, ps_precision precision)
{
	const char *path = write_study(from, to);
	int rc;

	*b = (struct built){.session = {.threads = 1, .precision = precision}};
	snprintf(b->out, sizeof b->out, "%s/out", scratch);
	rc = ps_study_file_load(&b->file, path, &b->session.diag);
	if (!rc)
		rc = ps_study_file_settle_precision(b->file, false, &b->session.precision,
						    &b->session.diag);
	if (!rc)
		rc = ps_graph_build(&b->graph, &b->session, b->file, path, b->out);
	return rc;
}

static void unbuild(struct built *b)
{
	ps_graph_close(&b->graph);
	ps_study_file_free(b->file);
}

static const ps_node *find(const ps_graph *g, const char *id)
{
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->nodes[i].id, id))
			return &g->nodes[i];
	return NULL;
}

/* Whether one of the patterns, which spaces divide, matches the id. */
static bool matches(const char *patterns, const char *id)
{
	char copy[2048], *save = NULL;

	snprintf(copy, sizeof copy, "%s", patterns);
	for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
		if (!fnmatch(p, id, 0))
			return true;
	return false;
}

#define SUMMARY " study/all/*"
/* All steps of the conditions of that name. */
#define EDITED(c)                                                                                  \
	"*/" c "/mask */" c "/ppl */" c "/cache */" c "/train-* */" c "/transfer* */" c            \
	"/splice* */" c "/survival */" c "/features "
/* What is made by Wanda, or after a condition that is. */
#define BY_WANDA EDITED("wanda-*") EDITED("random-*") EDITED("matched-*-wanda-*")
#define BY_MAGNITUDE EDITED("magnitude-*") EDITED("matched-magnitude-*")
#define MATCHED EDITED("matched-*")
/* What reads SAEs, and what reads that. */
#define TRAINED                                                                                    \
	"*/train-* */transfer* */promoted */features */splice* */ablation* "                       \
	"*/seeds */survival" SUMMARY
#define CACHED "*/cache " TRAINED
#define TOKENS "*/tokens */calibration " BY_WANDA CACHED

/* For each field: what it is changed to, and the steps that are other ones then. */
static const struct {
	const char *field, *from, *to, *changed;
} changes[] = {
	{"name", "name: a study", "name: another", "study/all/*"},
	{"models.path", "demo/models/llama", "@/copy", ""},
	{"models.layer", "layer: 2", "layer: 3", CACHED},
	{"models.dictionary", "layer: 2", "layer: 2\n    dictionary: @/dictionary", SUMMARY},
	{"text", "[@/text-0]", "[@/text-0, @/text-1]", TOKENS},
	{"methods", "[magnitude, wanda]", "[magnitude]", EDITED("random-*") SUMMARY},
	{"sparsities", "[0.5]", "[0.5, 0.3]", "study/all/*"},
	{"seeds", "[7, 42]", "[7, 43]", "*/seeds */survival" SUMMARY},
	{"pruned_seeds", "pruned_seeds: 2", "pruned_seeds: 1", "*/survival" SUMMARY},
	{"window", "window: 64\ncal", "window: 32\ncal", TOKENS},
	{"calibration_tokens", "calibration_tokens: 1024", "calibration_tokens: 2048",
	 "*/calibration " BY_WANDA SUMMARY},
	{"train_tokens", "train_tokens: 8000", "train_tokens: 8128", TRAINED},
	{"cache_tokens", "cache_tokens: 6400", "cache_tokens: 6464", "*/tokens " CACHED},
	{"allow_fewer", "allow_fewer: false", "allow_fewer: true", SUMMARY},
	{"min_chars", "min_chars: 0", "min_chars: 3", TOKENS},
	{"bos", "bos: none", "bos: window", TOKENS},
	{"documents", "documents: file", "documents: line", TOKENS},
	{"precision", "documents: file", "documents: file\nprecision: int16",
	 BY_WANDA MATCHED "*/ppl " CACHED},
	{"magnitude.scope", "scope: global", "scope: matrix", BY_MAGNITUDE SUMMARY},
	{"magnitude.pool_embedding", "pool_embedding: false", "pool_embedding: true",
	 BY_MAGNITUDE SUMMARY},
	{"wanda.scope", "scope: row", "scope: matrix", BY_WANDA SUMMARY},
	{"wanda.calibration", "calibration: sequential", "calibration: dense", BY_WANDA SUMMARY},
	{"ppl.text", "text: @/text-1", "text: @/text-0", "*/ppl " MATCHED SUMMARY},
	{"ppl.window", "window: 64\n  stride", "window: 48\n  stride", "*/ppl " MATCHED SUMMARY},
	{"ppl.stride", "stride: 32", "stride: 16", "*/ppl " MATCHED SUMMARY},
	{"ppl.max_tokens", "max_tokens: 400", "max_tokens: 401", "*/ppl " MATCHED SUMMARY},
	{"sae.arch", "arch: topk", "arch: batchtopk", TRAINED},
	{"sae.init", "init: shared", "init: independent",
	 "*-0.5/train-* *-int4/train-* *-0.5/survival *-int4/survival */kin/train-* "
	 "*/kin/survival *-0.5/features *-int4/features */kin/features" SUMMARY},
	{"sae.expansion", "expansion: 2", "expansion: 4", TRAINED},
	{"sae.d_sae", "expansion: 2", "d_sae: 100", TRAINED},
	{"sae.k", "k: 8", "k: 9", TRAINED},
	{"sae.batch", "batch: 128", "batch: 64", TRAINED},
	{"sae.lr", "lr: 0.001", "lr: 0.002", TRAINED},
	{"sae.data_seed", "lr: 0.001", "lr: 0.001\n  data_seed: 3", TRAINED},
	{"controls.retrain", "retrain: true", "retrain: false", "*/survival" SUMMARY},
	{"controls.random", "random: true", "random: false", "study/all/*"},
	{"controls.at_sparsity", "at_sparsity: 0.5", "at_sparsity: 50%", ""},
	{"controls.rounding", "[int4]", "[int4, int3-g128]", "study/all/*"},
	{"controls.matched", "matched: [magnitude]", "matched: [magnitude, random]", "study/all/*"},
	{"controls.frozen", "[decoder]", "[decoder, encoder]", "study/all/*"},
	{"checkpoints.name", "name: kin", "name: cousin", "study/all/*"},
	{"checkpoints.path", "@/copy", "@/changed", "*/kin/*" SUMMARY},
	{"checkpoints.model", "path: @/copy", "path: @/copy\n    model: llama", ""},
	{"features", "features: true", "features: false", SUMMARY},
	{"splice.windows", "windows: 8", "windows: 9", "*/splice*" SUMMARY},
	{"ablation.features", "features: 10", "features: 11",
	 "*/ablation* */survival */features" SUMMARY},
	{"ablation.windows", "windows: 4", "windows: 5",
	 "*/ablation* */survival */features" SUMMARY},
	{"ablation.seeds", "windows: 4", "windows: 4\n  seeds: 2", "*/survival" SUMMARY},
	{"bootstrap.samples", "samples: 100", "samples: 101",
	 "*/transfer* */seeds */survival" SUMMARY},
};

/* Of the steps that both graphs have, exactly those that match have another key. */
static void check_changes(const ps_graph *before, const ps_graph *after, const char *what,
			  const char *changed)
{
	size_t common = 0;

	for (size_t i = 0; i < before->count; i++) {
		const ps_node *a = &before->nodes[i], *b = find(after, a->id);

		if (!b)
			continue;
		common++;
		if (!strcmp(a->key, b->key) == matches(changed, a->id))
			fail_msg("%s: the key of %s has %s", what, a->id,
				 strcmp(a->key, b->key) ? "changed" : "not changed");
	}
	assert_true(common > 3);
}

static void every_field_changes_its_dependents_alone(void **state)
{
	struct built base, other;

	(void)state;
	assert_int_equal(build(&base, NULL, NULL, PS_PRECISION_F32), 0);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		if (build(&other, changes[i].from, changes[i].to, PS_PRECISION_F32))
			fail_msg("%s: %s", changes[i].field, other.session.diag.text);
		check_changes(&base.graph, &other.graph, changes[i].field, changes[i].changed);
		unbuild(&other);
	}
	unbuild(&base);
}

static void no_field_of_the_file_is_left_out(void **state)
{
	const char *names[128];
	char text[4096];
	size_t count = ps_study_file_keys(names, 128, text, sizeof text);

	(void)state;
	assert_true(count > 30);
	for (size_t i = 0; i < count; i++) {
		bool known = !strcmp(names[i], "models.name"); /* tried below */

		for (size_t j = 0; j < sizeof changes / sizeof *changes; j++)
			known |= !strcmp(names[i], changes[j].field);
		if (!known)
			fail_msg("no test changes %s", names[i]);
	}
}

/* A renamed model has folders of its own, and steps of the same keys. */
static void a_models_name_is_no_part_of_a_key(void **state)
{
	struct built base, other;

	(void)state;
	assert_int_equal(build(&base, NULL, NULL, PS_PRECISION_F32), 0);
	assert_int_equal(build(&other, "name: llama", "name: a llama", PS_PRECISION_F32), 0);
	assert_int_equal(base.graph.count, other.graph.count);
	assert_non_null(find(&other.graph, "a_llama/dense/tokens"));
	for (size_t i = 0; i < base.graph.assemble; i++)
		assert_string_equal(base.graph.nodes[i].key, other.graph.nodes[i].key);
	unbuild(&other);
	unbuild(&base);
}

static void the_precision_changes_what_a_forward_pass_makes(void **state)
{
	struct built base, other;

	(void)state;
	assert_int_equal(build(&base, NULL, NULL, PS_PRECISION_F32), 0);
	for (int p = PS_PRECISION_F32 + 1; p < PS_PRECISIONS; p++) {
		assert_int_equal(build(&other, NULL, NULL, (ps_precision)p), 0);
		check_changes(&base.graph, &other.graph, "--precision",
			      BY_WANDA MATCHED "*/ppl " CACHED);
		unbuild(&other);
	}
	unbuild(&base);
}

static void nodes_stand_after_what_they_read(void **state)
{
	struct built b;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	assert_int_equal(b.graph.count, 101);
	for (size_t i = 0; i < b.graph.count; i++) {
		for (size_t j = 0; j < b.graph.nodes[i].after_count; j++)
			assert_true(b.graph.nodes[i].after[j] < i);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(b.graph.nodes[i].id, b.graph.nodes[j].id);
			assert_string_not_equal(b.graph.nodes[i].record, b.graph.nodes[j].record);
		}
	}
	unbuild(&b);
}

static const ps_train_args *training(const ps_graph *g, const char *id)
{
	return find(g, id)->args;
}

/* The retrained SAE differs from the dense one in the order of its rows alone, and the frozen one
 * in what is frozen. Both read the dense cache. */
static void controls_differ_from_the_dense_training_in_one_thing(void **state)
{
	struct built b;
	const ps_train_args *dense, *retrained, *frozen;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	dense = training(&b.graph, "llama/dense/train-7");
	retrained = training(&b.graph, "llama/retrain/train-7");
	frozen = training(&b.graph, "llama/frozen-decoder/train-7");
	assert_string_equal(retrained->cache, dense->cache);
	assert_int_equal(retrained->seeds.item[0], dense->seeds.item[0]);
	assert_int_not_equal(retrained->data_seed, dense->data_seed);
	assert_null(retrained->freeze);
	assert_string_equal(frozen->cache, dense->cache);
	assert_int_equal(frozen->seeds.item[0], dense->seeds.item[0]);
	assert_int_equal(frozen->data_seed, dense->data_seed);
	assert_string_equal(frozen->freeze, "decoder");
	assert_null(find(&b.graph, "llama/retrain/cache"));
	assert_null(find(&b.graph, "llama/retrain/ppl"));
	assert_null(find(&b.graph, "llama/retrain/transfer"));
	unbuild(&b);
}

/* RQ3 takes the dense SAE of every seed; RQ5 those that are asked for. */
static void dense_saes_of_other_seeds_have_steps_of_their_own(void **state)
{
	struct built b;
	const ps_transfer_args *transfer;
	const ps_survival_args *survival;
	const ps_graph *g = &b.graph;

	(void)state;
	assert_int_equal(build(&b, "windows: 4", "windows: 4\n  seeds: 2", PS_PRECISION_F32), 0);
	transfer = find(g, "llama/wanda-0.5/transfer-42")->args;
	assert_string_equal(transfer->sae, find(g, "llama/dense/train-42")->output);
	transfer = find(g, "llama/wanda-0.5/transfer")->args;
	assert_string_equal(transfer->sae, find(g, "llama/dense/train-7")->output);
	survival = find(g, "llama/wanda-0.5/survival")->args;
	assert_int_equal(survival->ablations.count, 2);
	assert_string_equal(survival->ablations.item[1],
			    find(g, "llama/dense/ablation-42")->record);
	unbuild(&b);
	assert_int_equal(build(&b, "windows: 4", "windows: 4\n  seeds: 3", PS_PRECISION_F32),
			 PS_EINPUT);
	assert_non_null(strstr(b.session.diag.text, "ablation.seeds: 3 is more than pruned_seeds"));
	unbuild(&b);
}

static const ps_prune_args *pruning(const ps_graph *g, const char *id)
{
	return find(g, id)->args;
}

/* Random masks have the zeros of the mask that they are like, and matched ones the perplexity. */
static void controls_are_made_after_other_conditions(void **state)
{
	struct built b;
	const ps_prune_args *random, *rounded, *matched;
	const ps_survival_args *survival;
	const ps_graph *g = &b.graph;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	random = pruning(g, "llama/random-0.5/mask");
	assert_string_equal(random->like, find(g, "llama/wanda-0.5/mask")->output);
	assert_true(random->sparsity < 0);
	rounded = pruning(g, "llama/rtn-int4/mask");
	assert_int_equal(rounded->bits, 4);
	assert_string_equal(rounded->group, "row");
	matched = pruning(g, "llama/matched-magnitude-rtn-int4/mask");
	assert_string_equal(matched->method, "magnitude");
	assert_string_equal(matched->match_ppl, rounded->out);
	assert_string_equal(matched->scope, "global");
	matched = pruning(g, "llama/matched-magnitude-wanda-0.5/mask");
	assert_string_equal(matched->match_ppl, random->like);
	/* Whatever is compared with the dense SAEs is compared with their retraining too, seed by
	 * seed. */
	survival = find(g, "llama/rtn-int4/survival")->args;
	assert_int_equal(survival->controls.count, 2);
	assert_string_equal(survival->controls.item[0], find(g, "llama/retrain/train-7")->output);
	assert_string_equal(survival->controls.item[1], find(g, "llama/retrain/train-42")->output);
	survival = find(g, "llama/retrain/survival")->args;
	assert_int_equal(survival->controls.count, 0);
	unbuild(&b);
}

/* A checkpoint has the steps of a pruned model, with its own weights and without a mask. One that
 * holds the same weights as the model is another condition all the same. */
static void a_checkpoint_is_a_condition_with_weights_of_its_own(void **state)
{
	struct built b;
	const ps_node *dense, *kin, *pruned;
	const ps_cache_args *cache;
	const ps_graph *g = &b.graph;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	dense = find(g, "llama/dense/cache");
	kin = find(g, "llama/kin/cache");
	pruned = find(g, "llama/wanda-0.5/cache");
	cache = kin->args;
	assert_string_equal(strrchr(cache->model, '/'), "/copy");
	assert_string_equal(cache->changed_from, "demo/models/llama");
	assert_null(cache->variants[0].mask);
	assert_null(find(g, "llama/kin/mask"));
	assert_string_not_equal(kin->key, dense->key);
	/* One pass reads the weights of one checkpoint. */
	assert_true(ps_step_shares(dense, pruned));
	assert_false(ps_step_shares(dense, kin));
	assert_string_equal(find(g, "llama/kin/ppl")->key, find(g, "llama/dense/ppl")->key);
	assert_string_equal(((const ps_transfer_args *)find(g, "llama/kin/transfer")->args)->pruned,
			    kin->output);
	assert_string_equal(((const ps_eval_args *)find(g, "llama/kin/splice")->args)->model,
			    cache->model);
	unbuild(&b);
}

/* Every model that is not the dense one gets a second transfer, of the pretrained dictionary. A
 * file of it that changes changes that step alone. */
static void a_dictionary_is_transferred_too(void **state)
{
	static const char *const conditions[] = {"magnitude-0.5", "wanda-0.5", "random-0.5",
						 "rtn-int4", "kin"};
	static const char to[] = "layer: 2\n    dictionary: @/dictionary";
	struct built base, other;
	char id[96];

	(void)state;
	assert_int_equal(build(&base, "layer: 2", to, PS_PRECISION_F32), 0);
	for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
		const ps_transfer_args *own, *pretrained;

		snprintf(id, sizeof id, "llama/%s/transfer", conditions[i]);
		own = find(&base.graph, id)->args;
		strcat(id, "-dictionary");
		pretrained = find(&base.graph, id)->args;
		assert_string_equal(strrchr(pretrained->sae, '/'), "/dictionary");
		assert_string_equal(pretrained->dense, own->dense);
		assert_string_equal(pretrained->pruned, own->pruned);
		assert_null(pretrained->norm_cache);
	}
	assert_null(find(&base.graph, "llama/dense/transfer-dictionary"));
	assert_null(find(&base.graph, "llama/retrain/transfer-dictionary"));
	snprintf(id, sizeof id, "%s/dictionary/activation_scaler.json", scratch);
	assert_int_equal(write_file(id, "{}"), 0);
	assert_int_equal(build(&other, "layer: 2", to, PS_PRECISION_F32), 0);
	check_changes(&base.graph, &other.graph, "dictionary", "*/transfer-dictionary" SUMMARY);
	assert_int_equal(unlink(id), 0);
	unbuild(&other);
	unbuild(&base);
}

/* Where a dictionary lacks the norm of its rows, the dense cache tells it. */
static void a_dictionarys_norm_is_estimated_from_the_dense_cache(void **state)
{
	struct built b;
	const ps_transfer_args *args;

	(void)state;
	assert_int_equal(
		build(&b, "layer: 2", "layer: 2\n    dictionary: @/scaled", PS_PRECISION_F32), 0);
	args = find(&b.graph, "llama/kin/transfer-dictionary")->args;
	assert_string_equal(args->norm_cache, find(&b.graph, "llama/dense/cache")->output);
	unbuild(&b);
}

/* A published dictionary may be much larger than the study's own: the budget must have room for
 * it. */
static void a_large_dictionary_counts_in_the_least_budget(void **state)
{
	struct built small, large;
	size_t small_bytes, large_bytes;
	const ps_node *node;

	(void)state;
	assert_int_equal(build(&small, "layer: 2", "layer: 2\n    dictionary: @/dictionary",
			       PS_PRECISION_F32),
			 0);
	assert_int_equal(ps_cost_least(&small.graph, &small_bytes, &node), 0);
	assert_null(strstr(node->id, "dictionary"));
	unbuild(&small);
	assert_int_equal(
		build(&large, "layer: 2", "layer: 2\n    dictionary: @/large", PS_PRECISION_F32),
		0);
	assert_int_equal(ps_cost_least(&large.graph, &large_bytes, &node), 0);
	assert_non_null(strstr(node->id, "/transfer-dictionary"));
	assert_true(large_bytes > ps_sae_bytes(128, 1 << 16));
	assert_true(large_bytes > small_bytes);
	unbuild(&large);
}

/* The retrained SAE is the control of the others' survival, and has none itself: one call would
 * give it one. */
static void survival_shares_a_call_where_the_control_is_the_same(void **state)
{
	struct built b;
	const ps_node *retrain, *pruned, *kin;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	retrain = find(&b.graph, "llama/retrain/survival");
	pruned = find(&b.graph, "llama/wanda-0.5/survival");
	kin = find(&b.graph, "llama/kin/survival");
	assert_true(ps_step_shares(pruned, kin));
	assert_false(ps_step_shares(pruned, retrain));
	unbuild(&b);
}

/* With data_seed all SAEs see one order, and the retrained ones another one. */
static void one_order_may_be_asked_for(void **state)
{
	struct built b;

	(void)state;
	assert_int_equal(build(&b, "lr: 0.001", "lr: 0.001\n  data_seed: 3", PS_PRECISION_F32), 0);
	assert_int_equal(training(&b.graph, "llama/dense/train-7")->data_seed, 3);
	assert_int_equal(training(&b.graph, "llama/dense/train-42")->data_seed, 3);
	assert_int_equal(training(&b.graph, "llama/wanda-0.5/train-42")->data_seed, 3);
	assert_int_not_equal(training(&b.graph, "llama/retrain/train-42")->data_seed, 3);
	unbuild(&b);
}

/* One read serves SAEs that take the rows of one cache in one order. */
static void trainings_share_a_call_where_rows_and_order_are_the_same(void **state)
{
	struct built b;
	const ps_node *dense, *frozen;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	dense = find(&b.graph, "llama/dense/train-7");
	frozen = find(&b.graph, "llama/frozen-decoder/train-7");
	assert_true(ps_step_shares(dense, frozen));
	assert_false(ps_step_shares(dense, find(&b.graph, "llama/dense/train-42")));
	assert_false(ps_step_shares(dense, find(&b.graph, "llama/retrain/train-7")));
	assert_false(ps_step_shares(dense, find(&b.graph, "llama/wanda-0.5/train-7")));
	assert_false(ps_step_shares(dense, find(&b.graph, "llama/dense/cache")));
	unbuild(&b);
	assert_int_equal(build(&b, "lr: 0.001", "lr: 0.001\n  data_seed: 3", PS_PRECISION_F32), 0);
	dense = find(&b.graph, "llama/dense/train-7");
	assert_true(ps_step_shares(dense, find(&b.graph, "llama/dense/train-42")));
	assert_false(ps_step_shares(dense, find(&b.graph, "llama/retrain/train-7")));
	unbuild(&b);
}

/* A cache that the budget holds is not sorted. One that exceeds it is, where there is memory for
 * that; its file is little larger than its rows. */
static void sorting_is_counted_where_the_cache_exceeds_memory(void **state)
{
	const size_t step = (size_t)64 << 10;
	uint64_t least = UINT64_MAX, most = 0, rows;
	struct built b;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	rows = ps_graph_cache_bytes(&b.graph, &b.graph.models[0]);
	for (b.session.memory_bytes = step; b.session.memory_bytes < 1000 * step;
	     b.session.memory_bytes += step) {
		const uint64_t bytes = ps_cost_sort_bytes(&b.graph, 0);

		most = bytes > most ? bytes : most;
		least = bytes && bytes < least ? bytes : least;
	}
	assert_int_equal(ps_cost_sort_bytes(&b.graph, 0), 0);
	print_message("a cache of %d bytes: sorted in %d to %d\n", (int)rows, (int)least,
		      (int)most);
	assert_true(most && least > rows / 2 && most < 3 * rows);
	unbuild(&b);
}

static void a_step_is_found_by_the_end_of_its_name(void **state)
{
	struct built b;
	ps_node *node;

	(void)state;
	assert_int_equal(build(&b, NULL, NULL, PS_PRECISION_F32), 0);
	assert_int_equal(ps_graph_find(&b.graph, "assemble", &node), 0);
	assert_string_equal(node->id, "study/all/assemble");
	assert_int_equal(ps_graph_find(&b.graph, "wanda-0.5/mask", &node), 0);
	assert_string_equal(node->id, "llama/wanda-0.5/mask");
	assert_int_equal(ps_graph_find(&b.graph, "mask", &node), PS_EUSAGE);
	assert_non_null(strstr(b.session.diag.text, "several"));
	b.session.diag = (ps_diag){{0}};
	assert_int_equal(ps_graph_find(&b.graph, "llama/dense/pql", &node), PS_EUSAGE);
	assert_non_null(strstr(b.session.diag.text, "llama/dense/ppl"));
	unbuild(&b);
}

/* An SAE that train would refuse is refused before anything runs, by file, line and key. */
static void options_are_checked_against_the_model(void **state)
{
	static const struct {
		const char *from, *to, *key;
		int line;
	} wrong[] = {
		{"k: 8", "k: 1600", "sae.k", 33},
		{"arch: topk", "arch: gemmascope", "sae.arch", 30},
		{"layer: 2", "layer: 99", "layer 99", 5},
		{"layer: 2", "layer: 3\n    dictionary: @/dictionary",
		 "blocks.2.hook_resid_post (after layer 2)", 6},
		{"layer: 2", "layer: 3\n    dictionary: @/dictionary", "demo/models/llama do not",
		 6},
		{"layer: 2", "layer: 2\n    dictionary: test/fixtures/saelens/v6-topk", "width", 6},
		{"layer: 2", "layer: 2\n    dictionary: @/copy", "a model, not an SAE", 6},
		{"@/copy", "demo/models/gemma2", "family gemma2 and llama", 53},
		{"@/copy", "@/other", "do not have the same tokenizer", 53},
		{"name: kin", "name: retrain", "checkpoints.name: 'retrain'", 52},
		{"name: kin", "name: wanda-0.5", "checkpoints.name: 'wanda-0.5'", 52},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct built b;
		char line[32];

		assert_int_equal(build(&b, wrong[i].from, wrong[i].to, PS_PRECISION_F32),
				 PS_EINPUT);
		snprintf(line, sizeof line, "line %d", wrong[i].line);
		if (!strstr(b.session.diag.text, wrong[i].key) ||
		    !strstr(b.session.diag.text, line))
			fail_msg("%s or %s is not in: %s", wrong[i].key, line, b.session.diag.text);
		unbuild(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_stand_after_what_they_read),
		cmocka_unit_test(every_field_changes_its_dependents_alone),
		cmocka_unit_test(no_field_of_the_file_is_left_out),
		cmocka_unit_test(a_models_name_is_no_part_of_a_key),
		cmocka_unit_test(the_precision_changes_what_a_forward_pass_makes),
		cmocka_unit_test(controls_differ_from_the_dense_training_in_one_thing),
		cmocka_unit_test(dense_saes_of_other_seeds_have_steps_of_their_own),
		cmocka_unit_test(controls_are_made_after_other_conditions),
		cmocka_unit_test(a_checkpoint_is_a_condition_with_weights_of_its_own),
		cmocka_unit_test(a_dictionary_is_transferred_too),
		cmocka_unit_test(a_dictionarys_norm_is_estimated_from_the_dense_cache),
		cmocka_unit_test(a_large_dictionary_counts_in_the_least_budget),
		cmocka_unit_test(survival_shares_a_call_where_the_control_is_the_same),
		cmocka_unit_test(one_order_may_be_asked_for),
		cmocka_unit_test(trainings_share_a_call_where_rows_and_order_are_the_same),
		cmocka_unit_test(sorting_is_counted_where_the_cache_exceeds_memory),
		cmocka_unit_test(a_step_is_found_by_the_end_of_its_name),
		cmocka_unit_test(options_are_checked_against_the_model),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
