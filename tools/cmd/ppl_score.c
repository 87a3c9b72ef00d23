#include "tools/cmd/ppl_score.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/text_file.h"
#include "tools/engine/model_files.h"

int ps_ppl_check_args(const ps_ppl_args *args, ps_diag *diag)
{
	if (args->window < 1 || args->stride < 1 || args->max_tokens < 0)
		return ps_fail(diag, PS_EUSAGE,
			       "--window %lld, --stride %lld, --max-tokens %lld: must be at least "
			       "1, 1 and 0",
			       (long long)args->window, (long long)args->stride,
			       (long long)args->max_tokens);
	if (args->stride > args->window)
		return ps_fail(diag, PS_EUSAGE, "--stride %lld: must be at most --window, %lld",
			       (long long)args->stride, (long long)args->window);
	return 0;
}

/* --- the text --- */

/* The ids may take what the tokenizer leaves of the budget, and a MiB in any case: then a budget
 * that suffices can be named exactly. */
static void set_room(ps_ppl_text *t)
{
	const size_t held = PS_PROGRAM_BYTES + ps_tokenizer_bytes(t->tokenizer);

	t->room.limit_bytes =
		ps_max_size(t->memory_bytes > held ? t->memory_bytes - held : 0, (size_t)1 << 20);
}

/* One more id; 1: that is enough. */
static int collect(void *context, int32_t id)
{
	ps_ppl_text *t = context;
	int32_t *ids;

	if (t->count == t->count_max)
		return 1;
	if (t->count == t->capacity)
		set_room(t);
	ids = ps_array_grow_within(&t->room, t->ids, &t->capacity, t->count + 1, sizeof *ids,
				   t->diag);
	if (!ids)
		return PS_EBUDGET;
	t->ids = ids;
	t->ids[t->count++] = id;
	return 0;
}

/* The budget cannot hold the tokenizer's copies of the text, or its ids. */
static int name_budget(ps_session *s, const ps_ppl_args *args, const ps_tokenizer *tokenizer,
		       const ps_text_file *text)
{
	const size_t length = text->length;
	const size_t ids = args->max_tokens && (size_t)args->max_tokens < length
				   ? (size_t)args->max_tokens
				   : length;
	ps_plan plan = {.limit_bytes = s->memory_bytes};

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "tokenizer and the text",
		    ps_tokenizer_room(tokenizer, text->text, length));
	ps_plan_add(&plan, "token ids", 2 * (ids + 16) * sizeof(int32_t));
	s->diag = (ps_diag){{0}};
	return ps_plan_check(&plan, &s->diag)
		       ? PS_EBUDGET
		       : ps_fail(&s->diag, PS_EBUDGET, "no memory for the token ids of %s",
				 args->text);
}

static int read_ids(ps_session *s, const ps_ppl_args *args, ps_ppl_text *t)
{
	ps_tokenizer *tokenizer = NULL;
	ps_text_file text = {0};
	ps_diag reason = {0};
	uint64_t digest;
	int rc = ps_model_tokenizer(args->model, &tokenizer, &digest, &s->diag);

	if (!rc)
		rc = ps_text_file_open(&text, args->text, PS_TEXT_BYTES_MAX, &s->diag);
	if (!rc) {
		t->tokenizer = tokenizer;
		t->memory_bytes = s->memory_bytes;
		ps_tokenizer_limit(tokenizer, s->memory_bytes > PS_PROGRAM_BYTES
						      ? s->memory_bytes - PS_PROGRAM_BYTES
						      : 0);
		rc = ps_tokenizer_encode(tokenizer, text.text, text.length, collect, t, &reason);
	}
	if (reason.text[0])
		(void)ps_fail(&s->diag, rc, "%s: %s", args->text, reason.text);
	if (rc == PS_EBUDGET && t->tokenizer)
		rc = name_budget(s, args, tokenizer, &text);
	if (rc >= 0)
		t->reading_bytes = PS_PROGRAM_BYTES + ps_tokenizer_bytes(tokenizer) +
				   t->capacity * sizeof *t->ids;
	ps_tokenizer_destroy(tokenizer);
	ps_text_file_close(&text);
	if (rc < 0)
		return rc;
	if (!t->count)
		return ps_fail(&s->diag, PS_EINPUT, "%s: the text is empty", args->text);
	if (t->count < (size_t)args->max_tokens && !args->allow_fewer)
		return ps_fail(&s->diag, PS_EINPUT,
			       "%s: %zu tokens, fewer than the %lld of --max-tokens (--allow-fewer "
			       "takes what there is)",
			       args->text, t->count, (long long)args->max_tokens);
	return 0;
}

