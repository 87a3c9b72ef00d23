/* ppl: perplexity over strided windows.
 *
 * The file is one text; windows start at 0, S, 2S, ..., each BOS and up to W ids; only ids not scored before
 * count. The last id of a window is predicted, never an input: it is left out of the computation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/artefact.h"
#include "io/text_file.h"
#include "tools/cmd/commands.h"
#include "tools/engine/forecast.h"
#include "tools/engine/model_files.h"

struct text_ids {
	int32_t *ids;
	size_t count, capacity, most;
	size_t reading_bytes; /* held at most while the text was read */
};

static int collect(void *context, int32_t id)
{
	struct text_ids *t = context;

	if (t->count == t->most)
		return 1;
	if (t->count == t->capacity) {
		size_t capacity = t->capacity ? 2 * t->capacity : 4096;
		int32_t *grown = realloc(t->ids, capacity * sizeof *grown);

		if (!grown)
			return PS_EBUDGET;
		t->ids = grown;
		t->capacity = capacity;
	}
	t->ids[t->count++] = id;
	return 0;
}

static int read_ids(ps_session *s, const ps_ppl_args *args, struct text_ids *t)
{
	ps_tokenizer *tokenizer = NULL;
	ps_text_file text = {0};
	uint64_t digest;
	int rc = ps_model_tokenizer(args->model, &tokenizer, &digest, &s->diag);

	if (!rc)
		rc = ps_text_file_open(&text, args->text, PS_TEXT_BYTES_MAX, &s->diag);
	if (!rc)
		rc = ps_tokenizer_encode(tokenizer, text.text, text.length, collect, t, &s->diag);
	if (rc == PS_EBUDGET)
		rc = ps_fail(&s->diag, rc, "no memory for the token ids of %s", args->text);
	if (rc >= 0)
		t->reading_bytes = PS_PROGRAM_BYTES + ps_tokenizer_bytes(tokenizer) +
				   t->capacity * sizeof *t->ids;
	ps_tokenizer_destroy(tokenizer);
	ps_text_file_close(&text);
	if (rc < 0)
		return rc;
	if (!t->count)
		return ps_fail(&s->diag, PS_EINPUT, "%s: the text is empty", args->text);
	return 0;
}

/* One window of the plan: text ids [begin, end), of which [scored, end) count. */
struct span {
	size_t begin, scored, end;
};

static size_t make_spans(size_t count, size_t window, size_t stride, struct span *spans)
{
	size_t n = 0, done = 0;

	for (size_t begin = 0; done < count; begin += stride) {
		size_t end = ps_min_size(begin + window, count);

		if (end <= done)
			continue;
		if (spans)
			spans[n] = (struct span){begin, done, end};
		n++;
		done = end;
	}
	return n;
}

struct ppl_run {
	ps_session *s;
	ps_engine engine;
	const int32_t *text;
	const struct span *spans;
	size_t span_count;
	int32_t *inputs, *targets; /* of a pass */
	double *nll;               /* of a pass */
	double *span_nll;          /* per span, summed */
	size_t *wanted;            /* per span: its first input whose prediction counts */
};

/* Spans [first, first + n): the last layer and the head see only the rows that are scored. */
static int score_pass(struct ppl_run *r, size_t first, size_t n)
{
	ps_engine *e = &r->engine;
	size_t rows = 0, scored = 0;
	ps_windows windows = {
		.ids = r->inputs, .start = e->starts, .count = n, .wanted = r->wanted + first};
	int rc;

	for (size_t i = 0; i < n; i++) {
		const struct span *span = &r->spans[first + i];
		const size_t inputs = span->end - span->begin,
			     count = span->end - span->scored; /* BOS and all ids but the last */

		e->starts[i] = rows;
		r->inputs[rows] = e->config->bos;
		memcpy(r->inputs + rows + 1, r->text + span->begin, (inputs - 1) * sizeof(int32_t));
		memcpy(r->targets + scored, r->text + span->scored, count * sizeof(int32_t));
		rows += inputs;
		scored += count;
	}
	e->starts[n] = rows;
	rc = ps_forward_embed(e->forward, &windows, e->hidden);
	if (!rc)
		rc = ps_forward_layers(e->forward, 0, (int)e->config->layers - 1,
				       first + n < r->span_count ? 0 : -1, &windows, e->hidden,
				       NULL, NULL);
	if (!rc)
		rc = ps_head_nll(e->head, e->hidden, r->targets, scored, r->nll);
	for (size_t i = 0, t = 0; i < n && !rc; i++)
		for (size_t j = r->spans[first + i].scored; j < r->spans[first + i].end; j++)
			r->span_nll[first + i] += r->nll[t++];
	return rc;
}

static int score_all(struct ppl_run *r, size_t window)
{
	size_t windows_per_pass = ps_max_size(r->engine.pass_tokens / window, 1);
	int rc = 0;

	for (size_t first = 0; first < r->span_count && !rc; first += windows_per_pass) {
		rc = score_pass(r, first, ps_min_size(windows_per_pass, r->span_count - first));
		ps_progress_tick(&r->s->context, "perplexity, windows", "win",
				 ps_min_size(first + windows_per_pass, r->span_count),
				 r->span_count);
		if (!rc)
			rc = ps_progress_check(&r->s->context);
	}
	return rc;
}

