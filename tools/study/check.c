#include "tools/study/check.h"

#include <stdio.h>
#include <string.h>

#include "tools/study/study_lines.h"

/* Flags of commands and the study file's keys behind them. */
static const char *const keys[][2] = {
	{"--arch", "sae.arch"},      {"--k", "sae.k"},
	{"--d-sae", "sae.d_sae"},    {"--batch", "sae.batch"},
	{"--lr", "sae.lr"},          {"--tokens", "train_tokens"},
	{"--scope", "wanda.scope"},  {"--calibration", "wanda.calibration"},
	{"--layer", "models.layer"}, {"--expansion", "sae.expansion"},
};

/* The key behind the first flag that the text names. */
static const char *key_of(const char *text)
{
	const char *best = NULL, *at = NULL;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		size_t length = strlen(keys[i][0]);
		const char *found = strstr(text, keys[i][0]);

		if (found && strchr(" ,:;=", found[length]) && (!at || found < at)) {
			at = found;
			best = keys[i][1];
		}
	}
	return best;
}

/* The message with the key's own name in the place of the flag. */
static void rename_flag(const char *said, const char *key, char *out, size_t size)
{
	const char *dot = strrchr(key, '.'), *flag = NULL, *at;

	for (size_t i = 0; i < sizeof keys / sizeof *keys && !flag; i++)
		if (!strcmp(keys[i][1], key))
			flag = keys[i][0];
	at = flag ? strstr(said, flag) : NULL;
	if (at)
		snprintf(out, size, "%.*s%s%s", (int)(at - said), said, dot ? dot + 1 : key,
			 at + strlen(flag));
	else
		snprintf(out, size, "%s", said);
}

int ps_study_blame(const ps_graph *g, const char *what, ps_diag *diag)
{
	const char *key = key_of(diag->text);
	char said[sizeof diag->text];
	int line = ps_study_line(g->path, key ? key : what);

	rename_flag(diag->text, key ? key : what, said, sizeof said);
	*diag = (ps_diag){{0}};
	if (line)
		return ps_fail(diag, PS_EINPUT, "%s: line %d: %s: %s", g->path, line,
			       key ? key : what, said);
	return ps_fail(diag, PS_EINPUT, "%s: %s: %s", g->path, key ? key : what, said);
}
