#include "tools/cmd/feature_cards_read.h"

#include <string.h>

#include "io/file.h"
#include "io/sealed_json.h"

int ps_feature_cards_read(const ps_sys *sys, const char *path, ps_cards *cards, json_t **root,
			  ps_diag *diag)
{
	ps_diag why = {{0}};
	int rc = ps_sealed_read(sys, path, PS_CARDS_BYTES_MAX, root, diag);

	if (rc) {
		*root = NULL;
		return rc;
	}
	rc = ps_cards_open(cards, *root, &why);
	if (!rc)
		return 0;
	json_decref(*root);
	*root = NULL;
	return ps_fail(diag, rc, "%s: %s", path, why.text);
}

bool ps_feature_cards_is_ours(const char *path)
{
	ps_diag ignored = {{0}};
	json_t *object = NULL;
	const char *schema;
	bool ours;

	if (ps_file_read_json(&ps_sys_linux, path, PS_CARDS_BYTES_MAX, &object, &ignored))
		return false;
	schema = json_string_value(json_object_get(object, ps_cards_name(PS_CARDS_SCHEMA)));
	ours = schema && !strcmp(schema, PS_CARDS_VERSION);
	json_decref(object);
	return ours;
}
