/* features STUDY: what a study says of single latents: the cards of one condition, or the card of
 * one latent. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "analysis/report/report_data.h"
#include "core/base/arena.h"
#include "core/base/digest.h"
#include "io/file.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/dashboard.h"
#include "tools/cmd/feature_card.h"
#include "tools/cmd/feature_cards_read.h"
#include "tools/cmd/report_cards.h"
#include "tools/cmd/result.h"
#include "tools/cmd/results_file.h"
#include "tools/engine/model_files.h"
#include "tools/run/belonging.h"
#include "tools/run/output_path.h"

struct showing {
	ps_session *s;
	const ps_feature_cards_args *args;
	json_t *results;     /* results.json */
	const json_t *entry; /* of its features[] */
	json_t *root;        /* the file of cards */
	ps_cards cards;
	/* For latents that have no card in the file. */
	ps_feature_file table;
	bool has_table;
	ps_token_texts texts;
	ps_output dashboard;
};

/* --- which condition --- */

static bool has_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && !strcmp(value, text);
}

/* Lists the models of features[], or the conditions of one model: "a, b". */
static void list_names(const struct showing *sh, const char *key, char *out, size_t size)
{
	const json_t *list = json_object_get(sh->results, "features"), *entry;
	const char *last = "";
	size_t i;

	*out = 0;
	json_array_foreach (list, i, entry) {
		const char *name = json_string_value(json_object_get(entry, key));

		if (!name || !strcmp(name, last) ||
		    (strcmp(key, "model") != 0 && !has_text(entry, "model", sh->args->model)))
			continue;
		snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? ", " : "", name);
		last = name;
	}
}

static int find_entry(struct showing *sh)
{
	const ps_feature_cards_args *a = sh->args;
	const json_t *list = json_object_get(sh->results, "features"), *entry;
	char names[512];
	bool model = false;
	size_t i;

	json_array_foreach (list, i, entry) {
		if (!has_text(entry, "model", a->model))
			continue;
		model = true;
		if (a->condition && !has_text(entry, "condition", a->condition))
			continue;
		sh->entry = entry;
		return 0;
	}
	if (!json_array_size(list))
		return ps_fail(&sh->s->diag, PS_EINPUT,
			       "%s: the study has no tables of features (features: true in its "
			       "study file makes them)",
			       a->study);
	list_names(sh, model ? "condition" : "model", names, sizeof names);
	if (model)
		return ps_fail(&sh->s->diag, PS_EUSAGE, "--condition %s: of '%s' there are %s",
			       a->condition, a->model, names);
	return ps_fail(&sh->s->diag, PS_EUSAGE, "--model %s: the study has features of %s",
		       a->model, names);
}

/* The path of a file that the entry names. */
static int path_of(const struct showing *sh, const char *key, char path[PATH_MAX])
{
	const char *name = json_string_value(json_object_get(sh->entry, key));

	if (!name || snprintf(path, PATH_MAX, "%s/%s", sh->args->study, name) >= PATH_MAX)
		return ps_fail(&sh->s->diag, PS_EINPUT, "%s: results.json names no file of %s",
			       sh->args->study, key);
	return 0;
}

static int read_cards(struct showing *sh)
{
	ps_plan plan = {.limit_bytes = sh->s->memory_bytes};
	ps_diag why = {{0}};
	char path[PATH_MAX];
	uint64_t bytes;
	int fd, rc = path_of(sh, "cards", path);

	if (rc)
		return rc;
	fd = ps_file_open(&ps_sys_linux, path, &bytes, &sh->s->diag);
	if (fd < 0)
		return fd;
	ps_sys_linux.close(fd);
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_report_cards_plan(&plan, (size_t)bytes);
	if (sh->args->dashboard)
		ps_plan_add(&plan, "dashboard",
			    ps_dashboard_bytes(sh->args->latents.count ? sh->args->latents.count
								       : PS_CARDS_MAX));
	rc = ps_plan_check(&plan, &sh->s->diag);
	if (!rc)
		rc = ps_feature_cards_read(&ps_sys_linux, path, &sh->cards, &sh->root, &why);
	return *why.text ? ps_fail(&sh->s->diag, rc, "%s", why.text) : rc;
}

/* --- latents that have no card in the file --- */

