/* tools/study/emit.h: the graph for other engines: a makefile, a Snakefile, a Slurm script, JSON.
 *
 * Every engine runs the same command for a step, `prunescope study FILE -o DIR --only STEP`. So
 * every engine gives the bytes that one process gives. The files pin the matrix kernel:
 * PRUNESCOPE_MATMUL chooses it, and with --kernel a step fails on a CPU that has another one.
 * Paths are written as the command line gave them. So the files must be run from the folder in
 * which they were made. docs/SCALING.md tells users how to run them. */
#ifndef PS_TOOLS_STUDY_EMIT_H
#define PS_TOOLS_STUDY_EMIT_H

#include <stdio.h>

#include "tools/study/cost.h"
#include "tools/study/execute.h"

typedef enum ps_engine_kind {
	PS_EMIT_MAKE,
	PS_EMIT_SNAKEMAKE,
	PS_EMIT_SLURM,
	PS_EMIT_JSON
} ps_engine_kind;

/* PS_EUSAGE for a name that is none of make, snakemake, slurm, json. */
int ps_emit_parse(const char *name, ps_engine_kind *kind, ps_diag *diag) PS_MUST_USE;

/* Writes the file to out. The states of the graph's nodes must be known (ps_graph_look_all).
 * PS_EUSAGE where a path has a character that the engine's files cannot hold; PS_EOUTPUT where
 * out cannot be written. */
int ps_emit(ps_graph *graph, ps_engine_kind kind, const ps_execute_options *options,
	    FILE *out) PS_MUST_USE;

/* What the writers of the files share. */
typedef struct ps_emission {
	ps_graph *graph;
	const ps_execute_options *options;
	FILE *out;
	char program[4096];  /* absolute path of this program */
	char kernel[48];     /* full name of the matrix kernel, as --kernel takes it */
	char kernel_row[48]; /* its value for PRUNESCOPE_MATMUL */
} ps_emission;

/* Each writes a whole file. PS_EBUDGET when memory runs out. Whether out could be written is
 * for the caller to look at. */
int ps_emit_json(const ps_emission *emission) PS_MUST_USE;
int ps_emit_make(const ps_emission *emission) PS_MUST_USE;
int ps_emit_snakemake(const ps_emission *emission) PS_MUST_USE;
int ps_emit_slurm(const ps_emission *emission) PS_MUST_USE;

/* text in single quotes, as a shell reads it. */
void ps_emit_quoted(FILE *out, const char *text);
/* Seconds as whole minutes for an engine's time limit: four times the estimate, and at least
 * ten. 0 where there is no estimate: then no limit is to be set. */
unsigned ps_emit_minutes(double seconds);
/* Memory to ask an engine for, in MiB: the step's need and a quarter more, and at least 256. The
 * whole budget where the need is not known. */
unsigned ps_emit_mib(const ps_emission *emission, const ps_cost *cost);
/* Disk to ask an engine for, in MiB, rounded up; at least 1. */
unsigned ps_emit_disk_mib(const ps_cost *cost);

#endif
