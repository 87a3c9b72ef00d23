/* tools/study/emit.h: the graph for other engines: a makefile, a Snakefile, a Slurm script, JSON.
 *
 * Every engine runs the same command for a step, `prunescope study FILE -o DIR --only STEP`. So
 * every engine gives the bytes that one process gives. The files fix the matrix kernel:
 * PRUNESCOPE_MATMUL chooses it, and with --kernel a step fails on a CPU that takes another one.
 * Paths stay as the command line gave them, so run the files from the folder in which they were
 * made. docs/SCALING.md tells users how to run them. */
#ifndef PS_TOOLS_STUDY_EMIT_H
#define PS_TOOLS_STUDY_EMIT_H

#include <stdio.h>

#include "tools/study/execute.h"

typedef enum ps_engine_kind {
	PS_EMIT_MAKE,
	PS_EMIT_SNAKEMAKE,
	PS_EMIT_SLURM,
	PS_EMIT_JSON
} ps_engine_kind;

/* PS_EUSAGE for a name that is none of make, snakemake, slurm, json. */
int ps_emit_parse(const char *name, ps_engine_kind *kind, ps_diag *diag) PS_MUST_USE;

/* PS_EUSAGE where a path has a character that the engine's files cannot hold. ps_emit asks it too;
 * a caller asks it before costly work. */
int ps_emit_check(ps_graph *graph, ps_engine_kind kind) PS_MUST_USE;

/* Writes the file to out. The states of the graph's nodes must be known (ps_graph_look_all).
 * PS_EOUTPUT where out cannot be written. */
int ps_emit(ps_graph *graph, ps_engine_kind kind, const ps_execute_options *options,
	    FILE *out) PS_MUST_USE;

#endif
