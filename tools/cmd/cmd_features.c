/* features: what becomes of each latent of the dense model's SAE. One pass over both models' rows
 * of the same tokens (analysis/feature_stats.h), the latents' match in the pruned model's SAE, and
 * their ablation go into one table (feature_file.h). Cards and CSV are made from the table. */
#include <math.h>
#include <string.h>

#include "analysis/compare.h"
#include "analysis/feature_stats.h"
#include "analysis/seeds.h"
#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/base/number.h"
#include "io/artefact.h"
#include "io/file.h"
#include "sae/sparse.h"
#include "tools/cmd/ablation_record.h"
#include "tools/cmd/cache_windows.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/feature_cards.h"
#include "tools/cmd/feature_cards_read.h"
#include "tools/cmd/feature_file.h"
#include "tools/cmd/head_tokens.h"
#include "tools/cmd/norm_factor.h"
#include "tools/cmd/result.h"
#include "tools/engine/model_files.h"
#include "tools/run/belonging.h"
#include "tools/run/code_version.h"
#include "tools/run/output_path.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

/* In the dense and in the pruned model. */
struct ablation {
	ps_ablation_record record;
	uint64_t digest;             /* of its file */
	double *effect, *per_firing; /* (F) */
};

struct features_run {
	ps_session *s;
	const ps_features_args *args;
	ps_output output, csv, cards;
	ps_cache_windows dense;
	ps_cache pruned;
	ps_sae shape, pruned_shape; /* before their weights are loaded */
	ps_sae_folder sae, pruned_sae;
	struct ablation ablation[PS_MODEL_SIDES];
	double taus[PS_FEATURE_TAUS_MAX];
	size_t tau_count;
	bool has[PS_FEATURE_GROUPS];
	ps_head_tokens head;
	ps_arena arena;
	ps_feature_stats stats;
	ps_match match;
	ps_token_texts texts; /* for the cards */
	char tokenizer[PS_DIGEST_TEXT];
	size_t tokenizer_bytes; /* while the texts were made */
};

/* --- arguments and inputs --- */

static int read_taus(struct features_run *r)
{
	const ps_text_list *taus = &r->args->taus;
	ps_diag *diag = &r->s->diag;

	if (!taus->count) {
		memcpy(r->taus, ps_taus, sizeof ps_taus);
		r->tau_count = PS_TAUS;
		return 0;
	}
	if (taus->count > PS_FEATURE_TAUS_MAX)
		return ps_fail(diag, PS_EUSAGE, "--tau: at most %d values", PS_FEATURE_TAUS_MAX);
	for (size_t t = 0; t < taus->count; t++) {
		const char *text = taus->item[t],
			   *wrong = ps_number_real(text, strlen(text), false, &r->taus[t]);

		if (wrong)
			return ps_fail(diag, PS_EUSAGE, "--tau %s %s", text, wrong);
		if (!(r->taus[t] > -1 && r->taus[t] <= 1))
			return ps_fail(diag, PS_EUSAGE, "--tau %s: must be above -1 and at most 1",
				       text);
	}
	r->tau_count = taus->count;
	return 0;
}

/* An output beside the table, which is made anew each time: --csv and --cards. */
struct extra {
	const char *option, *name, *kind;
	bool (*is_ours)(const char *path);
};

/* others: the outputs that were opened before. */
static int open_extra(const struct features_run *r, const struct extra *extra, ps_output *output,
		      const ps_text_list *inputs, const ps_text_list *others)
{
	ps_diag *diag = &r->s->diag;
	int rc = ps_output_open(output, extra->name, extra->kind, r->args->replace, diag);

	if (!rc)
		rc = ps_output_keep_off_all(output, inputs, diag);
	if (!rc)
		rc = ps_output_keep_off_all(output, others, diag);
	for (size_t i = 0; i < others->count && !rc; i++)
		if (!strcmp(output->path, others->item[i]))
			rc = ps_fail(diag, PS_EUSAGE, "%s %s: is the same file as another output",
				     extra->option, extra->name);
	return rc ? rc : ps_output_check(output, extra->is_ours(output->path), diag);
}

