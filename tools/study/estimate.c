#include "tools/study/estimate.h"

#include <math.h>

#include "analysis/ablation.h"
#include "analysis/compare.h"
#include "analysis/feature_stats.h"
#include "analysis/firing.h"
#include "analysis/fragility.h"
#include "analysis/own_start.h"
#include "analysis/promoted.h"
#include "analysis/seeds.h"
#include "analysis/transfer.h"
#include "core/base/checked.h"
#include "io/artefact.h"
#include "io/cache_shuffle.h"
#include "io/cache_store.h"
#include "io/edit_writer.h"
#include "io/row_ahead.h"
#include "sae/evaluate.h"
#include "sae/trainers.h"
#include "tools/cmd/feature_cards.h"
#include "tools/cmd/feature_file.h"
#include "tools/cmd/ppl_windows.h"
#include "tools/cmd/report_cards.h"
#include "tools/cmd/survival_findings.h"

enum {
	CODED_ROWS = 512,         /* rows that eval encodes at a time */
	COMPARED_ROWS = 1024,     /* rows that transfer and survival encode at a time */
	TRANSFER_INTERVALS = 12,  /* ratios that transfer's intervals resample */
	MEASURED_ROWS = 65536,    /* at most, that a trained SAE reconstructs for its measures */
	SAVE_SECONDS = 20,        /* between saved states of training */
	SAVED_MATRICES = 6,       /* in a state: two of parameters, four of moments */
	SLACK_BYTES = 1 << 16,    /* for small buffers that are not listed, and rounding */
	CONDITION_BYTES = 4096,   /* that survival keeps of a condition, besides its findings */
	FEATURE_LINE_BYTES = 320, /* of a latent in the CSV */
	WINDOWS_LEAST = 256,      /* that tokenize makes room for; then it doubles */
};

/* Shape of the gamma distribution that latents' firing rates are taken to have: most latents fire
 * rarely, few fire often. Ablated latents fire in a share of their windows: 0.78 was measured on
 * Gemma 3 270M (0.77 by this shape), 0.59 to 0.63 on the demo's models (0.67). */
#define FIRING_SHAPE 0.8
/* Buffers of the tokenizer for each byte of a document, which is read as a whole: the text as the
 * normalizer and the pretokenizer leave it. Measured on English: 1.0 (Llama) and 1.7 (Gemma); with
 * buffers that have just doubled and a text of many spaces it is twice that. */
#define DOCUMENT_FACTOR 4.0
/* What a further sparsity of a magnitude sweep adds, in the time of the first: its bits are set and
 * counted, the weights are not read and scored again. */
#define MORE_MAGNITUDE 0.1
/* What the report holds besides feature cards: results.json as a tree, tables, figures, the page.
 */
#define REPORT_BYTES ((size_t)8 << 20)
#define REPORT_CONDITION_BYTES ((size_t)64 << 10)
#define REPORT_SECONDS 0.1
#define REPORT_CONDITION_SECONDS 0.02

/* --- what the commands need --- */

/* Buffers of a command as one part. */
struct buffers {
	size_t bytes, token_bytes; /* in all; for each token of a pass */
};

static void lay_out(void *command, size_t pass_tokens, ps_layout *layout)
{
	const struct buffers *own = command;

	(void)ps_layout_part(layout, own->bytes + own->token_bytes * pass_tokens, 1);
}

/* A need and what it points to: it must stay where it is. */
struct need {
	ps_engine_need engine;
	struct buffers own;
};

static const ps_engine_need *with_buffers(struct need *need)
{
	need->engine.lay_out = lay_out;
	need->engine.command = &need->own;
	return &need->engine;
}

static size_t power_of_two(double least)
{
	size_t power = 4096;

	while ((double)power < least)
		power *= 2;
	return power;
}

/* Bytes that the tokenizer has once it has read a document of so many bytes. */
static size_t tokenizer_bytes(const ps_model_rates *r, double document_bytes)
{
	return r->tokenizer_bytes + (size_t)(DOCUMENT_FACTOR * document_bytes);
}

