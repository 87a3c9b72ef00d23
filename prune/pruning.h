/* prune/pruning.h: what all pruning methods share: the rule, where weights come from, where masks
 * go. A method is a module of this folder with two functions: one gives its arena bytes, the other
 * hands all masks to the sinks (prune/magnitude.h).
 *
 * Magnitude and Wanda make the masks of several sparsities in one go (a sweep). They read and score
 * the weights once for all. Each mask has the bits that it gets alone. */
#ifndef PS_PRUNE_PRUNING_H
#define PS_PRUNE_PRUNING_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/model/weights.h"

/* Which weights are compared with each other. */
typedef enum ps_scope {
	PS_SCOPE_ROW,    /* those of one output row */
	PS_SCOPE_MATRIX, /* those of one matrix */
	PS_SCOPE_GLOBAL, /* those of all projections */
} ps_scope;

typedef struct ps_prune_options {
	double sparsity; /* share of the weights to drop, in [0, 1); of a sweep: see there */
	/* m > 0: of each m consecutive inputs n are dropped; sparsity and scope do not count. */
	unsigned n, m;
	ps_scope scope;
	/* GLOBAL: the token embedding counts for the threshold. It is never pruned. */
	bool pool_embedding;
} ps_prune_options;

/* Receives finished masks in the order of the model: layer 0 q, k, v, o, gate, up, down, layer 1 q,
 * ... The mask is borrowed during the call. dropped: its number of cleared bits. Returns 0 or an
 * error, which ends the pruning. Threads: one call at a time. But the sinks of a sweep's masks are
 * called side by side, so they share nothing that they write, neither a diag. */
typedef struct ps_mask_sink {
	void *self;
	int (*put)(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		   uint64_t dropped);
} ps_mask_sink;

/* Finds a projection's bitmap in another mask. bits NULL: that mask keeps all of its weights. */
typedef struct ps_mask_lookup {
	void *self;
	ps_bitmap (*find)(void *self, int layer, ps_projection projection);
} ps_mask_lookup;

/* The masks of one go: they differ in their sparsity alone. It stands here, not in the options. */
typedef struct ps_prune_sweep {
	size_t count;             /* at least 1; 1 for N:M */
	const double *sparsity;   /* (count), in [0, 1) */
	const ps_mask_sink *sink; /* (count) */
	/* Sequential Wanda: the layers below are pruned by this mask, not by those that are made.
	 * NULL: by those. Two implementations agree on a layer only if they agree on its inputs,
	 * and one near-tie that is decided otherwise changes all layers above. */
	const ps_mask_lookup *assumed;
} ps_prune_sweep;

/* Random access to dense weights. The command takes them from the checkpoint's mapping, tests from
 * memory. */
typedef struct ps_weight_lookup {
	void *self;
	int (*projection)(void *self, int layer, ps_projection projection, ps_weight *out,
			  ps_diag *diag);
	int (*embedding)(void *self, ps_weight *out, ps_diag *diag);
} ps_weight_lookup;

#endif
