/* report: tables, figures and the pages of a study, from its results.json and files of cards.
 *
 * Everything is made in memory, then written to temporary files, and replaces the old report only
 * when all of it is whole (io/file_set.h). A gnuplot that fails is a failure, and the old report
 * stays. A machine without gnuplot is none: the report has tables only, and its page says so. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report/figure.h"
#include "analysis/report/report.h"
#include "analysis/report/report_csv.h"
#include "analysis/report/svg_check.h"
#include "io/file.h"
#include "io/file_set.h"
#include "io/folder.h"
#include "io/sealed_json.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/report_cards.h"
#include "tools/cmd/result.h"
#include "tools/cmd/results_file.h"
#include "tools/run/output_path.h"
#include "tools/run/text_stream.h"
#include "tools/train/gnuplot.h"

#define FEATURES "features" /* the folder of the pages of cards */

enum { FIGURES_MAX = 16, HEAD_BYTES = 1024 /* of a page, in which its generator stands */ };

struct report {
	ps_session *s;
	const ps_report_args *args;
	char results_path[PATH_MAX];
	ps_results results;
	char digest[PS_DIGEST_TEXT]; /* of results.json */
	bool same_results;           /* the old page was made from this results.json */
	ps_file_set *set;
	ps_report_figure figures[FIGURES_MAX];
	size_t figure_count, drawn, tables;
	ps_report_cards *cards; /* (card_count), one for each entry of the results' features */
	size_t card_count;
	bool missing; /* there is no gnuplot */
};

static int no_memory(const struct report *r)
{
	return ps_fail(&r->s->diag, PS_EBUDGET, "no memory for the report of %s", r->args->folder);
}

/* DIR/name into path (PATH_MAX bytes). */
static int path_in(const struct report *r, const char *name, char *path)
{
	if (snprintf(path, PATH_MAX, "%s/%s", r->args->folder, name) < PATH_MAX)
		return 0;
	return ps_fail_errno(&r->s->diag, ENAMETOOLONG, "%.60s...", r->args->folder);
}

static int make_folder(const struct report *r, const char *name)
{
	char path[PATH_MAX];
	int rc = path_in(r, name, path);

	return rc ? rc : ps_folder_make(&ps_sys_linux, path, &r->s->diag);
}

/* Where a file of the report goes. What stands there is not results.json under another name. */
static int open_output(const struct report *r, const char *name, ps_output *output)
{
	char path[PATH_MAX];
	int rc = path_in(r, name, path);

	if (!rc)
		rc = ps_output_open(output, path, "report", r->args->replace, &r->s->diag);
	return rc ? rc : ps_output_keep_off(output, r->results_path, &r->s->diag);
}

static int add(const struct report *r, const char *name, const char *bytes, size_t length)
{
	ps_output output;
	int rc = open_output(r, name, &output);

	return rc ? rc : ps_file_set_add(r->set, output.path, bytes, length, &r->s->diag);
}

/* --- tables --- */

static int add_table(struct report *r, size_t index)
{
	char name[64];
	ps_text_stream table;
	int rc = ps_text_stream_open(&table, &r->s->diag);

	if (rc)
		return rc;
	ps_csv_write(table.out, &r->results, index);
	rc = ps_text_stream_close(&table, &r->s->diag);
	snprintf(name, sizeof name, "tables/%s.csv", ps_csv_name(index));
	if (!rc)
		rc = add(r, name, table.text, table.length);
	free(table.text);
	return rc;
}

static int add_tables(struct report *r)
{
	int rc = make_folder(r, "tables");

	for (r->tables = 0; ps_csv_name(r->tables) && !rc; r->tables++)
		rc = add_table(r, r->tables);
	return rc;
}

/* --- figures --- */

/* Puts the figure's name before the message of a failure. */
static int blame(const struct report *r, const char *name, int rc)
{
	const ps_diag said = r->s->diag;

	if (rc != PS_EFAILED)
		return rc;
	r->s->diag.text[0] = 0;
	return ps_fail(&r->s->diag, rc, "the figure %s: %s; the report stays as it was", name,
		       said.text);
}

/* Has gnuplot draw a script. *svg: for free. */
static int draw(struct report *r, const char *name, const char *script, size_t bytes, char **svg)
{
	ps_diag *diag = &r->s->diag, why = {{0}};
	char *drawing = NULL;
	size_t length = 0;
	int rc = ps_gnuplot_draw(script, bytes, &r->s->context, &drawing, &length);

	if (rc == PS_GNUPLOT_MISSING) {
		r->missing = true;
		return 0;
	}
	if (!rc)
		rc = ps_svg_mend(&drawing, &length, diag);
	if (!rc && ps_svg_check(drawing, length, &why))
		rc = ps_fail(diag, PS_EFAILED, "gnuplot drew what is no plain SVG: %s", why.text);
	if (rc) {
		free(drawing);
		return blame(r, name, rc);
	}
	*svg = drawing;
	return 0;
}

