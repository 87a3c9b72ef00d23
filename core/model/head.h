/* core/model/head.h: final norm, output head, and what is read off the logits, blocked over the
 * vocabulary.
 *
 *   logits[t, v] = cap(sum_d norm(h[t])[d] * W[v, d]),  cap(z) = c tanh(z / c) where the config has a cap c
 *   nll[t]  = logsumexp_v logits[t, v] - logits[t, target[t]]
 *   kl[t]   = sum_v p[t, v] (log p[t, v] - log q[t, v]),  p from clean, q from other
 *
 * Logits are never all in memory: blocks of vocabulary rows stream through, with a running maximum
 * and sum per token (Milakov, Gimelshein, arXiv 1805.02867). The order over the vocabulary is
 * fixed. Natural logarithms. Every call ticks the progress after each block, in rows, and checks
 * for interruption. */
#ifndef PS_CORE_MODEL_HEAD_H
#define PS_CORE_MODEL_HEAD_H

#include "core/model/forward.h"

typedef struct ps_head ps_head;

/* Arena bytes for at most max_tokens rows a call. */
size_t ps_head_bytes(const ps_model_config *config, ps_precision precision, int threads,
		     size_t max_tokens);
int ps_head_create(ps_head **head, const ps_model_config *config, const ps_weight_source *source,
		   const ps_context *context, ps_precision precision, size_t max_tokens,
		   ps_arena *arena) PS_MUST_USE;

/* nll[t] in nats for hidden (tokens, D), target[t] in [0, V). Any number of tokens (internally by
 * max_tokens). */
int ps_head_nll(ps_head *head, const float *hidden, const int32_t *targets, size_t tokens,
		double *nll) PS_MUST_USE;

/* What a comparison of two sets of hidden states fills, in nats; each (tokens). */
typedef struct ps_head_comparison {
	double *nll_clean, *nll_other; /* NULL: not wanted */
	double *kl;                    /* kl(clean || other) */
} ps_head_comparison;

/* The losses of clean (tokens, D) and other (tokens, D), and how far apart their distributions are,
 * in one pass over the head. Errors as ps_head_nll. */
int ps_head_kl(ps_head *head, const float *clean, const float *other, const int32_t *targets,
	       size_t tokens, const ps_head_comparison *out) PS_MUST_USE;

/* logits (tokens, V). */
int ps_head_logits(ps_head *head, const float *hidden, size_t tokens, float *logits) PS_MUST_USE;

#endif