static int open_outputs(struct features_run *r)
{
	const ps_features_args *a = r->args;
	const struct extra csv = {"--csv", a->csv, "csv", ps_feature_csv_is_ours},
			   cards = {"--cards", a->cards, "cards", ps_feature_cards_is_ours};
	const ps_text_list inputs = {9,
				     {a->sae, a->dense, a->pruned, a->pruned_sae, a->ablation,
				      a->pruned_ablation, a->norm_cache, a->head, a->promoted}};
	ps_text_list others = {1, {r->output.path}};
	ps_diag *diag = &r->s->diag;
	int rc = ps_output_open(&r->output, a->out, "features", a->replace, diag);

	if (!rc)
		rc = ps_output_keep_off_all(&r->output, &inputs, diag);
	if (!rc && a->csv) {
		rc = open_extra(r, &csv, &r->csv, &inputs, &others);
		others.item[others.count++] = r->csv.path;
	}
	if (!rc && a->cards)
		rc = open_extra(r, &cards, &r->cards, &inputs, &others);
	return rc;
}

static int open_caches(struct features_run *r)
{
	const ps_features_args *args = r->args;
	ps_session *s = r->s;
	ps_origin dense, pruned;
	int rc = ps_cache_windows_open(&r->dense, args->dense, args->keep_special, s);

	if (!rc)
		rc = ps_cache_open(&r->pruned, &ps_sys_linux, args->pruned, ps_session_verify(s),
				   &s->diag);
	if (!rc)
		rc = ps_sae_check_width(&r->shape, args->sae, r->dense.cache.source.width,
					args->dense, &s->diag);
	if (!rc)
		rc = ps_origin_check_cache(s, args->sae, &r->dense.cache, args->dense,
					   PS_MASK_SAME);
	if (!rc)
		rc = ps_origin_of_cache(s, &r->dense.cache, args->dense, &dense);
	if (!rc)
		rc = ps_origin_of_cache(s, &r->pruned, args->pruned, &pruned);
	if (!rc)
		rc = ps_origin_check_tokens(s, &dense, &pruned);
	if (!rc)
		rc = ps_origin_check_role(s, &dense, true, "the first cache, the dense one");
	/* A model beside itself is no mistake. */
	if (rc || r->dense.cache.digest == r->pruned.digest)
		return rc;
	return ps_origin_check_role(s, &pruned, false, "the second cache, the pruned one");
}

static int open_ablation(struct features_run *r, const char *path, ps_model_side side)
{
	struct ablation *a = &r->ablation[side];
	uint64_t bytes;
	int rc = path ? ps_ablation_record_open(&a->record, path, r->shape.d_sae, &r->s->diag) : 0;

	if (path && !rc)
		rc = ps_file_digest(&ps_sys_linux, path, &bytes, &a->digest, &r->s->diag);
	r->has[side == PS_DENSE ? PS_FEATURE_ABLATION : PS_FEATURE_PRUNED_ABLATION] = path;
	return rc;
}

/* The texts of the head's tokens. The tokenizer itself is not kept. */
static int open_texts(struct features_run *r)
{
	ps_tokenizer *tokenizer = NULL;
	ps_diag *diag = &r->s->diag;
	uint64_t digest;
	int rc;

	if (!r->args->cards)
		return 0;
	rc = ps_model_tokenizer(r->args->head, &tokenizer, &digest, diag);
	if (!rc)
		rc = ps_tokenizer_texts(tokenizer, &r->texts, diag);
	if (!rc) {
		ps_digest_format(digest, r->tokenizer);
		r->tokenizer_bytes =
			ps_tokenizer_bytes(tokenizer) + ps_token_texts_bytes(&r->texts);
	}
	ps_tokenizer_destroy(tokenizer);
	return rc;
}

