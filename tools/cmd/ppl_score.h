/* tools/cmd/ppl_score.h: the perplexities of a model's variants on a text (ppl_windows.h says which
 * ids each window scores). `ppl` scores once, `prune --match-ppl` once for each sparsity that it
 * tries. All variants are scored in one pass over the weights (tools/engine/variants.h).
 *
 *   ps_ppl_check_args -> ps_ppl_open -> ps_engine_start with ps_ppl_need -> ps_ppl_list ->
 *   ps_ppl_score ... -> ps_ppl_close
 *
 * A window's inputs are BOS and all of its ids but the last: the last id is predicted, never an
 * input. The last layer and the output head compute the rows that are scored and no others. */
#ifndef PS_TOOLS_CMD_PPL_SCORE_H
#define PS_TOOLS_CMD_PPL_SCORE_H

#include "core/base/array.h"
#include "core/tokenizer/tokenizer.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/ppl_windows.h"
#include "tools/engine/engine.h"
#include "tools/engine/forecast.h"
#include "tools/engine/meter.h"
#include "tools/engine/variants.h"

/* The ids of the text. */
typedef struct ps_ppl_text {
	ps_diag *diag;
	int32_t *ids;
	size_t count, capacity, count_max;
	size_t reading_bytes; /* the most that was held while the text was read */
	const ps_tokenizer *tokenizer;
	size_t memory_bytes; /* the budget */
	ps_room room;        /* of ids */
} ps_ppl_text;

typedef struct ps_ppl {
	ps_engine *engine;       /* borrowed; opened dense */
	ps_variants *variants;   /* borrowed; of the engine */
	const ps_ppl_args *args; /* borrowed */
	ps_meter meter;
	ps_ppl_text text;
	size_t window, window_count; /* window: ids, no more than the text has */
	/* in the engine's arena */
	ps_ppl_window *windows; /* (window_count) */
	double *window_nll;     /* (variants, window_count): summed over the ids scored */
	size_t *wanted;         /* (window_count): the first input whose prediction is scored */
	int32_t *inputs;        /* of a pass */
	int32_t *targets;       /* (variants, pass): the same for each */
	double *nll;            /* (variants, pass) */
} ps_ppl;

/* PS_EUSAGE for window, stride or max_tokens out of range. */
int ps_ppl_check_args(const ps_ppl_args *args, ps_diag *diag) PS_MUST_USE;

/* Reads the text's ids for variants whose engine is open. Call ps_ppl_close whatever it returns.
 * PS_EINPUT: no BOS, no tokenizer, no text, or fewer ids than wanted. */
int ps_ppl_open(ps_ppl *ppl, ps_variants *variants, const ps_ppl_args *args) PS_MUST_USE;
void ps_ppl_close(ps_ppl *ppl); /* a zeroed one is allowed */

/* What ps_engine_start must provide. The ppl must stay in its place until the engine is closed. */
ps_engine_need ps_ppl_need(ps_ppl *ppl);

/* Lists the windows; the engine is started. */
void ps_ppl_list(ps_ppl *ppl);

/* Fills window_nll. A loss may be NaN or infinite: that is no error. */
int ps_ppl_score(ps_ppl *ppl) PS_MUST_USE;
/* The sums of a variant's windows, (window_count), after ps_ppl_score. */
const double *ps_ppl_window_nll(const ps_ppl *ppl, size_t variant);
/* The mean loss of an id under a variant, in nats. */
double ps_ppl_nll(const ps_ppl *ppl, size_t variant);

/* Adds `times` scorings to a forecast that has begun; lists the windows. */
int ps_ppl_forecast(ps_ppl *ppl, ps_forecast *forecast, size_t times) PS_MUST_USE;

#endif
