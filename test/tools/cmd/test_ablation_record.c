/* tools/cmd/ablation_record: the columns behind RQ5 are those of ablate's result, each beside the
 * survival of its own latent; what is not such a result is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/support_checkpoint.h"
#include "tools/cmd/ablation_record.h"

#define D_SAE 6
#define TEXT                                                                                       \
	"{\"latents\": 3, \"mean_effect\": 0.5, \"latent\": [1, 2, 5], \"effect\": [0.25, -0.5, "  \
	"2],"                                                                                      \
	" \"rate\": [0.125, 0.5, 1], \"windows\": 2, \"window_tokens\": 7,"                        \
	" \"window_change\": [[1.5, 2], [-3, -4], [14, 15]],"                                      \
	" \"window_firings\": [[1, 0], [2, 5], [7, 7]]}"

/* Of latents 0 to 5. */
static const uint8_t survived[D_SAE] = {0, 1, 0, 1, 0, 1};
static const double cosine[D_SAE] = {0.0, 0.1, 0.2, 0.3, 0.4, 0.5},
		    rate[D_SAE] = {0, 0.01, 0.02, 0.03, 0.04, 0.05};
static const uint8_t stratum[D_SAE] = {0, 0, 1, 2, 3, 4};

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, 0, &error);

	if (!value)
		fail_msg("%s", error.text);
	return value;
}

static void check_columns(const ps_ablation_record *record)
{
	const ps_ablation_latents latents = {
		.survived = survived, .cosine = cosine, .rate = rate, .stratum = stratum};
	const uint8_t want_survived[] = {1, 0, 1}, want_stratum[] = {0, 1, 4};
	const double want_cosine[] = {0.1, 0.2, 0.5}, want_rate[] = {0.01, 0.02, 0.05},
		     want_firings[] = {1, 0, 2, 5, 7, 7}, want_effect[] = {0.25, -0.5, 2},
		     want_change[] = {1.5, 2, -3, -4, 14, 15}, want_tokens[] = {7, 7};
	ps_ablation_data data;
	double effects[D_SAE];
	ps_arena arena;

	assert_int_equal(ps_arena_create(&arena, ps_ablation_record_bytes(record), NULL), 0);
	ps_ablation_record_columns(record, &latents, &arena, &data);
	assert_int_equal(data.features, 3);
	assert_int_equal(data.clusters, 2);
	assert_memory_equal(data.survived, want_survived, sizeof want_survived);
	assert_memory_equal(data.cosine, want_cosine, sizeof want_cosine);
	assert_memory_equal(data.rate, want_rate, sizeof want_rate);
	assert_memory_equal(data.effect, want_effect, sizeof want_effect);
	assert_memory_equal(data.cluster_sum, want_change, sizeof want_change);
	assert_memory_equal(data.stratum, want_stratum, sizeof want_stratum);
	assert_memory_equal(data.cluster_firings, want_firings, sizeof want_firings);
	assert_memory_equal(data.cluster_tokens, want_tokens, sizeof want_tokens);
	assert_true(arena.used_bytes == ps_ablation_record_bytes(record));
	ps_ablation_record_effects(record, D_SAE, effects);
	assert_true(isnan(effects[0]) && effects[1] == 0.25 && effects[2] == -0.5 &&
		    isnan(effects[3]) && isnan(effects[4]) && effects[5] == 2);
	ps_arena_destroy(&arena);
}

static void each_latent_stands_beside_its_own_survival(void **state)
{
	ps_ablation_record record;
	json_t *value = parse(TEXT);

	(void)state;
	assert_int_equal(ps_ablation_record_take(&record, value, "test", D_SAE, NULL), 0);
	json_decref(value);
	assert_int_equal(record.latents, 3);
	assert_int_equal(record.windows, 2);
	check_columns(&record);
	ps_ablation_record_close(&record);
	ps_ablation_record_close(&record);
}

