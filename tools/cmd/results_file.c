#include "tools/cmd/results_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/report/results_schema.h"
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

/* The size of the largest cards.json in the folders of a study's conditions: runs/MODEL/CONDITION.
 * depth: of path below runs. */
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

/* Before anything is read: what the text, its values, tables, figures and the pages take. Cards are
 * read one file after the other. */
static int check_memory(const ps_session *s, const char *folder, const char *path, ps_diag *diag)
{
	size_t cards = 0;
	char runs[PATH_MAX];
	int rc;
	ps_plan plan = {.limit_bytes = s->memory_bytes};
	struct stat st;
	size_t bytes;

	if (stat(path, &st))
		return 0; /* reading says why */
	bytes = (size_t)st.st_size;
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "results.json", bytes);
	ps_plan_add(&plan, "values of results.json", TREE_FACTOR * bytes);
	ps_plan_add(&plan, "tables and page", PAGE_FACTOR * bytes);
	ps_plan_add(&plan, "figures", FIGURES_BYTES);
	rc = snprintf(runs, sizeof runs, "%s/runs", folder) < (int)sizeof runs
		     ? find_cards(runs, 0, &cards, diag)
		     : 0;
	if (rc)
		return rc;
	if (cards)
		ps_report_cards_plan(&plan, cards);
	return ps_plan_check(&plan, diag);
}

static int read_file(ps_session *s, const char *folder, const char *path, json_t **root)
{
	ps_diag why = {{0}};
	int rc = check_memory(s, folder, path, &s->diag);

	if (rc)
		return rc;
	rc = ps_sealed_read(&ps_sys_linux, path, PS_RESULTS_BYTES_MAX, root, &why);
	if (rc == PS_EINPUT && ps_file_is_there(path))
		return ps_fail(&s->diag, rc,
			       "%s; `prunescope study STUDY.yaml -o %s` makes it anew from the "
			       "records of its steps",
			       why.text, folder);
	return rc ? ps_fail(&s->diag, rc, "%s", why.text) : 0;
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