/* Draws a figure. *svg is NULL where the study has no numbers for it. */
static int make_figure(struct report *r, size_t index, bool narrow, char **svg)
{
	ps_text_stream script;
	bool any;
	int rc = ps_text_stream_open(&script, &r->s->diag);

	*svg = NULL;
	if (rc)
		return rc;
	any = ps_figure_script(index, &r->results, narrow, script.out);
	rc = ps_text_stream_close(&script, &r->s->diag);
	if (!rc && any && !r->missing)
		rc = draw(r, ps_figure_name(index), script.text, script.length, svg);
	free(script.text);
	return rc;
}

/* A figure that this report does not have is removed: an earlier one left it. Without gnuplot the
 * figures of the same results stay. */
static int add_figure(struct report *r, const ps_report_figure *figure)
{
	char name[64], path[PATH_MAX];
	int rc;

	snprintf(name, sizeof name, "figures/%s.svg", figure->name);
	if (figure->wide) {
		r->drawn++;
		return add(r, name, figure->wide, strlen(figure->wide));
	}
	if (r->missing && r->same_results)
		return 0;
	rc = path_in(r, name, path);
	return rc ? rc : ps_file_set_remove(r->set, path, &r->s->diag);
}

static int add_figures(struct report *r)
{
	int rc = make_folder(r, "figures");

	for (size_t i = 0; ps_figure_name(i) && i < FIGURES_MAX && !rc; i++) {
		ps_report_figure *figure = &r->figures[r->figure_count++];

		figure->name = ps_figure_name(i);
		rc = ps_progress_check(&r->s->context);
		if (!rc)
			rc = make_figure(r, i, false, &figure->wide);
		if (!rc)
			rc = make_figure(r, i, true, &figure->narrow);
		if (!rc)
			rc = add_figure(r, figure);
	}
	return rc;
}

/* --- pages that are there --- */

static int read_head(const struct report *r, const char *path, char head[HEAD_BYTES])
{
	FILE *file = fopen(path, "r");
	int rc = 0;

	if (!file)
		return ps_fail_input(&r->s->diag, errno, "%s", path);
	head[fread(head, 1, HEAD_BYTES - 1, file)] = 0;
	if (ferror(file))
		rc = ps_fail_input(&r->s->diag, errno, "%s", path);
	fclose(file);
	return rc;
}

/* Looks at the page that is there. One that prunescope has not written is not replaced without
 * --force. */
static int look_at_old_page(const struct report *r, const char *name, char head[HEAD_BYTES])
{
	ps_output output;
	int rc = open_output(r, name, &output);

	head[0] = 0;
	if (rc || !output.there)
		return rc;
	rc = read_head(r, output.path, head);
	return rc ? rc : ps_output_check(&output, strstr(head, PS_REPORT_GENERATOR), &r->s->diag);
}

/* --- pages of cards --- */

static bool is_page_of(const struct report *r, const char *name)
{
	for (size_t i = 0; i < r->card_count; i++)
		if (!strcmp(r->cards[i].name, name))
			return true;
	return false;
}

static int is_html(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && !strcmp(dot, ".html");
}

/* Names a page to remove that an earlier report left. Others' pages stay. */
static int remove_if_old(const struct report *r, const char *name)
{
	char path[PATH_MAX], inside[NAME_MAX + 16], head[HEAD_BYTES];
	int rc;

	if (is_page_of(r, name))
		return 0;
	snprintf(inside, sizeof inside, FEATURES "/%s", name);
	rc = path_in(r, inside, path);
	if (!rc)
		rc = read_head(r, path, head);
	if (rc || !strstr(head, PS_REPORT_GENERATOR))
		return rc;
	return ps_file_set_remove(r->set, path, &r->s->diag);
}

