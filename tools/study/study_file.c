#include "tools/study/study_file.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "tools/cmd/ppl_windows.h"
#include "tools/study/study_keys.h"
#include "tools/study/study_read.h"

#define STUDY_BYTES_MAX ((size_t)1 << 20)

enum {
	KEY_BYTES = 64,
	OWN_START = 1000003, /* at least graph_nodes.c's offset of a seed of its own */
};

/* --- where keys stand --- */

const ps_study_mark *ps_study_mark_of(const ps_study_file *f, const char *key, size_t item)
{
	char name[KEY_BYTES];

	for (size_t i = 0; i < f->marks_count; i++)
		if (f->marks[i].item == item &&
		    !strcmp(ps_study_key_name(f->marks[i].key, name, sizeof name), key))
			return &f->marks[i];
	return NULL;
}

static bool is_set(const ps_study_file *f, const char *key)
{
	return ps_study_mark_of(f, key, 0);
}

/* A file that is checked, and where the first mistake is told. */
struct check {
	const ps_study_file *file;
	const char *path;
	ps_diag *diag;
};

static int PS_PRINTF(4, 5)
	refuse(const struct check *c, const char *key, size_t item, const char *format, ...)
{
	const ps_study_mark *mark = ps_study_mark_of(c->file, key, item);
	char said[320];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof said, format, args);
	va_end(args);
	if (mark)
		return ps_fail(c->diag, PS_EINPUT, "%s: line %zu, column %zu: %s: %s", c->path,
			       mark->line, mark->column, key, said);
	return ps_fail(c->diag, PS_EINPUT, "%s: %s: %s", c->path, key, said);
}

/* --- defaults --- */

static int fill_word(char **word, const char *otherwise)
{
	if (!*word)
		*word = strdup(otherwise);
	return *word ? 0 : PS_EBUDGET;
}

static int fill_words(ps_study_file *f, ps_diag *diag)
{
	int rc = fill_word(&f->name, "study");

	if (!rc)
		rc = fill_word(&f->bos, "none");
	if (!rc)
		rc = fill_word(&f->documents, "file");
	if (!rc)
		rc = fill_word(&f->precision, "f32");
	if (!rc)
		rc = fill_word(&f->sae.init, "shared");
	if (!rc)
		rc = fill_word(&f->sae.arch, "topk");
	return rc ? ps_fail(diag, rc, "no memory for the study file") : 0;
}

static int fill_defaults(ps_study_file *f, ps_diag *diag)
{
	const struct {
		const char *key;
		int64_t *value, otherwise;
	} numbers[] = {
		{"window", &f->window, 256},
		{"ppl.window", &f->ppl.window, 1024},
		{"sae.expansion", &f->sae.expansion, 8},
		{"sae.k", &f->sae.k, 64},
		{"sae.batch", &f->sae.batch, 4096},
		{"cache_tokens", &f->cache_tokens, f->train_tokens},
		{"pruned_seeds", &f->pruned_seeds, f->seeds_count},
		{"ablation.windows", &f->ablation.windows, 8},
		{"ablation.seeds", &f->ablation.seeds, 1},
		{"bootstrap.samples", &f->bootstrap.samples, 1000},
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!is_set(f, numbers[i].key))
			*numbers[i].value = numbers[i].otherwise;
	if (!is_set(f, "sae.data_seed"))
		f->sae.data_seed = -1;
	if (!is_set(f, "controls.retrain"))
		f->controls.retrain = true;
	if (!is_set(f, "features"))
		f->features = true;
	if (!is_set(f, "controls.random"))
		f->controls.random = true;
	if (!is_set(f, "controls.at_sparsity"))
		f->controls.at_sparsity = f->sparsities[f->sparsities_count / 2];
	if (!is_set(f, "ppl.stride"))
		f->ppl.stride = ps_ppl_stride(f->ppl.window);
	return fill_words(f, diag);
}

/* --- values that must go together --- */

