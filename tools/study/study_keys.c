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
static const char *const precision_words[] = {"f32", "bf16", "int16", NULL};
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
	{"", "name", TEXT(200), AT(name), .help = "title of the report", .usual = "study"},
	{"", "models", ITEM(ps_study_model), LIST(models, MODELS_MAX), WANTED,
	 .help = "the dense models"},
	{"models", "name", TEXT(64), OF_MODEL(name), WANTED,
	 .help = "names its folder and its rows"},
	{"models", "path", TEXT(TEXT_MAX), OF_MODEL(path), WANTED,
	 .help = "checkpoint folder, .gguf or .safetensors file, or hub id in the local Hugging "
		 "Face cache"},
	{"models", "layer", WHOLE(0, INT32_MAX), OF_MODEL(layer), WANTED,
	 .help = "whose residual stream is studied, counted from 0"},
	{"models", "dictionary", TEXT(TEXT_MAX), OF_MODEL(dictionary),
	 .help = "folder of an SAE that somebody else trained on this layer, with which transfer "
		 "is measured too"},
	{"", "checkpoints", ITEM(ps_study_checkpoint), LIST(checkpoints, CHECKPOINTS_MAX),
	 .help = "further checkpoints as conditions"},
	{"checkpoints", "name", TEXT(64), OF_CHECKPOINT(name), WANTED,
	 .help = "names the condition"},
	{"checkpoints", "path", TEXT(TEXT_MAX), OF_CHECKPOINT(path), WANTED,
	 .help = "checkpoint folder, .gguf or .safetensors file, or hub id in the local Hugging "
		 "Face cache"},
	{"checkpoints", "model", TEXT(64), OF_CHECKPOINT(model),
	 .help = "the model that it was changed from", .usual = "the only one"},
	{"", "text", TEXT(TEXT_MAX), LIST(text, PS_LIST_MAX), WANTED,
	 .help = "texts for calibration and training"},
	{"", "precision", WORD(precision_words), AT(precision),
	 .help = "arithmetic of the models' products; int16 is nearly as exact as f32, and faster",
	 .usual = "that of --precision"},
	{"", "documents", WORD(document_words), AT(documents), .help = "what a document is",
	 .usual = "file"},
	{"", "min_chars", WHOLE(0, WHOLE_MAX), AT(min_chars),
	 .help = "shorter documents are left out; in characters", .usual = "0"},
	{"", "window", WHOLE(2, 1 << 20), AT(window), .help = "token ids in a window",
	 .usual = "256"},
	{"", "bos", WORD(bos_words), AT(bos), .help = "whether BOS opens each window",
	 .usual = "none"},
	{"", "methods", WORD(method_words), LIST(methods, 2), WANTED,
	 .help = "pruning methods; the dense model is always in the study"},
	{"", "sparsities", .type = PS_STUDY_SHARE,
	 .range = {.least = 0, .most = 1, .above = true, .below = true}, LIST(sparsities, 32),
	 WANTED, .help = "shares of the weights to drop"},
	{"", "seeds", WHOLE(0, WHOLE_MAX), LIST(seeds, 32), WANTED,
	 .help = "seeds of the dense models' SAEs"},
	{"", "pruned_seeds", WHOLE(1, 32), AT(pruned_seeds),
	 .help = "SAEs of pruned models are trained with the first so many seeds", .usual = "all"},
	{"", "calibration_tokens", WHOLE(1, INT32_MAX), AT(calibration_tokens), WANTED,
	 .help = "on which Wanda measures the inputs of the weights"},
	{"", "train_tokens", WHOLE(1, WHOLE_MAX), AT(train_tokens), WANTED,
	 .help = "on which each SAE is trained"},
	{"", "cache_tokens", WHOLE(1, WHOLE_MAX), AT(cache_tokens),
	 .help = "rows of a cache; with fewer than train_tokens they are used for several epochs",
	 .usual = "train_tokens"},
	{"", "allow_fewer", PS_STUDY_BOOL, AT(allow_fewer),
	 .help = "texts may have fewer tokens than asked for", .usual = "false"},
	{"", "magnitude", .type = PS_STUDY_MAP, .help = "options of the method"},
	{"magnitude", "scope", TEXT(16), AT(magnitude.scope), .help = "row, matrix or global",
	 .usual = "matrix"},
	{"magnitude", "pool_embedding", PS_STUDY_BOOL, AT(magnitude.pool_embedding),
	 .help = "scope global: the embedding counts for the threshold", .usual = "false"},
	{"", "wanda", .type = PS_STUDY_MAP, .help = "options of the method"},
	{"wanda", "scope", TEXT(16), AT(wanda.scope), .help = "row, matrix or global",
	 .usual = "row"},
	{"wanda", "calibration", TEXT(16), AT(wanda.calibration), .help = "sequential or dense",
	 .usual = "sequential"},
	{"", "ppl", .type = PS_STUDY_MAP, WANTED, .help = "the perplexity that every model gets"},
	{"ppl", "text", TEXT(TEXT_MAX), AT(ppl.text), WANTED, .help = "of which text"},
	{"ppl", "window", WHOLE(1, 1 << 20), AT(ppl.window), .help = "token ids in a window",
	 .usual = "1024"},
	{"ppl", "stride", WHOLE(1, 1 << 20), AT(ppl.stride),
	 .help = "token ids between the starts of windows", .usual = "half of ppl.window"},
	{"ppl", "max_tokens", WHOLE(0, WHOLE_MAX), AT(ppl.max_tokens),
	 .help = "only the first token ids of the text; 0: all", .usual = "0"},
	{"", "sae", .type = PS_STUDY_MAP, .help = "the sparse autoencoders"},
	{"sae", "arch", TEXT(16), AT(sae.arch), .help = "topk, batchtopk, jumprelu, relu or gated",
	 .usual = "topk"},
	{"sae", "init", WORD(init_words), AT(sae.init),
	 .help = "how pruned models' SAEs start: as the dense one of their seed, or by themselves",
	 .usual = "shared"},
	{"sae", "expansion", WHOLE(1, 4096), AT(sae.expansion), .help = "latents per dimension",
	 .usual = "8"},
	{"sae", "d_sae", WHOLE(1, 1 << 24), AT(sae.d_sae),
	 .help = "latents, instead of sae.expansion"},
	{"sae", "k", WHOLE(1, 1 << 16), AT(sae.k), .help = "active latents a row", .usual = "64"},
	{"sae", "batch", WHOLE(1, 1 << 20), AT(sae.batch), .help = "rows of a step",
	 .usual = "4096"},
	{"sae", "lr", .type = PS_STUDY_REAL, .range = {.least = 0, .most = 1e6, .above = true},
	 AT(sae.lr), .help = "highest learning rate", .usual = "that of `train`"},
	{"sae", "data_seed", WHOLE(0, (int64_t)1 << 62), AT(sae.data_seed),
	 .help = "one order of rows for all SAEs", .usual = "each SAE's own seed"},
	{"", "controls", .type = PS_STUDY_MAP,
	 .help = "what survival and transfer are compared with"},
	{"controls", "retrain", PS_STUDY_BOOL, AT(controls.retrain),
	 .help = "train the dense models' SAEs once more, in another order", .usual = "true"},
	{"controls", "random", PS_STUDY_BOOL, AT(controls.random),
	 .help = "a random mask with as many zeros in each matrix", .usual = "true"},
	{"controls", "at_sparsity", .type = PS_STUDY_SHARE,
	 .range = {.least = 0, .most = 1, .above = true, .below = true}, AT(controls.at_sparsity),
	 .help = "of the pruned model that random and matched look at",
	 .usual = "the middle one of sparsities"},
	{"controls", "rounding", WORD(rounding_words), LIST(controls.rounding, 12),
	 .help = "weights rounded instead of pruned", .usual = "none"},
	{"controls", "matched", WORD(matched_words), LIST(controls.matched, 2),
	 .help = "pruned to the perplexity of Wanda at at_sparsity, and of each rounding",
	 .usual = "none"},
	{"controls", "frozen", WORD(frozen_words), LIST(controls.frozen, 2),
	 .help = "halves of SAEs that are left as they start", .usual = "none"},
	{"", "features", PS_STUDY_BOOL, AT(features),
	 .help = "a table of all latents, and cards of chosen ones, for each changed model",
	 .usual = "true"},
	{"", "splice", .type = PS_STUDY_MAP,
	 .help = "the loss with a reconstruction in place of the residual stream"},
	{"splice", "windows", WHOLE(0, INT32_MAX), AT(splice.windows), WANTED,
	 .help = "over which it is measured; 0: it is not", .usual = "0"},
	{"", "ablation", .type = PS_STUDY_MAP, .help = "latents taken out one at a time"},
	{"ablation", "features", WHOLE(0, 1 << 20), AT(ablation.features), WANTED,
	 .help = "how many; 0: none", .usual = "0"},
	{"ablation", "windows", WHOLE(1, INT32_MAX), AT(ablation.windows),
	 .help = "over which windows", .usual = "8"},
	{"ablation", "seeds", WHOLE(1, 32), AT(ablation.seeds),
	 .help = "of the dense SAEs of the first so many seeds", .usual = "1"},
	{"", "bootstrap", .type = PS_STUDY_MAP, .help = "of the intervals"},
	{"bootstrap", "samples", WHOLE(100, 1000000), AT(bootstrap.samples), WANTED,
	 .help = "replicates of each", .usual = "1000"},
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
static char *join_words(const ps_study_key *key, char *out, size_t size)
{
	out[0] = 0;
	for (size_t i = 0; key->words[i]; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? " or " : "",
			 key->words[i]);
	return out;
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
	char range[PS_RANGE_TEXT], words[192];

	if (key->type == PS_STUDY_ITEM) {
		snprintf(out, size, "a %s with %s", item ? "map" : "list of maps, each",
			 list_wanted(key, words, sizeof words));
		return out;
	}
	if (key->items_max && !item && key->type == PS_STUDY_WORD) {
		snprintf(out, size, "a list, each %s", join_words(key, words, sizeof words));
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
		join_words(key, out, size);
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