static json_t *make_result(const struct ppl_run *r, size_t tokens, bool per_window)
{
	json_t *nll = json_array(), *counts = json_array(), *result;
	double sum = 0;

	for (size_t i = 0; i < r->span_count; i++) {
		sum += r->span_nll[i];
		json_array_append_new(nll, json_real(r->span_nll[i]));
		json_array_append_new(
			counts, json_integer((json_int_t)(r->spans[i].end - r->spans[i].scored)));
	}
	sum /= (double)tokens;
	/* JSON has no infinity: a perplexity beyond double's range is given as its largest number. */
	result = json_pack("{s:f, s:f, s:I, s:I, s:s}", "ppl",
			   fmin(exp(sum), 1.7976931348623157e308), "nll", sum, "tokens",
			   (json_int_t)tokens, "windows", (json_int_t)r->span_count, "backend",
			   ps_checkpoint_backend(r->engine.checkpoint));
	if (per_window) {
		json_object_set(result, "window_nll", nll);
		json_object_set(result, "window_tokens", counts);
	}
	json_decref(nll);
	json_decref(counts);
	return result;
}

static int dry_run(struct ppl_run *r, const ps_engine_need *need, size_t scored, json_t **result)
{
	ps_forecast f;
	double inputs = 0;
	int last = (int)r->engine.config->layers - 1;
	int rc = ps_forecast_begin(&f, &r->engine, need, r->text, scored);

	for (size_t i = 0; i < r->span_count; i++)
		inputs += (double)(r->spans[i].end - r->spans[i].begin);
	/* The last layer computes little but what is scored. */
	if (!rc)
		rc = ps_forecast_layers(&f, 0, last - 1, inputs, 1, 1);
	if (!rc)
		rc = ps_forecast_layers(&f, last, last, (double)scored, 1, 1);
	if (!rc)
		rc = ps_forecast_head(&f, (double)scored, 0);
	return rc ? rc : ps_forecast_end(&f, result);
}

int ps_run_ppl(ps_session *s, const ps_ppl_args *args, json_t **result)
{
	struct text_ids text = {.most = args->max_tokens > 0 ? (size_t)args->max_tokens : SIZE_MAX};
	struct ppl_run r = {.s = s};
	struct span *spans = NULL;
	ps_engine_need need;
	size_t window = (size_t)args->window;
	int rc;

	if (args->window < 1 || args->stride < 1 || args->stride > args->window ||
	    args->max_tokens < 0)
		return ps_fail(
			&s->diag, PS_EUSAGE,
			"--window and --stride must be at least 1, the stride at most the window");
	rc = ps_engine_open(&r.engine, s, args->model, args->mask);
	if (!rc && r.engine.config->bos < 0)
		rc = ps_fail(&s->diag, PS_EINPUT,
			     "%s: bos_token_id is missing or null, and every window starts with it",
			     args->model);
	if (!rc)
		rc = read_ids(s, args, &text);
	if (rc)
		goto out;
	r.text = text.ids;
	r.span_count = make_spans(text.count, window, (size_t)args->stride, NULL);
	r.spans = spans = calloc(r.span_count, sizeof *spans);
	r.span_nll = calloc(r.span_count, sizeof *r.span_nll);
	r.wanted = calloc(r.span_count, sizeof *r.wanted);
	if (!spans || !r.span_nll || !r.wanted) {
		rc = ps_fail(&s->diag, PS_EBUDGET, "no memory for %zu windows", r.span_count);
		goto out;
	}
	make_spans(text.count, window, (size_t)args->stride, spans);
	for (size_t i = 0; i < r.span_count; i++)
		r.wanted[i] = spans[i].scored - spans[i].begin;
	window = ps_min_size(window, text.count);
	need = (ps_engine_need){.window = window,
				.tokens = r.span_count * window,
				.hidden_copies = 1,
				.head = true,
				.extra_token_bytes = 2 * sizeof(int32_t) + sizeof(double),
				.held_bytes = text.capacity * sizeof *text.ids +
					      r.span_count * (sizeof *spans + sizeof *r.span_nll +
							      sizeof *r.wanted),
				.earlier_bytes = text.reading_bytes};
	rc = args->dry_run ? dry_run(&r, &need, text.count, result)
			   : ps_engine_start(&r.engine, &need);
	if (rc || args->dry_run)
		goto out;
	r.inputs = ps_arena_take(&r.engine.arena, r.engine.pass_tokens * sizeof(int32_t));
	r.targets = ps_arena_take(&r.engine.arena, r.engine.pass_tokens * sizeof(int32_t));
	r.nll = ps_arena_take(&r.engine.arena, r.engine.pass_tokens * sizeof(double));
	rc = score_all(&r, window);
	if (!rc)
		*result = make_result(&r, text.count, args->per_window);
out:
	ps_engine_close(&r.engine);
	free(r.span_nll);
	free(r.wanted);
	free(spans);
	free(text.ids);
	return rc;
}
