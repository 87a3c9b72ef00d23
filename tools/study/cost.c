#include "tools/study/cost.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/json_memory.h"
#include "io/edit_writer.h"
#include "io/file.h"
#include "tools/run/process.h"
#include "tools/study/correction.h"
#include "tools/study/estimate.h"
#include "tools/study/sources.h"
#include "tools/train/train_data.h"

enum {
	TIMES_BYTES_MAX = 64 << 20,
	MISSING_TEXT_BYTES = 1290590,
	LINE_BYTES = 1024,
	MATCH_EVALUATIONS =
		9, /* perplexities that a match usually takes: reference, dense, 7 masks */
	WANDA_KIND = PS_STEPS, /* masks by Wanda are corrected apart from those by magnitude */
};
/* Of the time of measuring: from here on it is worth saying that others had the processors. */
#define BUSY_SHARE 0.25
_Static_assert((int)WANDA_KIND < (int)PS_CORRECTED_KINDS, "every kind of step is corrected");

struct ps_costs {
	ps_model_rates *model;      /* by model of the study */
	ps_model_rates *checkpoint; /* by checkpoint of the study: measured on its model */
	ps_sae_rates *sae;
	bool *measured;
	ps_correction correction;
};

/* --- what a call takes, by the rates --- */

/* A call that carries out count nodes like this one. */
struct call {
	const ps_graph *g;
	const ps_node *node;
	size_t count;
	const ps_model_rates *rates;
	const ps_sae_rates *sae;
};

static double cache_windows(const ps_graph *g)
{
	const int64_t windows = g->file->cache_tokens / g->file->window;

	return (double)windows;
}

static ps_wanda_work wanda_work(const struct call *c)
{
	const ps_study_file *f = c->g->file;

	return (ps_wanda_work){.windows = (size_t)(f->calibration_tokens / f->window),
			       .masks = c->count,
			       .sequential = !f->wanda.calibration ||
					     strcmp(f->wanda.calibration, "dense")};
}

/* A text that is not there counts as the raw test split of WikiText-2. */
static double bytes_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? MISSING_TEXT_BYTES : (double)st.st_size;
}

/* most: as many tokens as the text can have at most. Else as many as it is likely to have. */
static ps_ppl_work ppl_work(const struct call *c, bool most)
{
	const ps_study_file *f = c->g->file;
	const double bytes = bytes_of(f->ppl.text),
		     all = most ? bytes + 1 : ps_tokens_of_text(c->rates, bytes);
	double tokens = (double)f->ppl.max_tokens;

	tokens = tokens > 0 && (tokens < all || all <= 0) ? tokens : all;
	return (ps_ppl_work){.variants = c->node->kind->step == PS_STEP_PPL ? c->count : 1,
			     .tokens = tokens < 1 ? 1 : tokens,
			     .window = (size_t)f->ppl.window,
			     .stride = (size_t)f->ppl.stride,
			     .text_bytes = bytes};
}

/* The longest document of the study's text, if each file is one. */
static double document_bytes(const struct call *c)
{
	const ps_study_file *f = c->g->file;
	double longest = 0;

	for (unsigned i = 0; i < f->text_count; i++)
		longest = fmax(longest, bytes_of(f->text[i]));
	return longest;
}

static ps_cache_work cache_work(const struct call *c)
{
	return (ps_cache_work){.windows = (size_t)cache_windows(c->g),
			       .layer = (int)c->g->models[c->node->model].spec->layer,
			       .variants = c->count};
}

static ps_splice_work splice_work(const struct call *c)
{
	const double windows = (double)c->g->file->splice.windows;

	return (ps_splice_work){
		.windows = (size_t)(windows < cache_windows(c->g) ? windows : cache_windows(c->g)),
		.layer = (int)c->g->models[c->node->model].spec->layer};
}