/* What an SAE takes that a command has loaded. */
static size_t loaded_bytes(const ps_sae *shape)
{
	return ps_round_up(ps_sae_bytes(shape->d_in, shape->d_sae) +
				   shape->d_sae * (sizeof(uint64_t) + 1) + SLACK_BYTES,
			   4096);
}

static double ppl_windows(const ps_ppl_work *w)
{
	return (double)ps_ppl_windows((size_t)w->tokens, w->window, w->stride, NULL);
}

static struct need ppl_need(const ps_model_rates *r, const ps_ppl_work *w)
{
	const double windows = ppl_windows(w);
	const size_t window = (size_t)fmin((double)w->window, w->tokens),
		     ids_bytes = power_of_two(w->tokens) * sizeof(int32_t);

	return (struct need){
		.engine = {.window = window,
			   .tokens = (size_t)windows * window,
			   .hidden_copies = w->variants,
			   .holds_layers = w->variants > 1,
			   .head = true,
			   .held_bytes = ids_bytes,
			   .earlier_bytes = PS_PROGRAM_BYTES + tokenizer_bytes(r, w->text_bytes) +
					    ids_bytes},
		.own = {.bytes = (size_t)windows * (4 + w->variants) * sizeof(size_t) + SLACK_BYTES,
			.token_bytes = sizeof(int32_t) +
				       w->variants * (sizeof(int32_t) + sizeof(double))}};
}

static struct need magnitude_need(const ps_model_rates *r)
{
	return (struct need){.engine = {.window = 1, .tokens = 1, .hidden_copies = 1},
			     .own = {.bytes = ps_magnitude_bytes(r->engine.config,
								 r->engine.session->threads, 1) +
					      SLACK_BYTES}};
}

static struct need wanda_need(const ps_model_rates *r, const ps_wanda_work *w)
{
	const ps_model_config *config = r->engine.config;

	return (struct need){
		.engine = {.window = r->costs.window,
			   .tokens = w->windows * r->costs.window,
			   .hidden_copies = w->sequential ? w->masks : 1,
			   .holds_layers = true,
			   .spill = true},
		.own = {.bytes = ps_wanda_stats_bytes(config) +
				 ps_wanda_bytes(config, r->engine.session->threads, w->masks) +
				 SLACK_BYTES}};
}

static size_t cache_shard_rows(const ps_model_rates *r)
{
	return ps_cache_shard_rows(r->costs.config.width, PS_F32, r->costs.window);
}

static struct need cache_need(const ps_model_rates *r, const ps_cache_work *w)
{
	const size_t rows = w->windows * r->costs.window,
		     writer = ps_cache_writer_bytes(PS_F32, r->costs.config.width,
						    ps_min_size(rows, cache_shard_rows(r)));

	return (struct need){.engine = {.window = r->costs.window,
					.tokens = rows,
					.hidden_copies = w->variants,
					.holds_layers = w->variants > 1,
					.held_bytes = w->variants * writer},
			     .own = {.token_bytes = 2 * sizeof(int32_t)}};
}

ps_sae ps_saved_shape(const ps_sae_rates *sae)
{
	return (ps_sae){.arch = ps_train_saved_arch(sae->options.arch),
			.d_in = sae->d_in,
			.d_sae = sae->options.d_sae,
			.k = sae->options.k};
}

static struct need splice_need(const ps_model_rates *r, const ps_sae_rates *sae,
			       const ps_splice_work *w)
{
	const ps_sae shape = ps_saved_shape(sae);
	const size_t row_bytes = shape.d_in * sizeof(float) + sizeof(size_t);

	return (struct need){.engine = {.window = r->costs.window,
					.tokens = w->windows * r->costs.window,
					.hidden_copies = 3,
					.head = true,
					.held_bytes = loaded_bytes(&shape)},
			     .own = {.bytes = ps_evaluator_bytes(&shape, r->engine.session->threads,
								 CODED_ROWS) +
					      CODED_ROWS * row_bytes + SLACK_BYTES,
				     .token_bytes = sizeof(int32_t) + 3 * sizeof(double)}};
}

