#include "tools/run/code_version.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *command;
	int version;
} versions[] = {
	{"tokenize", 3}, {"logits", 2},    {"calibrate", 2}, {"prune", 2},   {"export", 4},
	{"cache", 2},    {"train", 3},     {"ppl", 3},       {"eval", 2},    {"transfer", 4},
	{"ablate", 5},   {"seeds", 4},     {"survival", 9},  {"compare", 2}, {"features", 1},
	{"sparsity", 1}, {"assemble", 10}, {"report", 11},   {"convert", 2},
};

int ps_code_version(const char *command)
{
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
		if (!strcmp(versions[i].command, command))
			return versions[i].version;
	assert(!"the command has a version");
	return 0;
}
