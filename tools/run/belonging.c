#include "tools/run/belonging.h"

#include <string.h>

#include "tools/run/json.h"

static int append(json_t **list, json_t *value, ps_diag *diag)
{
	if (!*list)
		*list = json_array();
	if (json_array_append_new(*list, value))
		return ps_fail(diag, PS_EBUDGET, "no memory for a remark");
	return 0;
}

const char *ps_provenance_input(const json_t *holder, const char *name)
{
	const json_t *provenance = json_object_get(holder, "provenance"),
		     *inputs = json_object_get(provenance, "inputs");

	return json_string_value(json_object_get(inputs, name));
}

int ps_session_unverified(ps_session *s, const char *path)
{
	size_t i;
	json_t *known;

	json_array_foreach (s->unverified, i, known)
		if (!strcmp(json_string_value(known), path))
			return 0;
	ps_session_say(s, "%s carries no checksums of ours: taken as it is, unverified", path);
	return append(&s->unverified, json_string(path), &s->diag);
}

int ps_session_mismatch(ps_session *s, const ps_mismatch *m)
{
	if (s->force_mismatch)
		return ps_session_remark(s, m);
	return ps_fail(&s->diag, PS_EINPUT,
		       "%s and %s do not belong together: their %s differs, %s and %s "
		       "(--force-mismatch takes them all the same)",
		       m->path, m->path2, m->what, m->value, m->value2);
}

int ps_session_remark(ps_session *s, const ps_mismatch *m)
{
	ps_session_say(s, "%s and %s are taken although their %s differs: %s and %s", m->path,
		       m->path2, m->what, m->value, m->value2);
	return append(&s->mismatches,
		      json_pack("{s:s, s:[s, s]}", "what", m->what, "values", m->value, m->value2),
		      &s->diag);
}

static int note(const json_t *list, const char *key, json_t *object, ps_diag *diag)
{
	if (!list || !json_object_set(object, key, (json_t *)list))
		return 0;
	return ps_fail(diag, PS_EBUDGET, "no memory for %s", key);
}

int ps_session_note_mismatches(const ps_session *s, json_t *object, ps_diag *diag)
{
	return note(s->mismatches, "mismatch", object, diag);
}

int ps_session_note_all(const ps_session *s, json_t *result, ps_diag *diag)
{
	int rc = note(s->unverified, "unverified", result, diag);

	return rc ? rc : ps_session_note_mismatches(s, result, diag);
}

void ps_session_forget(ps_session *s)
{
	json_decref(s->unverified);
	json_decref(s->mismatches);
	s->unverified = s->mismatches = NULL;
}
