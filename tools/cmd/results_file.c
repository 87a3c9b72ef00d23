#include "tools/cmd/results_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/report/report_data.h"
#include "core/base/arena.h"
#include "core/base/checked.h"
#include "io/file.h"
#include "io/sealed_json.h"
#include "tools/cmd/report_cards.h"

enum {
	TREE_FACTOR = 6, /* bytes of JSON values for a byte of the file */
	PAGE_FACTOR = 3, /* bytes of tables and page for one of the file */
	FIGURES_BYTES = 2 << 20,
};

/* What the text, its values, tables, figures and the page take. cards: bytes of the largest file of
 * cards; they are read one file after the other. 0: none is known yet. */
static int check_memory(const ps_session *s, size_t results, size_t cards, ps_diag *diag)
{
	ps_plan plan = {.limit_bytes = s->memory_bytes};

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "results.json", results);
	ps_plan_add(&plan, "values of results.json", TREE_FACTOR * results);
	ps_plan_add(&plan, "tables and page", PAGE_FACTOR * results);
	ps_plan_add(&plan, "figures", FIGURES_BYTES);
	if (cards)
		ps_report_cards_plan(&plan, cards);
	return ps_plan_check(&plan, diag);
}

/* The size of the largest file of cards that results.json names. */
static size_t largest_cards(const char *folder, const json_t *root)
{
	const json_t *list = ps_results_at(root, PS_AT(ROOT_FEATURES));
	size_t largest = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name =
			ps_results_text(json_array_get(list, i), PS_AT(FEATURE_TABLE_CARDS));
		char path[PATH_MAX];
		struct stat st;

		if (*name && snprintf(path, sizeof path, "%s/%s", folder, name) < PATH_MAX &&
		    !stat(path, &st))
			largest = ps_max_size(largest, (size_t)st.st_size);
	}
	return largest;
}

/* The size of the largest cards.json in the folders of a study's conditions: runs/MODEL/CONDITION.
 * depth: of path below runs. For a message: what results.json names is not known before it is
 * read. */
static int find_cards(const char *path, int depth, size_t *largest, ps_diag *diag)
{
	DIR *folder = ps_sys_opendir(path);
	struct dirent *entry;
	int rc = 0;

	if (!folder)
		return errno == ENOMEM ? ps_fail(diag, PS_EBUDGET, "no memory for a folder") : 0;
	while (!rc && (entry = readdir(folder))) {
		struct stat st;
		char *inner;

		if (entry->d_name[0] == '.' || (depth == 2 && strcmp(entry->d_name, "cards.json")))
			continue;
		if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0) {
			rc = ps_fail(diag, PS_EBUDGET, "no memory for a path");
			break;
		}
		if (depth < 2)
			rc = find_cards(inner, depth + 1, largest, diag);
		else if (!stat(inner, &st))
			*largest = ps_max_size(*largest, (size_t)st.st_size);
		free(inner);
	}
	closedir(folder);
	return rc;
}

/* Before results.json is read. If it does not fit, the message names what would do for the cards
 * too. */
static int check_unread(ps_session *s, const char *folder, size_t results)
{
	ps_diag ignored = {{0}};
	char runs[PATH_MAX];
	size_t cards = 0;
	int rc = check_memory(s, results, 0, &ignored);

	if (!rc)
		return 0;
	if (snprintf(runs, sizeof runs, "%s/runs", folder) < PATH_MAX &&
	    find_cards(runs, 0, &cards, &ignored))
		cards = 0;
	return check_memory(s, results, cards, &s->diag);
}

static int read_file(ps_session *s, const char *folder, const char *path, json_t **root)
{
	ps_diag why = {{0}};
	struct stat st = {0};
	int rc;

	*root = NULL;
	/* If there is none, reading says why. */
	rc = stat(path, &st) ? 0 : check_unread(s, folder, (size_t)st.st_size);
	if (rc)
		return rc;
	rc = ps_sealed_read(&ps_sys_linux, path, PS_RESULTS_BYTES_MAX, root, &why);
	if (rc == PS_EINPUT && ps_file_is_there(path))
		return ps_fail(&s->diag, rc,
			       "%s; `prunescope study STUDY.yaml -o %s` makes it anew from the "
			       "records of its steps",
			       why.text, folder);
	if (rc == PS_EINPUT)
		return ps_fail(
			&s->diag, rc,
			"%s: no folder of a finished study: %s (`prunescope study STUDY.yaml "
			"-o DIR` makes one)",
			folder, why.text);
	if (rc)
		return ps_fail(&s->diag, rc, "%s", why.text);
	rc = check_memory(s, (size_t)st.st_size, largest_cards(folder, *root), &s->diag);
	if (!rc)
		return 0;
	json_decref(*root);
	*root = NULL;
	return rc;
}

int ps_results_file_read(ps_session *s, const char *folder, json_t **root)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s/results.json", folder) < 0)
		return ps_fail(&s->diag, PS_EBUDGET, "no memory for a path");
	rc = read_file(s, folder, path, root);
	free(path);
	return rc;
}
