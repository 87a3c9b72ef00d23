#include "tools/train/train_args.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "sae/recipe.h"
#include "tools/run/json.h"
#include "tools/run/nearest.h"

static const char *const arch_names[] = {"topk", "batchtopk", "jumprelu", "relu", "gated", NULL};
static const char *const schedule_names[] = {"linear", "cosine", "constant", NULL};
static const char *const penalty_names[] = {"step", "tanh", "target", NULL};
static const char *const auxk_names[] = {"paper", "saelens", "sparsify", "dictionary_learning",
					 NULL};
static const char *const b_dec_names[] = {"zero", "mean", "median", NULL};
static const char *const frozen_names[] = {"nothing", "decoder", "encoder", NULL};
static const char *const order_names[] = {"shuffled", "sequential", NULL};
static const char *const unit_names[] = {"element", "row", "variance", NULL};

ps_train_args ps_train_args_default(void)
{
	return (ps_train_args){
		.save_every = 20,
		.arch = "topk",
		.recipe = "prunescope",
		.order = "shuffled",
		.data_seed = -1,
		.read_ahead = -1,
		.disk = SIZE_MAX,
		.warmup = NAN,
		.decay = NAN,
		.lr_end = NAN,
		.beta1 = NAN,
		.beta2 = NAN,
		.clip = NAN,
		.encoder_scale = NAN,
		.sparsity = NAN,
		.sparsity_warmup = NAN,
		.target_l0 = NAN,
		.bandwidth = NAN,
		.auxk = NAN,
		.k_anneal = NAN,
		.dead_after = -1,
		.resample = -1,
	};
}

static bool same_texts(const ps_text_list *a, const ps_text_list *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; i < a->count && same; i++)
		same = !strcmp(a->item[i], b->item[i]);
	return same;
}

/* The seed of the order; negative: the SAEs of a have orders of their own. */
static int64_t order_seed(const ps_train_args *a)
{
	if (a->data_seed >= 0 || a->seeds.count > 1)
		return a->data_seed;
	return a->seeds.count ? a->seeds.item[0] : 0;
}

bool ps_train_args_share(const ps_train_args *a, const ps_train_args *b)
{
	return !strcmp(a->cache, b->cache) && same_texts(&a->with, &b->with) &&
	       a->hold_out == b->hold_out && a->keep_special == b->keep_special &&
	       a->tokens == b->tokens && a->batch == b->batch && !strcmp(a->order, b->order) &&
	       order_seed(a) == order_seed(b);
}

/* Sets *place to word's place among names (NULL-ended). A word that is NULL leaves it as it is. */
static int choose(const char *option, const char *word, const char *const *names, int *place,
		  ps_diag *diag)
{
	const char *nearest;

	if (!word)
		return 0;
	for (int i = 0; names[i]; i++) {
		if (!strcmp(word, names[i])) {
			*place = i;
			return 0;
		}
	}
	nearest = ps_nearest_name(word, names);
	return ps_fail(diag, PS_EUSAGE, "%s %s is not known%s%s%s", option, word,
		       nearest ? ", did you mean " : "", nearest ? nearest : "",
		       nearest ? "?" : "");
}

static void replace(double *value, double given)
{
	if (!isnan(given))
		*value = given;
}

static void replace_tokens(uint64_t *value, int64_t given)
{
	if (given >= 0)
		*value = (uint64_t)given;
}

