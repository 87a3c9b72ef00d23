#include "tools/study/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Flags of commands, and the keys of the study file that set them. A key that begins with a dot is
 * in the group of the step: magnitude, wanda or sae. */
static const struct {
	const char *flag, *key;
} keys[] = {
	{"--arch", ".arch"},
	{"--k", ".k"},
	{"--d-sae", ".d_sae"},
	{"--batch", ".batch"},
	{"--lr", ".lr"},
	{"--tokens", "train_tokens"},
	{"--scope", ".scope"},
	{"--calibration", ".calibration"},
	{"--pool-embedding", ".pool_embedding"},
	{"--sparsity", "sparsities"},
};

/* The first flag in the text. *row: its row. NULL: the text has no known flag. */
static const char *first_flag(const char *text, size_t *row)
{
	const char *first = NULL;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *at = strstr(text, keys[i].flag);
		const char after = at ? at[strlen(keys[i].flag)] : 0;

		if (!at || (after && !strchr(" ,:;=", after)) || (first && first < at))
			continue;
		first = at;
		*row = i;
	}
	return first;
}

/* "sae.k" of the group sae and the row of --k. */
static void name_key(const char *group, size_t row, char *out, size_t size)
{
	const char *key = keys[row].key;

	snprintf(out, size, "%s%s", key[0] == '.' ? group : "", key);
}

/* Copies the message, with the key's last name in the place of the flag. */
static void rename_flag(const char *said, const char *at, size_t row, char *out, size_t size)
{
	const char *key = keys[row].key;

	snprintf(out, size, "%.*s%s%s", (int)(at - said), said, key + (key[0] == '.'),
		 at + strlen(keys[row].flag));
}

int ps_study_refuse(const ps_graph *g, const char *key, size_t item, const char *format, ...)
{
	const ps_study_mark *mark = ps_study_mark_of(g->file, key, item);
	ps_diag *diag = &g->session->diag;
	char said[sizeof diag->text];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof said, format, args);
	va_end(args);
	if (mark)
		return ps_fail(diag, PS_EINPUT, "%s: line %zu, column %zu: %s: %s", g->path,
			       mark->line, mark->column, key, said);
	return ps_fail(diag, PS_EINPUT, "%s: %s: %s", g->path, key, said);
}

int ps_study_blame(const ps_graph *g, const char *group, ps_diag *diag)
{
	char key[64], said[sizeof diag->text];
	size_t row = 0;
	const char *at = first_flag(diag->text, &row);

	if (at) {
		name_key(group, row, key, sizeof key);
		rename_flag(diag->text, at, row, said, sizeof said);
	} else {
		snprintf(key, sizeof key, "%s", group);
		snprintf(said, sizeof said, "%s", diag->text);
	}
	*diag = (ps_diag){{0}};
	return ps_study_refuse(g, key, 0, "%s", said);
}
