#include "core/model/quantized.h"

#include <stdbool.h>
#include <string.h>

struct entry {
	const json_t *object;
	const char *key, *path;
	ps_diag *diag;
};

/* Absent, null, false, 0, "" and empty containers: nothing is set. */
static bool is_set(const json_t *value)
{
	if (json_is_array(value) || json_is_object(value))
		return json_array_size(value) || json_object_size(value);
	if (json_is_string(value))
		return json_string_length(value);
	return json_is_true(value) || json_number_value(value) != 0;
}

static bool is_text(const json_t *value, const char *text)
{
	return json_is_string(value) && !strcmp(json_string_value(value), text);
}

static int refuse(const struct entry *e, const char *key, const json_t *value)
{
	const char *text = json_string_value(value);

	return ps_fail(e->diag, PS_EINPUT,
		       "%s: %s: %s%s%.60s: quantized or compressed weights are not supported",
		       e->path, e->key, key, text ? " " : "", text ? text : "");
}

/* The format in which the weights are stored: absent or "dense", else they are compressed. */
static int check_format(const struct entry *e, const json_t *object)
{
	const json_t *format = json_object_get(object, "format");

	if (!is_set(format) || is_text(format, "dense"))
		return 0;
	return refuse(e, "format", format);
}

static int check_method(const struct entry *e)
{
	static const char *const remarks[] = {"compressed-tensors", "compressed_tensors",
					      "sparseml", "dense", "none"};
	const json_t *method = json_object_get(e->object, "quant_method");

	if (!is_set(method))
		return 0;
	for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++)
		if (is_text(method, remarks[i]))
			return 0;
	/* Both switches of bitsandbytes may be off; they are looked at like the other keys. */
	if (is_text(method, "bitsandbytes"))
		return 0;
	return refuse(e, "quant_method", method);
}

/* Keys that mean quantized weights, activations or caches, if they are set. */
static int check_keys(const struct entry *e)
{
	static const char *const keys[] = {
		"kv_cache_scheme", "transform_config", "load_in_8bit", "load_in_4bit", "bits",
		"w_bit",           "weight_bits"};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const json_t *value = json_object_get(e->object, keys[i]);

		if (is_set(value))
			return refuse(e, keys[i], value);
	}
	return 0;
}

/* Groups of layers, each with the types of its weights and activations; null: as they are. */
static int check_groups(const struct entry *e)
{
	static const char *const parts[] = {"weights", "input_activations", "output_activations"};
	json_t *groups = json_object_get(e->object, "config_groups"), *group;
	const char *name;

	if (is_set(groups) && !json_is_object(groups))
		return refuse(e, "config_groups", groups);
	json_object_foreach (groups, name, group) {
		if (!json_is_object(group))
			return refuse(e, "config_groups", group);
		for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
			if (is_set(json_object_get(group, parts[i])))
				return refuse(e, "config_groups", json_object_get(group, parts[i]));
	}
	return 0;
}

int ps_quantized_refuse(const json_t *entry, const char *key, const char *path, ps_diag *diag)
{
	const struct entry e = {.object = entry, .key = key, .path = path, .diag = diag};
	int rc;

	if (!is_set(entry))
		return 0;
	if (!json_is_object(entry))
		return ps_fail(diag, PS_EINPUT, "%s: %s: not an object", path, key);
	rc = check_method(&e);
	if (!rc)
		rc = check_keys(&e);
	if (!rc)
		rc = check_groups(&e);
	if (!rc)
		rc = check_format(&e, entry);
	if (!rc)
		rc = check_format(&e, json_object_get(entry, "sparsity_config"));
	return rc;
}
