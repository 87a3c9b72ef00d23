/* tools/cmd/prune_plan.h: the mask that `prune` is asked for: its arguments, checked and as
 * enums.
 *
 * To add a method: a value of ps_prune_method with its name and checks (prune_plan.c), its memory
 * and its call (prune_run.c), its forecast (prune_forecast.c). */
#ifndef PS_TOOLS_CMD_PRUNE_PLAN_H
#define PS_TOOLS_CMD_PRUNE_PLAN_H

#include "core/base/json.h"
#include "prune/pruning.h"
#include "tools/cmd/commands.h"

typedef enum ps_prune_method {
	PS_PRUNE_MAGNITUDE,
	PS_PRUNE_WANDA,
	PS_PRUNE_RANDOM,
	PS_PRUNE_RTN, /* rounds to nearest instead of pruning */
	PS_PRUNE_METHODS
} ps_prune_method;
typedef enum ps_calibration { PS_CALIBRATION_SEQUENTIAL, PS_CALIBRATION_DENSE } ps_calibration;

/* One mask, or one rounding file. */
typedef struct ps_prune_plan {
	ps_prune_method method;
	ps_calibration calibration; /* of Wanda */
	ps_prune_options options;   /* like: complete after ps_prune_plan_adopt */
	uint64_t seed;              /* of a random mask */
	ps_rounding_rule rounding;  /* of RTN */
	/* The sparsity is found whose perplexity is that of another mask (prune_match.h). */
	bool match;
	int64_t window, stride, max_tokens;
	double tolerance; /* in nats */
	bool nearest;     /* the nearest there is, where none is within the tolerance */
	bool like;        /* each group has as many zeros as another mask's */
} ps_prune_plan;

/* Makes the plan from the arguments, with the defaults of the method. PS_EUSAGE for an argument
 * that is unknown, out of range or does not go with the others. */
int ps_prune_plan_make(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag) PS_MUST_USE;

/* Completes the plan of a mask like another, whose metadata (NULL: none) and share of zeros are
 * given. Weights are drawn in the groups in which they were compared there: N:M, rows, or else
 * matrices. PS_EUSAGE: it says N:M, and what it says is none. */
int ps_prune_plan_adopt(ps_prune_plan *plan, const json_t *metadata, double share,
			ps_diag *diag) PS_MUST_USE;

/* Checks the plan against the model: PS_EINPUT if M of N:M does not divide a projection's
 * columns. */
int ps_prune_plan_check(const ps_prune_plan *plan, const ps_model_config *config,
			ps_diag *diag) PS_MUST_USE;

/* The rule of a plan that rounds; NULL: it prunes. */
static inline const ps_rounding_rule *ps_prune_plan_rounds(const ps_prune_plan *plan)
{
	return plan->method == PS_PRUNE_RTN ? &plan->rounding : NULL;
}

/* The plan as the options of a mask's provenance. A new reference; NULL: no memory. */
json_t *ps_prune_plan_options(const ps_prune_plan *plan);

#endif