/* Without --head their tokens are shown by their ids. */
static int read_texts(struct showing *sh)
{
	const char *wanted = ps_provenance_input(sh->root, "tokenizer");
	ps_tokenizer *tokenizer = NULL;
	char text[PS_DIGEST_TEXT];
	uint64_t digest;
	int rc;

	if (!sh->args->head)
		return 0;
	rc = ps_model_tokenizer(sh->args->head, &tokenizer, &digest, &sh->s->diag);
	if (!rc && wanted && strcmp(ps_digest_format(digest, text), wanted) != 0)
		rc = ps_fail(&sh->s->diag, PS_EINPUT,
			     "%s: has another tokenizer than the study's model %s", sh->args->head,
			     sh->args->model);
	if (!rc)
		rc = ps_tokenizer_texts(tokenizer, &sh->texts, &sh->s->diag);
	ps_tokenizer_destroy(tokenizer);
	return rc;
}

static int open_table(struct showing *sh)
{
	char path[PATH_MAX];
	int rc = sh->has_table ? 0 : path_of(sh, "file", path);

	if (rc || sh->has_table)
		return rc;
	rc = ps_feature_file_open(&sh->table, &ps_sys_linux, path, !sh->s->no_verify, &sh->s->diag);
	if (rc)
		return rc;
	sh->has_table = true;
	if (!sh->table.has[PS_FEATURE_STATS])
		return ps_fail(&sh->s->diag, PS_EINPUT, "%s: holds no measures of latents", path);
	return read_texts(sh);
}

static int make_card(struct showing *sh, int64_t latent, json_t **card)
{
	int rc = open_table(sh);

	if (rc)
		return rc;
	if ((uint64_t)latent >= sh->table.latents)
		return ps_fail(&sh->s->diag, PS_EUSAGE, "--latent %lld: the SAE has 0 to %zu",
			       (long long)latent, sh->table.latents - 1);
	if (!sh->args->head)
		ps_session_say(sh->s,
			       "latent %lld is in no group: its tokens are shown by their "
			       "ids (--head MODEL gives their texts)",
			       (long long)latent);
	*card = ps_feature_card(&sh->table, &sh->texts, (size_t)latent);
	return *card ? 0 : ps_fail(&sh->s->diag, PS_EBUDGET, "no memory for a card");
}

/* --- the latents --- */

static int check_latents(struct showing *sh)
{
	const ps_int_list *latents = &sh->args->latents;

	for (size_t i = 0; i < latents->count; i++)
		for (size_t j = 0; j < i; j++)
			if (latents->item[i] == latents->item[j])
				return ps_fail(&sh->s->diag, PS_EUSAGE,
					       "--latent %lld: is given twice",
					       (long long)latents->item[i]);
	return 0;
}

static int add_card(struct showing *sh, int64_t latent, json_t *list)
{
	json_t *card = json_incref((json_t *)ps_cards_find(&sh->cards, (double)latent));
	int rc = card ? 0 : make_card(sh, latent, &card);

	if (!rc && json_array_append_new(list, card))
		rc = ps_fail(&sh->s->diag, PS_EBUDGET, "no memory for a card");
	return rc;
}

/* The cards that are asked for, or all of the file. A new reference. */
static int find_cards(struct showing *sh, json_t **cards)
{
	const ps_int_list *latents = &sh->args->latents;
	int rc = 0;

	if (!latents->count) {
		*cards = json_incref(json_object_get(sh->root, "cards"));
		return 0;
	}
	*cards = json_array();
	if (!*cards)
		return ps_fail(&sh->s->diag, PS_EBUDGET, "no memory for cards");
	for (size_t i = 0; i < latents->count && !rc; i++)
		rc = add_card(sh, latents->item[i], *cards);
	return rc;
}

