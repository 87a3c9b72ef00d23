#include "tools/study/rates.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "io/text_file.h"
#include "tools/engine/model_files.h"

enum {
	SAMPLE_TOKENS = 1024,  /* of a sample; if two windows are longer, two windows */
	TEXT_BYTES = 64 << 10, /* of a text that are tokenized, at most */
};

/* If a layer takes less than this on a window of perplexity, the window is measured. Otherwise its
 * time is computed. */
#define LONG_WINDOW_SECONDS 0.15
/* Time of a multiply-add in attention, as a multiple of one in a projection. */
#define ATTENTION_WEIGHT 2.0

/* --- text --- */

struct counted {
	int32_t *ids;
	size_t count, capacity;
};

static int count_id(void *context, int32_t id)
{
	struct counted *c = context;

	if (c->count < c->capacity)
		c->ids[c->count] = id;
	c->count++;
	return 0;
}

/* The length of the sample of text. It ends where a UTF-8 character ends. */
static size_t whole_characters(const ps_text_file *text)
{
	size_t length = ps_min_size(text->length, TEXT_BYTES);

	while (length < text->length && length &&
	       ((unsigned char)text->text[length] & 0xc0) == 0x80)
		length--;
	return length;
}

/* What is timed in the place of a text that is not there. */
static const char ordinary[] =
	"The river had been rising for three days when the council met again. Nobody expected "
	"much of the meeting: the engineers repeated that the dam would hold, and the farmers on "
	"the lower fields answered that it had not held in 1974. In the end they agreed to open "
	"two of the five gates, to move the cattle to the hills before nightfall, and to ask the "
	"neighbouring towns for boats. \"We have done this before,\" said the oldest of them, "
	"\"and most of the houses are still standing.\" By Thursday the water had fallen by 40 "
	"centimetres; the school opened on Monday, and the newspaper, which had printed maps of "
	"the flood on its first page, went back to the price of wheat.\n";

static int tokenize_sample(ps_tokenizer *tokenizer, const ps_text_file *text, struct counted *ids,
			   ps_model_rates *r)
{
	const size_t length = text->path ? whole_characters(text) : sizeof ordinary - 1;
	const double started = ps_clock();
	ps_diag reason = {0};
	int rc = ps_tokenizer_encode(tokenizer, text->path ? text->text : ordinary, length,
				     count_id, ids, &reason);

	if (rc < 0)
		(void)ps_fail(&r->engine.session->diag, rc, "%s: %s",
			      text->path ? text->path : "a sample", reason.text);
	if (rc || !length || !ids->count)
		return rc;
	r->text_byte_seconds = (ps_clock() - started) / (double)length;
	r->token_bytes = (double)length / (double)ids->count;
	return 0;
}

static int measure_text(const ps_rates_question *q, struct counted *ids, ps_model_rates *r)
{
	ps_diag *diag = &r->engine.session->diag;
	ps_tokenizer *tokenizer = NULL;
	ps_text_file text = {0};
	uint64_t digest;
	const double started = ps_clock();
	int rc = ps_model_tokenizer(q->model, &tokenizer, &digest, diag);

	r->tokenizer_seconds = ps_clock() - started;
	if (!rc && !q->text_lacks)
		rc = ps_text_file_open(&text, q->text, PS_TEXT_BYTES_MAX, diag);
	if (!rc)
		rc = tokenize_sample(tokenizer, &text, ids, r);
	if (!rc)
		r->tokenizer_bytes = ps_tokenizer_bytes(tokenizer);
	ps_tokenizer_destroy(tokenizer);
	ps_text_file_close(&text);
	return rc;
}

/* --- the model --- */

static int measure_layers(ps_sample *sample, ps_model_costs *costs)
{
	int rc = 0;

	for (int layer = 0; layer < (int)costs->config.layers && !rc; layer++)
		if (costs->layer[ps_layer_kind_of(costs, layer)].token <= 0)
			rc = ps_sample_layer(sample, layer, costs);
	return rc;
}

/* Bytes that the measurements take from the engine's arena. */
struct rooms {
	const ps_engine *engine;
	ps_arena stats, masks;
};

static void lay_out_rooms(void *command, size_t tokens, ps_layout *layout)
{
	struct rooms *rooms = command;
	const ps_model_config *config = rooms->engine->config;
	const int threads = rooms->engine->session->threads;

	(void)tokens;
	rooms->stats = ps_engine_room(layout, ps_wanda_stats_bytes(config));
	rooms->masks = ps_engine_room(layout, ps_max_size(ps_magnitude_bytes(config, threads, 1),
							  ps_wanda_bytes(config, threads, 1)));
}

static int measure_masks(const ps_rates_question *q, const ps_wanda_stats *stats,
			 struct rooms *rooms, ps_model_rates *r)
{
	const ps_model_config *config = r->engine.config;
	int rc = ps_sample_masks(&r->engine, &q->magnitude, NULL, &rooms->masks,
				 &r->magnitude_seconds);

	if (!rc)
		rc = ps_sample_masks(&r->engine, &q->wanda, stats, &rooms->masks,
				     &r->wanda_seconds);
	r->magnitude_seconds *= ps_masked_layers(config, &q->magnitude);
	r->wanda_seconds *= ps_masked_layers(config, &q->wanda);
	return rc;
}