static void a_file_holds_the_result_bare_or_within_a_record(void **state)
{
	const char *const texts[] = {TEXT,
				     "{\"key\": \"0123\", \"inputs\": {}, \"result\": " TEXT "}"};
	char folder[256], path[300];

	(void)state;
	ck_make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/ablation.json", folder);
	for (int i = 0; i < 2; i++) {
		ps_ablation_record record;

		ck_write_text(folder, "ablation.json", texts[i]);
		assert_int_equal(ps_ablation_record_open(&record, path, D_SAE, NULL), 0);
		check_columns(&record);
		ps_ablation_record_close(&record);
	}
	ck_remove_folder(folder);
}

static void no_latents_are_no_columns(void **state)
{
	ps_ablation_record record;
	json_t *value = parse("{\"latent\": [], \"effect\": [], \"rate\": [], \"windows\": 4,"
			      " \"window_tokens\": 7, \"window_change\": [],"
			      " \"window_firings\": []}");

	(void)state;
	assert_int_equal(ps_ablation_record_take(&record, value, "test", D_SAE, NULL), 0);
	assert_int_equal(record.latents, 0);
	ps_ablation_record_close(&record);
	json_decref(value);
}

/* The result with one key replaced by a JSON text, or removed by NULL: refused with a message that
 * says want. */
static void refuse(const char *key, const char *text, const char *want)
{
	ps_ablation_record record;
	json_error_t error;
	ps_diag diag = {{0}};
	json_t *value = parse(TEXT);
	int rc;

	if (text)
		assert_int_equal(
			json_object_set_new(value, key, json_loads(text, JSON_DECODE_ANY, &error)),
			0);
	else
		json_object_del(value, key);
	rc = ps_ablation_record_take(&record, value, "some/file", D_SAE, &diag);
	if (rc != PS_EINPUT || !strstr(diag.text, "some/file") || !strstr(diag.text, want))
		fail_msg("%s = %s: returned %d, '%s'; '%s' is expected", key,
			 text ? text : "(none)", rc, diag.text, want);
	assert_null(record.result);
	json_decref(value);
}

static void what_is_no_result_of_ablate_is_refused(void **state)
{
	static const char *const keys[] = {"latent",        "effect",        "rate",
					   "windows",       "window_tokens", "window_change",
					   "window_firings"};

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		refuse(keys[i], NULL, keys[i]);
	refuse("latent", "[1, 2]", "effect");
	refuse("latent", "[1, 2, 3, 4]", "effect");
	refuse("latent", "[1, 2, 2.5]", "latent");
	refuse("latent", "{\"1\": 2}", "latent");
	refuse("effect", "[1, null, 2]", "effect");
	refuse("rate", "[1, 2, \"3\"]", "rate");
	refuse("windows", "3", "window_change");
	refuse("windows", "-1", "windows");
	refuse("windows", "2.5", "windows");
	refuse("window_tokens", "[7, 7]", "window_tokens");
	refuse("window_change", "[[1, 2], [3, 4], [5]]", "window_change");
	refuse("window_change", "[[1, 2], [3, 4], [5, \"6\"]]", "window_change");
}

static void a_latent_of_another_sae_is_refused(void **state)
{
	(void)state;
	refuse("latent", "[1, 2, 6]", "latent 6");
	refuse("latent", "[-1, 2, 3]", "latent -1");
}

static void a_missing_file_is_refused(void **state)
{
	ps_ablation_record record;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_ablation_record_open(&record, "test/nowhere.json", D_SAE, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, "nowhere.json"));
	ps_ablation_record_close(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_latent_stands_beside_its_own_survival),
		cmocka_unit_test(a_file_holds_the_result_bare_or_within_a_record),
		cmocka_unit_test(no_latents_are_no_columns),
		cmocka_unit_test(what_is_no_result_of_ablate_is_refused),
		cmocka_unit_test(a_latent_of_another_sae_is_refused),
		cmocka_unit_test(a_missing_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