static int open_inputs(struct features_run *r, size_t *sae_bytes)
{
	const ps_features_args *args = r->args;
	ps_diag *diag = &r->s->diag;
	size_t pruned_bytes = 0;
	int rc = ps_sae_folder_measure(args->sae, &r->shape, sae_bytes, diag);

	if (!rc && args->pruned_sae)
		rc = ps_sae_folder_measure(args->pruned_sae, &r->pruned_shape, &pruned_bytes, diag);
	if (!rc && args->pruned_sae)
		rc = ps_sae_check_width(&r->shape, args->sae, r->pruned_shape.d_in,
					args->pruned_sae, diag);
	if (!rc && args->pruned_sae)
		rc = ps_origin_check_saes(r->s, args->sae, args->pruned_sae, PS_MASK_ANY);
	if (!rc && args->dense)
		rc = open_caches(r);
	if (!rc)
		rc = open_ablation(r, args->ablation, PS_DENSE);
	if (!rc)
		rc = open_ablation(r, args->pruned_ablation, PS_PRUNED);
	if (!rc)
		rc = ps_head_tokens_open(&r->head, r->s, &r->shape, args->sae, args->head,
					 args->promoted);
	if (!rc)
		rc = open_texts(r);
	*sae_bytes += pruned_bytes;
	r->has[PS_FEATURE_STATS] = args->dense;
	r->has[PS_FEATURE_MATCH] = args->pruned_sae;
	r->has[PS_FEATURE_HEAD] = ps_head_tokens_any(&r->head);
	return rc;
}

/* --- memory --- */

static size_t lay_out_ablations(struct features_run *r, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	for (int s = 0; s < PS_MODEL_SIDES; s++) {
		struct ablation *a = &r->ablation[s];
		const size_t latents = a->record.result ? r->shape.d_sae : 0;

		a->effect = ps_layout_part(&layout, latents, sizeof *a->effect);
		a->per_firing = ps_layout_part(&layout, latents, sizeof *a->per_firing);
	}
	return layout.bytes;
}

/* What the pass over both caches takes, outside the arena. */
static void plan_caches(struct features_run *r, ps_plan *plan)
{
	ps_cache_windows_plan(&r->dense, plan);
	ps_plan_add(plan, "shards' headers", ps_cache_bytes(&r->pruned));
}

static int take_memory(struct features_run *r, size_t sae_bytes)
{
	const size_t latents = r->shape.d_sae;
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	size_t held_bytes, arena_bytes,
		written = ps_feature_file_bytes(latents, r->tau_count, r->has);
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAEs", sae_bytes);
	if (r->args->dense)
		plan_caches(r, &plan);
	ps_plan_add(&plan, "file written", ps_min_size(written, PS_BLOCK_BYTES));
	if (r->args->csv)
		ps_plan_add(&plan, "table as CSV", latents * 2 * PS_FEATURE_CSV_LINE_BYTES);
	ps_plan_add(&plan, "output head", ps_head_tokens_bytes(&r->head, r->s));
	if (r->args->cards) {
		ps_plan_add(&plan, "texts of tokens", ps_token_texts_bytes(&r->texts));
		ps_plan_add(&plan, "cards", ps_feature_cards_bytes(latents));
	}
	held_bytes = plan.total_bytes;
	if (r->args->dense)
		ps_plan_add(&plan, "features", ps_feature_stats_bytes(&r->shape, r->s->threads));
	if (r->args->pruned_sae)
		ps_plan_add(&plan, "match",
			    ps_match_bytes(latents, r->pruned_shape.d_sae, r->shape.d_in,
					   r->s->threads));
	ps_plan_add(&plan, "ablations", lay_out_ablations(r, NULL));
	arena_bytes = plan.total_bytes - held_bytes;
	if (plan.total_bytes < PS_PROGRAM_BYTES + r->tokenizer_bytes)
		ps_plan_add(&plan, "tokenizer",
			    PS_PROGRAM_BYTES + r->tokenizer_bytes - plan.total_bytes);
	rc = ps_plan_check(&plan, &r->s->diag);
	return rc ? rc : ps_arena_create(&r->arena, arena_bytes, &r->s->diag);
}

