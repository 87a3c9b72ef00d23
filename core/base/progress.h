/* core/base/progress.h: how a long loop reports where it is, and learns that it should stop.
 *
 * tools/ implements it: a bar on a terminal, plain lines elsewhere, SIGINT and SIGTERM. Tests
 * replace it. */
#ifndef PS_CORE_BASE_PROGRESS_H
#define PS_CORE_BASE_PROGRESS_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/pool.h"

typedef struct ps_progress {
	void *self;
	/* what: static text such as "layer 3, window"; unit: "tok", "B" and so on; done of total
	 * units are done. Called from one thread, every few milliseconds of work at most. */
	void (*tick)(void *self, const char *what, const char *unit, uint64_t done, uint64_t total);
	/* Not 0 once the user asked to stop. */
	int (*stopped)(void *self);
} ps_progress;

/* What almost every long operation needs. The caller owns it and keeps it during the call. */
typedef struct ps_context {
	ps_pool *pool;
	const ps_progress *progress; /* NULL: silent, never interrupted */
	ps_diag *diag;
} ps_context;

/* Reports progress, if anybody listens. */
static inline void ps_progress_tick(const ps_context *context, const char *what, const char *unit,
				    uint64_t done, uint64_t total)
{
	if (context->progress)
		context->progress->tick(context->progress->self, what, unit, done, total);
}

/* PS_EINTERRUPTED once the user asked to stop; 0 before. */
static inline int ps_progress_check(const ps_context *context)
{
	if (context->progress && context->progress->stopped(context->progress->self))
		return ps_fail(context->diag, PS_EINTERRUPTED, "interrupted");
	return 0;
}

#endif