/* The rows that count: a bit each, and a number for each block of them. */
static size_t list_bytes(double rows)
{
	return ps_row_list_words((uint64_t)rows + PS_ROW_BLOCK) * sizeof(uint64_t);
}

static size_t headers_bytes(size_t d_in, double rows)
{
	const size_t shard = ps_cache_shard_rows(d_in, PS_F32, 1);

	return (size_t)ceil(rows / (double)shard + 1) * (17 << 10);
}

static struct need ablate_need(const ps_model_rates *r, const ps_sae_rates *sae,
			       const ps_ablate_work *w)
{
	const ps_sae shape = ps_saved_shape(sae);
	const int threads = r->engine.session->threads;
	const size_t window = r->costs.window, tokens = w->windows * window,
		     held = loaded_bytes(&shape) + shape.d_sae * sizeof(uint64_t) + SLACK_BYTES,
		     codes = w->windows * ps_codes_bytes(&shape, window) +
			     ps_encoder_bytes(&shape, threads, window),
		     changes = w->latents * w->windows * sizeof(double);

	return (struct need){
		.engine = {.window = window,
			   .tokens = w->latents * tokens,
			   .hidden_copies = 1,
			   .head = true,
			   .held_bytes = held,
			   .earlier_bytes = PS_PROGRAM_BYTES + held + list_bytes(w->rows) +
					    headers_bytes(shape.d_in, w->rows) +
					    (size_t)w->rows * sizeof(uint32_t) +
					    ps_firing_bytes(&shape, 1, threads) + SLACK_BYTES},
		.own = {.bytes = tokens * (shape.d_in * sizeof(float) + sizeof(double)) + codes +
				 changes + ps_ablation_choose_bytes(shape.d_sae) +
				 shape.d_sae * sizeof(uint64_t) + SLACK_BYTES,
			.token_bytes = sizeof(int32_t) + 2 * sizeof(double)}};
}

/* What the command would choose for the need within the session's budget. */
static ps_engine_plan choose(const ps_model_rates *r, struct need *need)
{
	return ps_engine_choose(&r->engine, with_buffers(need));
}

/* --- seconds --- */

static size_t passes_of(const ps_engine_plan *plan, double tokens)
{
	return (size_t)fmax(ceil(tokens / (double)ps_max_size(plan->pass_tokens, 1)), 1);
}

/* Calls of the head for so many rows, evenly over the passes. */
static double head_calls(const ps_engine_plan *plan, double rows, size_t passes)
{
	const size_t call = ps_engine_head_tokens(plan->chunk_tokens, plan->pass_tokens);

	return (double)passes * ceil(rows / (double)passes / (double)ps_max_size(call, 1));
}

static double finish(const ps_model_rates *r, const ps_estimate *estimate)
{
	return r->open_seconds + ps_estimate_seconds(estimate, r->costs.read_rate);
}

double ps_tokens_of_text(const ps_model_rates *r, double bytes)
{
	return r->token_bytes > 0 ? bytes / r->token_bytes : 0;
}

double ps_seconds_tokenize(const ps_model_rates *r, double bytes, double tokens)
{
	ps_estimate estimate = {0};

	ps_estimate_write(&estimate, &r->writing, tokens * sizeof(int32_t), 1);
	return r->tokenizer_seconds + estimate.write_seconds +
	       r->text_byte_seconds * (bytes > 0 ? bytes : tokens * r->token_bytes);
}

double ps_seconds_magnitude(const ps_model_rates *r, size_t masks)
{
	ps_estimate estimate = {.compute_seconds = r->magnitude_seconds *
						   (1 + ((double)masks - 1) * MORE_MAGNITUDE)};

	ps_estimate_write(&estimate, &r->writing,
			  (double)masks * (double)ps_edit_data_bytes(&r->costs.config, NULL),
			  (double)masks);
	return finish(r, &estimate);
}