static ps_ablate_work ablate_work(const struct call *c)
{
	const ps_study_file *f = c->g->file;

	return (ps_ablate_work){
		.latents = (size_t)f->ablation.features,
		.windows = (size_t)f->ablation.windows,
		.layer = (int)c->g->models[c->node->model].spec->layer,
		.rows = ((const ps_ablate_args *)c->node->args)->direct ? 0
									: (double)f->cache_tokens,
		.share = ps_firing_share(c->sae, (size_t)f->window, (size_t)cache_windows(c->g))};
}

static ps_survival_work survival_work(const struct call *c)
{
	const ps_graph_model *m = &c->g->models[c->node->model];

	return (ps_survival_work){.dense = m->conditions[0].seeds,
				  .pruned = m->conditions[c->node->condition].seeds,
				  .conditions = c->count,
				  .rows = (double)c->g->file->cache_tokens,
				  .windows = cache_windows(c->g),
				  .samples = (double)c->g->file->bootstrap.samples};
}

static ps_features_work features_work(const struct call *c)
{
	const size_t ablated = (size_t)c->g->file->ablation.features;

	if (!((const ps_features_args *)c->node->args)->dense)
		return (ps_features_work){.disk_bytes = ps_disk_promoted(c->sae->options.d_sae)};
	return (ps_features_work){.rows = (double)c->g->file->cache_tokens,
				  .ablated = ablated,
				  .disk_bytes = ps_disk_features(c->sae->options.d_sae, ablated)};
}

static bool is_wanda(const ps_node *n)
{
	return n->kind->step == PS_STEP_PRUNE && ((const ps_prune_args *)n->args)->tokens;
}

static bool is_matched(const ps_node *n)
{
	return n->kind->step == PS_STEP_PRUNE && ((const ps_prune_args *)n->args)->match_ppl;
}

static double prune_seconds(const struct call *c)
{
	if (is_wanda(c->node))
		return ps_seconds_wanda(c->rates, (ps_wanda_work[]){wanda_work(c)});
	if (is_matched(c->node))
		return MATCH_EVALUATIONS *
		       (ps_seconds_magnitude(c->rates, 1) +
			ps_seconds_ppl(c->rates, (ps_ppl_work[]){ppl_work(c, false)}));
	return ps_seconds_magnitude(c->rates, c->count);
}

static ps_memory prune_memory(const struct call *c)
{
	if (is_wanda(c->node))
		return ps_memory_wanda(c->rates, (ps_wanda_work[]){wanda_work(c)});
	if (is_matched(c->node))
		return ps_memory_matched(
			c->rates, (ps_ppl_work[]){ppl_work(c, true)},
			ps_edit_data_bytes(&c->g->models[c->node->model].config, NULL));
	return ps_memory_magnitude(c->rates);
}

/* The pretrained dictionary that the step transfers. NULL: it is the study's own SAE. */
static const ps_sae *dictionary_of(const struct call *c)
{
	const ps_graph_model *m = &c->g->models[c->node->model];
	const char *own = m->spec->dictionary;

	return own && !strcmp(((const ps_transfer_args *)c->node->args)->sae, own) ? &m->dictionary
										   : NULL;
}

static ps_sae transfer_shape(const struct call *c)
{
	const ps_sae *dictionary = dictionary_of(c);

	return dictionary ? *dictionary : ps_saved_shape(c->sae);
}

/* Encoding and decoding a row cost in proportion to the number of latents. */
static double transfer_seconds(const struct call *c)
{
	const ps_study_file *f = c->g->file;
	const ps_sae *dictionary = dictionary_of(c);
	ps_sae_rates rates = *c->sae;
	double times = 1;

	if (dictionary)
		times = (double)dictionary->d_sae / (double)rates.options.d_sae;
	rates.encode_call_seconds *= times;
	rates.encode_row_seconds *= times;
	rates.decode_row_seconds *= times;
	return ps_seconds_transfer(&rates, (double)f->cache_tokens, cache_windows(c->g),
				   (double)f->bootstrap.samples);
}