/* The options that are words. */
static int apply_names(const ps_train_args *a, ps_train_options *o, ps_diag *diag)
{
	int schedule = -1, order = 0, frozen = 0, penalty = (int)o->l0_penalty,
	    auxk = (int)o->auxk_form, b_dec = (int)o->b_dec;
	int rc = choose("--schedule", a->schedule, schedule_names, &schedule, diag);

	if (!rc)
		rc = choose("--penalty", a->penalty, penalty_names, &penalty, diag);
	if (!rc)
		rc = choose("--auxk-form", a->auxk_form, auxk_names, &auxk, diag);
	if (!rc)
		rc = choose("--b-dec", a->b_dec, b_dec_names, &b_dec, diag);
	if (!rc)
		rc = choose("--order", a->order, order_names, &order, diag);
	if (!rc)
		rc = choose("--freeze", a->freeze, frozen_names, &frozen, diag);
	if (rc)
		return rc;
	o->frozen = (ps_train_frozen)frozen;
	o->l0_penalty = (ps_l0_penalty)penalty;
	o->auxk_form = (ps_auxk_form)auxk;
	o->b_dec = (ps_b_dec_start)b_dec;
	o->sequential = order == 1;
	if (schedule == 2)
		o->decay_fraction = 0;
	else if (schedule >= 0)
		o->decay = (ps_decay)schedule;
	return 0;
}

static void apply_numbers(const ps_train_args *a, ps_train_options *o)
{
	if (a->lr > 0)
		o->lr = a->lr;
	replace(&o->warmup_fraction, a->warmup);
	replace(&o->decay_fraction, a->decay);
	replace(&o->lr_end, a->lr_end);
	replace(&o->adam.beta1, a->beta1);
	replace(&o->adam.beta2, a->beta2);
	replace(&o->clip, a->clip);
	replace(&o->encoder_scale, a->encoder_scale);
	replace(&o->sparsity, a->sparsity);
	replace(&o->sparsity_warmup, a->sparsity_warmup);
	replace(&o->target_l0, a->target_l0);
	replace(&o->bandwidth, a->bandwidth);
	replace(&o->auxk_coefficient, a->auxk);
	replace(&o->k_fraction, a->k_anneal);
	replace_tokens(&o->dead_after_tokens, a->dead_after);
	replace_tokens(&o->resample_tokens, a->resample);
	if (a->k_start > 0)
		o->k_start = (size_t)a->k_start;
}

static int check_sizes(const ps_train_args *a, ps_diag *diag)
{
	if (a->tokens < 0 || a->batch < 0 || !isfinite(a->lr) || a->lr < 0 ||
	    a->batch > INT32_MAX || a->k_start > INT32_MAX)
		return ps_fail(diag, PS_EUSAGE,
			       "--tokens %lld, --batch %lld and --lr %g: must be positive, and "
			       "--batch and --k-start at most %d",
			       (long long)a->tokens, (long long)a->batch, a->lr, INT32_MAX);
	return 0;
}

/* The values of a list, or `otherwise` where it is empty, into out; returns their count, or
 * PS_EUSAGE. */
static int take_list(const char *option, const ps_int_list *list, int64_t otherwise, int64_t *out,
		     ps_diag *diag)
{
	for (size_t i = 0; i < list->count; i++) {
		out[i] = list->item[i];
		if (out[i] < 1 || out[i] > INT32_MAX)
			return ps_fail(diag, PS_EUSAGE, "%s must be positive", option);
		for (size_t j = 0; j < i; j++)
			if (out[j] == out[i])
				return ps_fail(diag, PS_EUSAGE, "%s %lld is given twice", option,
					       (long long)out[i]);
	}
	if (!list->count)
		out[0] = otherwise;
	return (int)ps_max_size(list->count, 1);
}

int ps_train_widths(const ps_train_args *a, size_t width, int64_t *out, ps_diag *diag)
{
	int count;

	if (a->d_sae.count)
		return take_list("--d-sae", &a->d_sae, 0, out, diag);
	count = take_list("--expansion", &a->expansion, 8, out, diag);
	for (int i = 0; i < count; i++) {
		if ((uint64_t)out[i] > INT32_MAX / width)
			return ps_fail(diag, PS_EUSAGE,
				       "--expansion %lld: of the width %zu that is more than %d "
				       "latents",
				       (long long)out[i], width, INT32_MAX);
		out[i] *= (int64_t)width;
	}
	return count;
}

int ps_train_ks(const ps_train_args *a, int64_t *out, ps_diag *diag)
{
	return take_list("--k", &a->k, 64, out, diag);
}