/* Reading the weights; magnitude reads them once more. */
double ps_seconds_sparsity(const ps_model_rates *r)
{
	return r->magnitude_seconds / 2;
}

double ps_seconds_wanda(const ps_model_rates *r, const ps_wanda_work *w)
{
	struct need need = wanda_need(r, w);
	const ps_engine_plan plan = choose(r, &need);
	const int last = (int)r->costs.config.layers - 1;
	const double tokens = (double)need.engine.tokens, more = (double)w->masks - 1;
	const size_t passes = passes_of(&plan, tokens);
	ps_estimate estimate = {.compute_seconds = (double)w->masks * r->wanda_seconds};

	ps_estimate_embedding(&estimate, &r->costs, tokens);
	ps_estimate_observed(&estimate, &r->costs, tokens, passes, !w->sequential);
	/* Each pruned model observes all layers but the first on its own, and computes all but the
	 * last. */
	if (w->sequential) {
		ps_estimate_layers(&estimate, &r->costs,
				   &(ps_layers_load){.first = 1,
						     .last = last,
						     .tokens = more * tokens,
						     .passes = passes,
						     .runs = w->masks - 1});
		ps_estimate_layers(&estimate, &r->costs,
				   &(ps_layers_load){.last = last - 1,
						     .tokens = (more + 1) * tokens,
						     .passes = passes,
						     .runs = w->masks});
	}
	ps_estimate_write(&estimate, &r->writing,
			  (double)w->masks * (double)ps_edit_data_bytes(&r->costs.config, NULL),
			  (double)w->masks);
	return finish(r, &estimate);
}

double ps_seconds_ppl(const ps_model_rates *r, const ps_ppl_work *w)
{
	struct need need = ppl_need(r, w);
	const ps_engine_plan plan = choose(r, &need);
	const double last_begin = (ppl_windows(w) - 1) * (double)w->stride,
		     inputs = (ppl_windows(w) - 1) * (double)w->window + w->tokens - last_begin;
	const double times = (double)w->variants, scored = times * w->tokens;
	const size_t passes = passes_of(&plan, (double)need.engine.tokens);
	ps_layers_load work = {.last = (int)r->costs.config.layers - 2,
			       .tokens = times * inputs,
			       .passes = passes,
			       .runs = w->variants,
			       .reads = 1};
	ps_estimate estimate = {0};

	ps_estimate_embedding(&estimate, &r->ppl, inputs);
	ps_estimate_layers(&estimate, &r->ppl, &work);
	/* The last layer computes little but the rows that are scored. */
	work.first = work.last = (int)r->costs.config.layers - 1;
	work.tokens = scored;
	ps_estimate_layers(&estimate, &r->ppl, &work);
	ps_estimate_head(&estimate, &r->ppl, scored, head_calls(&plan, scored, passes));
	return r->tokenizer_seconds + w->tokens * r->token_bytes * r->text_byte_seconds +
	       finish(r, &estimate);
}

double ps_seconds_cache(const ps_model_rates *r, const ps_cache_work *w)
{
	struct need need = cache_need(r, w);
	const ps_engine_plan plan = choose(r, &need);
	const double tokens = (double)need.engine.tokens, variants = (double)w->variants;
	const double row_bytes =
		(double)(r->costs.config.width * sizeof(float) + 3 * sizeof(int32_t));
	ps_estimate estimate = {0};

	ps_estimate_embedding(&estimate, &r->costs, tokens);
	ps_estimate_layers(&estimate, &r->costs,
			   &(ps_layers_load){.last = w->layer,
					     .tokens = tokens * variants,
					     .passes = passes_of(&plan, tokens),
					     .runs = w->variants,
					     .reads = 1});
	ps_estimate_write(&estimate, &r->writing, tokens * variants * row_bytes,
			  variants * ceil(tokens / (double)cache_shard_rows(r)));
	return finish(r, &estimate);
}