/* --- the run --- */

static void lay_out(void *command, size_t pass_tokens, ps_layout *layout)
{
	ps_ppl *r = command;

	const size_t variants = r->variants->count;

	r->windows = ps_layout_part(layout, r->window_count, sizeof *r->windows);
	r->window_nll = ps_layout_part(layout, variants * r->window_count, sizeof *r->window_nll);
	r->wanted = ps_layout_part(layout, r->window_count, sizeof *r->wanted);
	r->inputs = ps_layout_part(layout, pass_tokens, sizeof *r->inputs);
	r->targets = ps_layout_part(layout, variants * pass_tokens, sizeof *r->targets);
	r->nll = ps_layout_part(layout, variants * pass_tokens, sizeof *r->nll);
}

ps_engine_need ps_ppl_need(ps_ppl *r)
{
	return (ps_engine_need){.window = r->window,
				.tokens = r->window_count * r->window,
				.hidden_copies = r->variants->count,
				.holds_layers = r->variants->count > 1,
				.head = true,
				.lay_out = lay_out,
				.command = r,
				.held_bytes = r->text.capacity * sizeof *r->text.ids,
				.earlier_bytes = r->text.reading_bytes};
}

void ps_ppl_list(ps_ppl *r)
{
	ps_ppl_windows(r->text.count, r->window, (size_t)r->args->stride, r->windows);
	for (size_t i = 0; i < r->window_count; i++)
		r->wanted[i] = r->windows[i].scored - r->windows[i].begin;
}

/* What windows [first, first + count) take: their inputs, and how many ids they score. */
static void count_ids(const ps_ppl *r, size_t first, size_t count, size_t *inputs, size_t *scored)
{
	*inputs = *scored = 0;
	for (size_t i = first; i < first + count; i++) {
		*inputs += r->windows[i].end - r->windows[i].begin;
		*scored += r->windows[i].end - r->windows[i].scored;
	}
}

/* The last layer computes little but what is scored. */
static double layers_work(const ps_ppl *r, size_t inputs, size_t scored)
{
	const ps_model_config *config = r->engine->config;
	const int last = (int)config->layers - 1;

	return ps_layers_work(config, 0, last - 1, r->window, (double)inputs) +
	       ps_layers_work(config, last, last, r->window, (double)scored);
}

/* Inputs, targets and offsets of windows [first, first + count), side by side. Every variant has
 * the same targets. */
static void fill_pass(ps_ppl *r, size_t first, size_t count)
{
	ps_engine *e = r->engine;
	size_t rows = 0, scored = 0;

	for (size_t i = 0; i < count; i++) {
		const ps_ppl_window *w = &r->windows[first + i];
		const size_t inputs = w->end - w->begin, targets = w->end - w->scored;

		e->starts[i] = rows;
		r->inputs[rows] = e->config->bos;
		memcpy(r->inputs + rows + 1, r->text.ids + w->begin,
		       (inputs - 1) * sizeof *r->inputs);
		memcpy(r->targets + scored, r->text.ids + w->scored, targets * sizeof *r->targets);
		rows += inputs;
		scored += targets;
	}
	e->starts[count] = rows;
	for (size_t v = 1; v < r->variants->count; v++)
		memcpy(r->targets + v * scored, r->targets, scored * sizeof *r->targets);
}

/* The losses of all variants, whose last hidden states are moved together: the head's weights are
 * read once for as many rows as it takes. */
static int score_variants(ps_ppl *r, size_t scored)
{
	const ps_engine *e = r->engine;
	const size_t row = e->config->width;

	for (size_t v = 1; v < r->variants->count; v++)
		memmove(e->hidden + v * scored * row, r->variants->item[v].hidden,
			scored * row * sizeof *e->hidden);
	return ps_head_nll(e->head, e->hidden, r->targets, r->variants->count * scored, r->nll);
}

/* Adds the losses of windows [first, first + count) to their sums. */
static void add_losses(ps_ppl *r, size_t first, size_t count)
{
	const double *nll = r->nll;

	for (size_t v = 0; v < r->variants->count; v++)
		for (size_t i = first; i < first + count; i++)
			for (size_t j = r->windows[i].scored; j < r->windows[i].end; j++)
				r->window_nll[v * r->window_count + i] += *nll++;
}