/* Multiply-adds of a token in a layer. Those of attention are weighted. */
static double layer_products(const ps_model_costs *costs, ps_layer_kind kind, size_t window)
{
	const ps_model_config *c = &costs->config;
	double products = 0, reach = ((double)window + 1) / 2;
	size_t rows, cols;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		ps_projection_shape(c, (ps_projection)p, &rows, &cols);
		products += (double)(rows * cols);
	}
	if (kind == PS_LAYER_SLIDING)
		reach = fmin(reach, (double)c->sliding_window);
	return products + ATTENTION_WEIGHT * 2 * reach * (double)(c->heads * c->head_width);
}

/* Costs of layers on windows of perplexity, from those on windows of the study. The cost of a call
 * does not depend on the window. The cost of a token grows by its attention. */
static int measure_ppl_layers(ps_sample *sample, size_t window, ps_model_rates *r)
{
	const ps_call_cost plain = r->costs.layer[PS_LAYER_GLOBAL].token > 0
					   ? r->costs.layer[PS_LAYER_GLOBAL]
					   : r->costs.layer[PS_LAYER_SLIDING];
	const ps_layer_kind kind =
		r->costs.layer[PS_LAYER_GLOBAL].token > 0 ? PS_LAYER_GLOBAL : PS_LAYER_SLIDING;
	const double before = layer_products(&r->costs, kind, r->costs.window);
	int rc = 0;

	r->ppl = r->costs;
	r->ppl.window = window;
	memset(r->ppl.layer, 0, sizeof r->ppl.layer);
	if (plain.token * (double)window < LONG_WINDOW_SECONDS) {
		rc = ps_sample_cut(sample, window, 2, &r->ppl);
		if (!rc)
			rc = measure_layers(sample, &r->ppl);
	}
	for (int k = 0; k < PS_LAYER_KINDS && !rc; k++) {
		ps_call_cost *cost = &r->ppl.layer[k];

		if (cost->token > 0)
			cost->token = fmax(cost->token + (cost->call - plain.call) /
								 (double)(sample->many * window),
					   plain.token / 2);
		else
			cost->token = plain.token *
				      layer_products(&r->costs, (ps_layer_kind)k, window) / before;
		cost->call = plain.call;
	}
	return rc;
}

static int measure_sample(const ps_rates_question *q, ps_sample *sample, struct rooms *rooms,
			  ps_model_rates *r)
{
	ps_wanda_stats stats;
	int rc = ps_sample_cut(sample, q->window, SIZE_MAX, &r->costs);

	ps_wanda_stats_create(&stats, r->engine.config, &rooms->stats);
	if (!rc)
		rc = measure_layers(sample, &r->costs);
	if (!rc)
		rc = ps_sample_head(sample, 0, &r->costs);
	if (!rc)
		rc = ps_sample_observed(sample, &stats, &r->costs);
	return rc ? rc : measure_masks(q, &stats, rooms, r);
}

static int measure_model(const ps_rates_question *q, const struct counted *ids, ps_model_rates *r)
{
	const size_t ppl_window = q->ppl_window ? q->ppl_window : q->window,
		     longest = ps_max_size(2 * q->window, ppl_window);
	struct rooms rooms = {.engine = &r->engine};
	const ps_engine_need need = {.window = ps_max_size(q->window, ppl_window),
				     .hidden_copies = 1,
				     .head = true,
				     .lay_out = lay_out_rooms,
				     .command = &rooms};
	const double started = ps_clock();
	ps_sample sample;
	int rc = ps_sample_start(&sample, &r->engine, &need, ps_max_size(longest, SAMPLE_TOKENS),
				 ids->ids, ps_min_size(ids->count, ids->capacity), &r->costs);

	r->open_seconds += ps_clock() - started;
	if (!rc)
		rc = measure_sample(q, &sample, &rooms, r);
	return rc ? rc : measure_ppl_layers(&sample, ppl_window, r);
}

int ps_model_rates_measure(ps_session *s, const ps_rates_question *q, ps_model_rates *r)
{
	int32_t sampled[SAMPLE_TOKENS];
	struct counted ids = {.ids = sampled, .capacity = SAMPLE_TOKENS};
	const double started = ps_clock();
	int rc;

	*r = (ps_model_rates){0};
	rc = ps_engine_open(&r->engine, s, q->model, NULL);
	r->open_seconds = ps_clock() - started;
	if (!rc && q->text)
		rc = measure_text(q, &ids, r);
	if (!rc)
		rc = measure_model(q, &ids, r);
	if (!rc && q->out)
		r->writing = ps_probe_write(q->out);
	/* Plans need an engine that is open and not started. */
	ps_engine_close(&r->engine);
	return rc ? rc : ps_engine_open(&r->engine, s, q->model, NULL);
}

int ps_model_rates_open(ps_session *s, const char *model, size_t window, ps_model_rates *r)
{
	ps_tokenizer *tokenizer = NULL;
	uint64_t digest;
	int rc;

	*r = (ps_model_rates){0};
	rc = ps_engine_open(&r->engine, s, model, NULL);
	if (!rc)
		rc = ps_model_tokenizer(model, &tokenizer, &digest, &s->diag);
	if (rc)
		return rc;
	r->costs = (ps_model_costs){.config = *r->engine.config, .window = window};
	r->tokenizer_bytes = ps_tokenizer_bytes(tokenizer);
	ps_tokenizer_destroy(tokenizer);
	return 0;
}

void ps_model_rates_close(ps_model_rates *r)
{
	ps_engine_close(&r->engine);
	*r = (ps_model_rates){0};
}
