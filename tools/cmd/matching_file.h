/* tools/cmd/matching_file.h: the file that `compare -o` writes: for each latent of A, which latents
 * of B match it (analysis/compare.h).
 *
 * As safetensors, kind "matching", a row a latent of A:
 *   nearest         I32 [F_a]  the latent of B with the largest cosine
 *   nearest_cosine  F32 [F_a]  that cosine
 *   partner         I32 [F_a]  its partner in the assignment; -1: F_b < F_a, and none is left
 *   partner_cosine  F32 [F_a]  that cosine; NaN where there is no partner
 *   mutual          U8  [F_a]  1: it is also the nearest latent of A to its nearest
 * Metadata: schema, provenance, latents_a, latents_b, measures (the result of `compare`).
 *
 * Under a name that ends in .json: one JSON object with the same members as the metadata, and
 * `latents`, a list of {index, nearest, nearest_cosine, partner, partner_cosine, mutual}; partner
 * and partner_cosine are null where there is none. It carries its checksum (io/sealed_json.h). */
#ifndef PS_TOOLS_CMD_MATCHING_FILE_H
#define PS_TOOLS_CMD_MATCHING_FILE_H

#include "analysis/compare.h"
#include "core/base/json.h"
#include "tools/run/output_path.h"

#define PS_MATCHING_SCHEMA "prunescope-matching/1"

/* Whether a file of this name is written as JSON. */
bool ps_matching_is_json(const char *path);

/* Bytes that writing holds besides the matching itself. */
size_t ps_matching_write_bytes(const char *path, size_t latents);

/* *measures: a new reference to what a file of the same provenance holds; NULL: there is none, and
 * one may be written. Errors as ps_output_find. */
int ps_matching_find(const ps_output *output, const json_t *provenance, ps_session *session,
		     json_t **measures) PS_MUST_USE;

/* Writes the file, atomically. about: the metadata. latents: F_a. */
int ps_matching_write(const char *path, const json_t *about, const ps_matching *matching,
		      size_t latents, ps_diag *diag) PS_MUST_USE;

#endif
