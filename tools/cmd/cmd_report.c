/* report: tables, figures and the page of a study, from its results.json.
 *
 * gnuplot gets its script, and gives the SVG back, through temporary files without a name
 * (tools/train/gnuplot.h). Without gnuplot the report has tables only, and the page says so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/report/figure.h"
#include "analysis/report/report.h"
#include "analysis/report/report_csv.h"
#include "io/file.h"
#include "io/folder.h"
#include "tools/cmd/commands.h"
#include "tools/train/gnuplot.h"

enum {
	FIGURES_MAX = 16,
	GNUPLOT_FAILED = 1 /* of draw: there is no figure, but the study is sound */
};

struct report {
	ps_session *s;
	const char *folder;
	ps_results results;
	ps_report_figure figures[FIGURES_MAX];
	size_t figure_count, drawn, tables;
	char missing[256]; /* why figures are missing; empty: none are */
};

/* DIR/name, for free; NULL: no memory. */
static char *path_in(const struct report *r, const char *name)
{
	size_t bytes = strlen(r->folder) + strlen(name) + 2;
	char *path = malloc(bytes);

	if (path)
		snprintf(path, bytes, "%s/%s", r->folder, name);
	return path;
}

static int no_memory(const struct report *r)
{
	return ps_fail(&r->s->diag, PS_EBUDGET, "no memory for the report of %s", r->folder);
}

static int replace(const struct report *r, const char *name, const char *bytes, size_t length)
{
	char *path = path_in(r, name);
	int rc = path ? ps_file_replace(&ps_sys_linux, path, bytes, length, &r->s->diag)
		      : no_memory(r);

	free(path);
	return rc;
}

static int make_folder(const struct report *r, const char *name)
{
	char *path = path_in(r, name);
	int rc = path ? ps_folder_make(&ps_sys_linux, path, &r->s->diag) : no_memory(r);

	free(path);
	return rc;
}

/* --- tables --- */

static int write_table(struct report *r, size_t index)
{
	char name[64], *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int rc = 0;

	if (!out)
		return no_memory(r);
	ps_csv_write(out, &r->results, index);
	if (fclose(out))
		rc = no_memory(r);
	snprintf(name, sizeof name, "tables/%s.csv", ps_csv_name(index));
	if (!rc)
		rc = replace(r, name, text, length);
	free(text);
	return rc;
}

static int write_tables(struct report *r)
{
	int rc = make_folder(r, "tables");

	for (r->tables = 0; ps_csv_name(r->tables) && !rc; r->tables++)
		rc = write_table(r, r->tables);
	return rc;
}

/* --- figures --- */

/* The whole of a temporary file with a NUL behind it, for free. NULL: no memory, or not
 * readable. */
static char *read_whole(FILE *file)
{
	long bytes = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
	char *text = bytes < 0 ? NULL : malloc((size_t)bytes + 1);

	if (!text)
		return NULL;
	rewind(file);
	text[fread(text, 1, (size_t)bytes, file)] = 0;
	return text;
}

static void note_missing(struct report *r, const char *name, int error, FILE *errors)
{
	char *said = error == -1 ? read_whole(errors) : NULL;

	if (error == ENOENT)
		snprintf(r->missing, sizeof r->missing, "gnuplot is not installed");
	else
		snprintf(r->missing, sizeof r->missing, "gnuplot could not draw %s: %.160s", name,
			 error == -1 ? (said ? said : "") : strerror(error));
	free(said);
}

/* Has gnuplot draw a script. *svg: for free, or NULL with GNUPLOT_FAILED and the reason in
 * r->missing. */
static int draw(struct report *r, const char *name, const char *text, size_t length, char **svg)
{
	FILE *script = tmpfile(), *out = tmpfile(), *errors = tmpfile();
	int rc = 0, error;

	*svg = NULL;
	if (!script || !out || !errors || fwrite(text, 1, length, script) != length ||
	    fflush(script)) {
		rc = ps_fail_errno(&r->s->diag, errno, "temporary files for figures");
		goto out;
	}
	rewind(script);
	error = ps_gnuplot_run(script, out, errors);
	if (!error)
		*svg = read_whole(out);
	if (error || !*svg || !strstr(*svg, "</svg>")) {
		note_missing(r, name, error ? error : -1, errors);
		free(*svg);
		*svg = NULL;
		rc = GNUPLOT_FAILED;
	}
out:
	if (script)
		fclose(script);
	if (out)
		fclose(out);
	if (errors)
		fclose(errors);
	return rc;
}

