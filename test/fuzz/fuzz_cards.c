/* test/fuzz/fuzz_cards.c: takes any bytes for a file of feature cards, once as they are and once
 * with their checksum made right. What is taken can be walked without a second look. */
#include "test/fuzz/support_fuzz.h"
#include "tools/cmd/feature_cards_read.h"
#include "tools/cmd/feature_groups.h"

static void walk_context(const json_t *context)
{
	const json_t *tokens = json_object_get(context, "tokens"),
		     *values = json_object_get(context, "values");

	for (size_t t = 0; t < json_array_size(tokens); t++)
		if (!json_string_value(json_array_get(tokens, t)) ||
		    !json_is_number(json_array_get(json_array_get(values, 0), t)) ||
		    !json_is_number(json_array_get(json_array_get(values, 1), t)))
			__builtin_trap();
}

static void walk_card(const ps_cards *cards, double latent)
{
	const json_t *card = ps_cards_find(cards, latent),
		     *contexts = json_object_get(json_object_get(card, "contexts"), "dense");

	if (!card || !json_string_value(json_object_get(card, "class")))
		__builtin_trap();
	for (size_t i = 0; i < json_array_size(contexts); i++)
		walk_context(json_array_get(contexts, i));
}

static void read_cards(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("cards.json", bytes, length);
	ps_diag diag = {{0}};
	ps_cards cards;
	json_t *root;
	int rc = ps_feature_cards_read(&ps_sys_linux, path, &cards, &root, &diag);

	support_fuzz_check(rc, &diag);
	(void)ps_feature_cards_is_ours(path);
	if (rc)
		return;
	for (int g = 0; g < PS_CARDS_GROUPS_COUNT; g++) {
		const json_t *group = json_object_get(json_object_get(root, "groups"),
						      ps_cards_name(PS_GROUPS_BEST + g));

		for (size_t i = 0; i < json_array_size(group); i++)
			walk_card(&cards, json_number_value(json_array_get(group, i)));
	}
	json_decref(root);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t sealed[1 << 16];

	read_cards(bytes, length);
	length = support_seal_json(bytes, length, sealed, sizeof sealed);
	if (length)
		read_cards(sealed, length);
	return 0;
}
