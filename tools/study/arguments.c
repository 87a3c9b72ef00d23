#include "tools/study/arguments.h"

#include <math.h>
#include <string.h>

#include "tools/cmd/commands.h"

/* FIELD(struct, member, type, role): a row of a table. */
#define FIELD(s, member, kind, use)                                                                \
	{                                                                                          \
#member, PS_TYPE_##kind, PS_ROLE_##use, offsetof(s, member),                       \
			sizeof(((s *)0)->member)                                                   \
	}
#define TABLE(command, type, rows)                                                                 \
	const ps_argument_table ps_##command##_arguments = {                                       \
		#command, rows, sizeof rows / sizeof *rows, sizeof(type)}

#define T ps_tokenize_args
static const ps_argument tokenize_rows[] = {
	FIELD(T, model, TEXT, TOKENIZER),   FIELD(T, out, TEXT, OUTPUT),
	FIELD(T, texts, TEXTS, INPUT),      FIELD(T, window, INT, OPTION),
	FIELD(T, windows, INT, OPTION),     FIELD(T, allow_fewer, BOOL, FREE),
	FIELD(T, bos_window, BOOL, OPTION), FIELD(T, per_line, BOOL, OPTION),
	FIELD(T, min_chars, INT, OPTION),   FIELD(T, replace, BOOL, FREE),
	FIELD(T, dry_run, BOOL, FREE),
};
TABLE(tokenize, T, tokenize_rows);
#undef T

#define T ps_prune_args
static const ps_argument prune_rows[] = {
	FIELD(T, model, TEXT, BOTH),
	FIELD(T, method, TEXT, OPTION),
	FIELD(T, match_ppl, TEXT, INPUT),
	FIELD(T, text, TEXT, INPUT),
	FIELD(T, window, INT, OPTION),
	FIELD(T, stride, INT, OPTION),
	FIELD(T, max_tokens, INT, OPTION),
	FIELD(T, tolerance, REAL, OPTION),
	FIELD(T, nearest, BOOL, OPTION),
	FIELD(T, scope, TEXT, OPTION),
	FIELD(T, calibration, TEXT, OPTION),
	FIELD(T, tokens, TEXT, INPUT),
	FIELD(T, stats, TEXT, INPUT),
	FIELD(T, nm, TEXT, OPTION),
	FIELD(T, out, TEXT, OUTPUT),
	FIELD(T, bits, INT, OPTION),
	FIELD(T, group, TEXT, OPTION),
	FIELD(T, like, TEXT, INPUT),
	FIELD(T, seed, SEED, OPTION),
	FIELD(T, sparsity, REAL, OPTION),
	FIELD(T, pool_embedding, BOOL, OPTION),
	FIELD(T, replace, BOOL, FREE),
	FIELD(T, dry_run, BOOL, FREE),
	FIELD(T, assume, TEXT, FREE), /* a study never gives it */
};
TABLE(prune, T, prune_rows);
#undef T

#define T ps_ppl_args
static const ps_argument ppl_rows[] = {
	FIELD(T, model, TEXT, BOTH),        FIELD(T, text, TEXT, INPUT),
	FIELD(T, mask, TEXT, INPUT),        FIELD(T, window, INT, OPTION),
	FIELD(T, stride, INT, OPTION),      FIELD(T, max_tokens, INT, OPTION),
	FIELD(T, allow_fewer, BOOL, FREE),  FIELD(T, dry_run, BOOL, FREE),
	FIELD(T, per_window, BOOL, OPTION),
};
TABLE(ppl, T, ppl_rows);
#undef T

#define T ps_cache_args
static const ps_argument cache_rows[] = {
	FIELD(T, model, TEXT, MODEL),         FIELD(T, tokens, TEXT, INPUT),
	FIELD(T, changed_from, TEXT, ORIGIN), FIELD(T, dtype, TEXT, OPTION),
	FIELD(T, order, TEXT, OPTION),        FIELD(T, layers, INTS, OPTION),
	FIELD(T, variant_count, SIZE, FREE),  FIELD(T, variants, VARIANTS, INPUT),
	FIELD(T, seed, SEED, OPTION),         FIELD(T, replace, BOOL, FREE),
	FIELD(T, old_first, BOOL, FREE),      FIELD(T, dry_run, BOOL, FREE),
};
TABLE(cache, T, cache_rows);
#undef T

