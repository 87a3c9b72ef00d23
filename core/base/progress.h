/* core/base/progress.h: how a long loop says where it is, and learns that it should stop.
 * tools/ implements it (bar on a terminal, plain lines elsewhere, SIGINT and SIGTERM); tests replace it. */
#ifndef PS_CORE_BASE_PROGRESS_H
#define PS_CORE_BASE_PROGRESS_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/pool.h"

typedef struct ps_progress {
	void *self;
	/* what: static text such as "layer 3, window"; unit: "tok", "B", ... ; done of total units.
	 * Called from one thread, at most every few milliseconds of work. */
	void (*tick)(void *self, const char *what, const char *unit, uint64_t done, uint64_t total);
	/* Non-zero once the user asked to stop. */
	int (*stopped)(void *self);
} ps_progress;

/* What almost every long operation needs; owned by the caller and outliving the call. */
typedef struct ps_context {
	ps_pool *pool;
	const ps_progress *progress; /* NULL: silent, never interrupted */
	ps_diag *diag;
} ps_context;

static inline void ps_progress_tick(const ps_context *context, const char *what, const char *unit,
				    uint64_t done, uint64_t total)
{
	if (context->progress)
		context->progress->tick(context->progress->self, what, unit, done, total);
}

/* PS_EINTERRUPTED once the user asked to stop, else 0. */
static inline int ps_progress_check(const ps_context *context)
{
	if (context->progress && context->progress->stopped(context->progress->self))
		return ps_fail(context->diag, PS_EINTERRUPTED, "interrupted");
	return 0;
}

#endif