static int apply_levels(const ps_train_args *a, ps_train_options *o, ps_diag *diag)
{
	const size_t levels = a->matryoshka.count;

	if (levels > PS_MATRYOSHKA_MAX)
		return ps_fail(diag, PS_EUSAGE, "--matryoshka takes at most %d levels",
			       PS_MATRYOSHKA_MAX);
	o->matryoshka_levels = levels;
	for (size_t l = 0; l < levels; l++)
		o->matryoshka_width[l] =
			a->matryoshka.item[l] > 0 ? (size_t)a->matryoshka.item[l] : 0;
	return 0;
}

/* Refuses options that the architecture does not look at: they would seem to have an effect. */
static int check_belonging(const ps_train_args *a, const ps_train_options *o, ps_diag *diag)
{
	enum {
		TOPK = 1 << PS_TRAIN_TOPK | 1 << PS_TRAIN_BATCHTOPK,
		JUMPRELU = 1 << PS_TRAIN_JUMPRELU,
		PENALISED = JUMPRELU | 1 << PS_TRAIN_RELU | 1 << PS_TRAIN_GATED
	};
	const struct {
		const char *option;
		bool given;
		unsigned archs;
	} options[] = {{"--k-start", a->k_start > 0, TOPK},
		       {"--k-anneal", !isnan(a->k_anneal), TOPK},
		       {"--auxk-form", a->auxk_form, TOPK},
		       {"--sparsity", !isnan(a->sparsity), PENALISED},
		       {"--sparsity-warmup", !isnan(a->sparsity_warmup), PENALISED},
		       {"--penalty", a->penalty, JUMPRELU},
		       {"--target-l0", !isnan(a->target_l0), JUMPRELU},
		       {"--bandwidth", !isnan(a->bandwidth), JUMPRELU}};

	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (options[i].given && !(options[i].archs >> o->arch & 1))
			return ps_fail(diag, PS_EUSAGE, "%s goes with %s, not with --arch %s",
				       options[i].option,
				       options[i].archs == TOPK       ? "topk and batchtopk"
				       : options[i].archs == JUMPRELU ? "jumprelu"
								      : "jumprelu, relu and gated",
				       arch_names[o->arch]);
	return 0;
}

/* A batch is taken from the rows that there are, and makes a step of the tokens asked for. */
static int check_batch(const ps_train_options *o, uint64_t rows, ps_diag *diag)
{
	if (o->batch > rows)
		return ps_fail(diag, PS_EUSAGE,
			       "--batch %zu is more than the %llu rows that can be trained on",
			       o->batch, (unsigned long long)rows);
	if (o->tokens < o->batch)
		return ps_fail(diag, PS_EUSAGE,
			       "--tokens %llu is less than a batch, %zu rows (--batch N)",
			       (unsigned long long)o->tokens, o->batch);
	return 0;
}

int ps_train_options_make(const ps_train_args *a, size_t width, uint64_t rows, size_t d_sae,
			  size_t k, ps_train_options *o, ps_diag *diag)
{
	int arch = 0, recipe = 0, rc = check_sizes(a, diag);

	if (!rc)
		rc = choose("--arch", a->arch, arch_names, &arch, diag);
	if (!rc)
		rc = choose("--recipe", a->recipe, ps_recipe_names, &recipe, diag);
	if (rc)
		return rc;
	*o = (ps_train_options){
		.arch = (ps_train_arch)arch,
		.k = k,
		.batch = a->batch ? (size_t)a->batch : ps_min_size(PS_TRAIN_BATCH, (size_t)rows),
		.d_sae = d_sae,
		.tokens = a->tokens ? (uint64_t)a->tokens : rows,
	};
	rc = check_batch(o, rows, diag);
	if (rc)
		return rc;
	if (o->k > o->d_sae)
		return ps_fail(diag, PS_EUSAGE, "--k %zu is more than the %zu latents", o->k,
			       o->d_sae);
	rc = check_belonging(a, o, diag);
	if (!rc)
		rc = ps_recipe_apply((ps_recipe)recipe, o, diag);
	if (!rc)
		rc = apply_names(a, o, diag);
	if (!rc)
		rc = apply_levels(a, o, diag);
	if (rc)
		return rc;
	apply_numbers(a, o);
	return ps_train_options_check(o, width, diag);
}