static int remove_old_pages(const struct report *r)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int rc = path_in(r, FEATURES, path), count;

	if (rc)
		return rc;
	count = ps_sys_scandir(path, &entries, is_html);
	if (count < 0)
		return errno == ENOENT ? 0 : ps_fail_errno(&r->s->diag, errno, "%s", path);
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = remove_if_old(r, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int add_cards_of(struct report *r, size_t index)
{
	char name[PS_PAGE_NAME_BYTES + 16], head[HEAD_BYTES];
	ps_report_cards *cards = &r->cards[index];
	int rc = ps_progress_check(&r->s->context);

	if (!rc)
		rc = ps_report_cards_make(r->s, r->args->folder, &r->results, index, cards);
	if (rc)
		return rc;
	snprintf(name, sizeof name, FEATURES "/%s", cards->name);
	rc = look_at_old_page(r, name, head);
	if (!rc)
		rc = add(r, name, cards->page, cards->bytes);
	free(cards->page);
	cards->page = NULL;
	return rc;
}

static int add_cards(struct report *r)
{
	const size_t count = json_array_size(ps_results_at(r->results.root, PS_AT(ROOT_FEATURES)));
	int rc = count ? make_folder(r, FEATURES) : 0;

	r->cards = calloc(count + 1, sizeof *r->cards);
	if (!rc && !r->cards)
		rc = no_memory(r);
	for (; r->card_count < count && !rc; r->card_count++)
		rc = add_cards_of(r, r->card_count);
	return rc ? rc : remove_old_pages(r);
}

/* --- the page --- */

/* few: with a few cards of each model. */
static int write_page(struct report *r, bool few, ps_text_stream *page)
{
	ps_report_feature *features = calloc(r->card_count + 1, sizeof *features);
	int rc = features ? ps_text_stream_open(page, &r->s->diag) : no_memory(r);

	for (size_t i = 0; i < r->card_count && !rc; i++)
		features[i] = (ps_report_feature){.page = r->cards[i].name,
						  .few = few ? r->cards[i].few : NULL};
	if (!rc) {
		ps_report_write(page->out, &r->results,
				&(ps_report_parts){
					.digest = r->digest,
					.figures = r->figures,
					.figure_count = r->figure_count,
					.missing = r->missing ? "gnuplot is not installed" : NULL,
					.features = features});
		rc = ps_text_stream_close(page, &r->s->diag);
	}
	free(features);
	return rc;
}

/* Cards give way where the page would be too large with them: they have pages of their own. */
static int add_page(struct report *r)
{
	ps_text_stream page;
	int rc = write_page(r, true, &page);

	if (!rc && page.length > PS_REPORT_PAGE_BYTES && r->card_count) {
		free(page.text);
		rc = write_page(r, false, &page);
	}
	if (rc)
		return rc;
	rc = add(r, "report.html", page.text, page.length);
	free(page.text);
	return rc;
}

/* --- the command --- */

static int read_results(struct report *r, json_t **root)
{
	ps_diag *diag = &r->s->diag, why = {{0}};
	int rc = path_in(r, "results.json", r->results_path);

	if (!rc)
		rc = ps_results_file_read(r->s, r->args->folder, root);
	if (!rc)
		rc = ps_results_open(&r->results, *root, &why);
	if (rc && *why.text)
		return ps_fail(diag, rc, "%s: %s", r->results_path, why.text);
	return rc ? rc : ps_json_digest(*root, r->digest, diag);
}

static int write_report(struct report *r)
{
	char head[HEAD_BYTES];
	int rc = look_at_old_page(r, "report.html", head);

	if (rc)
		return rc;
	r->same_results = strstr(head, r->digest) != NULL;
	r->set = ps_file_set_create(&ps_sys_linux);
	if (!r->set)
		return no_memory(r);
	rc = add_tables(r);
	if (!rc)
		rc = add_figures(r);
	if (!rc)
		rc = add_cards(r);
	if (!rc)
		rc = add_page(r);
	if (!rc)
		return ps_file_set_keep(r->set, &r->s->diag);
	ps_file_set_drop(r->set);
	return rc;
}

static int describe(const struct report *r, json_t **result)
{
	char path[PATH_MAX];
	int rc = path_in(r, "report.html", path);

	return rc ? rc
		  : ps_result_set(result,
				  json_pack("{s:o, s:i, s:i, s:i}", "report", ps_text_json(path),
					    "figures", (int)r->drawn, "tables", (int)r->tables,
					    "cards", (int)r->card_count),
				  &r->s->diag);
}

int ps_run_report(ps_session *s, const ps_report_args *args, json_t **result)
{
	struct report r = {.s = s, .args = args};
	json_t *root = NULL;
	int rc = read_results(&r, &root);

	if (!rc)
		rc = write_report(&r);
	if (!rc && r.missing)
		ps_session_say(s, "the report has no figures: gnuplot is not installed");
	if (!rc)
		rc = describe(&r, result);
	for (size_t i = 0; i < r.figure_count; i++) {
		free(r.figures[i].wide);
		free(r.figures[i].narrow);
	}
	for (size_t i = 0; r.cards && i <= r.card_count; i++)
		ps_report_cards_free(&r.cards[i]);
	free(r.cards);
	json_decref(root);
	return rc;
}
