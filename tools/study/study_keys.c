#include "tools/study/study_keys.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tools/run/lists.h"
#include "tools/run/nearest.h"
#include "tools/study/study_file.h"

enum { MODELS_MAX = 1000, CHECKPOINTS_MAX = 1000, KEYS_MAX = 96 };

#define WHOLE_MAX ((double)INT64_MAX)
#define TEXT_MAX 4096 /* bytes: no path is longer */

static const char *const method_words[] = {"magnitude", "wanda", NULL};
static const char *const bos_words[] = {"none", "window", NULL};
static const char *const document_words[] = {"file", "line", NULL};
static const char *const init_words[] = {"shared", "independent", NULL};
static const char *const rounding_words[] = {
	"int8",      "int7",      "int6",      "int5",      "int4",      "int3", "int8-g128",
	"int7-g128", "int6-g128", "int5-g128", "int4-g128", "int3-g128", NULL};
static const char *const matched_words[] = {"magnitude", "random", NULL};
static const char *const frozen_words[] = {"decoder", "encoder", NULL};

#define AT(member) .offset = offsetof(ps_study_file, member)
#define OF_MODEL(member) .offset = offsetof(ps_study_model, member)
#define OF_CHECKPOINT(member) .offset = offsetof(ps_study_checkpoint, member)
#define ITEM(struct) .type = PS_STUDY_ITEM, .item_bytes = sizeof(struct)
#define WHOLE(from, to) .type = PS_STUDY_WHOLE, .range = {.least = (from), .most = (to)}
#define TEXT(longest) .type = PS_STUDY_TEXT, .range = {.least = 1, .most = (longest)}
#define WORD(list) .type = PS_STUDY_WORD, .range = {.least = 1, .most = 64}, .words = (list)
#define LIST(member, max)                                                                          \
	AT(member), .count_offset = offsetof(ps_study_file, member##_count), .items_max = (max)
#define WANTED .wanted = true

const ps_study_key ps_study_keys[] = {
	{"", "name", TEXT(200), AT(name)},
	{"", "models", ITEM(ps_study_model), LIST(models, MODELS_MAX), WANTED},
	{"models", "name", TEXT(64), OF_MODEL(name), WANTED},
	{"models", "path", TEXT(TEXT_MAX), OF_MODEL(path), WANTED},
	{"models", "layer", WHOLE(0, INT32_MAX), OF_MODEL(layer), WANTED},
	{"models", "dictionary", TEXT(TEXT_MAX), OF_MODEL(dictionary)},
	{"", "checkpoints", ITEM(ps_study_checkpoint), LIST(checkpoints, CHECKPOINTS_MAX)},
	{"checkpoints", "name", TEXT(64), OF_CHECKPOINT(name), WANTED},
	{"checkpoints", "path", TEXT(TEXT_MAX), OF_CHECKPOINT(path), WANTED},
	{"checkpoints", "model", TEXT(64), OF_CHECKPOINT(model)},
	{"", "text", TEXT(TEXT_MAX), LIST(text, PS_LIST_MAX), WANTED},
	{"", "documents", WORD(document_words), AT(documents)},
	{"", "min_chars", WHOLE(0, WHOLE_MAX), AT(min_chars)},
	{"", "window", WHOLE(2, 1 << 20), AT(window)},
	{"", "bos", WORD(bos_words), AT(bos)},
	{"", "methods", WORD(method_words), LIST(methods, 2), WANTED},
	{"", "sparsities", .type = PS_STUDY_SHARE,
	 .range = {.least = 0, .most = 1, .above = true, .below = true}, LIST(sparsities, 32),
	 WANTED},
	{"", "seeds", WHOLE(0, WHOLE_MAX), LIST(seeds, 32), WANTED},
	{"", "pruned_seeds", WHOLE(1, 32), AT(pruned_seeds)},
	{"", "calibration_tokens", WHOLE(1, INT32_MAX), AT(calibration_tokens), WANTED},
	{"", "train_tokens", WHOLE(1, WHOLE_MAX), AT(train_tokens), WANTED},
	{"", "cache_tokens", WHOLE(1, WHOLE_MAX), AT(cache_tokens)},
	{"", "allow_fewer", PS_STUDY_BOOL, AT(allow_fewer)},
	{"", "magnitude", .type = PS_STUDY_MAP},
	{"magnitude", "scope", TEXT(16), AT(magnitude.scope)},
	{"magnitude", "pool_embedding", PS_STUDY_BOOL, AT(magnitude.pool_embedding)},
	{"", "wanda", .type = PS_STUDY_MAP},
	{"wanda", "scope", TEXT(16), AT(wanda.scope)},
	{"wanda", "calibration", TEXT(16), AT(wanda.calibration)},
	{"", "ppl", .type = PS_STUDY_MAP, WANTED},
	{"ppl", "text", TEXT(TEXT_MAX), AT(ppl.text), WANTED},
	{"ppl", "window", WHOLE(1, 1 << 20), AT(ppl.window)},
	{"ppl", "stride", WHOLE(1, 1 << 20), AT(ppl.stride)},
	{"ppl", "max_tokens", WHOLE(0, WHOLE_MAX), AT(ppl.max_tokens)},
	{"", "sae", .type = PS_STUDY_MAP},
	{"sae", "arch", TEXT(16), AT(sae.arch)},
	{"sae", "init", WORD(init_words), AT(sae.init)},
	{"sae", "expansion", WHOLE(1, 4096), AT(sae.expansion)},
	{"sae", "d_sae", WHOLE(1, 1 << 24), AT(sae.d_sae)},
	{"sae", "k", WHOLE(1, 1 << 16), AT(sae.k)},
	{"sae", "batch", WHOLE(1, 1 << 20), AT(sae.batch)},
	{"sae", "lr", .type = PS_STUDY_REAL, .range = {.least = 0, .most = 1e6, .above = true},
	 AT(sae.lr)},
	{"sae", "data_seed", WHOLE(0, (int64_t)1 << 62), AT(sae.data_seed)},
	{"", "controls", .type = PS_STUDY_MAP},
	{"controls", "retrain", PS_STUDY_BOOL, AT(controls.retrain)},
	{"controls", "random", PS_STUDY_BOOL, AT(controls.random)},
	{"controls", "at_sparsity", .type = PS_STUDY_SHARE,
	 .range = {.least = 0, .most = 1, .above = true, .below = true}, AT(controls.at_sparsity)},
	{"controls", "rounding", WORD(rounding_words), LIST(controls.rounding, 12)},
	{"controls", "matched", WORD(matched_words), LIST(controls.matched, 2)},
	{"controls", "frozen", WORD(frozen_words), LIST(controls.frozen, 2)},
	{"", "features", PS_STUDY_BOOL, AT(features)},
	{"", "splice", .type = PS_STUDY_MAP},
	{"splice", "windows", WHOLE(0, INT32_MAX), AT(splice.windows), WANTED},
	{"", "ablation", .type = PS_STUDY_MAP},
	{"ablation", "features", WHOLE(0, 1 << 20), AT(ablation.features), WANTED},
	{"ablation", "windows", WHOLE(1, INT32_MAX), AT(ablation.windows)},
	{"ablation", "seeds", WHOLE(1, 32), AT(ablation.seeds)},
	{"", "bootstrap", .type = PS_STUDY_MAP},
	{"bootstrap", "samples", WHOLE(100, 1000000), AT(bootstrap.samples), WANTED},
};
const size_t ps_study_key_count = sizeof ps_study_keys / sizeof *ps_study_keys;
_Static_assert(sizeof ps_study_keys / sizeof *ps_study_keys < KEYS_MAX, "lists of names hold all");

const ps_study_key *ps_study_key_find(const char *group, const char *name)
{
	for (size_t i = 0; i < ps_study_key_count; i++)
		if (!strcmp(ps_study_keys[i].group, group) && !strcmp(ps_study_keys[i].name, name))
			return &ps_study_keys[i];
	return NULL;
}

bool ps_study_key_in_item(const ps_study_key *key)
{
	const ps_study_key *holder = ps_study_key_find("", key->group);

	return holder && holder->type == PS_STUDY_ITEM;
}

/* The first key of that name in another group; NULL: none has it. */
static const ps_study_key *elsewhere(const char *group, const char *name)
{
	for (size_t i = 0; i < ps_study_key_count; i++)
		if (strcmp(ps_study_keys[i].group, group) && !strcmp(ps_study_keys[i].name, name))
			return &ps_study_keys[i];
	return NULL;
}

/* Writes "known are a, b, c" into out. */
static void list_names(const char *const *names, char *out, size_t size)
{
	snprintf(out, size, "known are ");
	for (size_t i = 0; names[i]; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? ", " : "", names[i]);
}

void ps_study_key_guess(const char *group, const char *name, char *out, size_t size)
{
	const ps_study_key *other = elsewhere(group, name);
	const char *names[KEYS_MAX], *nearest;
	size_t count = 0;

	for (size_t i = 0; i < ps_study_key_count; i++)
		if (!strcmp(ps_study_keys[i].group, group))
			names[count++] = ps_study_keys[i].name;
	names[count] = NULL;
	nearest = ps_nearest_name(name, names);
	if (other && *other->group)
		snprintf(out, size, "it belongs under %s", other->group);
	else if (other)
		snprintf(out, size, "it belongs at the top of the file");
	else if (nearest)
		snprintf(out, size, "the nearest known one is %s", nearest);
	else
		list_names(names, out, size);
}

char *ps_study_key_name(const ps_study_key *key, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", key->group, *key->group ? "." : "", key->name);
	return out;
}

/* Joins the words of a key: "file or line". */
static void join_words(const ps_study_key *key, char *out, size_t size)
{
	out[0] = 0;
	for (size_t i = 0; key->words[i]; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? " or " : "",
			 key->words[i]);
}

/* "name, path and layer": the keys that an item of the list must have. */
static char *list_wanted(const ps_study_key *list, char *out, size_t size)
{
	const ps_study_key *last = NULL;

	out[0] = 0;
	for (size_t i = 0; i < ps_study_key_count; i++) {
		const ps_study_key *key = &ps_study_keys[i];

		if (!key->wanted || strcmp(key->group, list->name) != 0)
			continue;
		if (last)
			snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? ", " : "",
				 last->name);
		last = key;
	}
	if (last)
		snprintf(out + strlen(out), size - strlen(out), " and %s", last->name);
	return out;
}

