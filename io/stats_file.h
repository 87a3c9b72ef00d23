/* io/stats_file.h: calibration statistics in a file: written by `calibrate`, read by `prune`.
 *
 * For each projection the file holds a tensor F32 [cols], named as the weight: the mean over the
 * tokens of x^2, where x is the projection's input. Projections that share an input (q, k, v; gate,
 * up) hold the same numbers. Ours has kind "statistics", the provenance and `tokens`, their number.
 * In memory the means are f64, one array (L, cols) per input (ps_input of core/model/forward.h). */
#ifndef PS_IO_STATS_FILE_H
#define PS_IO_STATS_FILE_H

#include "core/model/forward.h"
#include "io/safetensors.h"

typedef struct ps_stats_file {
	ps_safetensors file;
	uint64_t digest; /* of the whole file's bytes */
} ps_stats_file;

/* Maps a file and checks its checksums, and the name, dtype and length of one tensor per layer and
 * input. *model_digest is compared with the digest in the provenance, if there is one: statistics
 * of another model of the same shapes would otherwise prune without complaint. NULL takes them.
 * PS_EINPUT. */
int ps_stats_file_open(ps_stats_file *stats, const ps_sys *sys, const char *path,
		       const ps_model_config *config, const uint64_t *model_digest,
		       ps_diag *diag) PS_MUST_USE;
/* Unmaps the file. One that is zeroed or failed to open is allowed. */
void ps_stats_file_close(ps_stats_file *stats);

/* Widens one layer's means of one input into mean (cols). The file was opened for that model. */
void ps_stats_file_read(const ps_stats_file *stats, int layer, ps_input input, double *mean);

/* What a new file is to hold. All of it is borrowed. */
typedef struct ps_stats_spec {
	const char *path;
	const ps_model_config *config;
	const json_t *provenance;
	uint64_t tokens;
	const double *mean[PS_INPUTS]; /* (L, cols) each */
} ps_stats_spec;

/* The data of such a file, in bytes. */
uint64_t ps_stats_data_bytes(const ps_model_config *config);

/* Writes the file, at once and atomically. */
int ps_stats_file_write(const ps_sys *sys, const ps_stats_spec *spec, ps_diag *diag) PS_MUST_USE;

#endif
