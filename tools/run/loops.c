#include "tools/run/loops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"

#define SAMPLE_SECONDS 1.0
#define WINDOW_SECONDS_MIN 10.0
#define WINDOW_SECONDS_MAX 60.0
/* A loop is silent after so many seconds without a tick, and GAPS times its longest gap. */
#define GIVEN_UP_SECONDS 5.0 /* as an outer loop: it ended early */
#define STALLED_SECONDS 30.0 /* as any loop: its rate goes down */
#define GAPS 3.0

static bool finished(const ps_loop *loop)
{
	return loop->last.done >= loop->total;
}

static bool silent(const ps_loop *loop, double now, double seconds)
{
	return now - loop->last.time > fmax(seconds, GAPS * loop->longest_gap);
}

static void start(ps_loop *loop, const ps_loop_tick *tick, double now)
{
	const ps_loop_sample first = {now, tick->done};

	*loop = (ps_loop){.total = tick->total, .first = first, .last = first, .samples = 1};
	loop->sample[0] = first;
	snprintf(loop->what, sizeof loop->what, "%s", tick->what);
	snprintf(loop->unit, sizeof loop->unit, "%s", tick->unit);
}

static void advance(ps_loop *loop, const ps_loop_tick *tick, double now)
{
	size_t newest = (loop->samples - 1) % PS_LOOP_SAMPLES;

	loop->total = tick->total;
	loop->last_units = tick->done - loop->last.done;
	loop->longest_gap = fmax(loop->longest_gap, now - loop->last.time);
	loop->last = (ps_loop_sample){now, tick->done};
	if (now - loop->sample[newest].time >= SAMPLE_SECONDS)
		loop->sample[loop->samples++ % PS_LOOP_SAMPLES] = loop->last;
}

void ps_loops_tick(ps_loops *loops, const ps_loop_tick *tick, double now)
{
	size_t at = 0;

	while (at < loops->count &&
	       strncmp(loops->loop[at].what, tick->what, sizeof loops->loop[at].what - 1))
		at++;
	if (at < loops->count) {
		ps_loop *loop = &loops->loop[at];

		loops->count = at + 1;
		if (tick->done < loop->last.done)
			start(loop, tick, now);
		else
			advance(loop, tick, now);
		return;
	}
	while (loops->count && finished(&loops->loop[loops->count - 1]))
		loops->count--;
	if (loops->count == PS_LOOPS_MAX)
		loops->count--;
	start(&loops->loop[loops->count++], tick, now);
}

const ps_loop *ps_loops_inner(const ps_loops *loops)
{
	return loops->count ? &loops->loop[loops->count - 1] : NULL;
}

const ps_loop *ps_loops_outer(const ps_loops *loops, double now)
{
	for (size_t i = 0; i < loops->count; i++) {
		const ps_loop *loop = &loops->loop[i];

		if (!finished(loop) &&
		    (i + 1 == loops->count || !silent(loop, now, GIVEN_UP_SECONDS)))
			return loop;
	}
	return NULL;
}

/* The sample that the rate counts from: the oldest within the window, or the newest before it. */
static ps_loop_sample window_start(const ps_loop *loop)
{
	double age = loop->last.time - loop->first.time,
	       window = fmin(fmax(age / 2, WINDOW_SECONDS_MIN), WINDOW_SECONDS_MAX);
	size_t kept = ps_min_size(loop->samples, PS_LOOP_SAMPLES);
	ps_loop_sample from = loop->last;

	for (size_t i = 1; i <= kept; i++) {
		ps_loop_sample sample = loop->sample[(loop->samples - i) % PS_LOOP_SAMPLES];

		if (loop->last.time - sample.time > window &&
		    loop->last.time - from.time >= SAMPLE_SECONDS)
			break;
		from = sample;
	}
	return from;
}

double ps_loop_rate(const ps_loop *loop, double now)
{
	const ps_loop_sample from = window_start(loop);
	double seconds = loop->last.time - from.time;

	if (seconds < SAMPLE_SECONDS || loop->last.done <= from.done)
		return 0;
	if (silent(loop, now, STALLED_SECONDS))
		seconds = now - from.time;
	return (double)(loop->last.done - from.done) / seconds;
}

double ps_loop_left(const ps_loop *loop, double now)
{
	double rate = ps_loop_rate(loop, now), since;

	if (finished(loop))
		return 0;
	if (rate <= 0)
		return -1;
	since = fmin((now - loop->last.time) * rate, (double)loop->last_units);
	return fmax((double)(loop->total - loop->last.done) - since, 0) / rate;
}

/* Seconds since the loop began. Its first tick comes after its first units, unless they were
 * done by an earlier process: then no more than what the step has taken so far. */
static double loop_elapsed(const ps_loop *loop, const ps_step_clock *step, double now)
{
	double rate = ps_loop_rate(loop, now), before = loop->first.time - step->began;

	if (rate > 0)
		before = fmin(before, (double)loop->first.done / rate);
	return now - loop->first.time + before;
}

double ps_step_left(const ps_step_clock *step, const ps_loops *loops, double now)
{
	const ps_loop *loop = ps_loops_outer(loops, now);
	double loop_left = loop ? ps_loop_left(loop, now) : -1, rest, share;

	if (step->seconds <= 0)
		return loop_left;
	rest = step->seconds - (now - step->began);
	if (!loop || loop_left < 0)
		return rest > 0 ? rest : -1;
	share = fmin((loop_elapsed(loop, step, now) + loop_left) / step->seconds, 1);
	return share * loop_left + (1 - share) * fmax(rest, loop_left);
}