/* A model's name is a folder's name, and part of the names of steps. */
static const char *name_fault(const char *name)
{
	if (strchr(name, '/') || strchr(name, '\\'))
		return "has a slash in it";
	if (name[0] == '.' || name[0] == '-')
		return "begins with a dot or a dash";
	if (!strcmp(name, "assemble.json") || !strcmp(name, "report.json"))
		return "is the name of a record of the study";
	return NULL;
}

static int check_models(const struct check *c)
{
	const ps_study_file *f = c->file;

	for (unsigned i = 0; i < f->models_count; i++) {
		const char *name = f->models[i].name, *fault = name_fault(name);

		if (fault)
			return refuse(c, "models.name", i + 1,
				      "'%s' %s, and must be usable as a folder's name", name,
				      fault);
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(name, f->models[j].name))
				return refuse(c, "models.name", i + 1, "'%s' stands twice", name);
	}
	return 0;
}

/* A condition's name is the name of a folder beside files of the model's own. */
static const char *checkpoint_fault(const char *name)
{
	static const char *const endings[] = {".json", ".safetensors"};
	const size_t length = strlen(name);

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		const size_t own = strlen(endings[i]);

		if (length >= own && !strcmp(name + length - own, endings[i]))
			return "ends like a file of the study";
	}
	return name_fault(name);
}

/* Finds the model whose shapes a checkpoint has. */
static int find_model(ps_study_file *f, unsigned index, const struct check *c)
{
	ps_study_checkpoint *own = &f->checkpoints[index];

	if (!own->model && f->models_count > 1)
		return refuse(c, "checkpoints.name", index + 1,
			      "'%s' does not say whose shapes it has: the key 'model' is missing, "
			      "and the study has %u models",
			      own->name, f->models_count);
	for (unsigned i = 0; i < f->models_count; i++)
		if (!own->model || !strcmp(f->models[i].name, own->model)) {
			own->of_model = i;
			return 0;
		}
	return refuse(c, "checkpoints.model", index + 1, "'%s' is none of the models", own->model);
}

static int check_checkpoints(ps_study_file *f, const struct check *c)
{
	int rc = 0;

	for (unsigned i = 0; i < f->checkpoints_count && !rc; i++) {
		const char *name = f->checkpoints[i].name, *fault = checkpoint_fault(name);

		if (fault)
			return refuse(c, "checkpoints.name", i + 1,
				      "'%s' %s, and must be usable as a folder's name", name,
				      fault);
		rc = find_model(f, i, c);
	}
	return rc;
}

static int check_seeds(const struct check *c)
{
	const ps_study_file *f = c->file;

	for (unsigned i = 0; i < f->seeds_count; i++) {
		for (unsigned j = 0; j < i; j++)
			if (f->seeds[i] == f->seeds[j])
				return refuse(c, "seeds", i + 1, "%lld stands twice",
					      (long long)f->seeds[i]);
		if (f->seeds[i] > INT64_MAX - OWN_START)
			return refuse(c, "seeds", i + 1, "%lld is too large",
				      (long long)f->seeds[i]);
	}
	if (f->pruned_seeds > f->seeds_count)
		return refuse(c, "pruned_seeds", 0, "%lld is more than the %u seeds",
			      (long long)f->pruned_seeds, f->seeds_count);
	if (f->ablation.seeds > f->pruned_seeds)
		return refuse(c, "ablation.seeds", 0, "%lld is more than pruned_seeds, %lld",
			      (long long)f->ablation.seeds, (long long)f->pruned_seeds);
	return 0;
}

static int check_lists(const struct check *c)
{
	const ps_study_file *f = c->file;

	for (unsigned i = 0; i < f->methods_count; i++)
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(f->methods[i], f->methods[j]))
				return refuse(c, "methods", i + 1, "%s stands twice",
					      f->methods[i]);
	for (unsigned i = 0; i < f->sparsities_count; i++)
		for (unsigned j = 0; j < i; j++)
			if (fabs(f->sparsities[i] - f->sparsities[j]) < 1e-9)
				return refuse(c, "sparsities", i + 1, "%g stands twice",
					      f->sparsities[i]);
	return check_seeds(c);
}

