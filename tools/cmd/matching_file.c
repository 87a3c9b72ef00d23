#include "tools/cmd/matching_file.h"

#include <string.h>

#include "core/base/checked.h"
#include "io/artefact.h"
#include "io/sealed_json.h"
#include "tools/run/json.h"

enum {
	ENTRY_VALUES_BYTES = 1024, /* of one latent's JSON values, and of their copy for the seal */
	ENTRY_TEXT_BYTES = 256,
	HEADER_BYTES = 1 << 16
};

bool ps_matching_is_json(const char *path)
{
	const size_t length = strlen(path);

	return length > 5 && !strcmp(path + length - 5, ".json");
}

static size_t tensor_bytes(size_t latents)
{
	return latents * (2 * sizeof(uint32_t) + 2 * sizeof(float) + sizeof(uint8_t));
}

size_t ps_matching_write_bytes(const char *path, size_t latents)
{
	return ps_matching_is_json(path)
		       ? latents * (2 * ENTRY_VALUES_BYTES + ENTRY_TEXT_BYTES) + HEADER_BYTES
		       : ps_min_size(tensor_bytes(latents), PS_BLOCK_BYTES) + HEADER_BYTES;
}

/* --- earlier results --- */

static bool is_same(const json_t *object, const json_t *provenance)
{
	const char *schema = json_string_value(json_object_get(object, "schema"));

	return schema && !strcmp(schema, PS_MATCHING_SCHEMA) &&
	       json_equal(json_object_get(object, "provenance"), provenance);
}

static int find_json(const ps_output *output, const json_t *provenance, ps_session *s,
		     json_t **measures)
{
	ps_diag ignored = {{0}};
	json_t *object = NULL;
	int rc;

	if (!output->there)
		return 0;
	rc = ps_sealed_read(&ps_sys_linux, output->path, PS_MANIFEST_BYTES_MAX, &object, &ignored);
	if (rc == PS_EBUDGET)
		return ps_fail(&s->diag, rc, "%s", ignored.text);
	if (!rc && is_same(object, provenance)) {
		*measures = json_incref(json_object_get(object, "measures"));
		ps_output_say_done(s, output->path);
	} else {
		rc = ps_output_check(output, false, &s->diag);
	}
	json_decref(object);
	return rc;
}

int ps_matching_find(const ps_output *output, const json_t *provenance, ps_session *s,
		     json_t **measures)
{
	ps_safetensors found;
	bool done;
	int rc;

	*measures = NULL;
	if (ps_matching_is_json(output->path))
		return find_json(output, provenance, s, measures);
	rc = ps_output_find(output, provenance, s, &done, &found);
	if (!rc && done) {
		*measures = json_incref(json_object_get(found.metadata, "measures"));
		ps_safetensors_close(&found);
	}
	return rc;
}

/* --- writing --- */

static json_t *latent_json(const ps_matching *m, size_t i)
{
	const bool has_partner = m->partner[i] != PS_NO_PARTNER;

	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:b}", "index", (json_int_t)i, "nearest",
			 (json_int_t)m->nearest[i], "nearest_cosine",
			 ps_number_json((double)m->cosine[i]), "partner",
			 has_partner ? json_integer((json_int_t)m->partner[i]) : json_null(),
			 "partner_cosine", ps_number_json((double)m->partner_cosine[i]), "mutual",
			 m->mutual[i]);
}

static int write_json(const char *path, const json_t *about, const ps_matching *matching,
		      size_t latents, ps_diag *diag)
{
	json_t *object = ps_json_copy(about), *list = json_array();
	int lost = !object || !list, rc;

	for (size_t i = 0; i < latents && !lost; i++)
		lost = json_array_append_new(list, latent_json(matching, i));
	lost = lost || json_object_set(object, "latents", list);
	rc = lost ? ps_fail(diag, PS_EBUDGET, "%s: no memory for the matching as JSON", path)
		  : ps_sealed_write(&ps_sys_linux, path, object, diag);
	json_decref(list);
	json_decref(object);
	return rc;
}

/* PS_NO_PARTNER is -1 as an I32. */
static int write_tensors(const char *path, const json_t *about, const ps_matching *m,
			 size_t latents, ps_diag *diag)
{
	const ps_tensor_decl decls[] = {{"nearest", PS_I32, 1, {latents}},
					{"nearest_cosine", PS_F32, 1, {latents}},
					{"partner", PS_I32, 1, {latents}},
					{"partner_cosine", PS_F32, 1, {latents}},
					{"mutual", PS_U8, 1, {latents}}};
	const void *const columns[] = {m->nearest, m->cosine, m->partner, m->partner_cosine,
				       m->mutual};
	const ps_artefact_spec spec = {.path = path,
				       .kind = "matching",
				       .extra = about,
				       .tensors = decls,
				       .count = sizeof decls / sizeof *decls};
	ps_artefact *artefact;
	int rc = ps_artefact_create(&artefact, &ps_sys_linux, &spec, diag);

	if (rc)
		return rc;
	for (size_t c = 0; c < spec.count && !rc; c++)
		rc = ps_artefact_write(artefact, columns[c],
				       latents * (decls[c].dtype == PS_U8 ? 1 : sizeof(float)),
				       diag);
	if (!rc)
		return ps_artefact_commit(artefact, diag);
	ps_artefact_abort(artefact);
	return rc;
}

int ps_matching_write(const char *path, const json_t *about, const ps_matching *matching,
		      size_t latents, ps_diag *diag)
{
	return ps_matching_is_json(path) ? write_json(path, about, matching, latents, diag)
					 : write_tensors(path, about, matching, latents, diag);
}