#define T ps_train_args
static const ps_argument train_rows[] = {
	FIELD(T, cache, TEXT, INPUT),
	FIELD(T, arch, TEXT, OPTION),
	FIELD(T, recipe, TEXT, OPTION),
	FIELD(T, order, TEXT, OPTION),
	FIELD(T, out, TEXT, OUTPUT),
	FIELD(T, d_sae, INTS, OPTION),
	FIELD(T, expansion, INTS, OPTION),
	FIELD(T, k, INTS, OPTION),
	FIELD(T, with, TEXTS, INPUT),
	FIELD(T, tokens, INT, OPTION),
	FIELD(T, batch, INT, OPTION),
	FIELD(T, read_ahead, INT, FREE),
	FIELD(T, disk, SIZE, FREE),
	FIELD(T, hold_out, INT, OPTION),
	FIELD(T, data_seed, INT, OPTION),
	FIELD(T, seeds, INTS, OPTION),
	FIELD(T, keep_special, BOOL, OPTION),
	FIELD(T, replace, BOOL, FREE),
	FIELD(T, log, TEXT, FREE),
	FIELD(T, save_every, REAL, FREE),
	FIELD(T, lr, REAL, OPTION),
	FIELD(T, warmup, REAL, OPTION),
	FIELD(T, decay, REAL, OPTION),
	FIELD(T, lr_end, REAL, OPTION),
	FIELD(T, beta1, REAL, OPTION),
	FIELD(T, beta2, REAL, OPTION),
	FIELD(T, clip, REAL, OPTION),
	FIELD(T, encoder_scale, REAL, OPTION),
	FIELD(T, sparsity, REAL, OPTION),
	FIELD(T, sparsity_warmup, REAL, OPTION),
	FIELD(T, target_l0, REAL, OPTION),
	FIELD(T, bandwidth, REAL, OPTION),
	FIELD(T, auxk, REAL, OPTION),
	FIELD(T, k_anneal, REAL, OPTION),
	FIELD(T, schedule, TEXT, OPTION),
	FIELD(T, penalty, TEXT, OPTION),
	FIELD(T, auxk_form, TEXT, OPTION),
	FIELD(T, b_dec, TEXT, OPTION),
	FIELD(T, freeze, TEXT, OPTION),
	FIELD(T, dead_after, INT, OPTION),
	FIELD(T, resample, INT, OPTION),
	FIELD(T, k_start, INT, OPTION),
	FIELD(T, matryoshka, INTS, OPTION),
};
TABLE(train, T, train_rows);
#undef T

#define T ps_eval_args
static const ps_argument eval_rows[] = {
	FIELD(T, sae, TEXT, INPUT),           FIELD(T, cache, TEXT, INPUT),
	FIELD(T, model, TEXT, MODEL),         FIELD(T, tokens, TEXT, INPUT),
	FIELD(T, mask, TEXT, INPUT),          FIELD(T, changed_from, TEXT, ORIGIN),
	FIELD(T, layer, INT, OPTION),         FIELD(T, windows, INT, OPTION),
	FIELD(T, last, INT, OPTION),          FIELD(T, allow_fewer, BOOL, FREE),
	FIELD(T, keep_special, BOOL, OPTION), FIELD(T, dry_run, BOOL, FREE),
	FIELD(T, norm_cache, TEXT, FREE), /* a study never gives it */
};
TABLE(eval, T, eval_rows);
#undef T

#define T ps_transfer_args
static const ps_argument transfer_rows[] = {
	FIELD(T, sae, TEXT, INPUT),
	FIELD(T, dense, TEXT, INPUT),
	FIELD(T, pruned, TEXT, INPUT),
	FIELD(T, samples, INT, OPTION),
	FIELD(T, seed, SEED, OPTION),
	FIELD(T, keep_special, BOOL, OPTION),
	FIELD(T, out, TEXT, OUTPUT),
	FIELD(T, norm_cache, TEXT, FREE), /* a study gives none but `dense` */
	FIELD(T, replace, BOOL, FREE),
};
TABLE(transfer, T, transfer_rows);
#undef T

