#include "test/support/support_foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA "\"__metadata__\":{"

static void fail(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	abort();
}

void ps_test_write_at(const char *path, uint64_t offset, const void *bytes, size_t count)
{
	FILE *file = fopen(path, "r+b");

	if (!file || fseek(file, (long)offset, SEEK_SET) ||
	    fwrite(bytes, 1, count, file) != count || fclose(file))
		fail(path, "cannot be changed");
}

/* The end of the object that begins before at: behind its closing brace, and a comma. */
static char *object_end(char *at)
{
	int quoted = 0;

	for (; *at && (quoted || *at != '}'); at++) {
		if (*at == '\\')
			at++;
		else if (*at == '"')
			quoted = !quoted;
	}
	return at + 1 + (at[1] == ',');
}

void ps_test_make_foreign(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint64_t length = 0;
	char *header, *metadata, *end;

	if (!file || fread(&length, sizeof length, 1, file) != 1)
		fail(path, "cannot be read");
	header = calloc(1, length + 2);
	if (!header || fread(header, 1, length, file) != length)
		fail(path, "cannot be read");
	fclose(file);
	metadata = strstr(header, METADATA);
	if (!metadata)
		fail(path, "has no metadata");
	end = object_end(metadata + strlen(METADATA));
	memset(metadata, ' ', (size_t)(end - metadata));
	ps_test_write_at(path, sizeof length, header, length);
	free(header);
}
