/* tools/study/sae_rates.h: what it costs to train and to use SAEs of one shape.
 *
 * The trainer takes a few real steps on random rows from a seeded generator. Encoding, decoding and
 * the comparisons of dictionaries are timed on the SAE that results. Measuring takes half a second
 * to four seconds a shape on two cores. */
#ifndef PS_TOOLS_STUDY_SAE_RATES_H
#define PS_TOOLS_STUDY_SAE_RATES_H

#include "sae/train.h"
#include "tools/run/session.h"

typedef struct ps_sae_rates {
	ps_train_options options;
	size_t d_in;
	double start_seconds; /* from the seeds to the first step */
	double step_seconds;  /* of a training step, whatever its batch */
	double row_seconds;   /* of a row in a training step in which no latent is dead */
	double encode_call_seconds, encode_row_seconds;
	double decode_row_seconds;   /* with the measures of a reconstruction */
	double match_seconds;        /* nearest latents between two decoders */
	double assign_seconds;       /* one optimal assignment of latents to latents */
	double draw_seconds;         /* one cluster drawn in one bootstrap replicate */
	double replicate_seconds;    /* of fragility, over latents */
	double latent_count_seconds; /* one latent's count of one cluster in such a replicate */
} ps_sae_rates;

/* options: of the training whose cost is estimated, with its d_sae, k and batch. d_in: width of the
 * rows. If a whole batch takes long, a step of fewer rows is timed. Measuring needs about as much
 * memory as the training itself. PS_EBUDGET: the budget is too small for it. */
int ps_sae_rates_measure(ps_session *session, const ps_train_options *options, size_t d_in,
			 ps_sae_rates *rates) PS_MUST_USE;

#endif