static double seconds_of(const struct call *c)
{
	const ps_study_file *f = c->g->file;
	const double rows = (double)f->cache_tokens;

	switch (c->node->kind->step) {
	case PS_STEP_TOKENIZE:
		return ps_seconds_tokenize(
			c->rates, 0,
			(double)(((const ps_tokenize_args *)c->node->args)->windows * f->window));
	case PS_STEP_PRUNE:
		return prune_seconds(c);
	case PS_STEP_SPARSITY:
		return ps_seconds_sparsity(c->rates);
	case PS_STEP_PPL:
		return ps_seconds_ppl(c->rates, (ps_ppl_work[]){ppl_work(c, false)});
	case PS_STEP_CACHE:
		return ps_seconds_cache(c->rates, (ps_cache_work[]){cache_work(c)});
	case PS_STEP_TRAIN:
		return (double)c->count *
		       ps_seconds_train(c->sae, &c->rates->writing, rows, (double)f->train_tokens);
	case PS_STEP_TRANSFER:
		return transfer_seconds(c);
	case PS_STEP_FEATURES:
		return ps_seconds_features(c->rates, c->sae,
					   (ps_features_work[]){features_work(c)});
	case PS_STEP_SPLICE:
		return ps_seconds_splice(c->rates, c->sae, (ps_splice_work[]){splice_work(c)});
	case PS_STEP_ABLATE:
		return ps_seconds_ablate(c->rates, c->sae, (ps_ablate_work[]){ablate_work(c)});
	case PS_STEP_SEEDS:
		return ps_seconds_seeds(c->sae, f->seeds_count);
	case PS_STEP_SURVIVAL:
		return ps_seconds_survival(c->sae, (ps_survival_work[]){survival_work(c)});
	default:
		return ps_seconds_report(c->g->file->models_count *
					 c->g->models[0].condition_count);
	}
}

/* The options of the model's SAEs, as `train` makes them. */
static int sae_options(const ps_graph *g, size_t model, ps_train_options *options)
{
	const ps_graph_model *m = &g->models[model];
	const ps_train_args *args = g->nodes[m->conditions[0].train[0]].args;

	return ps_train_options_make(args, m->config.width, (uint64_t)g->file->cache_tokens,
				     (size_t)args->d_sae.item[0], (size_t)args->k.item[0], options,
				     &g->session->diag);
}

/* How a training of the model sorts its rows, in the budget that it leaves. */
static ps_row_sort_plan sort_of(const ps_graph *g, size_t model)
{
	const ps_session *s = g->session;
	ps_sae_rates sae = {.d_in = g->models[model].config.width};
	size_t taken = ps_graph_excess(g);

	/* The graph was built with these options. */
	if (s->backend == PS_IO_MMAP || sae_options(g, model, &sae.options))
		return (ps_row_sort_plan){0};
	taken += ps_memory_train(s, &sae, (double)g->file->cache_tokens).planned;
	if (taken >= s->memory_bytes ||
	    ps_graph_cache_bytes(g, &g->models[model]) <= s->memory_bytes - taken)
		return (ps_row_sort_plan){0};
	return ps_train_sort_plan(&sae.options, 1, sae.d_in, PS_F32,
				  (uint64_t)g->file->cache_tokens,
				  (ps_row_sort_limits){.memory_bytes = s->memory_bytes - taken,
						       .disk_bytes = UINT64_MAX});
}

static ps_memory train_memory(const struct call *c)
{
	const ps_row_sort_plan sort = sort_of(c->g, c->node->model);
	ps_memory m = ps_memory_train(c->g->session, c->sae, (double)c->g->file->cache_tokens);

	m.planned += sort.memory_bytes;
	m.wanted += sort.memory_bytes;
	return m;
}

