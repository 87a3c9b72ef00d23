/* tools/study/emission.h: what the writers of the emitted files share, and the writers. */
#ifndef PS_TOOLS_STUDY_EMISSION_H
#define PS_TOOLS_STUDY_EMISSION_H

#include <stdio.h>

#include "tools/study/cost.h"
#include "tools/study/execute.h"

typedef struct ps_emission {
	ps_graph *graph;
	const ps_execute_options *options;
	FILE *out;
	char program[4096];  /* absolute path of this program */
	char kernel[48];     /* full name of the matrix kernel, as --kernel takes it */
	char kernel_row[48]; /* its value for PRUNESCOPE_MATMUL */
} ps_emission;

/* Each writes a whole file. PS_EBUDGET when memory runs out. The caller checks out for errors of
 * writing (ferror). */
int ps_emit_json(const ps_emission *emission) PS_MUST_USE;
int ps_emit_make(const ps_emission *emission) PS_MUST_USE;
int ps_emit_snakemake(const ps_emission *emission) PS_MUST_USE;
int ps_emit_slurm(const ps_emission *emission) PS_MUST_USE;

/* text in single quotes, as a shell reads it. */
void ps_emit_quoted(FILE *out, const char *text);
/* An estimate in seconds as an engine's time limit in minutes: four times the estimate, at least
 * ten minutes. 0 if there is no estimate: set no limit then. */
unsigned ps_emit_minutes(double seconds);
/* Memory to ask an engine for, in MiB: the step's need and a quarter more, and at least 256. The
 * whole budget where the need is not known. */
unsigned ps_emit_mib(const ps_emission *emission, const ps_cost *cost);
/* Disk to ask an engine for, in MiB, rounded up; at least 1. */
unsigned ps_emit_disk_mib(const ps_cost *cost);

#endif
