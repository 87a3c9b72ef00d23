/* SAE folders while an allocation fails, and cfg.json with values of every type: nothing is taken
 * for another SAE, and what is refused is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/file.h"
#include "io/folder.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_sys_double.h"
#include "tools/train/sae_folder.h"
#include "tools/train/sae_folder_save.h"

#define FIXTURES "test/fixtures/saelens/"

enum { D = 5, F = 9 };

/* The first eight are loaded by SAELens; the others it refuses. */
static const char *const folders[] = {
	"v2-run",      "v4-gated",        "v5-checkpoint",    "v5-finetuned", "v6-checkpoint",
	"v6-jumprelu", "v6-standard-f16", "v6-standard-bf16", "v3-topk",      "v4-jumprelu",
	"v5-tanh",     "v6-batchtopk",    "v6-threshold",     "v6-transcoder"};
#define LOADED ((size_t)8)
#define FOLDERS (sizeof folders / sizeof *folders)

static char scratch[256], path[300];

static int set_up(void **state)
{
	(void)state;
	ps_json_memory_watch();
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/sae", scratch);
	setenv("XDG_CACHE_HOME", scratch, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static void empty(void *context)
{
	(void)context;
	scratch_remove(scratch);
	assert_int_equal(mkdir(scratch, 0777), 0);
}

static int save(const ps_sae *sae, const json_t *provenance, ps_diag *diag)
{
	static const uint64_t firing[F] = {3, 0, 1};
	const ps_sae_about about = {.hook_name = "blocks.0.hook_resid_post", .context_size = 8};
	ps_folder *folder;
	bool done;
	int rc = ps_folder_begin(
		&folder, &ps_sys_linux,
		&(ps_folder_spec){.path = path, .kind = "sae", .provenance = provenance}, &done,
		diag);

	if (rc)
		return rc;
	if (!done) {
		rc = ps_sae_folder_save(folder,
					&(ps_sae_written){.sae = sae,
							  .about = &about,
							  .firing = firing,
							  .provenance = provenance,
							  .why = "it is made so"},
					diag);
		if (!rc)
			rc = ps_folder_finish(folder, NULL, diag);
	}
	ps_folder_close(folder);
	return rc;
}

/* Saves a TopK SAE and loads it again. */
static int save_and_load(void *context)
{
	json_t *provenance = json_pack("{s:s}", "command", "test");
	ps_sae_folder loaded = {0};
	ps_sae sae;
	ps_arena arena = {0};
	ps_sae_about about;
	bool foreign;
	int rc = provenance ? 0 : PS_EBUDGET;

	(void)context;
	if (!rc)
		rc = ps_arena_create(&arena, ps_sae_bytes(D, F), NULL);
	if (!rc)
		rc = ps_sae_create(&sae, PS_SAE_TOPK, D, F, 2, &arena, NULL);
	if (!rc) {
		for (size_t i = 0; i < D * F; i++)
			sae.enc[i] = sae.dec[i] = (float)i;
		rc = save(&sae, provenance, NULL);
	}
	if (!rc)
		rc = ps_sae_folder_about(path, &about, &foreign, NULL);
	if (!rc)
		rc = ps_sae_folder_load(&loaded, path, NULL);
	if (!rc && !ps_json_memory_check(NULL)) {
		assert_false(foreign);
		assert_int_equal(loaded.sae.k, 2);
		assert_memory_equal(loaded.sae.enc, sae.enc, sizeof(float) * D * F);
		assert_memory_equal(loaded.sae.dec, sae.dec, sizeof(float) * D * F);
		assert_int_equal(loaded.firing[0], 3);
		assert_int_equal(loaded.alive[1], 0);
		assert_string_equal(loaded.about.hook_name, "blocks.0.hook_resid_post");
	}
	ps_sae_folder_close(&loaded);
	ps_arena_destroy(&arena);
	json_decref(provenance);
	return rc;
}

static void every_allocation_of_a_save_and_a_load_may_fail(void **state)
{
	(void)state;
	assert_true(alloc_double_sweep(empty, save_and_load, NULL) > 100);
}

/* Loads a folder of SAELens; those that need a factor get one. */
static int load_foreign(void *context)
{
	const char *name = context;
	ps_sae_folder loaded;
	char folder[128];
	float first;
	int rc;

	snprintf(folder, sizeof folder, FIXTURES "%s", name);
	rc = ps_sae_folder_load_scaled(&loaded, folder, 2, NULL);
	if (rc)
		return rc;
	first = loaded.sae.dec[0];
	assert_true(loaded.foreign && first == first);
	ps_sae_folder_close(&loaded);
	return 0;
}

static void every_allocation_of_a_foreign_load_may_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < LOADED; i++)
		assert_true(alloc_double_sweep(NULL, load_foreign, (void *)folders[i]) > 20);
}

/* --- cfg.json --- */

static const char *const odd[] = {"null", "true",    "false", "0",   "-1", "2.5",         "1e300",
				  "\"\"", "\"odd\"", "[]",    "[1]", "{}", "{\"odd\": 1}"};
#define ODD (sizeof odd / sizeof *odd)

/* What is parsed is an SAE that could be computed with. What is refused names the file. */
static void judge(const json_t *cfg, const char *key, const char *value, size_t *refused)
{
	ps_sae_config config;
	ps_diag diag = {{0}};
	int rc = ps_sae_config_parse(cfg, "DIR/cfg.json", &config, &diag);

	if (!rc) {
		assert_true(config.shape.d_in > 0 && config.shape.d_sae > 0);
		assert_true(config.shape.k <= config.shape.d_sae);
		return;
	}
	if (rc != PS_EINPUT || !strstr(diag.text, "DIR/cfg.json"))
		fail_msg("%s: %s gave %d, '%s'", key, value, rc, diag.text);
	++*refused;
}

static void try_values(json_t *root, json_t *holder, size_t *tried, size_t *refused)
{
	json_t *old = json_deep_copy(holder), *value;
	const char *key;

	json_object_foreach (old, key, value) {
		for (size_t i = 0; i < ODD; i++) {
			json_t *new = json_loads(odd[i], JSON_DECODE_ANY, NULL);

			assert_non_null(new);
			assert_int_equal(json_object_set_new(holder, key, new), 0);
			judge(root, key, odd[i], refused);
			++*tried;
		}
		assert_int_equal(json_object_del(holder, key), 0);
		judge(root, key, "nothing", refused);
		assert_int_equal(json_object_set(holder, key, value), 0);
		if (json_is_object(value))
			try_values(root, json_object_get(holder, key), tried, refused);
	}
	json_decref(old);
}

static void every_value_of_a_config_is_understood_or_refused(void **state)
{
	size_t tried = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < FOLDERS; i++) {
		char file[160];
		json_t *cfg;

		snprintf(file, sizeof file, FIXTURES "%s/cfg.json", folders[i]);
		assert_int_equal(ps_file_read_json(&ps_sys_linux, file, 1 << 20, &cfg, NULL), 0);
		try_values(cfg, cfg, &tried, &refused);
		json_decref(cfg);
	}
	print_message("%zu values tried, %zu refused\n", tried, refused);
	assert_true(tried > 1000 && refused > 300 && refused < tried);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_allocation_of_a_save_and_a_load_may_fail),
		TEST(every_allocation_of_a_foreign_load_may_fail),
		TEST(every_value_of_a_config_is_understood_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