/* Both ablations are of the dense SAE: one in the dense model, one in the pruned one. */
static int check_ablations(struct features_run *r)
{
	const ps_features_args *args = r->args;
	ps_ablation_use use = {.sae = args->sae,
			       .digest = r->sae.digest,
			       .mask = PS_NO_MASK,
			       .model = "the dense model"};
	int rc = 0;

	if (args->ablation)
		rc = ps_ablation_record_check(&r->ablation[PS_DENSE].record, r->s, &use);
	if (rc || !args->pruned_ablation)
		return rc;
	use.mask = ps_origin_cache_mask(&r->pruned);
	use.model = args->pruned;
	return ps_ablation_record_check(&r->ablation[PS_PRUNED].record, r->s, &use);
}

static int load(struct features_run *r)
{
	const ps_features_args *args = r->args;
	int rc =
		ps_norm_factor_load(r->s, &r->sae, args->sae, args->norm_cache, args->keep_special);

	if (!rc && args->pruned_sae)
		rc = ps_sae_folder_load_scaled(&r->pruned_sae, args->pruned_sae, 1, &r->s->diag);
	if (!rc)
		rc = ps_head_tokens_check(&r->head, r->s, r->sae.digest);
	return rc ? rc : check_ablations(r);
}

/* --- the file --- */

/* Adds the digest of an input that was given. 0, or not when memory ran out. */
static int add_input(json_t *inputs, const char *name, bool given, uint64_t digest)
{
	char text[PS_DIGEST_TEXT];

	return given ? json_object_set_new(inputs, name,
					   json_string(ps_digest_format(digest, text)))
		     : 0;
}

static json_t *make_about(const struct features_run *r)
{
	const ps_features_args *args = r->args;
	json_t *about = ps_feature_about(r->dense.rows.count, r->taus, r->tau_count),
	       *provenance = json_pack("{s:s, s:{}, s:{s:b, s:O}, s:i}", "command", "features",
				       "inputs", "options", "keep_special", args->keep_special,
				       "taus", json_object_get(about, "taus"), "code",
				       ps_code_version("features")),
	       *inputs = json_object_get(provenance, "inputs");
	int lost = !about || !provenance;

	lost = lost || add_input(inputs, "sae", true, r->sae.digest) ||
	       add_input(inputs, "dense", args->dense, r->dense.cache.digest) ||
	       add_input(inputs, "pruned", args->dense, r->pruned.digest) ||
	       add_input(inputs, "pruned_sae", args->pruned_sae, r->pruned_sae.digest) ||
	       add_input(inputs, "ablation", args->ablation, r->ablation[PS_DENSE].digest) ||
	       add_input(inputs, "pruned_ablation", args->pruned_ablation,
			 r->ablation[PS_PRUNED].digest);
	lost = lost || ps_head_tokens_note(&r->head, provenance);
	/* The estimate determines the bits, not the rows that it comes from. */
	if (!lost && args->norm_cache)
		lost = json_object_set_new(json_object_get(provenance, "options"), "row_factor",
					   ps_number_json(r->sae.row_factor));
	lost = lost || ps_session_note_mismatches(r->s, provenance, NULL) ||
	       json_object_set(about, "provenance", provenance);
	json_decref(provenance);
	if (!lost)
		return about;
	json_decref(about);
	return NULL;
}

static void fill_contexts(const struct features_run *r, size_t latent, ps_feature_row *row)
{
	for (int s = 0; s < PS_MODEL_SIDES; s++) {
		const ps_feature_side *side = &r->stats.side[s];

		for (size_t b = 0; b < PS_ACTIVATION_BINS; b++)
			row->histogram[s][b] = (int32_t)side->bins[latent * PS_ACTIVATION_BINS + b];
		for (size_t i = 0; i < side->context_count[latent]; i++) {
			const ps_feature_context *c = &side->contexts[latent * PS_CONTEXTS + i];

			row->context_activation[s][i] = c->activation;
			row->context_window[s][i] = c->window;
			row->context_position[s][i] = c->position;
			memcpy(row->context_token[s][i], c->token, sizeof c->token);
			memcpy(row->context_value[s][i], c->value, sizeof c->value);
		}
	}
}

static void fill_match(const struct features_run *r, size_t latent, ps_feature_row *row)
{
	row->nearest = (int32_t)r->match.nearest[latent];
	row->cosine = r->match.cosine[latent];
	row->mutual = r->match.mutual[latent];
	for (size_t t = 0; t < r->tau_count && t < PS_FEATURE_TAUS_MAX; t++)
		row->survival[t] = row->mutual && (double)row->cosine >= r->taus[t];
}