static int score_pass(ps_ppl *r, size_t first, size_t count)
{
	ps_engine *e = r->engine;
	const ps_windows windows = {.ids = r->inputs,
				    .start = e->starts,
				    .count = count,
				    .wanted = r->wanted + first,
				    .first_window = first,
				    .overflow_allowed = true};
	ps_variants_pass pass = {.windows = &windows,
				 .prefetch_after = first + count < r->window_count ? 0 : -1};
	const double times = (double)r->variants->count;
	size_t inputs, scored;
	int rc;

	count_ids(r, first, count, &inputs, &scored);
	fill_pass(r, first, count);
	pass.tokens = inputs;
	ps_meter_stage(&r->meter, times * layers_work(r, inputs, scored));
	rc = ps_variants_run(r->variants, &pass);
	ps_meter_stage(&r->meter, times * ps_head_work(e->config, (double)scored));
	if (!rc)
		rc = score_variants(r, scored);
	if (!rc)
		add_losses(r, first, count);
	return rc;
}

/* Every variant goes through all layers. */
static void place_variants(const ps_ppl *r)
{
	const ps_engine *e = r->engine;

	for (size_t v = 0; v < r->variants->count; v++) {
		r->variants->item[v].hidden = e->hidden + v * e->pass_tokens * e->config->width;
		r->variants->item[v].last = (int)e->config->layers - 1;
	}
}

int ps_ppl_score(ps_ppl *r)
{
	const size_t per_pass = ps_max_size(r->engine->pass_tokens / r->window, 1);
	const double times = (double)r->variants->count;
	size_t inputs, scored;
	int rc = 0;

	place_variants(r);
	memset(r->window_nll, 0, r->variants->count * r->window_count * sizeof *r->window_nll);
	count_ids(r, 0, r->window_count, &inputs, &scored);
	ps_meter_begin(&r->meter, &r->engine->session->context,
		       &(ps_meter_plan){"perplexity", "tok", r->text.count,
					times * (layers_work(r, inputs, scored) +
						 ps_head_work(r->engine->config, (double)scored))});
	for (size_t first = 0; first < r->window_count && !rc; first += per_pass) {
		rc = score_pass(r, first, ps_min_size(per_pass, r->window_count - first));
		if (!rc)
			rc = ps_progress_check(&r->engine->session->context);
	}
	ps_meter_end(&r->meter);
	return rc;
}

int ps_ppl_forecast(ps_ppl *r, ps_forecast *f, size_t times)
{
	const int last = (int)r->engine->config->layers - 1;
	const size_t runs = r->variants->count;
	size_t inputs, scored;
	int rc = 0;

	ps_ppl_list(r);
	count_ids(r, 0, r->window_count, &inputs, &scored);
	for (size_t i = 0; i < times && !rc; i++) {
		rc = ps_forecast_layers(f, 0, last - 1, (double)(runs * inputs), runs, 1);
		if (!rc)
			rc = ps_forecast_layers(f, last, last, (double)(runs * scored), runs, 1);
		if (!rc)
			rc = ps_forecast_head(f, (double)(runs * scored), 0);
	}
	return rc;
}

int ps_ppl_open(ps_ppl *r, ps_variants *variants, const ps_ppl_args *args)
{
	ps_engine *engine = variants->engine;
	const ps_model_config *config = engine->config;
	const size_t window = (size_t)args->window;
	int rc;

	*r = (ps_ppl){
		.engine = engine,
		.variants = variants,
		.args = args,
		.text = {.diag = &engine->session->diag,
			 .count_max = args->max_tokens > 0 ? (size_t)args->max_tokens : SIZE_MAX}};
	rc = ps_config_need_bos(config->bos, config->vocab, args->model, &engine->session->diag);
	if (!rc)
		rc = read_ids(engine->session, args, &r->text);
	if (rc)
		return rc;
	r->window_count = ps_ppl_windows(r->text.count, window, (size_t)args->stride, NULL);
	r->window = ps_min_size(window, r->text.count);
	return 0;
}

void ps_ppl_close(ps_ppl *r)
{
	free(r->text.ids);
	*r = (ps_ppl){0};
}

const double *ps_ppl_window_nll(const ps_ppl *r, size_t variant)
{
	return r->window_nll + variant * r->window_count;
}

double ps_ppl_nll(const ps_ppl *r, size_t variant)
{
	const double *window_nll = ps_ppl_window_nll(r, variant);
	double nll = 0;

	for (size_t i = 0; i < r->window_count; i++)
		nll += window_nll[i];
	return nll / (double)r->text.count;
}
