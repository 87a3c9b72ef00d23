/* ppl: perplexity over strided windows (ppl_windows.h says which ids each of them scores).
 *
 * A window's inputs are BOS and all of its ids but the last: the last id is predicted, never an
 * input. The last layer and the output head compute the rows that are scored and no others.
 *
 * A model whose numbers overflow on the way still gets a result: ppl and nll are null, and
 * windows_not_finite counts the windows whose loss is not finite. The command then fails. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/checked.h"
#include "io/text_file.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/ppl_windows.h"
#include "tools/cmd/result.h"
#include "tools/engine/forecast.h"
#include "tools/engine/meter.h"
#include "tools/engine/model_files.h"

/* --- the text --- */

struct text_ids {
	ps_diag *diag;
	int32_t *ids;
	size_t count, capacity, count_max;
	size_t reading_bytes; /* the most that was held while the text was read */
	const ps_tokenizer *tokenizer;
	size_t memory_bytes; /* the budget */
	ps_room room;        /* of ids */
};

/* The ids may take what the tokenizer leaves of the budget, and a MiB in any case: then a budget
 * that suffices can be named exactly. */
static void set_room(struct text_ids *t)
{
	const size_t held = PS_PROGRAM_BYTES + ps_tokenizer_bytes(t->tokenizer);

	t->room.limit_bytes =
		ps_max_size(t->memory_bytes > held ? t->memory_bytes - held : 0, (size_t)1 << 20);
}

/* One more id; 1: that is enough. */
static int collect(void *context, int32_t id)
{
	struct text_ids *t = context;
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
		       size_t length)
{
	const size_t ids = args->max_tokens && (size_t)args->max_tokens < length
				   ? (size_t)args->max_tokens
				   : length;
	ps_plan plan = {.limit_bytes = s->memory_bytes};

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "tokenizer and the text", ps_tokenizer_room(tokenizer, length));
	ps_plan_add(&plan, "token ids", 2 * (ids + 16) * sizeof(int32_t));
	s->diag = (ps_diag){{0}};
	return ps_plan_check(&plan, &s->diag)
		       ? PS_EBUDGET
		       : ps_fail(&s->diag, PS_EBUDGET, "no memory for the token ids of %s",
				 args->text);
}

static int read_ids(ps_session *s, const ps_ppl_args *args, struct text_ids *t)
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
		rc = name_budget(s, args, tokenizer, text.length);
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

struct ppl_run {
	ps_session *s;
	const ps_ppl_args *args;
	ps_engine engine;
	ps_meter meter;
	struct text_ids text;
	size_t window, window_count; /* window: ids, no more than the text has */
	/* in the engine's arena */
	ps_ppl_window *windows;    /* (window_count) */
	double *window_nll;        /* (window_count): summed over the ids scored */
	size_t *wanted;            /* (window_count): the first input whose prediction is scored */
	int32_t *inputs, *targets; /* of a pass */
	double *nll;               /* of a pass */
};

static void lay_out(void *command, size_t pass_tokens, ps_layout *layout)
{
	struct ppl_run *r = command;

	r->windows = ps_layout_part(layout, r->window_count, sizeof *r->windows);
	r->window_nll = ps_layout_part(layout, r->window_count, sizeof *r->window_nll);
	r->wanted = ps_layout_part(layout, r->window_count, sizeof *r->wanted);
	r->inputs = ps_layout_part(layout, pass_tokens, sizeof *r->inputs);
	r->targets = ps_layout_part(layout, pass_tokens, sizeof *r->targets);
	r->nll = ps_layout_part(layout, pass_tokens, sizeof *r->nll);
}

static ps_engine_need need_of(struct ppl_run *r)
{
	return (ps_engine_need){.window = r->window,
				.tokens = r->window_count * r->window,
				.hidden_copies = 1,
				.head = true,
				.lay_out = lay_out,
				.command = r,
				.held_bytes = r->text.capacity * sizeof *r->text.ids,
				.earlier_bytes = r->text.reading_bytes};
}

