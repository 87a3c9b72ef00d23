#include "tools/cmd/head_tokens.h"

#include <string.h>

#include "tools/run/belonging.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

/* The model whose head is wanted: that of the SAE. */
static int open_head(ps_head_tokens *t, ps_session *s, const ps_sae *shape)
{
	ps_origin sae, model;
	const char *source;
	int rc = ps_engine_open(&t->engine, s, t->head, NULL);

	if (!rc)
		rc = ps_sae_check_width(shape, t->sae, t->engine.config->width, t->head, &s->diag);
	if (!rc && !ps_checkpoint_has_head(t->engine.checkpoint))
		rc = ps_fail(&s->diag, PS_EINPUT, "%s: holds no output head", t->head);
	if (!rc)
		rc = ps_origin_of_sae(s, t->sae, &sae);
	if (rc)
		return rc;
	t->precision = ps_precision_name(s->precision);
	source = ps_checkpoint_source(t->engine.checkpoint);
	ps_digest_format(t->engine.model_digest, t->model);
	ps_origin_of_model(&(ps_origin_model){.path = t->head,
					      .digest = source ? source : t->model,
					      .mask = PS_NO_MASK,
					      .family = t->engine.config->family},
			   sae.hook.layer, &model);
	return ps_origin_check_input(s, &sae, &model, PS_MASK_ANY);
}

static int open_table(ps_head_tokens *t, ps_session *s)
{
	const json_t *provenance;
	const char *model, *precision;
	int rc = ps_feature_file_open(&t->file, &ps_sys_linux, t->table, !s->no_verify, &s->diag);

	if (rc)
		return rc;
	if (!t->file.has[PS_FEATURE_HEAD])
		return ps_fail(&s->diag, PS_EINPUT,
			       "%s: has no promoted tokens (features --head finds them)", t->table);
	if (t->file.latents != t->latents)
		return ps_fail(&s->diag, PS_EINPUT, "%s: has %zu latents, %s has %zu", t->table,
			       t->file.latents, t->sae, t->latents);
	provenance = json_object_get(t->file.file.metadata, "provenance");
	model = ps_provenance_input(t->file.file.metadata, "model");
	precision = json_string_value(
		json_object_get(json_object_get(provenance, "options"), "precision"));
	if (!model || !precision || strlen(model) >= sizeof t->model)
		return ps_fail(&s->diag, PS_EINPUT,
			       "%s: does not say of which model its promoted tokens are", t->table);
	t->precision = precision;
	if (t->head && strcmp(model, t->model) != 0)
		rc = ps_session_mismatch(s, &(ps_mismatch){.what = "model",
							   .path = t->table,
							   .value = model,
							   .path2 = t->head,
							   .value2 = t->model});
	strcpy(t->model, model);
	return rc;
}

int ps_head_tokens_open(ps_head_tokens *t, ps_session *s, const ps_sae *shape, const char *sae,
			const char *head, const char *table)
{
	int rc = 0;

	*t = (ps_head_tokens){.sae = sae, .head = head, .table = table, .latents = shape->d_sae};
	if (head)
		rc = open_head(t, s, shape);
	if (!rc && table)
		rc = open_table(t, s);
	return rc;
}

bool ps_head_tokens_any(const ps_head_tokens *t)
{
	return t->head || t->table;
}

static ps_stream_options stream_options(const ps_session *s)
{
	return (ps_stream_options){.backend = s->backend, .layer_slots = 1};
}

/* The streaming of the head, and the search's own. */
size_t ps_head_tokens_bytes(const ps_head_tokens *t, const ps_session *s)
{
	const ps_stream_options options = stream_options(s);

	if (!t->head || t->table)
		return 0;
	return ps_checkpoint_stream_bytes(t->engine.checkpoint, &options) +
	       ps_promoted_bytes(t->engine.config, s->precision, t->latents, s->threads);
}

int ps_head_tokens_check(const ps_head_tokens *t, ps_session *s, uint64_t sae)
{
	const char *found = t->table ? ps_provenance_input(t->file.file.metadata, "sae") : NULL;
	char wanted[PS_DIGEST_TEXT];

	ps_digest_format(sae, wanted);
	if (!t->table || (found && !strcmp(found, wanted)))
		return 0;
	return ps_session_mismatch(s, &(ps_mismatch){.what = "SAE",
						     .path = t->table,
						     .value = found ? found : "unknown",
						     .path2 = t->sae,
						     .value2 = wanted});
}

int ps_head_tokens_find(ps_head_tokens *t, ps_session *s, const float *dec)
{
	const ps_stream_options options = stream_options(s);
	ps_weight_source source;
	int rc;

	if (!t->head || t->table)
		return 0;
	rc = ps_arena_create(&t->arena, ps_head_tokens_bytes(t, s), &s->diag);
	if (!rc)
		rc = ps_checkpoint_stream(t->engine.checkpoint, &options, &t->arena, &source,
					  &s->diag);
	if (rc)
		return rc;
	return ps_promoted_find(&(ps_promoted_input){.config = t->engine.config,
						     .source = &source,
						     .precision = s->precision,
						     .dec = dec,
						     .latents = t->latents},
				&s->context, &t->arena, &t->found);
}

void ps_head_tokens_fill(const ps_head_tokens *t, size_t latent, ps_feature_row *row)
{
	ps_feature_row read;

	if (t->table) {
		ps_feature_file_read(&t->file, latent, &read);
		memcpy(row->promoted_token, read.promoted_token, sizeof row->promoted_token);
		memcpy(row->promoted_logit, read.promoted_logit, sizeof row->promoted_logit);
	} else if (t->head) {
		memcpy(row->promoted_token, t->found.token[latent], sizeof row->promoted_token);
		memcpy(row->promoted_logit, t->found.logit[latent], sizeof row->promoted_logit);
	}
}

int ps_head_tokens_note(const ps_head_tokens *t, json_t *provenance)
{
	if (!ps_head_tokens_any(t))
		return 0;
	return json_object_set_new(json_object_get(provenance, "inputs"), "model",
				   json_string(t->model)) ||
	       json_object_set_new(json_object_get(provenance, "options"), "precision",
				   json_string(t->precision));
}

void ps_head_tokens_close(ps_head_tokens *t)
{
	ps_feature_file_close(&t->file);
	ps_engine_close(&t->engine);
	ps_arena_destroy(&t->arena);
}