/* Draws a figure. *svg is NULL where the study has no numbers for it. */
static int make_figure(struct report *r, size_t index, bool narrow, char **svg)
{
	char *text = NULL;
	size_t length;
	FILE *script = open_memstream(&text, &length);
	bool any;
	int rc = 0;

	*svg = NULL;
	if (!script)
		return no_memory(r);
	any = ps_figure_script(index, &r->results, narrow, script);
	if (fclose(script))
		rc = no_memory(r);
	else if (any)
		rc = draw(r, ps_figure_name(index), text, length, svg);
	free(text);
	return rc;
}

/* Writes figures/NAME.svg. A figure that this report does not have is removed: an earlier one left
 * it. */
static int store_figure(struct report *r, const ps_report_figure *figure)
{
	char name[64], *path;
	int rc = 0;

	snprintf(name, sizeof name, "figures/%s.svg", figure->name);
	if (figure->wide) {
		r->drawn++;
		return replace(r, name, figure->wide, strlen(figure->wide));
	}
	path = path_in(r, name);
	if (!path)
		return no_memory(r);
	if (unlink(path) && errno != ENOENT)
		rc = ps_fail_errno(&r->s->diag, errno, "%s", path);
	free(path);
	return rc;
}

static int make_figures(struct report *r)
{
	int rc = make_folder(r, "figures");

	for (size_t i = 0; ps_figure_name(i) && i < FIGURES_MAX && !rc; i++) {
		ps_report_figure *figure = &r->figures[r->figure_count++];

		figure->name = ps_figure_name(i);
		rc = ps_progress_check(&r->s->context);
		if (!rc && !*r->missing)
			rc = make_figure(r, i, false, &figure->wide);
		if (!rc && !*r->missing)
			rc = make_figure(r, i, true, &figure->narrow);
		if (rc == GNUPLOT_FAILED)
			rc = 0;
		if (!rc)
			rc = store_figure(r, figure);
	}
	return rc;
}

/* --- the page --- */

static int write_page(struct report *r)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int rc = 0;

	if (!out)
		return no_memory(r);
	ps_report_write(out, &r->results, r->figures, r->figure_count,
			*r->missing ? r->missing : NULL);
	if (fclose(out))
		rc = no_memory(r);
	if (!rc)
		rc = replace(r, "report.html", text, length);
	free(text);
	return rc;
}

static int read_results(struct report *r, json_t **root)
{
	char *path = path_in(r, "results.json");
	int rc = path ? ps_file_read_json(&ps_sys_linux, path, PS_RESULTS_BYTES_MAX, root,
					  &r->s->diag)
		      : no_memory(r);
	ps_diag why = {{0}};

	if (!rc)
		rc = ps_results_open(&r->results, *root, &why);
	if (rc && *why.text)
		rc = ps_fail(&r->s->diag, rc, "%s: %s", path, why.text);
	free(path);
	return rc;
}

static int describe(const struct report *r, json_t **result)
{
	char *path = path_in(r, "report.html");

	if (!path)
		return no_memory(r);
	*result = json_pack("{s:s, s:i, s:i}", "report", path, "figures", (int)r->drawn, "tables",
			    (int)r->tables);
	free(path);
	return *result ? 0 : no_memory(r);
}

int ps_run_report(ps_session *s, const ps_report_args *args, json_t **result)
{
	struct report r = {.s = s, .folder = args->folder};
	json_t *root = NULL;
	int rc = read_results(&r, &root);

	if (!rc)
		rc = write_tables(&r);
	if (!rc)
		rc = make_figures(&r);
	if (!rc)
		rc = write_page(&r);
	if (!rc && *r.missing)
		ps_session_say(s, "the report has %s: %s",
			       r.drawn ? "only some of its figures" : "no figures", r.missing);
	if (!rc)
		rc = describe(&r, result);
	for (size_t i = 0; i < r.figure_count; i++) {
		free(r.figures[i].wide);
		free(r.figures[i].narrow);
	}
	json_decref(root);
	return rc;
}
