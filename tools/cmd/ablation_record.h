/* tools/cmd/ablation_record.h: reads what `ablate` measured, and sets it beside the survival of the
 * same latents. */
#ifndef PS_TOOLS_CMD_ABLATION_RECORD_H
#define PS_TOOLS_CMD_ABLATION_RECORD_H

#include "analysis/ablation.h"
#include "core/base/json.h"
#include "tools/run/session.h"

/* The result of `ablate` (commands.h): N latents, each on C windows. */
typedef struct ps_ablation_record {
	json_t *result;   /* owned; NULL: no record */
	size_t latents;   /* N */
	size_t windows;   /* C */
	const char *path; /* borrowed; for messages */
} ps_ablation_record;

/* Reads a file that holds the result, either bare or as the member "result" of an object.
 * PS_EINPUT: a key is missing or not of its kind, the lists differ in length, or a latent is not
 * one of an SAE with d_sae latents. */
int ps_ablation_record_open(ps_ablation_record *record, const char *path, size_t d_sae,
			    ps_diag *diag) PS_MUST_USE;
/* The same from a JSON value, of which a reference is taken; path names it in messages. */
int ps_ablation_record_take(ps_ablation_record *record, json_t *value, const char *path,
			    size_t d_sae, ps_diag *diag) PS_MUST_USE;
void ps_ablation_record_close(ps_ablation_record *record); /* a zeroed one is allowed */

/* What a record is used with. */
typedef struct ps_ablation_use {
	const char *sae;   /* its path */
	uint64_t digest;   /* the SAE's (ps_sae_folder) */
	const char *mask;  /* digest of the mask of the model; PS_NO_MASK; "": not known */
	const char *model; /* names the model in messages */
} ps_ablation_use;

/* PS_EINPUT naming both if the record says that another SAE was ablated, or in a model of another
 * mask; with --force-mismatch a remark. A record that does not say it is noted as unverified. */
int ps_ablation_record_check(const ps_ablation_record *record, ps_session *session,
			     const ps_ablation_use *use) PS_MUST_USE;

/* The latents that were ablated (N), and the share of rows on which each fires. */
void ps_ablation_record_latents(const ps_ablation_record *record, uint32_t *latent, double *rate);

/* Arena bytes that the columns take. */
size_t ps_ablation_record_bytes(const ps_ablation_record *record);
/* What is known of all latents of the SAE. rate and stratum come from a cache of many windows, not
 * from the few windows of the ablation. */
typedef struct ps_ablation_latents {
	const uint8_t *survived; /* (d_sae) */
	const double *cosine;    /* (d_sae) */
	const double *rate;      /* (d_sae): share of rows on which the latent fires */
	const uint8_t *stratum;  /* (d_sae): quintile of firing, from 0; 0 where it never fires */
} ps_ablation_latents;

/* The columns of ps_ablation_summarise: what was measured of each latent, and what is known of it.
 * They are taken from the arena and stay valid with it. */
void ps_ablation_record_columns(const ps_ablation_record *record,
				const ps_ablation_latents *latents, ps_arena *arena,
				ps_ablation_data *data);

/* The record's effect of each latent that it ablated, in nats per token. effects (d_sae): NaN for
 * the others. */
void ps_ablation_record_effects(const ps_ablation_record *record, size_t d_sae, double *effects);

/* The same for each row on which the latent fires; NaN as well if it fires on none. */
void ps_ablation_record_per_firing(const ps_ablation_record *record, size_t d_sae,
				   double *per_firing);

#endif