static ps_memory memory_of(const struct call *c)
{
	const ps_session *s = c->g->session;
	const ps_study_file *f = c->g->file;
	const double rows = (double)f->cache_tokens, windows = cache_windows(c->g),
		     samples = (double)f->bootstrap.samples;

	switch (c->node->kind->step) {
	case PS_STEP_TOKENIZE:
		return ps_memory_tokenize(
			c->rates, (size_t)((const ps_tokenize_args *)c->node->args)->windows,
			document_bytes(c));
	case PS_STEP_PRUNE:
		return prune_memory(c);
	case PS_STEP_SPARSITY:
		return ps_memory_sparsity();
	case PS_STEP_PPL:
		return ps_memory_ppl(c->rates, (ps_ppl_work[]){ppl_work(c, true)});
	case PS_STEP_CACHE:
		return ps_memory_cache(c->rates, (ps_cache_work[]){cache_work(c)});
	case PS_STEP_TRAIN:
		return train_memory(c);
	case PS_STEP_TRANSFER:
		return ps_memory_transfer(s, transfer_shape(c), rows, windows, samples);
	case PS_STEP_FEATURES:
		return ps_memory_features(s, c->rates, c->sae,
					  (ps_features_work[]){features_work(c)});
	case PS_STEP_SPLICE:
		return ps_memory_splice(c->rates, c->sae, (ps_splice_work[]){splice_work(c)});
	case PS_STEP_ABLATE:
		return ps_memory_ablate(c->rates, c->sae, (ps_ablate_work[]){ablate_work(c)});
	case PS_STEP_SEEDS:
		return ps_memory_seeds(s, c->sae, f->seeds_count, samples);
	case PS_STEP_SURVIVAL:
		return ps_memory_survival(s, c->sae, (ps_survival_work[]){survival_work(c)},
					  (ps_ablate_work[]){ablate_work(c)});
	default:
		return ps_memory_report(f->models_count * c->g->models[0].condition_count,
					f->features ? c->sae->options.d_sae : 0);
	}
}

uint64_t ps_cost_sort_bytes(const ps_graph *g, size_t model)
{
	return sort_of(g, model).disk_bytes;
}

static uint64_t disk_of(const ps_graph *g, const ps_node *n)
{
	const ps_graph_model *m = &g->models[n->model];
	const ps_train_args *train = n->args;
	const ps_tokenize_args *tokenize = n->args;
	uint64_t d = m->config.width, f;

	switch (n->kind->step) {
	case PS_STEP_TOKENIZE:
		return (uint64_t)(tokenize->windows * tokenize->window) * sizeof(int32_t);
	case PS_STEP_PRUNE:
		return ps_edit_data_bytes(&m->config, NULL);
	case PS_STEP_CACHE:
		return ps_graph_cache_bytes(g, m);
	case PS_STEP_TRAIN:
		f = (uint64_t)train->d_sae.item[0];
		return (2 * d * f + d + f) * sizeof(float) + f * sizeof(int64_t) +
		       ps_cost_sort_bytes(g, n->model);
	case PS_STEP_FEATURES:
		f = (uint64_t)((const ps_train_args *)g->nodes[m->conditions[0].train[0]].args)
			    ->d_sae.item[0];
		return ((const ps_features_args *)n->args)->dense
			       ? ps_disk_features((size_t)f, m->ablations > 0)
			       : ps_disk_promoted((size_t)f);
	default:
		return 0;
	}
}

/* The checkpoint that the node's command reads; PS_NO_NODE: none. */
static size_t checkpoint_of(const ps_graph *g, const ps_node *n)
{
	/* features reads the dense model's output head */
	return n->kind->step == PS_STEP_FEATURES
		       ? PS_NO_NODE
		       : g->models[n->model].conditions[n->condition].checkpoint;
}

static struct call call_of(const ps_graph *g, const ps_node *n, size_t count)
{
	const size_t checkpoint = checkpoint_of(g, n);

	return (struct call){.g = g,
			     .node = n,
			     .count = count,
			     .rates = checkpoint == PS_NO_NODE ? &g->costs->model[n->model]
							       : &g->costs->checkpoint[checkpoint],
			     .sae = &g->costs->sae[n->model]};
}

/* --- measuring --- */

static bool model_is_wanted(const ps_graph *g, size_t model)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->nodes[i].model == model && ps_graph_wanted(g, &g->nodes[i]))
			return true;
	return false;
}

