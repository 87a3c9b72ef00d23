#include "tools/cmd/feature_cards_read.h"

#include <string.h>

#include "analysis/report/cards_data.h"
#include "io/file.h"
#include "io/sealed_json.h"

const json_t *ps_feature_cards_find(const json_t *cards, json_int_t latent)
{
	const json_t *list = json_object_get(cards, "cards");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *card = json_array_get(list, i);

		if (json_integer_value(json_object_get(card, "latent")) == latent)
			return card;
	}
	return NULL;
}

int ps_feature_cards_read(const ps_sys *sys, const char *path, json_t **cards, ps_diag *diag)
{
	ps_cards checked;
	ps_diag why = {{0}};
	json_t *object;
	int rc = ps_sealed_read(sys, path, PS_CARDS_BYTES_MAX, &object, diag);

	*cards = NULL;
	if (rc)
		return rc;
	rc = ps_cards_open(&checked, object, &why);
	if (rc) {
		json_decref(object);
		return ps_fail(diag, rc, "%s: %s", path, why.text);
	}
	*cards = object;
	return 0;
}

bool ps_feature_cards_is_ours(const char *path)
{
	ps_diag ignored = {{0}};
	json_t *object = NULL;
	const char *schema;
	bool ours;

	if (ps_file_read_json(&ps_sys_linux, path, PS_CARDS_BYTES_MAX, &object, &ignored))
		return false;
	schema = json_string_value(json_object_get(object, "schema"));
	ours = schema && !strcmp(schema, PS_CARDS_VERSION);
	json_decref(object);
	return ours;
}