/* What the pass over both caches has found. */
static void fill_measures(const struct features_run *r, size_t latent, ps_feature_row *row)
{
	const ps_sae *sae = &r->sae.sae;
	const ps_feature_measures m = ps_feature_measure(&r->stats, latent);

	row->rows_dense = (int64_t)r->stats.side[PS_DENSE].rows[latent];
	row->rows_pruned = (int64_t)r->stats.side[PS_PRUNED].rows[latent];
	row->rows_both = (int64_t)r->stats.both[latent];
	row->rate_dense = m.rate[PS_DENSE];
	row->rate_pruned = m.rate[PS_PRUNED];
	row->peak_dense = m.peak[PS_DENSE];
	row->peak_pruned = m.peak[PS_PRUNED];
	row->mean_dense = m.mean[PS_DENSE];
	row->mean_pruned = m.mean[PS_PRUNED];
	row->rate_change = m.rate_change;
	row->mean_change = m.mean_change;
	row->pearson = m.pearson;
	row->jaccard = m.jaccard;
	row->decoder_norm = sqrt(ps_squared_norm(sae->dec + latent * sae->d_in, sae->d_in));
	row->class = (uint8_t)m.class;
}

static void fill(void *context, size_t latent, bool large, ps_feature_row *row)
{
	const struct features_run *r = context;
	const struct ablation *dense = &r->ablation[PS_DENSE], *pruned = &r->ablation[PS_PRUNED];

	if (large) {
		if (r->args->dense)
			fill_contexts(r, latent, row);
		ps_head_tokens_fill(&r->head, latent, row);
		return;
	}
	if (r->args->dense)
		fill_measures(r, latent, row);
	if (r->args->pruned_sae)
		fill_match(r, latent, row);
	if (r->args->ablation) {
		row->ablation_effect = dense->effect[latent];
		row->ablation_per_firing = dense->per_firing[latent];
	}
	if (r->args->pruned_ablation) {
		row->pruned_ablation_effect = pruned->effect[latent];
		row->pruned_ablation_per_firing = pruned->per_firing[latent];
	}
}

/* --- the command --- */

static int run_stats(struct features_run *r)
{
	return ps_feature_stats_run(&(ps_feature_input){.sae = &r->sae.sae,
							.dense = &r->dense.cache.source,
							.pruned = &r->pruned.source,
							.rows = &r->dense.rows},
				    &r->s->context, &r->arena, &r->stats);
}

static int compute(struct features_run *r)
{
	ps_session *s = r->s;
	int rc = r->args->dense ? run_stats(r) : 0;

	if (!rc && r->args->pruned_sae)
		rc = ps_match_decoders(&r->sae.sae, &r->pruned_sae.sae, &s->context, &r->arena,
				       &r->match);
	if (!rc)
		rc = ps_head_tokens_find(&r->head, s, r->sae.sae.dec);
	if (rc)
		return rc;
	lay_out_ablations(r, &r->arena);
	for (int side = 0; side < PS_MODEL_SIDES; side++) {
		const struct ablation *a = &r->ablation[side];

		if (!a->record.result)
			continue;
		ps_ablation_record_effects(&a->record, r->shape.d_sae, a->effect);
		ps_ablation_record_per_firing(&a->record, r->shape.d_sae, a->per_firing);
	}
	return 0;
}

/* Makes the file unless it is there already. */
static int make_file(struct features_run *r)
{
	json_t *about = make_about(r);
	ps_safetensors found;
	bool done;
	int rc = ps_json_check(about, &r->s->diag);

	if (!rc)
		rc = ps_output_find(&r->output, json_object_get(about, "provenance"), r->s, &done,
				    &found);
	if (!rc && done) {
		ps_safetensors_close(&found);
	} else if (!rc) {
		rc = compute(r);
		if (!rc)
			rc = ps_feature_file_write(&ps_sys_linux,
						   &(ps_feature_spec){.path = r->output.path,
								      .about = about,
								      .latents = r->shape.d_sae,
								      .taus = r->tau_count,
								      .fill = fill,
								      .context = r,
								      .has = r->has},
						   &r->s->diag);
	}
	json_decref(about);
	return rc;
}