/* Rows encoded, so many at a time. */
static double encode_seconds(const ps_sae_rates *sae, double rows, double batch)
{
	return rows * sae->encode_row_seconds + ceil(rows / batch) * sae->encode_call_seconds;
}

double ps_seconds_train(const ps_sae_rates *sae, const ps_probe_writing *writing, double rows,
			double tokens)
{
	const double batch = (double)ps_train_batch_rows(&sae->options),
		     measured = fmin(rows, MEASURED_ROWS),
		     weights = (double)sae->d_in * (double)sae->options.d_sae;
	const double seconds =
		sae->start_seconds +
		floor(tokens / batch) * (sae->step_seconds + batch * sae->row_seconds) +
		encode_seconds(sae, measured, COMPARED_ROWS) + measured * sae->decode_row_seconds;
	ps_estimate saving = {0};

	if (writing)
		ps_estimate_write(&saving, writing, SAVED_MATRICES * weights * sizeof(float), 1);
	return seconds + saving.write_seconds * (seconds / SAVE_SECONDS + 1);
}

double ps_seconds_transfer(const ps_sae_rates *sae, double rows, double windows, double samples)
{
	return 2 * (encode_seconds(sae, rows, COMPARED_ROWS) + rows * sae->decode_row_seconds) +
	       TRANSFER_INTERVALS * samples * windows * sae->draw_seconds;
}

double ps_seconds_features(const ps_model_rates *r, const ps_sae_rates *sae,
			   const ps_features_work *w)
{
	ps_estimate estimate = {0};

	if (w->rows > 0)
		estimate.compute_seconds = r->tokenizer_seconds + sae->match_seconds +
					   2 * encode_seconds(sae, w->rows, COMPARED_ROWS);
	else
		ps_estimate_head(&estimate, &r->costs, (double)sae->options.d_sae, 1);
	ps_estimate_write(&estimate, &r->writing, (double)w->disk_bytes, w->rows > 0 ? 3 : 1);
	return finish(r, &estimate);
}

double ps_seconds_splice(const ps_model_rates *r, const ps_sae_rates *sae, const ps_splice_work *w)
{
	struct need need = splice_need(r, sae, w);
	const ps_engine_plan plan = choose(r, &need);
	const double tokens = (double)need.engine.tokens, predicted = tokens - (double)w->windows;
	const size_t passes = passes_of(&plan, tokens);
	ps_estimate estimate = {0};

	ps_estimate_embedding(&estimate, &r->costs, tokens);
	ps_estimate_layers(&estimate, &r->costs,
			   &(ps_layers_load){.last = w->layer,
					     .tokens = tokens,
					     .passes = passes,
					     .runs = 1,
					     .reads = 1});
	/* Clean, spliced and zeroed. */
	ps_estimate_layers(&estimate, &r->costs,
			   &(ps_layers_load){.first = w->layer + 1,
					     .last = (int)r->costs.config.layers - 1,
					     .tokens = 3 * tokens,
					     .passes = passes,
					     .runs = 3,
					     .reads = 3});
	ps_estimate_head(&estimate, &r->costs, 3 * predicted,
			 3 * head_calls(&plan, predicted, passes));
	estimate.compute_seconds +=
		encode_seconds(sae, tokens, CODED_ROWS) + tokens * sae->decode_row_seconds;
	return finish(r, &estimate);
}

/* How likely a latent fires at least once in rows in which it fires `mean` times on average:
 * 1 - E exp(-x), where x has the gamma distribution with this mean. */
static double fires(double mean)
{
	return 1 - pow(1 + mean / FIRING_SHAPE, -FIRING_SHAPE);
}

double ps_firing_share(const ps_sae_rates *sae, size_t window, size_t windows)
{
	const double mean = (double)window * (double)sae->options.k / (double)sae->options.d_sae;

	return fires(mean) / fires(mean * (double)ps_max_size(windows, 1));
}