#define T ps_ablate_args
static const ps_argument ablate_rows[] = {
	FIELD(T, model, TEXT, MODEL),
	FIELD(T, sae, TEXT, INPUT),
	FIELD(T, tokens, TEXT, INPUT),
	FIELD(T, mask, TEXT, INPUT),
	FIELD(T, changed_from, TEXT, ORIGIN),
	FIELD(T, layer, INT, OPTION),
	FIELD(T, features, INT, OPTION),
	FIELD(T, windows, INT, OPTION),
	FIELD(T, allow_fewer, BOOL, FREE),
	FIELD(T, seed, SEED, OPTION),
	FIELD(T, dry_run, BOOL, FREE),
	FIELD(T, norm_cache, TEXT, FREE), /* a study never gives it */
	FIELD(T, cache, TEXT, INPUT),
	FIELD(T, direct, TEXT, GIVEN),
};
TABLE(ablate, T, ablate_rows);
#undef T

#define T ps_features_args
static const ps_argument features_rows[] = {
	FIELD(T, sae, TEXT, INPUT),       FIELD(T, dense, TEXT, INPUT),
	FIELD(T, pruned, TEXT, INPUT),    FIELD(T, pruned_sae, TEXT, INPUT),
	FIELD(T, ablation, TEXT, INPUT),  FIELD(T, pruned_ablation, TEXT, INPUT),
	FIELD(T, head, TEXT, BOTH),     /* cards hold its tokens as text */
	FIELD(T, promoted, TEXT, FREE), /* the same numbers as without it */
	FIELD(T, taus, TEXTS, OPTION),    FIELD(T, keep_special, BOOL, OPTION),
	FIELD(T, norm_cache, TEXT, FREE), /* a study never gives it */
	FIELD(T, out, TEXT, OUTPUT),      FIELD(T, csv, TEXT, OUTPUT),
	FIELD(T, cards, TEXT, OUTPUT),    FIELD(T, replace, BOOL, FREE),
};
TABLE(features, T, features_rows);
#undef T

#define T ps_sparsity_args
static const ps_argument sparsity_rows[] = {FIELD(T, model, TEXT, MODEL)};
TABLE(sparsity, T, sparsity_rows);
#undef T

#define T ps_seeds_args
static const ps_argument seeds_rows[] = {
	FIELD(T, saes, TEXTS, INPUT),
	FIELD(T, labels, INTS, OPTION),
	FIELD(T, samples, INT, OPTION),
	FIELD(T, seed, SEED, OPTION),
};
TABLE(seeds, T, seeds_rows);
#undef T

#define T ps_survival_args
static const ps_argument survival_rows[] = {
	FIELD(T, dense, TEXTS, INPUT),     FIELD(T, cache, TEXT, INPUT),
	FIELD(T, ablations, TEXTS, INPUT), FIELD(T, controls, TEXTS, INPUT),
	FIELD(T, samples, INT, OPTION),    FIELD(T, seed, SEED, OPTION),
	FIELD(T, count, SIZE, FREE),       FIELD(T, pruned, TEXT_LISTS, INPUT),
	FIELD(T, norm_cache, TEXT, FREE), /* a study never gives it */
};
TABLE(survival, T, survival_rows);
#undef T

/* The field that is being turned into JSON, and what for. */
struct turning {
	const ps_argument_table *table;
	const ps_argument *field;
	ps_identify_fn identify;
	void *context;
	ps_diag *diag;
};

static int out_of_memory(const struct turning *t)
{
	return ps_fail(t->diag, PS_EBUDGET, "no memory for the arguments of %s", t->table->command);
}

/* A path becomes what stands for it. Any other text becomes itself. */
static int text_json(const struct turning *t, const char *text, json_t **value)
{
	if (!text)
		*value = json_null();
	else if (t->field->role == PS_ROLE_OPTION)
		*value = json_string(text);
	else
		*value = t->identify(t->context, text, t->field->role);
	if (*value)
		return 0;
	if (t->field->role == PS_ROLE_OPTION)
		return out_of_memory(t);
	return ps_fail(t->diag, PS_EFAILED, "%s: nothing is known of its %s, %s", t->table->command,
		       t->field->name, text);
}