/* The started engine's lists of windows. */
static void list_windows(struct ppl_run *r)
{
	ps_ppl_windows(r->text.count, r->window, (size_t)r->args->stride, r->windows);
	for (size_t i = 0; i < r->window_count; i++)
		r->wanted[i] = r->windows[i].scored - r->windows[i].begin;
}

/* What windows [first, first + count) take: their inputs, and how many ids they score. */
static void count_ids(const struct ppl_run *r, size_t first, size_t count, size_t *inputs,
		      size_t *scored)
{
	*inputs = *scored = 0;
	for (size_t i = first; i < first + count; i++) {
		*inputs += r->windows[i].end - r->windows[i].begin;
		*scored += r->windows[i].end - r->windows[i].scored;
	}
}

/* The last layer computes little but what is scored. */
static double layers_work(const struct ppl_run *r, size_t inputs, size_t scored)
{
	const ps_model_config *config = r->engine.config;
	const int last = (int)config->layers - 1;

	return ps_layers_work(config, 0, last - 1, r->window, (double)inputs) +
	       ps_layers_work(config, last, last, r->window, (double)scored);
}

/* Inputs, targets and offsets of windows [first, first + count), side by side. */
static void fill_pass(struct ppl_run *r, size_t first, size_t count)
{
	ps_engine *e = &r->engine;
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
}

static int score_pass(struct ppl_run *r, size_t first, size_t count)
{
	ps_engine *e = &r->engine;
	const ps_windows windows = {.ids = r->inputs,
				    .start = e->starts,
				    .count = count,
				    .wanted = r->wanted + first,
				    .first_window = first,
				    .overflow_allowed = true};
	size_t inputs, scored;
	int rc;

	count_ids(r, first, count, &inputs, &scored);
	fill_pass(r, first, count);
	ps_meter_stage(&r->meter, layers_work(r, inputs, scored));
	rc = ps_forward_embed(e->forward, &windows, e->hidden);
	if (!rc)
		rc = ps_forward_layers(e->forward, 0, (int)e->config->layers - 1,
				       first + count < r->window_count ? 0 : -1, &windows,
				       e->hidden);
	ps_meter_stage(&r->meter, ps_head_work(e->config, (double)scored));
	if (!rc)
		rc = ps_head_nll(e->head, e->hidden, r->targets, scored, r->nll);
	for (size_t i = first, t = 0; i < first + count && !rc; i++)
		for (size_t j = r->windows[i].scored; j < r->windows[i].end; j++)
			r->window_nll[i] += r->nll[t++];
	return rc;
}

static int score_all(struct ppl_run *r)
{
	const size_t per_pass = ps_max_size(r->engine.pass_tokens / r->window, 1);
	size_t inputs, scored;
	int rc = 0;

	count_ids(r, 0, r->window_count, &inputs, &scored);
	ps_meter_begin(&r->meter, &r->s->context,
		       &(ps_meter_plan){"perplexity", "tok", r->text.count,
					layers_work(r, inputs, scored) +
						ps_head_work(r->engine.config, (double)scored)});
	for (size_t first = 0; first < r->window_count && !rc; first += per_pass) {
		rc = score_pass(r, first, ps_min_size(per_pass, r->window_count - first));
		if (!rc)
			rc = ps_progress_check(&r->s->context);
	}
	ps_meter_end(&r->meter);
	return rc;
}

static int dry_run(struct ppl_run *r, const ps_engine_need *need, json_t **result)
{
	const int last = (int)r->engine.config->layers - 1;
	size_t inputs, scored;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &r->engine, need, r->text.ids, r->text.count);

	if (rc)
		return rc;
	list_windows(r);
	count_ids(r, 0, r->window_count, &inputs, &scored);
	rc = ps_forecast_layers(&f, 0, last - 1, (double)inputs, 1, 1);
	if (!rc)
		rc = ps_forecast_layers(&f, last, last, (double)scored, 1, 1);
	if (!rc)
		rc = ps_forecast_head(&f, (double)scored, 0);
	return rc ? rc : ps_forecast_end(&f, result);
}

/* --- the result --- */