double ps_seconds_ablate(const ps_model_rates *r, const ps_sae_rates *sae, const ps_ablate_work *w)
{
	struct need need = ablate_need(r, sae, w);
	const ps_engine_plan plan = choose(r, &need);
	const double window = (double)r->costs.window, tokens = (double)w->windows * window,
		     pairs = ceil((double)(w->latents * w->windows) * w->share);
	const size_t first = passes_of(&plan, tokens), passes = passes_of(&plan, pairs * window);
	const int last = (int)r->costs.config.layers - 1;
	ps_estimate estimate = {0};

	ps_estimate_embedding(&estimate, &r->costs, tokens);
	ps_estimate_layers(
		&estimate, &r->costs,
		&(ps_layers_load){
			.last = last, .tokens = tokens, .passes = first, .runs = 1, .reads = 1});
	ps_estimate_layers(&estimate, &r->costs,
			   &(ps_layers_load){.first = w->layer + 1,
					     .last = last,
					     .tokens = pairs * window,
					     .passes = passes,
					     .runs = 1,
					     .reads = 1});
	ps_estimate_head(&estimate, &r->costs, (pairs + (double)w->windows) * (window - 1),
			 head_calls(&plan, pairs * (window - 1), passes) +
				 head_calls(&plan, (double)w->windows * (window - 1), first));
	estimate.compute_seconds +=
		encode_seconds(sae, tokens, window) + encode_seconds(sae, w->rows, COMPARED_ROWS);
	return finish(r, &estimate);
}

double ps_seconds_seeds(const ps_sae_rates *sae, size_t saes)
{
	const size_t pairs = saes * (saes - 1) / 2;

	/* A pair: two matches, one against random rows, and cosines and an assignment each of
	 * decoders and encoders. */
	return (double)pairs * (5 * sae->match_seconds + 3 * sae->assign_seconds);
}

double ps_seconds_survival(const ps_sae_rates *sae, const ps_survival_work *w)
{
	/* Each pruned SAE against the dense ones, and against its own start. */
	const double matches = (double)(w->pruned * (w->dense + 1)),
		     counts = w->windows * (double)sae->options.d_sae,
		     fragility = w->samples *
				 (sae->replicate_seconds + counts * sae->latent_count_seconds);

	/* Each seed's dense SAE is encoded once, for all conditions. */
	return (double)w->pruned * encode_seconds(sae, w->rows, COMPARED_ROWS) +
	       (double)w->conditions *
		       (matches * sae->match_seconds + (double)w->pruned * fragility);
}

double ps_seconds_report(size_t conditions)
{
	return REPORT_SECONDS + REPORT_CONDITION_SECONDS * (double)conditions;
}

/* --- memory --- */

static size_t planned(const ps_model_rates *r, const ps_engine_need *need, size_t budget)
{
	ps_session s = *r->engine.session;
	ps_engine e = r->engine;

	s.memory_bytes = budget;
	e.session = &s;
	return ps_engine_choose(&e, need).parts.total_bytes;
}

static ps_memory memory_of(const ps_model_rates *r, struct need need)
{
	const ps_engine_need *engine = with_buffers(&need);

	return (ps_memory){.least = planned(r, engine, 1),
			   .wanted = planned(r, engine, SIZE_MAX),
			   .planned = planned(r, engine, r->engine.session->memory_bytes)};
}

ps_memory ps_memory_magnitude(const ps_model_rates *r)
{
	return memory_of(r, magnitude_need(r));
}

ps_memory ps_memory_wanda(const ps_model_rates *r, const ps_wanda_work *w)
{
	return memory_of(r, wanda_need(r, w));
}

ps_memory ps_memory_ppl(const ps_model_rates *r, const ps_ppl_work *w)
{
	return memory_of(r, ppl_need(r, w));
}

/* The two needs one beside the other, with the program counted once. */
ps_memory ps_memory_matched(const ps_model_rates *r, const ps_ppl_work *w, uint64_t mask_bytes)
{
	const ps_memory prune = ps_memory_magnitude(r);
	ps_memory both = ps_memory_ppl(r, w);

	both.least += prune.least - PS_PROGRAM_BYTES + mask_bytes;
	both.wanted += prune.wanted - PS_PROGRAM_BYTES + mask_bytes;
	both.planned += prune.least - PS_PROGRAM_BYTES + mask_bytes;
	return both;
}