/* Their indices. NULL when memory ran out. */
static json_t *indices_json(const json_t *cards)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(cards); i++)
		if (!list ||
		    json_array_append(list, json_object_get(json_array_get(cards, i), "latent"))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* --- the dashboard --- */

static int open_dashboard(struct showing *sh)
{
	const ps_feature_cards_args *a = sh->args;
	char results[PATH_MAX], cards[PATH_MAX], table[PATH_MAX];
	const ps_text_list inputs = {4, {results, cards, table, a->head}};
	ps_diag *diag = &sh->s->diag;
	int rc = 0;

	if (snprintf(results, sizeof results, "%s/results.json", a->study) >= PATH_MAX)
		rc = ps_fail(diag, PS_EINPUT, "%s: its path is too long", a->study);
	if (!rc)
		rc = path_of(sh, "cards", cards);
	if (!rc)
		rc = path_of(sh, "file", table);
	if (!rc)
		rc = ps_output_open(&sh->dashboard, a->dashboard, "dashboard", a->replace, diag);
	if (!rc)
		rc = ps_output_keep_off_all(&sh->dashboard, &inputs, diag);
	return rc ? rc
		  : ps_output_check(&sh->dashboard, ps_dashboard_is_ours(sh->dashboard.path), diag);
}

/* The entry of models[]; NULL: there is none. */
static const json_t *model_of(const ps_results *results, const char *name)
{
	for (size_t i = 0; i < results->model_count; i++)
		if (!strcmp(ps_results_model_name(results, i), name))
			return ps_results_model(results, i);
	return NULL;
}

/* What results.json says of the model's layer and the study's windows. */
static int describe(const struct showing *sh, ps_dashboard *about)
{
	const ps_feature_cards_args *a = sh->args;
	ps_results results;
	int rc = ps_results_open(&results, sh->results, &sh->s->diag);
	double layer, tokens, window;

	if (rc)
		return rc;
	layer = ps_results_number(model_of(&results, a->model), PS_AT(MODEL_LAYER));
	tokens = ps_results_number(sh->results, PS_AT(ROOT_SETTINGS, SETTINGS_CACHE_TOKENS));
	window = ps_results_number(sh->results, PS_AT(ROOT_SETTINGS, SETTINGS_WINDOW));
	if (!(layer >= 0 && tokens >= 0 && window > 0))
		return ps_fail(&sh->s->diag, PS_EINPUT,
			       "%s/results.json: says no layer of '%s', or no window and tokens "
			       "of the study",
			       a->study, a->model);
	*about = (ps_dashboard){.model = a->model,
				.condition =
					ps_results_text(sh->entry, PS_AT(FEATURE_TABLE_CONDITION)),
				.study = ps_results_text(sh->results, PS_AT(ROOT_NAME)),
				.layer = (int64_t)layer,
				.window = (int64_t)window,
				.windows = (int64_t)(tokens / window),
				.side = a->side};
	return 0;
}

static int write_dashboard(struct showing *sh, const json_t *cards)
{
	ps_dashboard about;
	json_t *value;
	int rc = describe(sh, &about);

	if (rc)
		return rc;
	value = ps_dashboard_json(&about, cards);
	rc = ps_json_check(value, &sh->s->diag);
	if (!rc)
		rc = ps_file_replace_json(&ps_sys_linux, sh->dashboard.path, value, &sh->s->diag);
	json_decref(value);
	return rc;
}

/* --- the command --- */

static json_t *result_json(const struct showing *sh, json_t *cards)
{
	const char *condition = json_string_value(json_object_get(sh->entry, "condition"));

	if (sh->args->dashboard)
		return json_pack("{s:s, s:s?, s:s, s:o, s:o}", "model", sh->args->model,
				 "condition", condition, "side",
				 ps_model_side_names[sh->args->side], "dashboard",
				 ps_text_json(sh->args->dashboard), "latents", indices_json(cards));
	return json_pack("{s:s, s:s?, s:O, s:O, s:O, s:O, s:o, s:O}", "model", sh->args->model,
			 "condition", condition, "taus", json_object_get(sh->root, "taus"),
			 "classes", json_object_get(sh->root, "classes"), "groups",
			 json_object_get(sh->root, "groups"), "rules",
			 json_object_get(sh->root, "rules"), "asked",
			 json_boolean(sh->args->latents.count), "latents", cards);
}

static int show(struct showing *sh, json_t **result)
{
	json_t *cards = NULL;
	int rc = check_latents(sh);

	if (!rc)
		rc = find_cards(sh, &cards);
	if (!rc && sh->args->dashboard)
		rc = write_dashboard(sh, cards);
	if (!rc)
		rc = ps_result_set(result, result_json(sh, cards), &sh->s->diag);
	json_decref(cards);
	return rc;
}

int ps_run_feature_cards(ps_session *s, const ps_feature_cards_args *args, json_t **result)
{
	struct showing sh = {.s = s, .args = args};
	int rc = ps_results_file_read(s, args->study, &sh.results);

	if (!rc)
		rc = find_entry(&sh);
	if (!rc && args->dashboard)
		rc = open_dashboard(&sh);
	if (!rc)
		rc = read_cards(&sh);
	if (!rc)
		rc = show(&sh, result);
	ps_token_texts_free(&sh.texts);
	ps_feature_file_close(&sh.table);
	json_decref(sh.root);
	json_decref(sh.results);
	return rc;
}