static json_t *result_of(const ps_feature_file *file)
{
	size_t count[PS_FEATURE_CLASSES] = {0}, active = 0;

	if (!file->has[PS_FEATURE_STATS])
		return json_pack("{s:I}", "latents", (json_int_t)file->latents);
	for (size_t latent = 0; latent < file->latents; latent++) {
		ps_feature_row row;

		ps_feature_file_read(file, latent, &row);
		active += row.rows_dense > 0;
		count[row.class] += row.rows_dense > 0;
	}
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "latents",
		(json_int_t)file->latents, "rows", (json_int_t)file->rows, "active",
		(json_int_t)active, "kept", (json_int_t)count[PS_CLASS_KEPT], "shifted",
		(json_int_t)count[PS_CLASS_SHIFTED], "blurred", (json_int_t)count[PS_CLASS_BLURRED],
		"lost", (json_int_t)count[PS_CLASS_LOST], "undefined",
		(json_int_t)count[PS_CLASS_NONE], "survived",
		ps_number_json(active ? (double)(count[PS_CLASS_KEPT] + count[PS_CLASS_SHIFTED]) /
						(double)active
				      : NAN));
}

/* The result, the CSV and the cards come from the file, which is new or was verified when it was
 * found. */
static int report(struct features_run *r, json_t **result)
{
	ps_feature_file file;
	int rc = ps_feature_file_open(&file, &ps_sys_linux, r->output.path, false, &r->s->diag);

	if (rc)
		return rc;
	if (r->args->csv)
		rc = ps_feature_csv_write(&file, r->csv.path, &r->s->diag);
	if (!rc && r->args->cards)
		rc = ps_feature_cards_write(&file, &r->texts, r->tokenizer, r->cards.path,
					    &r->s->diag);
	if (!rc)
		rc = ps_result_set(result, result_of(&file), &r->s->diag);
	ps_feature_file_close(&file);
	return rc;
}

/* Without caches there are the head's tokens alone. */
static int check_args(ps_session *s, const ps_features_args *args)
{
	if (args->dense && args->cards && !args->head)
		return ps_fail(&s->diag, PS_EUSAGE,
			       "--cards wants --head MODEL, whose tokenizer gives the texts of "
			       "tokens");
	if (args->dense)
		return 0;
	if (!args->head || args->promoted)
		return ps_fail(&s->diag, PS_EUSAGE,
			       "--cache is wanted twice: dense, then pruned; or --head MODEL "
			       "without any");
	if (args->csv || args->cards || args->pruned_sae || args->ablation || args->pruned_ablation)
		return ps_fail(&s->diag, PS_EUSAGE,
			       "without --cache a table holds promoted tokens alone: of the others "
			       "--head and -o go with it");
	return 0;
}

int ps_run_features(ps_session *s, const ps_features_args *args, json_t **result)
{
	struct features_run r = {.s = s, .args = args};
	size_t sae_bytes = 0;
	int rc = check_args(s, args);

	if (!rc)
		rc = read_taus(&r);
	if (!rc)
		rc = open_outputs(&r);
	if (!rc)
		rc = open_inputs(&r, &sae_bytes);
	if (!rc)
		rc = take_memory(&r, sae_bytes);
	if (!rc)
		rc = load(&r);
	if (!rc)
		rc = make_file(&r);
	if (!rc)
		rc = report(&r, result);
	ps_token_texts_free(&r.texts);
	ps_head_tokens_close(&r.head);
	ps_arena_destroy(&r.arena);
	ps_ablation_record_close(&r.ablation[PS_DENSE].record);
	ps_ablation_record_close(&r.ablation[PS_PRUNED].record);
	ps_sae_folder_close(&r.pruned_sae);
	ps_sae_folder_close(&r.sae);
	ps_cache_close(&r.pruned);
	ps_cache_windows_close(&r.dense);
	return rc;
}
