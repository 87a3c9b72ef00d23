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
#include "tools/cmd/feature_card.h"
#include "tools/cmd/feature_cards_read.h"
#include "tools/cmd/report_cards.h"
#include "tools/cmd/result.h"
#include "tools/cmd/results_file.h"
#include "tools/engine/model_files.h"
#include "tools/run/belonging.h"

struct showing {
	ps_session *s;
	const ps_feature_cards_args *args;
	json_t *results;     /* results.json */
	const json_t *entry; /* of its features[] */
	json_t *root;        /* the file of cards */
	ps_cards cards;
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
	rc = ps_plan_check(&plan, &sh->s->diag);
	if (!rc)
		rc = ps_feature_cards_read(&ps_sys_linux, path, &sh->cards, &sh->root, &why);
	return *why.text ? ps_fail(&sh->s->diag, rc, "%s", why.text) : rc;
}

/* --- one latent that has no card in the file --- */

/* Without --head its tokens are shown by their ids. */
static int read_texts(const struct showing *sh, ps_token_texts *texts)
{
	const char *wanted = ps_provenance_input(sh->root, "tokenizer");
	ps_tokenizer *tokenizer = NULL;
	char text[PS_DIGEST_TEXT];
	uint64_t digest;
	int rc;

	if (!sh->args->head) {
		ps_session_say(sh->s,
			       "latent %lld is in no group: its tokens are shown by their "
			       "ids (--head MODEL gives their texts)",
			       (long long)sh->args->latent);
		return 0;
	}
	rc = ps_model_tokenizer(sh->args->head, &tokenizer, &digest, &sh->s->diag);
	if (!rc && wanted && strcmp(ps_digest_format(digest, text), wanted) != 0)
		rc = ps_fail(&sh->s->diag, PS_EINPUT,
			     "%s: has another tokenizer than the study's model %s", sh->args->head,
			     sh->args->model);
	if (!rc)
		rc = ps_tokenizer_texts(tokenizer, texts, &sh->s->diag);
	ps_tokenizer_destroy(tokenizer);
	return rc;
}

static int make_card(const struct showing *sh, json_t **card)
{
	ps_token_texts texts = {0};
	ps_feature_file file;
	char path[PATH_MAX];
	int rc = path_of(sh, "file", path);

	if (!rc)
		rc = ps_feature_file_open(&file, &ps_sys_linux, path, !sh->s->no_verify,
					  &sh->s->diag);
	if (rc)
		return rc;
	if ((uint64_t)sh->args->latent >= file.latents)
		rc = ps_fail(&sh->s->diag, PS_EUSAGE, "--latent %lld: the SAE has 0 to %zu",
			     (long long)sh->args->latent, file.latents - 1);
	if (!rc)
		rc = read_texts(sh, &texts);
	if (!rc) {
		*card = ps_feature_card(&file, &texts, (size_t)sh->args->latent);
		if (!*card)
			rc = ps_fail(&sh->s->diag, PS_EBUDGET, "no memory for a card");
	}
	ps_token_texts_free(&texts);
	ps_feature_file_close(&file);
	return rc;
}

/* --- the command --- */

/* All cards of the file, or the one that is asked for. */
static int find_latents(const struct showing *sh, json_t **latents)
{
	const json_int_t latent = sh->args->latent;
	json_t *card = NULL;
	int rc = 0;

	if (latent < 0) {
		*latents = json_incref(json_object_get(sh->root, "cards"));
		return 0;
	}
	card = json_incref((json_t *)ps_cards_find(&sh->cards, (double)latent));
	if (!card)
		rc = make_card(sh, &card);
	if (rc)
		return rc;
	*latents = json_pack("[o]", card);
	return *latents ? 0 : ps_fail(&sh->s->diag, PS_EBUDGET, "no memory for a card");
}

static int show(struct showing *sh, json_t **result)
{
	const char *condition = json_string_value(json_object_get(sh->entry, "condition"));
	json_t *latents = NULL;
	int rc = find_latents(sh, &latents);

	if (rc)
		return rc;
	return ps_result_set(result,
			     json_pack("{s:s, s:s?, s:O, s:O, s:O, s:O, s:o}", "model",
				       sh->args->model, "condition", condition, "taus",
				       json_object_get(sh->root, "taus"), "classes",
				       json_object_get(sh->root, "classes"), "groups",
				       json_object_get(sh->root, "groups"), "rules",
				       json_object_get(sh->root, "rules"), "latents", latents),
			     &sh->s->diag);
}

int ps_run_feature_cards(ps_session *s, const ps_feature_cards_args *args, json_t **result)
{
	struct showing sh = {.s = s, .args = args};
	int rc = ps_results_file_read(s, args->study, &sh.results);

	if (!rc)
		rc = find_entry(&sh);
	if (!rc)
		rc = read_cards(&sh);
	if (!rc)
		rc = show(&sh, result);
	json_decref(sh.root);
	json_decref(sh.results);
	return rc;
}
