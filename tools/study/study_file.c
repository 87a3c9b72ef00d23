#include "tools/study/study_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "io/artefact.h"
#include "tools/run/lists.h"
#include "tools/run/nearest.h"

#define STUDY_BYTES_MAX ((size_t)1 << 20)
#define MODELS_MAX 1000
#define OPTIONAL CYAML_FLAG_OPTIONAL
#define OPTIONAL_POINTER (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, CYAML_UNLIMITED)};
static const cyaml_schema_value_t real_value = {CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double)};
static const cyaml_schema_value_t int_value = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int64_t)};

static const cyaml_schema_field_t model_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, ps_study_model, name, 1, 64),
	CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_POINTER, ps_study_model, path, 1,
			       CYAML_UNLIMITED),
	CYAML_FIELD_INT("layer", CYAML_FLAG_DEFAULT, ps_study_model, layer),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t model_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, ps_study_model, model_fields)};

/* The type of a struct inside ps_study_file, which has no name. libcyaml wants its fields' offsets
 * within it. */
#define SUB(group) __typeof__(((ps_study_file *)0)->group)

static const cyaml_schema_field_t magnitude_fields[] = {
	CYAML_FIELD_STRING_PTR("scope", OPTIONAL_POINTER, SUB(magnitude), scope, 1, 16),
	CYAML_FIELD_BOOL("pool_embedding", OPTIONAL, SUB(magnitude), pool_embedding),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t wanda_fields[] = {
	CYAML_FIELD_STRING_PTR("scope", OPTIONAL_POINTER, SUB(wanda), scope, 1, 16),
	CYAML_FIELD_STRING_PTR("calibration", OPTIONAL_POINTER, SUB(wanda), calibration, 1, 16),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t ppl_fields[] = {
	CYAML_FIELD_STRING_PTR("text", CYAML_FLAG_POINTER, SUB(ppl), text, 1, CYAML_UNLIMITED),
	CYAML_FIELD_INT("window", OPTIONAL, SUB(ppl), window),
	CYAML_FIELD_INT("stride", OPTIONAL, SUB(ppl), stride),
	CYAML_FIELD_INT("max_tokens", OPTIONAL, SUB(ppl), max_tokens),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t sae_fields[] = {
	CYAML_FIELD_STRING_PTR("arch", OPTIONAL_POINTER, SUB(sae), arch, 1, 16),
	CYAML_FIELD_STRING_PTR("init", OPTIONAL_POINTER, SUB(sae), init, 1, 16),
	CYAML_FIELD_INT("expansion", OPTIONAL, SUB(sae), expansion),
	CYAML_FIELD_INT("d_sae", OPTIONAL, SUB(sae), d_sae),
	CYAML_FIELD_INT("k", OPTIONAL, SUB(sae), k),
	CYAML_FIELD_INT("batch", OPTIONAL, SUB(sae), batch),
	CYAML_FIELD_FLOAT("lr", OPTIONAL, SUB(sae), lr),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t splice_fields[] = {
	CYAML_FIELD_INT("windows", CYAML_FLAG_DEFAULT, SUB(splice), windows),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t ablation_fields[] = {
	CYAML_FIELD_INT("features", CYAML_FLAG_DEFAULT, SUB(ablation), features),
	CYAML_FIELD_INT("windows", OPTIONAL, SUB(ablation), windows),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t bootstrap_fields[] = {
	CYAML_FIELD_INT("samples", CYAML_FLAG_DEFAULT, SUB(bootstrap), samples),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t study_fields[] = {
	CYAML_FIELD_STRING_PTR("name", OPTIONAL_POINTER, ps_study_file, name, 1, 200),
	CYAML_FIELD_SEQUENCE("models", CYAML_FLAG_POINTER, ps_study_file, models, &model_value, 1,
			     MODELS_MAX),
	CYAML_FIELD_SEQUENCE("text", CYAML_FLAG_POINTER, ps_study_file, text, &text_value, 1,
			     PS_LIST_MAX),
	CYAML_FIELD_SEQUENCE("methods", CYAML_FLAG_POINTER, ps_study_file, methods, &text_value, 1,
			     2),
	CYAML_FIELD_SEQUENCE("sparsities", CYAML_FLAG_POINTER, ps_study_file, sparsities,
			     &real_value, 1, 32),
	CYAML_FIELD_SEQUENCE("seeds", CYAML_FLAG_POINTER, ps_study_file, seeds, &int_value, 1, 32),
	CYAML_FIELD_INT("pruned_seeds", OPTIONAL, ps_study_file, pruned_seeds),
	CYAML_FIELD_INT("window", OPTIONAL, ps_study_file, window),
	CYAML_FIELD_INT("calibration_tokens", CYAML_FLAG_DEFAULT, ps_study_file,
			calibration_tokens),
	CYAML_FIELD_INT("train_tokens", CYAML_FLAG_DEFAULT, ps_study_file, train_tokens),
	CYAML_FIELD_INT("cache_tokens", OPTIONAL, ps_study_file, cache_tokens),
	CYAML_FIELD_INT("min_chars", OPTIONAL, ps_study_file, min_chars),
	CYAML_FIELD_STRING_PTR("bos", OPTIONAL_POINTER, ps_study_file, bos, 1, 16),
	CYAML_FIELD_STRING_PTR("documents", OPTIONAL_POINTER, ps_study_file, documents, 1, 16),
	CYAML_FIELD_MAPPING("magnitude", OPTIONAL, ps_study_file, magnitude, magnitude_fields),
	CYAML_FIELD_MAPPING("wanda", OPTIONAL, ps_study_file, wanda, wanda_fields),
	CYAML_FIELD_MAPPING("ppl", CYAML_FLAG_DEFAULT, ps_study_file, ppl, ppl_fields),
	CYAML_FIELD_MAPPING("sae", OPTIONAL, ps_study_file, sae, sae_fields),
	CYAML_FIELD_MAPPING("splice", OPTIONAL, ps_study_file, splice, splice_fields),
	CYAML_FIELD_MAPPING("ablation", OPTIONAL, ps_study_file, ablation, ablation_fields),
	CYAML_FIELD_MAPPING("bootstrap", OPTIONAL, ps_study_file, bootstrap, bootstrap_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t study_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ps_study_file, study_fields)};

/* What libcyaml says about a mistake. */
struct complaint {
	char text[400];
};

static void note_complaint(cyaml_log_t level, void *context, const char *format, va_list args)
{
	struct complaint *c = context;
	char text[300];

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\n")] = 0;
	if (!strncmp(text, "Load: ", 6) && strlen(c->text) + strlen(text) < sizeof c->text - 4) {
		strcat(c->text, c->text[0] ? "; " : "");
		strcat(c->text, text + 6);
	}
}

/* The allocator for libcyaml. ps_study_file_free uses it too. */
static void *allocate(void *context, void *old, size_t size)
{
	(void)context;
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

static cyaml_config_t configure(struct complaint *complaint)
{
	return (cyaml_config_t){.log_level = CYAML_LOG_ERROR,
				.log_fn = note_complaint,
				.log_ctx = complaint,
				.mem_fn = allocate,
				.flags = CYAML_CFG_NO_ALIAS};
}

static size_t add_names(const cyaml_schema_field_t *fields, const char **names, size_t n)
{
	for (; fields->key; fields++)
		names[n++] = fields->key;
	return n;
}

static int refuse(const char *path, cyaml_err_t error, const struct complaint *complaint,
		  ps_diag *diag)
{
	static const cyaml_schema_field_t *const groups[] = {
		study_fields, model_fields,  magnitude_fields, wanda_fields,    ppl_fields,
		sae_fields,   splice_fields, ablation_fields,  bootstrap_fields};
	const char *names[96], *key = strstr(complaint->text, "key: "), *nearest;
	char word[64];
	size_t n = 0;

	if (error != CYAML_ERR_INVALID_KEY || !key)
		return ps_fail(diag, PS_EINPUT, "%s: %s%s%s", path, cyaml_strerror(error),
			       complaint->text[0] ? ": " : "", complaint->text);
	snprintf(word, sizeof word, "%.*s", (int)strcspn(key + 5, ";"), key + 5);
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
		n = add_names(groups[g], names, n);
	names[n] = NULL;
	nearest = ps_nearest_name(word, names);
	return ps_fail(diag, PS_EINPUT, "%s: unknown key '%s'%s%s", path, word,
		       nearest ? "; the nearest known one is " : "", nearest ? nearest : "");
}

static void fill_defaults(ps_study_file *f)
{
	if (!f->window)
		f->window = 256;
	if (!f->ppl.window)
		f->ppl.window = 1024;
	if (!f->ppl.stride)
		f->ppl.stride = f->ppl.window / 2 ? f->ppl.window / 2 : 1;
	if (!f->sae.expansion)
		f->sae.expansion = 8;
	if (!f->sae.k)
		f->sae.k = 64;
	if (!f->sae.batch)
		f->sae.batch = 4096;
	if (!f->cache_tokens)
		f->cache_tokens = f->train_tokens;
	if (!f->pruned_seeds)
		f->pruned_seeds = f->seeds_count;
	if (!f->ablation.windows)
		f->ablation.windows = 8;
	if (!f->bootstrap.samples)
		f->bootstrap.samples = 1000;
	if (!f->name)
		f->name = strdup("study");
	if (!f->bos)
		f->bos = strdup("none");
	if (!f->documents)
		f->documents = strdup("file");
	if (!f->sae.init)
		f->sae.init = strdup("shared");
	if (!f->sae.arch)
		f->sae.arch = strdup("topk");
}

static bool one_of(const char *word, const char *a, const char *b)
{
	return !strcmp(word, a) || !strcmp(word, b);
}

static int check_names(const ps_study_file *f, const char *path, ps_diag *diag)
{
	for (unsigned i = 0; i < f->models_count; i++) {
		const char *name = f->models[i].name;

		if (strchr(name, '/') || name[0] == '.')
			return ps_fail(diag, PS_EINPUT,
				       "%s: models: name '%s' must be usable as a folder's name",
				       path, name);
		if (f->models[i].layer < 0)
			return ps_fail(diag, PS_EINPUT,
				       "%s: models: %s: layer must not be negative", path, name);
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(name, f->models[j].name))
				return ps_fail(diag, PS_EINPUT,
					       "%s: models: name '%s' stands twice", path, name);
	}
	for (unsigned i = 0; i < f->methods_count; i++)
		if (!one_of(f->methods[i], "magnitude", "wanda") ||
		    (i && !strcmp(f->methods[0], f->methods[i])))
			return ps_fail(
				diag, PS_EINPUT,
				"%s: methods: '%s' (magnitude and wanda are known, each once)",
				path, f->methods[i]);
	return 0;
}

static int check_lists(const ps_study_file *f, const char *path, ps_diag *diag)
{
	for (unsigned i = 0; i < f->sparsities_count; i++) {
		if (!(f->sparsities[i] > 0 && f->sparsities[i] < 1))
			return ps_fail(diag, PS_EINPUT, "%s: sparsities: %g is not between 0 and 1",
				       path, f->sparsities[i]);
		for (unsigned j = 0; j < i; j++)
			if (fabs(f->sparsities[i] - f->sparsities[j]) < 1e-9)
				return ps_fail(diag, PS_EINPUT, "%s: sparsities: %g stands twice",
					       path, f->sparsities[i]);
	}
	for (unsigned i = 0; i < f->seeds_count; i++)
		for (unsigned j = 0; j <= i; j++)
			if (f->seeds[i] < 0 || (j < i && f->seeds[i] == f->seeds[j]))
				return ps_fail(diag, PS_EINPUT,
					       "%s: seeds: %lld is negative or stands twice", path,
					       (long long)f->seeds[i]);
	return 0;
}

static int check_ranges(const ps_study_file *f, const char *path, ps_diag *diag)
{
	const struct {
		const char *key;
		int64_t value, least, most;
	} range[] = {
		{"window", f->window, 2, 1 << 20},
		{"calibration_tokens", f->calibration_tokens, f->window, INT32_MAX},
		{"train_tokens", f->train_tokens, f->sae.batch, INT64_MAX},
		{"cache_tokens", f->cache_tokens, f->window, INT64_MAX},
		{"min_chars", f->min_chars, 0, INT64_MAX},
		{"pruned_seeds", f->pruned_seeds, 1, f->seeds_count},
		{"ppl: window", f->ppl.window, 1, 1 << 20},
		{"ppl: stride", f->ppl.stride, 1, f->ppl.window},
		{"ppl: max_tokens", f->ppl.max_tokens, 0, INT64_MAX},
		{"sae: expansion", f->sae.expansion, 1, 4096},
		{"sae: d_sae", f->sae.d_sae, 0, 1 << 24},
		{"sae: k", f->sae.k, 1, 1 << 16},
		{"sae: batch", f->sae.batch, 1, 1 << 20},
		{"splice: windows", f->splice.windows, 0, INT32_MAX},
		{"ablation: features", f->ablation.features, 0, 1 << 20},
		{"ablation: windows", f->ablation.windows, 1, INT32_MAX},
		{"bootstrap: samples", f->bootstrap.samples, 100, 1000000},
	};

	for (size_t i = 0; i < sizeof range / sizeof *range; i++)
		if (range[i].value < range[i].least || range[i].value > range[i].most)
			return ps_fail(diag, PS_EINPUT, "%s: %s: %lld is not between %lld and %lld",
				       path, range[i].key, (long long)range[i].value,
				       (long long)range[i].least, (long long)range[i].most);
	if (!one_of(f->bos, "none", "window"))
		return ps_fail(diag, PS_EINPUT, "%s: bos: must be none or window", path);
	if (!one_of(f->documents, "file", "line"))
		return ps_fail(diag, PS_EINPUT, "%s: documents: must be file or line", path);
	if (!one_of(f->sae.init, "shared", "independent"))
		return ps_fail(diag, PS_EINPUT, "%s: sae: init: must be shared or independent",
			       path);
	if (!isfinite(f->sae.lr) || f->sae.lr < 0)
		return ps_fail(diag, PS_EINPUT, "%s: sae: lr: must be a positive number", path);
	return 0;
}

int ps_study_file_load(ps_study_file **out, const char *path, ps_diag *diag)
{
	struct complaint complaint = {{0}};
	cyaml_config_t config = configure(&complaint);
	ps_study_file *f = NULL;
	char *text;
	size_t length;
	cyaml_err_t error;
	int rc = ps_file_read(&ps_sys_linux, path, STUDY_BYTES_MAX, &text, &length, diag);

	if (rc)
		return rc;
	error = cyaml_load_data((const uint8_t *)text, length, &config, &study_schema,
				(cyaml_data_t **)&f, NULL);
	free(text);
	if (error != CYAML_OK)
		return refuse(path, error, &complaint, diag);
	if (!f)
		return ps_fail(diag, PS_EINPUT, "%s: the file is empty", path);
	fill_defaults(f);
	rc = check_names(f, path, diag);
	if (!rc)
		rc = check_lists(f, path, diag);
	if (!rc)
		rc = check_ranges(f, path, diag);
	f->sae.start = strcmp(f->sae.init, "shared") ? PS_INIT_INDEPENDENT : PS_INIT_SHARED;
	if (rc)
		ps_study_file_free(f);
	else
		*out = f;
	return rc;
}

void ps_study_file_free(ps_study_file *f)
{
	struct complaint complaint;
	cyaml_config_t config = configure(&complaint);

	if (f)
		cyaml_free(&config, &study_schema, f, 0);
}

/* The list that ps_study_file_keys fills. */
struct key_list {
	const char **names;
	size_t count, max;
	char *text;
	size_t left;
};

static void list_key(struct key_list *list, const char *group, const char *key)
{
	int length = snprintf(list->text, list->left, "%s%s%s", group, *group ? "." : "", key);

	if (length < 0 || (size_t)length >= list->left || list->count == list->max)
		return;
	list->names[list->count++] = list->text;
	list->text += length + 1;
	list->left -= (size_t)length + 1;
}

size_t ps_study_file_keys(const char **names, size_t max, char *text, size_t size)
{
	struct key_list list = {.names = names, .max = max, .text = text, .left = size};

	for (const cyaml_schema_field_t *f = study_fields; f->key; f++) {
		const cyaml_schema_field_t *inner = NULL;

		if (f->value.type == CYAML_MAPPING)
			inner = f->value.mapping.fields;
		else if (f->value.type == CYAML_SEQUENCE &&
			 f->value.sequence.entry->type == CYAML_MAPPING)
			inner = f->value.sequence.entry->mapping.fields;
		if (!inner)
			list_key(&list, "", f->key);
		for (; inner && inner->key; inner++)
			list_key(&list, f->key, inner->key);
	}
	return list.count;
}
