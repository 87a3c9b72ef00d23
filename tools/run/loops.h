/* tools/run/loops.h: how fast the loops of a command go, and how long they still take.
 *
 * Loops report ticks: "done of total units". They may be nested: a loop over windows ticks
 * once a window, and the forward pass inside it ticks a thousand times in between. Every loop
 * keeps its own history, up to PS_LOOPS_MAX. The time left comes from the outermost loop that
 * is alive.
 *
 * rate       Units a second over the latest part of the loop: its second half, at least 10 s and
 *            at most 60 s. So a slow start soon no longer counts. Unknown until two ticks are 1 s
 *            apart.
 * time left  (total - done) / rate, less the time since the last tick. Between two ticks at most
 *            one tick's worth of units is taken as done, so that the time left does not reach 0
 *            before the work does.
 *
 * Times are seconds of ps_clock and come from the caller. Nothing is allocated; the struct may
 * be copied. */
#ifndef PS_TOOLS_RUN_LOOPS_H
#define PS_TOOLS_RUN_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PS_LOOPS_MAX 4
#define PS_LOOP_SAMPLES 64 /* at least 1 s apart: more than the 60 s that a rate looks back */

typedef struct ps_loop_sample {
	double time;
	uint64_t done;
} ps_loop_sample;

typedef struct ps_loop {
	char what[64], unit[16];
	uint64_t total;
	ps_loop_sample first, last;
	uint64_t last_units; /* between the last two ticks */
	double longest_gap;  /* seconds between two ticks */
	ps_loop_sample sample[PS_LOOP_SAMPLES];
	size_t samples; /* ever taken: sample i stands at i % PS_LOOP_SAMPLES */
} ps_loop;

typedef struct ps_loops {
	ps_loop loop[PS_LOOPS_MAX]; /* outermost first */
	size_t count;
} ps_loops;

typedef struct ps_loop_tick {
	const char *what, *unit; /* copied */
	uint64_t done, total;
} ps_loop_tick;

/* Notes a tick at time now. A new name is a loop inside those that are not finished; a known
 * name ends the loops inside it; fewer units done than before: the loop starts anew. */
void ps_loops_tick(ps_loops *loops, const ps_loop_tick *tick, double now);

/* The loop that ticked last; NULL: none. */
const ps_loop *ps_loops_inner(const ps_loops *loops);
/* The outermost loop that is neither finished nor given up; NULL: none. A loop is given up while
 * another one ticks and it has been silent for three times its longest gap, and for 5 s at least:
 * loops may end before their total. It is back with its next tick. */
const ps_loop *ps_loops_outer(const ps_loops *loops, double now);

/* Units a second; 0: not known yet. */
double ps_loop_rate(const ps_loop *loop, double now);
/* Seconds; negative: not known yet. */
double ps_loop_left(const ps_loop *loop, double now);

/* What is known about a step beside its loops. */
typedef struct ps_step_clock {
	double began;   /* time */
	double seconds; /* expected of the whole step; 0: not known */
} ps_step_clock;

/* Seconds that the step still takes; negative: not known.
 *
 *   E   expected seconds, less those elapsed, not below 0
 *   L   time left of the outer loop
 *   w   expected share of the loop in the step: (its elapsed + L) / expected seconds, at most 1
 *   left = w L + (1 - w) max(E, L)
 *
 * A loop that is nearly the whole step (training) thus decides alone. A short one among
 * several (a cache pass, then training) changes little, so that the time left does not jump
 * where one loop ends and the next begins. With E or L alone, that one counts. */
double ps_step_left(const ps_step_clock *step, const ps_loops *loops, double now);

#endif
