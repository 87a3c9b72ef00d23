/* What the path of an SAE's folder says of its place in a model: model, layer, site and hook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/support_sys_double.h"
#include "tools/train/sae_place.h"

static char scratch[256];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

/* Makes the folder below the scratch folder, and reads its place. */
static ps_sae_place place_of(const char *below)
{
	char path[512];
	ps_sae_place place;
	ps_diag diag = {{0}};

	snprintf(path, sizeof path, "%s/%s", scratch, below);
	for (char *slash = path + strlen(scratch) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		(void)mkdir(path, 0777);
		*slash = '/';
	}
	(void)mkdir(path, 0777);
	if (ps_sae_place_of(path, &place, &diag))
		fail_msg("%s: %s", below, diag.text);
	return place;
}

static void models_are_named_as_on_the_hub(void **state)
{
	static const struct {
		const char *folder, *model;
		ps_sae_site site;
	} all[] = {
		{"gemma-scope-2b-pt-res", "google/gemma-2-2b", PS_SITE_STREAM},
		{"gemma-scope-2b-pt-mlp", "google/gemma-2-2b", PS_SITE_MLP},
		{"gemma-scope-9b-it-res-canonical", "google/gemma-2-9b-it", PS_SITE_STREAM},
		{"gemma-scope-9b-pt-att", "google/gemma-2-9b", PS_SITE_ATTENTION},
		{"gemma-scope-2b-pt-transcoders", "google/gemma-2-2b", PS_SITE_TRANSCODER},
		{"gemma-scope-2-1b-pt", "google/gemma-3-1b-pt", PS_SITE_UNSAID},
		{"gemma-scope-2-270m-pt", "google/gemma-3-270m", PS_SITE_UNSAID},
		{"gemma-scope-2-270m-it", "google/gemma-3-270m-it", PS_SITE_UNSAID},
		{"models--google--gemma-scope-27b-pt-res", "google/gemma-2-27b", PS_SITE_STREAM},
		{"gemma-scope-2b-xx-res", "", PS_SITE_UNSAID},
		{"gemma-scope-large", "", PS_SITE_UNSAID},
		{"Llama3_1-8B-Base-L15R-8x", "Llama-3.1-8B", PS_SITE_UNSAID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		const ps_sae_place place = place_of(all[i].folder);

		assert_string_equal(place.folder, all[i].folder);
		assert_string_equal(place.model, all[i].model);
		assert_int_equal(place.site, all[i].site);
		assert_int_equal(place.layer, -1);
	}
}

static void layers_and_sites_are_parts_of_the_path(void **state)
{
	static const struct {
		const char *path, *hook;
	} all[] = {
		{"a/layer_20/width_16k", "blocks.20.hook_resid_post"},
		{"b/resid_post/layer_17_width_16k_l0_small", "blocks.17.hook_resid_post"},
		{"c/resid_post_all/layer_0", "blocks.0.hook_resid_post"},
		{"d/mlp_out/layer_3_width_16k", "blocks.3.hook_mlp_out"},
		{"e/attn_out_all/layer_3_width_16k", "blocks.3.attn.hook_z"},
		{"f/embedding/width_4k", "hook_embed"},
		{"g/transcoder/layer_3_width_16k", ""},
		{"h/crosscoder/layer_3", ""},
		{"i/clt/layer_3", ""},
		{"k/mlp_output/layer_3", "blocks.3.hook_resid_post"}, /* another word */
		{"l/layer_3x", ""},
		{"m/layer_", ""},
		{"n/layer_x", ""},
		{"o/layer_2147483648", ""},
		{"p/a_layer_3", ""},
		{"q/layer_3/layer_4", "blocks.4.hook_resid_post"}, /* the inner one */
		{"r", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		const ps_sae_place place = place_of(all[i].path);
		char hook[64];

		ps_sae_place_hook(&place, hook, sizeof hook);
		if (strcmp(hook, all[i].hook) != 0)
			fail_msg("%s: hook '%s', not '%s'", all[i].path, hook, all[i].hook);
	}
}

static void a_link_stands_for_its_folder(void **state)
{
	char path[512], target[512];
	ps_sae_place place = place_of("layer_7");

	(void)state;
	snprintf(target, sizeof target, "%s/layer_7", scratch);
	snprintf(path, sizeof path, "%s/link", scratch);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(ps_sae_place_of(path, &place, NULL), 0);
	assert_string_equal(place.folder, "layer_7");
	assert_int_equal(place.layer, 7);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	ps_sae_place place;
	ps_diag diag = {{0}};
	char path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/nothing", scratch);
	assert_int_equal(ps_sae_place_of(path, &place, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "/nothing: No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_are_named_as_on_the_hub),
		cmocka_unit_test(layers_and_sites_are_parts_of_the_path),
		cmocka_unit_test(a_link_stands_for_its_folder),
		cmocka_unit_test(a_folder_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
