/* tools/study/correction.h: what finished steps took corrects the estimates of those to come.
 *
 *   factor of a kind = (prior * common + taken) / (prior + estimated)
 * taken, estimated: the sums over the finished steps of that kind, in seconds.
 * prior: half a mean step of that kind, and one second. So the first step moves the factor far, but
 *   not all the way, and steps of less than a second move it little.
 * common: the weighted geometric mean of all kinds' factors. A kind of which no step is finished
 *   takes it as its own. */
#ifndef PS_TOOLS_STUDY_CORRECTION_H
#define PS_TOOLS_STUDY_CORRECTION_H

#include <stdbool.h>
#include <stddef.h>

enum { PS_CORRECTED_KINDS = 32 };

/* Of the finished steps of one kind, in seconds. */
typedef struct ps_corrected {
	double estimated, taken;
	size_t steps;
} ps_corrected;

/* By kind of step, numbered from 0 by the caller. Zeroed: nothing is finished. */
typedef struct ps_correction {
	ps_corrected kind[PS_CORRECTED_KINDS];
} ps_correction;

/* A step of this kind is finished. estimated: before any correction. A pair is ignored unless both
 * numbers are positive and finite. A step counts as at most 20 times its estimate. */
void ps_correction_add(ps_correction *correction, int kind, double estimated, double taken);
/* The factor by which to multiply the estimate of a step of this kind: from 0.05 to 20, and 1 if
 * nothing is finished yet. */
double ps_correction_factor(const ps_correction *correction, int kind);

#endif
