#include "tools/cmd/results_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "analysis/report/results_schema.h"
#include "core/base/arena.h"
#include "io/file.h"
#include "io/sealed_json.h"

enum {
	TREE_FACTOR = 6, /* bytes of JSON values for a byte of the file */
	PAGE_FACTOR = 3, /* bytes of tables and page for one of the file */
	FIGURES_BYTES = 2 << 20,
};

/* Before anything is read: what the text, its values, tables, figures and the page take. */
static int check_memory(const ps_session *s, const char *path, ps_diag *diag)
{
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
	return ps_plan_check(&plan, diag);
}

static int read_file(ps_session *s, const char *folder, const char *path, json_t **root)
{
	ps_diag why = {{0}};
	int rc = check_memory(s, path, &s->diag);

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