static int texts_json(const struct turning *t, const ps_text_list *list, json_t **value)
{
	int rc = 0;

	*value = json_array();
	for (size_t i = 0; i < list->count && !rc; i++) {
		json_t *item = NULL;

		rc = text_json(t, list->item[i], &item);
		if (!rc && json_array_append_new(*value, item))
			rc = out_of_memory(t);
	}
	return rc;
}

static int ints_json(const struct turning *t, const ps_int_list *list, json_t **value)
{
	*value = json_array();
	for (size_t i = 0; i < list->count; i++)
		if (json_array_append_new(*value, json_integer((json_int_t)list->item[i])))
			return out_of_memory(t);
	return 0;
}

/* How many items the field has: the size_t field right before it. */
static size_t count_before(const struct turning *t, const char *args)
{
	size_t count;

	memcpy(&count, args + t->field[-1].offset, sizeof count);
	return count;
}

static int text_lists_json(const struct turning *t, const char *args, json_t **value)
{
	const ps_text_list *lists;
	int rc = 0;

	memcpy(&lists, args + t->field->offset, sizeof lists);
	*value = json_array();
	for (size_t i = 0; i < count_before(t, args) && !rc; i++) {
		json_t *item = NULL;

		rc = texts_json(t, &lists[i], &item);
		if (!rc && json_array_append_new(*value, item))
			rc = out_of_memory(t);
	}
	return rc;
}

/* The masks of the variants. Where their caches go does not count. */
static int variants_json(const struct turning *t, const char *args, json_t **value)
{
	const ps_cache_variant *variants = (const void *)(args + t->field->offset);
	int rc = 0;

	*value = json_array();
	for (size_t i = 0; i < count_before(t, args) && !rc; i++) {
		json_t *item = NULL;

		rc = text_json(t, variants[i].mask, &item);
		if (!rc && json_array_append_new(*value, item))
			rc = out_of_memory(t);
	}
	return rc;
}

/* Whether the field counts. A path that changes no key where it is not given is left out there. */
static bool counts(const ps_argument *field, const char *args)
{
	const char *path;

	if (field->role != PS_ROLE_ORIGIN && field->role != PS_ROLE_GIVEN)
		return field->role != PS_ROLE_OUTPUT && field->role != PS_ROLE_FREE;
	memcpy(&path, args + field->offset, sizeof path);
	return path;
}

static int field_json(const struct turning *t, const char *args, json_t **value)
{
	const void *at = args + t->field->offset;
	double real;

	switch (t->field->type) {
	case PS_TYPE_TEXT:
		return text_json(t, *(const char *const *)at, value);
	case PS_TYPE_TEXTS:
		return texts_json(t, at, value);
	case PS_TYPE_INTS:
		return ints_json(t, at, value);
	case PS_TYPE_TEXT_LISTS:
		return text_lists_json(t, args, value);
	case PS_TYPE_VARIANTS:
		return variants_json(t, args, value);
	case PS_TYPE_BOOL:
		*value = json_boolean(*(const bool *)at);
		break;
	case PS_TYPE_INT:
		*value = json_integer((json_int_t) * (const int64_t *)at);
		break;
	case PS_TYPE_SEED:
	case PS_TYPE_SIZE:
		*value = json_integer((json_int_t) * (const uint64_t *)at);
		break;
	case PS_TYPE_REAL:
		real = *(const double *)at;
		*value = ps_number_json(real);
		break;
	}
	return *value ? 0 : out_of_memory(t);
}

int ps_arguments_json(const ps_argument_table *table, const void *args, ps_identify_fn identify,
		      void *context, json_t **json, ps_diag *diag)
{
	struct turning t = {.table = table, .identify = identify, .context = context, .diag = diag};
	json_t *object = json_object();
	int rc = object ? 0 : out_of_memory(&t);

	for (size_t i = 0; i < table->count && !rc; i++) {
		json_t *value = NULL;

		t.field = &table->item[i];
		if (!counts(t.field, args))
			continue;
		rc = field_json(&t, args, &value);
		if (rc)
			json_decref(value);
		else if (json_object_set_new(object, t.field->name, value))
			rc = out_of_memory(&t);
	}
	if (rc)
		json_decref(object);
	else
		*json = object;
	return rc;
}