static int check_words(const struct check *c, const char *key, char *const *words, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(words[i], words[j]))
				return refuse(c, key, i + 1, "%s stands twice", words[i]);
	return 0;
}

static bool has_method(const ps_study_file *f, const char *method)
{
	for (unsigned i = 0; i < f->methods_count; i++)
		if (!strcmp(f->methods[i], method))
			return true;
	return false;
}

/* Random masks and matched perplexities look at one of the study's pruned models. */
static int check_controls(const struct check *c)
{
	const ps_study_file *f = c->file;
	bool known = false;
	int rc = check_words(c, "controls.frozen", f->controls.frozen, f->controls.frozen_count);

	if (!rc)
		rc = check_words(c, "controls.rounding", f->controls.rounding,
				 f->controls.rounding_count);
	if (!rc)
		rc = check_words(c, "controls.matched", f->controls.matched,
				 f->controls.matched_count);
	for (unsigned i = 0; i < f->sparsities_count; i++)
		known |= fabs(f->sparsities[i] - f->controls.at_sparsity) < 1e-9;
	if (!rc && !known)
		rc = refuse(c, "controls.at_sparsity", 0, "%g is none of the sparsities",
			    f->controls.at_sparsity);
	if (!rc && f->controls.matched_count && !has_method(f, "wanda") &&
	    !f->controls.rounding_count)
		rc = refuse(c, "controls.matched", 0,
			    "there is nothing to match: neither wanda among the methods nor "
			    "controls.rounding");
	return rc;
}

/* Numbers that another key bounds. */
static int check_bounds(const struct check *c)
{
	const ps_study_file *f = c->file;
	const struct {
		const char *key;
		int64_t value, least;
		const char *bound;
	} least[] = {
		{"calibration_tokens", f->calibration_tokens, f->window, "window"},
		{"train_tokens", f->train_tokens, f->sae.batch, "sae.batch"},
		{"cache_tokens", f->cache_tokens, f->window, "window"},
		{"cache_tokens", f->cache_tokens / f->window * f->window, f->sae.batch,
		 "sae.batch"},
	};

	for (size_t i = 0; i < sizeof least / sizeof *least; i++)
		if (least[i].value < least[i].least)
			return refuse(c, least[i].key, 0, "%lld is less than %s, %lld",
				      (long long)least[i].value, least[i].bound,
				      (long long)least[i].least);
	if (f->ppl.stride > f->ppl.window)
		return refuse(c, "ppl.stride", 0, "%lld is more than ppl.window, %lld",
			      (long long)f->ppl.stride, (long long)f->ppl.window);
	if (is_set(f, "sae.expansion") && is_set(f, "sae.d_sae"))
		return refuse(c, "sae.d_sae", 0, "sae.expansion says how many latents already");
	return 0;
}

/* The windows on which SAEs are measured are the first ones of a cache. */
static int check_windows(const struct check *c)
{
	const ps_study_file *f = c->file;
	const int64_t windows = f->cache_tokens / f->window;

	if (f->allow_fewer)
		return 0;
	if (f->splice.windows > windows)
		return refuse(c, "splice.windows", 0,
			      "%lld windows, but cache_tokens make %lld (allow_fewer: true takes "
			      "what there is)",
			      (long long)f->splice.windows, (long long)windows);
	if (is_set(f, "ablation.windows") && f->ablation.windows > windows)
		return refuse(c, "ablation.windows", 0,
			      "%lld windows, but cache_tokens make %lld (allow_fewer: true takes "
			      "what there is)",
			      (long long)f->ablation.windows, (long long)windows);
	return 0;
}

