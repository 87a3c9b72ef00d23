#include "tools/train/sae_sparsify.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "tools/train/hook.h"
#include "tools/train/sae_fields.h"
#include "tools/train/sae_place.h"

/* sparsify's defaults */
#define K_ABSENT 32
#define EXPANSION_ABSENT 32

const ps_sae_tensors ps_sae_sparsify_tensors = {.enc = "encoder.weight",
						.dec = "W_dec",
						.b_dec = "b_dec",
						.b_enc = "encoder.bias",
						.enc_by_latent = true,
						.dec_by_latent = true,
						.said_by = "sparsify's layout"};

/* All fields of its SparseCoderConfig and of the SaeConfig before it. */
static const char *const keys[] = {
	"activation",  "d_in",   "expansion_factor", "k",         "multi_topk", "normalize_decoder",
	"num_latents", "signed", "skip_connection",  "transcode", NULL};

static int read_activation(const ps_sae_fields *f)
{
	char name[16] = "topk";
	int rc = ps_sae_field_text(f, "activation", name, sizeof name);

	if (!rc && strcmp(name, "topk") != 0)
		rc = ps_sae_field_refuse(f, "activation", json_object_get(f->object, "activation"),
					 "not supported (\"topk\" is)");
	return rc;
}

static int read_flags(const ps_sae_fields *f)
{
	bool unused;
	int rc = ps_sae_field_must_not(
		f, "transcode",
		"not supported: a transcoder predicts other activations than it reads");

	if (!rc)
		rc = ps_sae_field_must_not(f, "skip_connection",
					   "not supported: the input is added to the output");
	if (!rc)
		rc = ps_sae_field_must_not(f, "signed",
					   "not supported: latents that may be negative");
	/* These two say how it was trained. */
	if (!rc)
		rc = ps_sae_field_flag(f, "multi_topk", false, &unused);
	return rc ? rc : ps_sae_field_flag(f, "normalize_decoder", true, &unused);
}

/* A count, or what holds where it is not there. */
static int read_count(const ps_sae_fields *f, const char *key, size_t otherwise, size_t *out)
{
	*out = otherwise;
	return json_object_get(f->object, key) ? ps_sae_field_count(f, key, out) : 0;
}

static int read_shape(const ps_sae_fields *f, ps_sae *shape)
{
	const json_t *latents = json_object_get(f->object, "num_latents");
	size_t expansion = 0;
	int rc = ps_sae_field_count(f, "d_in", &shape->d_in);

	if (!rc)
		rc = read_count(f, "k", K_ABSENT, &shape->k);
	if (!rc)
		rc = read_count(f, "expansion_factor", EXPANSION_ABSENT, &expansion);
	if (rc)
		return rc;
	shape->d_sae = shape->d_in * expansion;
	if (latents && !(json_is_integer(latents) && !json_integer_value(latents)))
		rc = ps_sae_value_count(f, "num_latents", latents, &shape->d_sae);
	if (!rc && (shape->d_sae > INT32_MAX || shape->k > shape->d_sae))
		rc = ps_fail(f->diag, PS_EINPUT, "%s: k is %zu with %zu latents", f->path, shape->k,
			     shape->d_sae);
	return rc;
}

/* The run's config.json. */
static int read_run(const char *folder, ps_sae_about *about, ps_diag *diag)
{
	char path[PATH_MAX];
	uint64_t digest;
	json_t *run;
	int rc;

	snprintf(path, sizeof path, "%s/../config.json", folder);
	if (!ps_file_is_there(path))
		return 0;
	rc = ps_sae_fields_read(path, &run, &digest, diag);
	if (rc)
		return rc;
	rc = ps_sae_field_text(&(ps_sae_fields){run, path, diag}, "model", about->model_name,
			       sizeof about->model_name);
	json_decref(run);
	return rc;
}

/* The folder has the name of a module: layers.3, layers_3, h.3, embed_tokens. Another name says
 * nothing. */
static int read_place(const char *folder, ps_sae_about *about, ps_diag *diag)
{
	ps_sae_place place;
	char *name = place.folder;
	int rc = ps_sae_place_of(folder, &place, diag);

	if (rc)
		return rc;
	if (!strncmp(name, "layers_", 7))
		name[6] = '.';
	if (ps_hook_parse(name).kind == PS_HOOK_OTHER && ps_hook_block(name) < 0)
		return 0;
	snprintf(about->hook_name, sizeof about->hook_name, "%s", name);
	about->hook_from_path = true;
	return 0;
}

int ps_sae_sparsify_read(const char *folder, ps_sae_config *config, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX];
	ps_sae_fields f = {.path = path, .diag = diag};
	json_t *cfg = NULL;
	int rc;

	*config = (ps_sae_config){
		.shape = {.arch = PS_SAE_TOPK, .apply_b_dec_to_input = true},
		.dtype = PS_F32,
		.tensors = ps_sae_sparsify_tensors,
	};
	snprintf(path, sizeof path, "%s/cfg.json", folder);
	rc = ps_sae_fields_read(path, &cfg, digest, diag);
	f.object = cfg;
	if (!rc)
		rc = ps_sae_fields_known(&f, keys, "sparsify");
	if (!rc)
		rc = read_activation(&f);
	if (!rc)
		rc = read_flags(&f);
	if (!rc)
		rc = read_shape(&f, &config->shape);
	if (!rc)
		rc = read_run(folder, &config->about, diag);
	if (!rc)
		rc = read_place(folder, &config->about, diag);
	json_decref(cfg);
	return rc;
}

json_t *ps_sae_sparsify_config(const ps_sae *sae)
{
	return json_pack("{s:s, s:I, s:i, s:I, s:b, s:b, s:I, s:b, s:b}", "activation", "topk",
			 "d_in", (json_int_t)sae->d_in, "expansion_factor", EXPANSION_ABSENT, "k",
			 (json_int_t)sae->k, "multi_topk", 0, "normalize_decoder", 0, "num_latents",
			 (json_int_t)sae->d_sae, "skip_connection", 0, "transcode", 0);
}