ps_memory ps_memory_cache(const ps_model_rates *r, const ps_cache_work *w)
{
	return memory_of(r, cache_need(r, w));
}

ps_memory ps_memory_splice(const ps_model_rates *r, const ps_sae_rates *sae,
			   const ps_splice_work *w)
{
	return memory_of(r, splice_need(r, sae, w));
}

ps_memory ps_memory_ablate(const ps_model_rates *r, const ps_sae_rates *sae,
			   const ps_ablate_work *w)
{
	return memory_of(r, ablate_need(r, sae, w));
}

static ps_memory same(size_t bytes)
{
	return (ps_memory){bytes, bytes, bytes};
}

ps_memory ps_memory_sparsity(void)
{
	return same(PS_PROGRAM_BYTES);
}

ps_memory ps_memory_tokenize(const ps_model_rates *r, size_t windows, double document_bytes)
{
	const size_t window_bytes = r->costs.window * sizeof(int32_t);
	size_t capacity = WINDOWS_LEAST;

	while (capacity < windows)
		capacity *= 2;
	return same(PS_PROGRAM_BYTES + tokenizer_bytes(r, document_bytes) +
		    capacity * window_bytes + ps_min_size(PS_BLOCK_BYTES, windows * window_bytes) +
		    SLACK_BYTES);
}

ps_memory ps_memory_train(const ps_session *s, const ps_sae_rates *sae, double rows)
{
	const ps_sae shape = ps_saved_shape(sae);
	const size_t batch = ps_train_batch_rows(&sae->options),
		     ahead = s->backend == PS_IO_MMAP
				     ? 0
				     : ps_row_ahead_bytes(sae->d_in, PS_F32, batch);

	return same(PS_PROGRAM_BYTES + list_bytes(rows) + headers_bytes(sae->d_in, rows) + ahead +
		    ps_trainers_bytes(sae->d_in, &sae->options, 1, s->threads) +
		    ps_sae_bytes(shape.d_in, shape.d_sae) + shape.d_sae * sizeof(uint64_t) +
		    ps_evaluate_bytes(&shape, s->threads) + (1 << 20));
}

static ps_bootstrap bootstrap_of(double samples)
{
	return (ps_bootstrap){.replicates = (size_t)samples, .confidence = 0.95};
}

ps_memory ps_memory_transfer(const ps_session *s, ps_sae shape, double rows, double windows,
			     double samples)
{
	const ps_bootstrap bootstrap = bootstrap_of(samples);

	return same(PS_PROGRAM_BYTES + 2 * (list_bytes(rows) + headers_bytes(shape.d_in, rows)) +
		    loaded_bytes(&shape) + ps_clusters_bytes((size_t)rows) +
		    ps_transfer_bytes(&shape, (size_t)windows, &bootstrap, s->threads) +
		    SLACK_BYTES);
}

/* Columns that a study's tables have. */
static void features_columns(bool ablated, bool has[PS_FEATURE_GROUPS])
{
	has[PS_FEATURE_STATS] = has[PS_FEATURE_MATCH] = has[PS_FEATURE_HEAD] = true;
	has[PS_FEATURE_ABLATION] = ablated;
	has[PS_FEATURE_PRUNED_ABLATION] = false;
}

uint64_t ps_disk_features(size_t latents, bool ablated)
{
	bool has[PS_FEATURE_GROUPS];

	features_columns(ablated, has);
	return ps_feature_file_bytes(latents, PS_TAUS, has) + latents * FEATURE_LINE_BYTES +
	       ps_feature_cards_file_bytes(latents);
}

uint64_t ps_disk_promoted(size_t latents)
{
	const bool has[PS_FEATURE_GROUPS] = {[PS_FEATURE_HEAD] = true};

	return ps_feature_file_bytes(latents, PS_TAUS, has);
}