static int check(ps_study_file *f, const char *path, ps_diag *diag)
{
	const struct check c = {f, path, diag};
	int rc = check_models(&c);

	if (!rc)
		rc = check_checkpoints(f, &c);
	if (!rc)
		rc = check_lists(&c);
	if (!rc)
		rc = check_controls(&c);
	return rc ? rc : check_bounds(&c);
}

int ps_study_file_check_windows(const ps_study_file *f, const char *path, ps_diag *diag)
{
	return check_windows(&(struct check){f, path, diag});
}

/* --- loading --- */

int ps_study_file_load(ps_study_file **out, const char *path, ps_diag *diag)
{
	ps_study_file *f = NULL;
	char *text;
	size_t length;
	int rc = ps_file_read(&ps_sys_linux, path, STUDY_BYTES_MAX, &text, &length, diag);

	if (rc)
		return rc;
	f = calloc(1, sizeof *f);
	rc = f ? ps_study_read(f, path, text, length, diag)
	       : ps_fail(diag, PS_EBUDGET, "no memory for the study file");
	free(text);
	if (!rc)
		rc = fill_defaults(f, diag);
	if (!rc)
		rc = check(f, path, diag);
	if (rc) {
		ps_study_file_free(f);
		return rc;
	}
	f->sae.start = strcmp(f->sae.init, "shared") ? PS_INIT_INDEPENDENT : PS_INIT_SHARED;
	*out = f;
	return 0;
}

/* Frees the value of a key. base: what its offset counts from. */
static void free_value(const ps_study_key *key, char *base)
{
	const bool texts = key->type == PS_STUDY_TEXT || key->type == PS_STUDY_WORD;
	unsigned count = 0;
	char **place = (char **)(void *)(base + key->offset);

	if (key->items_max)
		memcpy(&count, base + key->count_offset, sizeof count);
	for (unsigned i = 0; i < count && texts; i++)
		free(((char **)(void *)*place)[i]);
	if (texts || key->items_max)
		free(*place);
}

/* Frees what the items of a list hold. */
static void free_items(const ps_study_key *list, char *base)
{
	unsigned count;
	char *items;

	memcpy(&count, base + list->count_offset, sizeof count);
	memcpy(&items, base + list->offset, sizeof items);
	for (size_t i = 0; i < ps_study_key_count; i++)
		for (unsigned k = 0; k < count && !strcmp(ps_study_keys[i].group, list->name); k++)
			free_value(&ps_study_keys[i], items + k * list->item_bytes);
}

void ps_study_file_free(ps_study_file *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < ps_study_key_count; i++)
		if (ps_study_keys[i].type == PS_STUDY_ITEM)
			free_items(&ps_study_keys[i], (char *)f);
	for (size_t i = 0; i < ps_study_key_count; i++)
		if (!ps_study_key_in_item(&ps_study_keys[i]))
			free_value(&ps_study_keys[i], (char *)f);
	free(f->marks);
	free(f);
}

size_t ps_study_file_keys(const char **names, size_t max, char *text, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < ps_study_key_count; i++) {
		const ps_study_key *key = &ps_study_keys[i];
		char name[KEY_BYTES];

		if (key->type == PS_STUDY_MAP || key->type == PS_STUDY_ITEM)
			continue;
		ps_study_key_name(key, name, sizeof name);
		if (strlen(name) >= size || count == max)
			break;
		strcpy(text, name);
		names[count++] = text;
		text += strlen(name) + 1;
		size -= strlen(name) + 1;
	}
	return count;
}

int ps_study_file_settle_precision(ps_study_file *f, bool asked, ps_precision *precision,
				   ps_diag *diag)
{
	const char *name = ps_precision_name(*precision);

	if (!ps_study_mark_of(f, "precision", 0)) {
		free(f->precision);
		f->precision = strdup(name);
		return f->precision ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for the study file");
	}
	if (asked && strcmp(name, f->precision) != 0)
		return ps_fail(diag, PS_EUSAGE, "--precision %s: the study file says precision: %s",
			       name, f->precision);
	return ps_precision_parse(f->precision, precision, diag);
}
