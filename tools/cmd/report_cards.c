#include "tools/cmd/report_cards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/report/cards_page.h"
#include "analysis/report/report_features.h"
#include "analysis/report/report_head.h"
#include "core/base/arena.h"
#include "core/base/digest.h"
#include "io/file.h"
#include "io/sealed_json.h"
#include "tools/cmd/feature_cards_read.h"
#include "tools/run/text_stream.h"

enum { TREE_FACTOR = 8 /* bytes of a file's text and values for a byte of the file */ };

/* A file of cards and the entry of features[] that names it. */
struct source {
	ps_session *s;
	const char *folder;
	const json_t *feature;
	size_t index;
	char *path;
	ps_cards cards;
	char digest[PS_DIGEST_TEXT];
};

static int no_memory(ps_session *s)
{
	return ps_fail(&s->diag, PS_EBUDGET, "no memory for feature cards");
}

/* --- reading --- */

static bool leads_out(const char *path)
{
	return *path == '/' || !strncmp(path, "../", 3) || strstr(path, "/../") || !*path;
}

static int find_path(struct source *from)
{
	const char *cards = ps_results_text(from->feature, PS_AT(FEATURE_TABLE_CARDS));

	if (leads_out(cards))
		return ps_fail(&from->s->diag, PS_EINPUT,
			       "%s/results.json: features[%zu] has no file of cards within the "
			       "folder",
			       from->folder, from->index);
	if (asprintf(&from->path, "%s/%s", from->folder, cards) < 0) {
		from->path = NULL;
		return no_memory(from->s);
	}
	return 0;
}

void ps_report_cards_plan(ps_plan *plan, size_t bytes)
{
	ps_plan_add(plan, "feature cards", TREE_FACTOR * bytes);
	ps_plan_add(plan, "pages", 4 * PS_REPORT_PAGE_BYTES);
}

/* Before the file is read: it, its values and its page. */
static int check_memory(const struct source *from)
{
	ps_plan plan = {.limit_bytes = from->s->memory_bytes};
	struct stat st;

	if (stat(from->path, &st))
		return 0; /* reading says why */
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_report_cards_plan(&plan, (size_t)st.st_size);
	return ps_plan_check(&plan, &from->s->diag);
}

/* PS_EINPUT unless the cards are those of the entry. */
static int check_counts(const struct source *from)
{
	static const ps_results_path paths[PS_FEATURE_CLASSES] = {
		[PS_CLASS_NONE] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_NONE),
		[PS_CLASS_KEPT] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_KEPT),
		[PS_CLASS_SHIFTED] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_SHIFTED),
		[PS_CLASS_BLURRED] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_BLURRED),
		[PS_CLASS_LOST] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_LOST),
	};

	for (ps_feature_class c = 0; c < PS_FEATURE_CLASSES; c++) {
		const double found = ps_cards_class_count(&from->cards, c),
			     told = ps_results_number(from->feature, paths[c]);

		if (found != told)
			return ps_fail(&from->s->diag, PS_EINPUT,
				       "%s: not the cards of results.json: %.0f latents are %s, "
				       "and results.json says %.0f",
				       from->path, found, ps_feature_class_names[c], told);
	}
	return 0;
}

static int read_cards(struct source *from, json_t **root)
{
	int rc = check_memory(from);

	if (!rc)
		rc = ps_feature_cards_read(&ps_sys_linux, from->path, &from->cards, root,
					   &from->s->diag);
	if (!rc)
		rc = check_counts(from);
	return rc ? rc : ps_json_digest(*root, from->digest, &from->s->diag);
}

/* --- writing --- */

/* MODEL-CONDITION, with "_" for what is not plain in a file's name. */
static void name_plainly(const json_t *feature, char name[PS_PAGE_NAME_BYTES - 32])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._";

	snprintf(name, PS_PAGE_NAME_BYTES - 32, "%s-%s",
		 ps_results_text(feature, PS_AT(FEATURE_TABLE_MODEL)),
		 ps_results_text(feature, PS_AT(FEATURE_TABLE_CONDITION)));
	for (char *c = name; *c; c++)
		if (!strchr(plain, *c) || (c == name && *c == '.'))
			*c = '_';
}

/* The page's name. Where earlier entries have the same one, their number follows it. */
static void name_page(const json_t *list, size_t index, char name[PS_PAGE_NAME_BYTES])
{
	char own[PS_PAGE_NAME_BYTES - 32], other[PS_PAGE_NAME_BYTES - 32];
	size_t same = 0;

	name_plainly(json_array_get(list, index), own);
	for (size_t i = 0; i < index; i++) {
		name_plainly(json_array_get(list, i), other);
		same += !strcmp(own, other);
	}
	if (same)
		snprintf(name, PS_PAGE_NAME_BYTES, "%s.%zu.html", own, same + 1);
	else
		snprintf(name, PS_PAGE_NAME_BYTES, "%s.html", own);
}

static int write_page(const struct source *from, size_t level, ps_report_cards *out)
{
	const char *csv = ps_results_text(from->feature, PS_AT(FEATURE_TABLE_CSV));
	const ps_cards_page page = {
		.cards = &from->cards,
		.digest = from->digest,
		.model = ps_results_text(from->feature, PS_AT(FEATURE_TABLE_MODEL)),
		.condition = ps_results_text(from->feature, PS_AT(FEATURE_TABLE_CONDITION)),
		.csv = *csv ? csv : NULL,
		.json = ps_results_text(from->feature, PS_AT(FEATURE_TABLE_CARDS))};
	ps_text_stream text;
	int rc = ps_text_stream_open(&text, &from->s->diag);

	if (rc)
		return rc;
	ps_cards_page_write(text.out, &page, level);
	rc = ps_text_stream_close(&text, &from->s->diag);
	if (rc)
		return rc;
	free(out->page);
	out->page = text.text;
	out->bytes = text.length;
	return 0;
}

static int write_few(const struct source *from, ps_report_cards *out)
{
	ps_text_stream text;
	int rc = ps_text_stream_open(&text, &from->s->diag);

	if (rc)
		return rc;
	ps_cards_few_write(text.out, &from->cards);
	rc = ps_text_stream_close(&text, &from->s->diag);
	if (!rc)
		out->few = text.text;
	return rc;
}

int ps_report_cards_make(ps_session *session, const char *folder, const ps_results *results,
			 size_t index, ps_report_cards *out)
{
	const json_t *list = ps_results_at(results->root, PS_AT(ROOT_FEATURES));
	struct source from = {.s = session,
			      .folder = folder,
			      .feature = json_array_get(list, index),
			      .index = index};
	json_t *root = NULL;
	int rc = find_path(&from);

	*out = (ps_report_cards){.page = NULL};
	name_page(list, index, out->name);
	if (!rc)
		rc = read_cards(&from, &root);
	for (size_t level = 0; level < PS_CARDS_LEVELS && !rc; level++) {
		rc = write_page(&from, level, out);
		if (out->bytes <= PS_REPORT_PAGE_BYTES)
			break;
	}
	if (!rc && ps_report_feature_has_few(results, index))
		rc = write_few(&from, out);
	json_decref(root);
	free(from.path);
	return rc;
}

void ps_report_cards_free(ps_report_cards *cards)
{
	free(cards->page);
	free(cards->few);
	*cards = (ps_report_cards){.page = NULL};
}