static int measure_sae(const ps_graph *g, size_t model)
{
	struct ps_costs *costs = g->costs;
	const size_t node = g->models[model].conditions[0].train[0];
	const ps_train_args *args = g->nodes[node].args;
	ps_train_options options;
	int rc;

	/* SAEs of another model of the same shape cost the same. */
	for (size_t i = 0; i < model; i++)
		if (costs->measured[i] &&
		    g->models[i].config.width == g->models[model].config.width &&
		    costs->sae[i].options.d_sae == (size_t)args->d_sae.item[0]) {
			costs->sae[model] = costs->sae[i];
			return 0;
		}
	rc = sae_options(g, model, &options);
	return rc ? rc
		  : ps_sae_rates_measure(g->session, &options, g->models[model].config.width,
					 &costs->sae[model]);
}

/* A checkpoint has its model's rates, and a plan of its own: its weights may be of another type. */
static int open_checkpoints(const ps_graph *g, size_t model)
{
	const ps_model_rates *rates = &g->costs->model[model];
	int rc = 0;

	for (size_t i = 0; i < g->file->checkpoints_count && !rc; i++) {
		ps_model_rates *own = &g->costs->checkpoint[i];

		if (g->file->checkpoints[i].of_model != model)
			continue;
		*own = *rates;
		rc = ps_engine_open(&own->engine, g->session, g->file->checkpoints[i].path, NULL);
	}
	return rc;
}

static int measure_model(const ps_graph *g, size_t model)
{
	const ps_study_file *f = g->file;
	const ps_rates_question question = {
		.model = g->models[model].spec->path,
		.text = f->text[0],
		.text_lacks = ps_source_lacks(g, f->text[0]),
		.window = (size_t)f->window,
		.ppl_window = (size_t)f->ppl.window,
		.out = access(g->out, F_OK) ? NULL : g->out,
		.magnitude = {.sparsity = f->sparsities[0], .scope = PS_SCOPE_MATRIX},
		.wanda = {.sparsity = f->sparsities[0], .scope = PS_SCOPE_ROW},
	};
	int rc = ps_model_rates_measure(g->session, &question, &g->costs->model[model]);

	if (!rc)
		rc = open_checkpoints(g, model);
	return rc ? rc : measure_sae(g, model);
}

/* Says so if other programs had the processors for a good part of the measuring, because then the
 * estimates are those of so busy a machine. before: of this thread, when the measuring began. */
static void remark_on_others(const ps_graph *g, const ps_thread_time *before)
{
	ps_thread_time now;
	double waited, all;

	if (!ps_thread_time_read(&now))
		return;
	waited = now.waited - before->waited;
	all = waited + now.ran - before->ran;
	if (all > 0 && waited > BUSY_SHARE * all)
		ps_session_say(g->session,
			       "other programs had the processors for %.0f %% of the time in which "
			       "rates were measured: on an idle machine all is faster",
			       100 * waited / all);
}

/* Takes a line of times.jsonl. A line that cannot be read is left out. */
static void take_line(struct ps_costs *costs, const char *line, size_t length)
{
	json_error_t error;
	json_t *entry = ps_json_load(line, length, &error);
	const json_t *kind = json_object_get(entry, "kind");

	if (json_is_integer(kind) && json_integer_value(kind) >= 0 &&
	    json_integer_value(kind) < PS_CORRECTED_KINDS)
		ps_correction_add(&costs->correction, (int)json_integer_value(kind),
				  json_number_value(json_object_get(entry, "estimated")),
				  json_number_value(json_object_get(entry, "seconds")));
	json_decref(entry);
}

static void read_times(const ps_graph *g)
{
	const char *path = ps_graph_text((ps_graph *)g, "%s/times.jsonl", g->out);
	ps_diag ignored = {{0}};
	char *text;
	size_t length;

	if (!path || ps_file_read(&ps_sys_linux, path, TIMES_BYTES_MAX, &text, &length, &ignored))
		return;
	for (char *line = text; line < text + length;) {
		size_t n = strcspn(line, "\n");

		take_line(g->costs, line, n);
		line += n + 1;
	}
	free(text);
}