/* What an item of a list is called where it stands for all of them. */
static const char *plural(const ps_study_key *key)
{
	switch (key->type) {
	case PS_STUDY_WHOLE:
		return "whole numbers, such as [7, 42]";
	case PS_STUDY_SHARE:
	case PS_STUDY_REAL:
		return "numbers, such as [0.3, 0.5]";
	default:
		return "texts, such as [one, two]";
	}
}

char *ps_study_key_wants(const ps_study_key *key, bool item, char *out, size_t size)
{
	char range[PS_RANGE_TEXT], words[64];

	if (key->type == PS_STUDY_ITEM) {
		snprintf(out, size, "a %s with %s", item ? "map" : "list of maps, each",
			 list_wanted(key, words, sizeof words));
		return out;
	}
	if (key->items_max && !item) {
		snprintf(out, size, "a list of %s", plural(key));
		return out;
	}
	switch (key->type) {
	case PS_STUDY_WHOLE:
		snprintf(out, size, "a whole number, %s", ps_range_format(key->range, range));
		break;
	case PS_STUDY_REAL:
	case PS_STUDY_SHARE:
		snprintf(out, size, "a number, %s", ps_range_format(key->range, range));
		break;
	case PS_STUDY_BOOL:
		snprintf(out, size, "true or false");
		break;
	case PS_STUDY_WORD:
		join_words(key, words, sizeof words);
		snprintf(out, size, "%s", words);
		break;
	case PS_STUDY_TEXT:
		snprintf(out, size, "a text of at most %.0f bytes", key->range.most);
		break;
	case PS_STUDY_MAP:
		snprintf(out, size, "a map of keys of its own");
		break;
	case PS_STUDY_ITEM: /* done above */
		break;
	}
	return out;
}
