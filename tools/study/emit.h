/* tools/study/emit.h: the graph for other engines: a makefile, a Snakefile, a Slurm script, or JSON.
 *
 * Every engine runs the same command for a step, `prunescope study FILE -o DIR --only STEP`, and so gives the bytes
 * that one process gives. The files pin the matrix kernel: PRUNESCOPE_MATMUL chooses it, and --kernel refuses to run
 * where the CPU has another one. Paths are as given on the command line: the files are to be run from the folder in
 * which they were made. */
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

/* Writes the file to out. PS_EUSAGE where a path has a character that the engine's files cannot hold. */
int ps_emit(ps_graph *graph, ps_engine_kind kind, const ps_execute_options *options,
	    FILE *out) PS_MUST_USE;

/* What the writers of the files share. */
typedef struct ps_emission {
	ps_graph *graph;
	const ps_execute_options *options;
	FILE *out;
	char program[4096];  /* path of this program */
	char kernel[48];     /* full name of the matrix kernel */
	char kernel_row[48]; /* its value for PRUNESCOPE_MATMUL */
} ps_emission;

int ps_emit_json(const ps_emission *emission) PS_MUST_USE;
int ps_emit_make(const ps_emission *emission) PS_MUST_USE;
int ps_emit_snakemake(const ps_emission *emission) PS_MUST_USE;
int ps_emit_slurm(const ps_emission *emission) PS_MUST_USE;

/* text in single quotes, for a shell. */
void ps_emit_quoted(FILE *out, const char *text);
/* Seconds as whole minutes for an engine's limit: four times the estimate, ten at least. */
unsigned ps_emit_minutes(double seconds);
/* Memory to ask an engine for, in MiB: the step's need and a quarter more; the whole budget where it is not known. */
unsigned ps_emit_mib(const ps_emission *emission, const ps_cost *cost);

#endif