int ps_costs_open(ps_graph *g)
{
	const size_t models = g->file->models_count;
	ps_thread_time before;
	int rc = 0;

	g->costs = ps_graph_take(g, sizeof *g->costs);
	if (!g->costs)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the costs");
	g->costs->model = ps_graph_take(g, models * sizeof *g->costs->model);
	g->costs->checkpoint =
		ps_graph_take(g, (g->file->checkpoints_count + 1) * sizeof *g->costs->checkpoint);
	g->costs->sae = ps_graph_take(g, models * sizeof *g->costs->sae);
	g->costs->measured = ps_graph_take(g, models * sizeof *g->costs->measured);
	if (!g->costs->model || !g->costs->checkpoint || !g->costs->sae || !g->costs->measured)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the costs");
	(void)ps_thread_time_read(&before);
	for (size_t i = 0; i < models && !rc; i++) {
		if (!model_is_wanted(g, i))
			continue;
		ps_progress_tick(&g->session->context, "timing the models", "models", i, models);
		rc = measure_model(g, i);
		g->costs->measured[i] = !rc;
		/* If the budget is too small for a sample, the study has no estimates. */
		if (rc == PS_EBUDGET) {
			g->session->diag = (ps_diag){{0}};
			rc = 0;
		}
	}
	ps_progress_tick(&g->session->context, "timing the models", "models", models, models);
	remark_on_others(g, &before);
	read_times(g);
	return rc;
}

void ps_costs_close(ps_graph *g)
{
	for (size_t i = 0; g->costs && g->costs->model && i < g->file->models_count; i++)
		ps_model_rates_close(&g->costs->model[i]);
	for (size_t i = 0; g->costs && g->costs->checkpoint && i < g->file->checkpoints_count; i++)
		ps_model_rates_close(&g->costs->checkpoint[i]);
	g->costs = NULL;
}

/* --- asking --- */

static int kind_of(const ps_node *n)
{
	return is_wanda(n) ? (int)WANDA_KIND : (int)n->kind->step;
}

static bool is_known(const ps_graph *g, const ps_node *n)
{
	return g->costs && g->costs->measured[n->model];
}

static double corrected(const ps_graph *g, const ps_node *n, size_t count)
{
	const struct call call = call_of(g, n, count);

	return seconds_of(&call) * ps_correction_factor(&g->costs->correction, kind_of(n));
}

ps_cost ps_cost_of(const ps_graph *g, const ps_node *n)
{
	ps_cost cost = {.disk_bytes = disk_of(g, n)};

	if (is_known(g, n)) {
		const struct call call = call_of(g, n, 1);

		cost.seconds = corrected(g, n, 1);
		cost.memory_bytes = memory_of(&call).planned;
	}
	return cost;
}

static bool among(const ps_node *n, ps_node *const *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (nodes[i] == n)
			return true;
	return false;
}

/* Nodes of one kind and model count as one call, as far as the kind allows it. */
void ps_cost_expect(const ps_graph *g, ps_node *const *nodes, size_t count, double *seconds,
		    double *rest_seconds)
{
	*seconds = 0;
	*rest_seconds = -1;
	if (!g->costs)
		return;
	if (count && is_known(g, nodes[0]))
		*seconds = corrected(g, nodes[0], count);
	*rest_seconds = 0;
	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];
		size_t like = 0, before = 0;

		if (!is_known(g, n) || among(n, nodes, count) || !ps_graph_wanted(g, n))
			continue;
		for (size_t j = 0; j < g->count && n->kind->batch_max > 1; j++) {
			const ps_node *other = &g->nodes[j];
			bool same = ps_step_shares(other, n) && !among(other, nodes, count) &&
				    ps_graph_wanted(g, other);

			like += same;
			before += same && j < i;
		}
		if (!before)
			*rest_seconds += corrected(g, n, like ? like : 1);
	}
}