/* window_nll and window_tokens: sums and counts of every window. */
static int add_windows(const struct ppl_run *r, json_t *result)
{
	json_t *counts = json_array();
	int failed = !counts;

	for (size_t i = 0; i < r->window_count && !failed; i++)
		failed = json_array_append_new(
			counts,
			json_integer((json_int_t)(r->windows[i].end - r->windows[i].scored)));
	failed |= json_object_set_new(result, "window_tokens", counts);
	return failed | json_object_set_new(result, "window_nll",
					    ps_numbers_json(r->window_nll, r->window_count));
}

/* The windows whose loss is not finite. *first: the first of them. */
static size_t count_not_finite(const struct ppl_run *r, size_t *first)
{
	size_t count = 0;

	for (size_t i = r->window_count; i-- > 0;)
		if (!isfinite(r->window_nll[i])) {
			count++;
			*first = i;
		}
	return count;
}

/* A perplexity beyond the range of a double is null; nll is there all the same. */
static json_t *make_result(const struct ppl_run *r, size_t not_finite)
{
	double nll = 0;
	json_t *result;
	int failed = 0;

	for (size_t i = 0; i < r->window_count; i++)
		nll += r->window_nll[i];
	nll /= (double)r->text.count;
	result = json_pack("{s:o, s:o, s:I, s:I, s:s}", "ppl", ps_number_json(exp(nll)), "nll",
			   ps_number_json(nll), "tokens", (json_int_t)r->text.count, "windows",
			   (json_int_t)r->window_count, "backend",
			   ps_checkpoint_backend(r->engine.checkpoint));
	if (not_finite)
		failed = json_object_set_new(result, "windows_not_finite",
					     json_integer((json_int_t)not_finite));
	if (r->args->per_window)
		failed |= add_windows(r, result);
	if (!failed)
		return result;
	json_decref(result);
	return NULL;
}

/* The result is handed over also where the losses are not finite. */
static int conclude(const struct ppl_run *r, json_t **result)
{
	size_t first = 0, not_finite = count_not_finite(r, &first);
	int rc = ps_result_set(result, make_result(r, not_finite), &r->s->diag);

	if (rc || !not_finite)
		return rc;
	return ps_fail(&r->s->diag, PS_EFAILED,
		       "%s: the model overflows: the loss of %zu of %zu windows is not finite, "
		       "first of window %zu (tokens %zu to %zu of the text)",
		       r->args->model, not_finite, r->window_count, first, r->windows[first].begin,
		       r->windows[first].end - 1);
}

/* --- the command --- */

static int check_args(const ps_ppl_args *args, ps_diag *diag)
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

static int open_inputs(struct ppl_run *r)
{
	const ps_ppl_args *args = r->args;
	const size_t window = (size_t)args->window;
	int rc = ps_engine_open(&r->engine, r->s, args->model, args->mask);

	if (!rc)
		rc = ps_config_need_bos(r->engine.config->bos, r->engine.config->vocab, args->model,
					&r->s->diag);
	if (!rc)
		rc = read_ids(r->s, args, &r->text);
	if (rc)
		return rc;
	r->window_count = ps_ppl_windows(r->text.count, window, (size_t)args->stride, NULL);
	r->window = ps_min_size(window, r->text.count);
	return 0;
}

int ps_run_ppl(ps_session *s, const ps_ppl_args *args, json_t **result)
{
	struct ppl_run r = {.s = s, .args = args};
	ps_engine_need need;
	int rc = check_args(args, &s->diag);

	if (rc)
		return rc;
	r.text.diag = &s->diag;
	r.text.count_max = args->max_tokens > 0 ? (size_t)args->max_tokens : SIZE_MAX;
	rc = open_inputs(&r);
	if (rc)
		goto out;
	need = need_of(&r);
	if (args->dry_run) {
		rc = dry_run(&r, &need, result);
		goto out;
	}
	rc = ps_engine_start(&r.engine, &need);
	if (rc)
		goto out;
	list_windows(&r);
	rc = score_all(&r);
	if (!rc)
		rc = conclude(&r, result);
out:
	ps_engine_close(&r.engine);
	free(r.text.ids);
	return rc;
}
