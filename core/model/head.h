/* core/model/head.h: the final norm, the output head, and what is computed from the logits.
 *
 *   logits[t, v] = cap(sum_d norm(h[t])[d] * W[v, d])
 *   cap(z)  = c tanh(z / c) if the config has a cap c, else z
 *   nll[t]  = logsumexp_v logits[t, v] - logits[t, target[t]]
 *   kl[t]   = sum_v p[t, v] (log p[t, v] - log q[t, v]),  p from clean, q from other
 *
 * Logarithms are natural. The logits are never all in memory: blocks of vocabulary rows stream
 * through, with a running maximum and sum per token (Milakov, Gimelshein, arXiv 1805.02867). The
 * order over the vocabulary is fixed.
 *
 * A weight of the final norm or of the head that is not finite is PS_EINPUT, with file, tensor, row
 * and column. Logits that overflow are left to the caller: a NaN or an infinity among them makes
 * the nll and kl of that token NaN or infinite. One exception: the logit -inf of a token that is
 * not the target counts as probability 0. */
#ifndef PS_CORE_MODEL_HEAD_H
#define PS_CORE_MODEL_HEAD_H

#include "core/model/forward.h"

typedef struct ps_head ps_head;

/* Bytes that ps_head_create takes from its arena. max_tokens: rows that go through the vocabulary
 * together; ps_head_kl takes two rows for each token. */
size_t ps_head_bytes(const ps_model_config *config, ps_precision precision, int threads,
		     size_t max_tokens);

/* config, source and context are borrowed and outlive the head. Reads the final norm, and fails as
 * the source does. */
int ps_head_create(ps_head **head, const ps_model_config *config, const ps_weight_source *source,
		   const ps_context *context, ps_precision precision, size_t max_tokens,
		   ps_arena *arena) PS_MUST_USE;

/* nll (tokens), in nats, of hidden (tokens, D) and targets (tokens). Any number of tokens is
 * allowed: they are taken in batches of max_tokens. PS_EINPUT for a target outside [0, V). Other
 * errors: those of the source, PS_EINTERRUPTED. */
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

/* logits (tokens, V) of hidden (tokens, D). */
int ps_head_logits(ps_head *head, const float *hidden, size_t tokens, float *logits) PS_MUST_USE;

#endif