static json_t *levels_json(const ps_train_options *o)
{
	uint64_t widths[PS_MATRYOSHKA_MAX];

	for (size_t l = 0; l < o->matryoshka_levels; l++)
		widths[l] = o->matryoshka_width[l];
	return ps_integers_json(widths, o->matryoshka_levels);
}

static json_t *size_options(const ps_train_options *o)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "arch", arch_names[o->arch],
			 "d_sae", (json_int_t)o->d_sae, "k", (json_int_t)o->k, "batch",
			 (json_int_t)o->batch, "tokens", (json_int_t)o->tokens, "init_seed",
			 (json_int_t)o->init_seed, "data_seed", (json_int_t)o->data_seed,
			 "matryoshka", levels_json(o));
}

static json_t *rate_options(const ps_train_options *o)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:s}", "lr",
			 ps_number_json(o->lr), "beta1", ps_number_json(o->adam.beta1), "beta2",
			 ps_number_json(o->adam.beta2), "epsilon", ps_number_json(o->adam.epsilon),
			 "warmup", ps_number_json(o->warmup_fraction), "schedule",
			 schedule_names[o->decay], "decay", ps_number_json(o->decay_fraction),
			 "lr_end", ps_number_json(o->lr_end), "clip", ps_number_json(o->clip),
			 "unit", unit_names[o->unit]);
}

static json_t *start_options(const ps_train_options *o)
{
	return json_pack("{s:s, s:o, s:o, s:b, s:b, s:I, s:o}", "b_dec", b_dec_names[o->b_dec],
			 "decoder_norm", ps_number_json(o->decoder_norm), "encoder_scale",
			 ps_number_json(o->encoder_scale), "unit_decoder", o->unit_decoder,
			 "rescale", o->rescale, "k_start", (json_int_t)o->k_start, "k_anneal",
			 ps_number_json(o->k_fraction));
}

static json_t *penalty_options(const ps_train_options *o)
{
	return json_pack(
		"{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:b}", "sparsity",
		ps_number_json(o->sparsity), "sparsity_warmup", ps_number_json(o->sparsity_warmup),
		"penalty", penalty_names[o->l0_penalty], "target_l0", ps_number_json(o->target_l0),
		"tanh_scale", ps_number_json(o->tanh_scale), "bandwidth",
		ps_number_json(o->bandwidth), "threshold_start", ps_number_json(o->threshold_start),
		"ste_to_input", o->ste_to_input, "gate_alone", o->gate_alone, "threshold_rate",
		ps_number_json(o->threshold_rate), "threshold_from_zero", o->threshold_from_zero);
}

static json_t *dead_options(const ps_train_options *o)
{
	return json_pack("{s:o, s:s, s:I, s:I}", "auxk", ps_number_json(o->auxk_coefficient),
			 "auxk_form", auxk_names[o->auxk_form], "dead_after",
			 (json_int_t)o->dead_after_tokens, "resample",
			 (json_int_t)o->resample_tokens);
}

json_t *ps_train_options_json(const ps_train_options *o)
{
	json_t *(*const parts[])(const ps_train_options *) = {rate_options, start_options,
							      penalty_options, dead_options};
	json_t *json = size_options(o);
	int failed = !json;

	for (size_t i = 0; i < sizeof parts / sizeof *parts && !failed; i++)
		failed = json_object_update_new(json, parts[i](o));
	/* What is absent has the only value there was in earlier versions. */
	if (!failed && o->frozen != PS_FROZEN_NOTHING)
		failed = json_object_set_new(json, "frozen", json_string(frozen_names[o->frozen]));
	if (!failed && o->sequential)
		failed = json_object_set_new(json, "order", json_string(order_names[1]));
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}