/* Appends a line to times.jsonl. Without it later estimates are worse, and nothing else is. */
static void write_time(ps_graph *g, const ps_node *n, size_t count, double estimated,
		       double seconds)
{
	const char *path = ps_graph_text(g, "%s/times.jsonl", g->out);
	char line[LINE_BYTES];
	int fd, length =
			snprintf(line, sizeof line,
				 "{\"step\": \"%s\", \"kind\": %d, \"steps\": %zu, "
				 "\"threads\": %d, \"estimated\": %.3f, \"seconds\": %.3f}\n",
				 n->id, kind_of(n), count, g->session->threads, estimated, seconds);

	if (!path || length >= (int)sizeof line)
		return;
	fd = TEMP_FAILURE_RETRY(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
	if (fd < 0)
		return;
	if (write(fd, line, (size_t)length) != length)
		ps_session_say(g->session, "%s: a line could not be written", path);
	close(fd);
}

void ps_cost_note(ps_graph *g, ps_node *const *nodes, size_t count, double seconds)
{
	const ps_node *n = nodes[0];
	double estimated = 0;

	if (is_known(g, n)) {
		const struct call call = call_of(g, n, count);

		estimated = seconds_of(&call);
		ps_correction_add(&g->costs->correction, kind_of(n), estimated, seconds);
	}
	write_time(g, n, count, estimated, seconds);
}

/* --- the least memory --- */

/* The least budget is named in whole MiB, so that its short form is exact. */
#define LEAST_UNIT ((size_t)1 << 20)

/* The largest need so far. */
struct largest {
	size_t bytes;
	const ps_node *node;
};

/* What memory needs to know of a model, or of a checkpoint of its shapes, and of its SAEs: no
 * rates. */
static int open_shapes(const ps_graph *g, size_t model, const char *path, ps_model_rates *r,
		       ps_sae_rates *sae)
{
	const ps_graph_model *m = &g->models[model];
	int rc = ps_model_rates_open(g->session, path, (size_t)g->file->window, r);

	*sae = (ps_sae_rates){.d_in = m->config.width};
	return rc ? rc : sae_options(g, model, &sae->options);
}

/* Looks at the steps that must run of a model, or of one of its checkpoints. */
static void compare_steps(const ps_graph *g, size_t model, size_t checkpoint,
			  const ps_model_rates *r, const ps_sae_rates *sae, struct largest *largest)
{
	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];
		const struct call call = {.g = g, .node = n, .count = 1, .rates = r, .sae = sae};
		size_t bytes;

		if (n->model != model || checkpoint_of(g, n) != checkpoint ||
		    !ps_graph_wanted(g, n))
			continue;
		bytes = memory_of(&call).least;
		if (bytes > largest->bytes)
			*largest = (struct largest){.bytes = bytes, .node = n};
	}
}

/* The steps with a model's weights, or with those of one of its checkpoints. */
static int find_largest(const ps_graph *g, size_t model, size_t checkpoint, struct largest *largest)
{
	const char *path = checkpoint == PS_NO_NODE ? g->models[model].spec->path
						    : g->file->checkpoints[checkpoint].path;
	ps_model_rates rates = {0};
	ps_sae_rates sae;
	int rc = ps_progress_check(&g->session->context);

	if (!rc)
		rc = open_shapes(g, model, path, &rates, &sae);
	if (!rc)
		compare_steps(g, model, checkpoint, &rates, &sae, largest);
	ps_model_rates_close(&rates);
	return rc;
}

int ps_cost_least(const ps_graph *g, size_t *bytes, const ps_node **node)
{
	struct largest largest = {0};
	int rc = 0;

	for (size_t i = 0; i < g->file->models_count && !rc; i++) {
		if (!model_is_wanted(g, i))
			continue;
		rc = find_largest(g, i, PS_NO_NODE, &largest);
		for (size_t c = 0; c < g->file->checkpoints_count && !rc; c++)
			if (g->file->checkpoints[c].of_model == i)
				rc = find_largest(g, i, c, &largest);
	}
	*bytes = largest.bytes + ps_graph_excess(g);
	*bytes = largest.node
			 ? ps_round_up(ps_max_size(*bytes, PS_PROGRAM_BYTES + ps_graph_bytes(g)),
				       LEAST_UNIT)
			 : 0;
	*node = largest.node;
	return rc;
}
