/* tools/study/rates.h: what work on one model costs, measured on this machine.
 *
 * The rates hold for the session's threads, precision, I/O backend and budget. Measuring takes one
 * to three seconds a model on two cores. Three modules estimate a study's time:
 *   1. rates (here) and sae_rates measure each model and each SAE shape.
 *   2. estimate tells the seconds and the memory of a step, from rates and plain numbers.
 *   3. correction corrects the estimates by the times that finished steps took.
 * No estimate determines the bits of a result. */
#ifndef PS_TOOLS_STUDY_RATES_H
#define PS_TOOLS_STUDY_RATES_H

#include "tools/engine/model_costs.h"

/* What the study will do with the model. */
typedef struct ps_rates_question {
	const char *model; /* folder or name of a checkpoint */
	const char *text;  /* file whose beginning is tokenized; NULL: tokenizing is not timed */
	bool text_lacks;   /* it is not there: some ordinary English is tokenized instead */
	const char *out;   /* where the study writes; NULL: writing is not timed */
	size_t window;     /* tokens of the study's windows */
	size_t ppl_window; /* tokens of a window of perplexity; 0: as window */
	ps_prune_options magnitude, wanda; /* the rules; their sparsity hardly matters */
} ps_rates_question;

typedef struct ps_model_rates {
	ps_engine engine;          /* opened, not started: plans are made with it */
	ps_model_costs costs, ppl; /* windows of the study; of perplexity */
	ps_probe_writing writing;
	double open_seconds;      /* to open the model and start the engine */
	double tokenizer_seconds; /* to load tokenizer.json; 0: not timed, nor the next two */
	double text_byte_seconds; /* to tokenize a byte of text */
	double token_bytes;       /* bytes of text in a token, on average */
	size_t tokenizer_bytes;   /* memory held while a text is tokenized */
	double magnitude_seconds, wanda_seconds; /* of all masks, statistics not included */
} ps_model_rates;

/* Opens the model and measures. rates->engine stays open until ps_model_rates_close, which is to be
 * called whatever this returns. The session is borrowed until then. PS_EBUDGET: the budget is too
 * small for a sample of windows. Other errors are those of opening a model or a text. */
int ps_model_rates_measure(ps_session *session, const ps_rates_question *question,
			   ps_model_rates *rates) PS_MUST_USE;
/* Opens the model and measures nothing: rates has what plans of memory need, for windows of so many
 * tokens. Reads the tokenizer. To be closed whatever this returns. */
int ps_model_rates_open(ps_session *session, const char *model, size_t window,
			ps_model_rates *rates) PS_MUST_USE;
void ps_model_rates_close(ps_model_rates *rates); /* a zeroed one is allowed */

#endif