/* Of the search for promoted tokens. */
static size_t promoted_bytes(const ps_session *s, const ps_model_rates *r, size_t latents)
{
	const ps_stream_options stream = {.backend = s->backend, .layer_slots = 1};

	return ps_checkpoint_stream_bytes(r->engine.checkpoint, &stream) +
	       ps_promoted_bytes(&r->costs.config, s->precision, latents, s->threads);
}

ps_memory ps_memory_features(const ps_session *s, const ps_model_rates *r, const ps_sae_rates *sae,
			     const ps_features_work *w)
{
	const ps_sae shape = ps_saved_shape(sae);
	const size_t latents = shape.d_sae;
	size_t bytes = PS_PROGRAM_BYTES + loaded_bytes(&shape) + PS_BLOCK_BYTES + SLACK_BYTES;

	if (!(w->rows > 0))
		return same(bytes + promoted_bytes(s, r, latents));
	bytes += loaded_bytes(&shape) +
		 2 * (list_bytes(w->rows) + headers_bytes(sae->d_in, w->rows)) +
		 latents * 2 * PS_FEATURE_CSV_LINE_BYTES + r->tokenizer_bytes +
		 ps_feature_cards_bytes(latents) + ps_feature_stats_bytes(&shape, s->threads) +
		 ps_match_bytes(latents, latents, shape.d_in, s->threads) +
		 (w->ablated ? 2 * latents * sizeof(double) : 0);
	return same(ps_max_size(bytes, PS_PROGRAM_BYTES + 2 * r->tokenizer_bytes));
}

ps_memory ps_memory_seeds(const ps_session *s, const ps_sae_rates *sae, size_t saes, double samples)
{
	const ps_sae shape = ps_saved_shape(sae);
	const ps_bootstrap bootstrap = bootstrap_of(samples);

	return same(PS_PROGRAM_BYTES + saes * loaded_bytes(&shape) +
		    ps_seeds_bytes(saes, shape.d_sae, shape.d_in, &bootstrap, s->threads) +
		    SLACK_BYTES);
}

ps_memory ps_memory_survival(const ps_session *s, const ps_sae_rates *sae,
			     const ps_survival_work *w, const ps_ablate_work *ablated)
{
	const ps_sae shape = ps_saved_shape(sae);
	const ps_bootstrap bootstrap = bootstrap_of(w->samples);
	const size_t latents = shape.d_sae, windows = (size_t)w->windows,
		     columns = ablated->latents * (2 * ablated->windows + 4) * sizeof(double);
	size_t comparison = ps_match_bytes(latents, latents, shape.d_in, s->threads);

	comparison = ps_max_size(comparison, ps_own_start_bytes(latents, shape.d_in, s->threads));
	comparison = ps_max_size(comparison,
				 ps_fragility_bytes(latents, windows, &bootstrap, s->threads));
	if (ablated->latents)
		comparison = ps_max_size(
			comparison, columns + ps_ablation_bytes(ablated->latents, ablated->windows,
								&bootstrap, s->threads));
	return same(PS_PROGRAM_BYTES + (w->dense + 1) * loaded_bytes(&shape) + list_bytes(w->rows) +
		    headers_bytes(sae->d_in, w->rows) + ps_clusters_bytes((size_t)w->rows) +
		    ps_firing_bytes(&shape, windows, s->threads) +
		    latents * (3 * sizeof(uint8_t) + sizeof(uint32_t) + 4 * sizeof(double)) +
		    w->conditions * (CONDITION_BYTES + w->pruned * sizeof(ps_seed_findings)) +
		    comparison + SLACK_BYTES);
}

ps_memory ps_memory_report(size_t conditions, size_t latents)
{
	ps_plan cards = {0};

	if (latents)
		ps_report_cards_plan(&cards, 2 * ps_feature_cards_file_bytes(latents));
	return same(PS_PROGRAM_BYTES + REPORT_BYTES + conditions * REPORT_CONDITION_BYTES +
		    cards.total_bytes);
}
