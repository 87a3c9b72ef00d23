/* analysis/feature_stats.h: what becomes of each single latent: one frozen SAE on the rows of two
 * models for the same tokens.
 *
 * x_t and y_t are the activations of a latent on the dense and on the pruned model's row of token
 * t, 0 where it does not fire. T: the rows that count; n_x, n_y, n_xy: rows on which it fires on
 * the dense model, on the pruned model, on both.
 *
 *   rate = n / T;   peak = max x;   mean = sum x / n: over the rows on which it fires
 *   pearson = correlation of x_t and y_t over all T rows
 *   jaccard = n_xy / (n_x + n_y - n_xy)
 *   rate_change = n_y / n_x - 1;   mean_change = mean_y / mean_x - 1
 *   class, from pearson r:
 *     none     it never fires on the dense model's rows, or r is not defined although it fires on
 *              both models' rows
 *     lost     r < 0.5, or it never fires on the pruned model's rows
 *     blurred  0.5 <= r < 0.9
 *     shifted  r >= 0.9, and rate or mean changes beyond a factor of 1.25 up or down
 *     kept     r >= 0.9, and neither does
 *
 * That survival is the Pearson correlation on the same tokens, in grades, is arXiv 2606.03002
 * ("survived", "blurred", "damaged"). Its abstract does not give the thresholds: 0.9, 0.5 and 1.25
 * are ours, and kept and shifted together are its survivors.
 *
 * Histogram: bin b counts activations in [e_b, e_b+1), e_b = 2^((b - 24) / 2) rounded to f32: half
 * octaves from 2^-12 to 2^20. The first bin also counts what is smaller, the last what is larger.
 *
 * Contexts: the ten windows in which the latent is most active, each at its most active token, the
 * first of equals. Of equal windows the one with the earlier row counts. Around that token they
 * show the tokens of the window from 10 before to 5 after it, with both models' activations.
 *
 * The rows come once, in the list's order, in batches that end where a window ends. A window of
 * more than 1,024 rows is cut, and a context does not reach over the cut. Rows that are not in the
 * list, such as BOS, count nowhere. In a context they stand with activation 0.
 *
 * Sums are f64, a latent's in row order: same bits for any number of threads. Memory does not grow
 * with the rows: about 5 KB a latent, and a batch. Cost besides the encoding: O(1) for each
 * activation. */
#ifndef PS_ANALYSIS_FEATURE_STATS_H
#define PS_ANALYSIS_FEATURE_STATS_H

#include "core/base/arena.h"
#include "core/base/rows.h"
#include "sae/sae.h"

enum {
	PS_CONTEXTS = 10,
	PS_CONTEXT_BEFORE = 10,
	PS_CONTEXT_AFTER = 5,
	PS_CONTEXT_TOKENS = PS_CONTEXT_BEFORE + 1 + PS_CONTEXT_AFTER,
	PS_ACTIVATION_BINS = 64,
};

#define PS_NO_TOKEN (-1)

#define PS_KEPT_PEARSON 0.9
#define PS_BLURRED_PEARSON 0.5
#define PS_SHIFT_FACTOR 1.25

/* Whose rows. */
typedef enum ps_model_side { PS_DENSE, PS_PRUNED, PS_MODEL_SIDES } ps_model_side;

extern const char *const ps_model_side_names[PS_MODEL_SIDES]; /* "dense", "pruned" */

typedef enum ps_feature_class {
	PS_CLASS_NONE,
	PS_CLASS_KEPT,
	PS_CLASS_SHIFTED,
	PS_CLASS_BLURRED,
	PS_CLASS_LOST,
	PS_FEATURE_CLASSES
} ps_feature_class;

/* "none", "kept", ... */
extern const char *const ps_feature_class_names[PS_FEATURE_CLASSES];

typedef struct ps_feature_context {
	uint64_t row; /* of the source: the most active token of the window */
	int32_t window, position;
	float activation;      /* of the side whose context it is */
	uint8_t before, after; /* tokens of the window around it, as far as the context goes */
	/* Place PS_CONTEXT_BEFORE is that token; PS_NO_TOKEN where the context does not go. */
	int32_t token[PS_CONTEXT_TOKENS];
	float value[PS_MODEL_SIDES][PS_CONTEXT_TOKENS];
} ps_feature_context;

/* Of one model's rows. */
typedef struct ps_feature_side {
	uint64_t *rows;               /* (F): n */
	double *sum, *squares;        /* (F): of x and of x^2 */
	float *peak;                  /* (F) */
	uint32_t *bins;               /* (F, PS_ACTIVATION_BINS) */
	uint8_t *context_count;       /* (F) */
	ps_feature_context *contexts; /* (F, PS_CONTEXTS), most active first */
} ps_feature_side;

typedef struct ps_feature_stats {
	uint64_t rows;  /* T */
	size_t latents; /* F */
	ps_feature_side side[PS_MODEL_SIDES];
	uint64_t *both;  /* (F): n_xy */
	double *product; /* (F): sum of x y */
} ps_feature_stats;

typedef struct ps_feature_input {
	const ps_sae *sae;
	const ps_row_source *dense, *pruned; /* both say token ids; dense also windows, positions */
	const ps_row_list *rows;             /* of both sources */
} ps_feature_input;

/* Arena bytes; sae gives arch and shape. */
size_t ps_feature_stats_bytes(const ps_sae *sae, int threads);
/* Reads both sources once. out's arrays are taken from the arena and live as long as it does; the
 * rest is given back. PS_EINPUT: as ps_row_pair_check; the dense source does not say windows and
 * positions; 2^31 rows or more. PS_EFAILED: activations overflow. PS_EINTERRUPTED: between
 * batches. */
int ps_feature_stats_run(const ps_feature_input *input, const ps_context *context, ps_arena *arena,
			 ps_feature_stats *out) PS_MUST_USE;

/* The measures of one latent; NaN where its activations do not define one. */
typedef struct ps_feature_measures {
	double rate[PS_MODEL_SIDES], peak[PS_MODEL_SIDES], mean[PS_MODEL_SIDES];
	double rate_change, mean_change, pearson, jaccard;
	ps_feature_class class;
} ps_feature_measures;
ps_feature_measures ps_feature_measure(const ps_feature_stats *stats, size_t latent);

/* The lower edge of a bin; bin PS_ACTIVATION_BINS: the upper edge of the last. */
float ps_activation_edge(size_t bin);

#endif
