#include "io/file_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/temporary.h"

struct member {
	struct member *next;
	char *path;
	bool removed; /* else file is the new one */
	ps_temporary file;
};

struct ps_file_set {
	const ps_sys *sys;
	struct member *first, **end;
};

ps_file_set *ps_file_set_create(const ps_sys *sys)
{
	ps_file_set *set = calloc(1, sizeof *set);

	if (set) {
		set->sys = sys;
		set->end = &set->first;
	}
	return set;
}

static struct member *append(ps_file_set *set, const char *path, ps_diag *diag)
{
	struct member *member = calloc(1, sizeof *member);

	if (member)
		member->path = strdup(path);
	if (!member || !member->path) {
		free(member);
		(void)ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
		return NULL;
	}
	member->file.fd = -1;
	*set->end = member;
	set->end = &member->next;
	return member;
}

static int write_once(const ps_sys *sys, struct member *member, const void *bytes, size_t length,
		      ps_diag *diag)
{
	int rc = ps_temporary_open(&member->file, sys, member->path, diag);

	if (rc)
		return rc;
	rc = ps_sys_pwrite_full(sys, member->file.fd, bytes, length, 0);
	if (rc) {
		ps_temporary_drop(&member->file);
		return ps_fail_errno(diag, -rc, "%s: cannot be written", member->path);
	}
	return ps_temporary_sync(&member->file, diag);
}

int ps_file_set_add(ps_file_set *set, const char *path, const void *bytes, size_t length,
		    ps_diag *diag)
{
	struct member *member = append(set, path, diag);
	ps_diag first = {{0}};
	int rc;

	if (!member)
		return PS_EBUDGET;
	rc = write_once(set->sys, member, bytes, length, &first);
	/* After a failed fsync the file is written anew, once. */
	if (rc == -EIO)
		return write_once(set->sys, member, bytes, length, diag);
	return rc ? ps_fail(diag, rc, "%s", first.text) : 0;
}

int ps_file_set_remove(ps_file_set *set, const char *path, ps_diag *diag)
{
	struct member *member = append(set, path, diag);

	if (!member)
		return PS_EBUDGET;
	member->removed = true;
	return 0;
}

int ps_file_set_keep(ps_file_set *set, ps_diag *diag)
{
	int rc = 0;

	for (struct member *m = set->first; m && !rc; m = m->next) {
		int gone = m->removed ? set->sys->unlink(m->path) : 0;

		if (!m->removed)
			rc = ps_temporary_keep(&m->file, diag);
		else if (gone && gone != -ENOENT)
			rc = ps_fail_errno(diag, -gone, "%s: cannot be removed", m->path);
	}
	ps_file_set_drop(set);
	return rc;
}

void ps_file_set_drop(ps_file_set *set)
{
	struct member *next;

	if (!set)
		return;
	for (struct member *m = set->first; m; m = next) {
		next = m->next;
		ps_temporary_drop(&m->file);
		free(m->path);
		free(m);
	}
	free(set);
}
