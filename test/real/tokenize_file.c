/* test/real/tokenize_file.c: encodes a text with a tokenizer.json; for tokenizer_parity.py.
 * usage: tokenize_file TOKENIZER_JSON TEXT OUT
 * Writes the ids to OUT as int32. Prints the times to load and to encode, and the bytes held. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/tokenizer/tokenizer.h"

typedef struct file_bytes {
	char *data;
	size_t length;
} file_bytes;

static int read_file(const char *path, file_bytes *out)
{
	FILE *file = fopen(path, "rb");
	long length = -1;

	if (file && !fseek(file, 0, SEEK_END))
		length = ftell(file);
	if (length < 0 || fseek(file, 0, SEEK_SET))
		goto failed;
	out->length = (size_t)length;
	out->data = malloc(out->length + 1);
	if (!out->data || fread(out->data, 1, out->length, file) != out->length)
		goto failed;
	fclose(file);
	return 0;
failed:
	if (file)
		fclose(file);
	fprintf(stderr, "cannot read %s\n", path);
	return -1;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int write_id(void *context, int32_t id)
{
	return fwrite(&id, sizeof id, 1, context) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	file_bytes json = {0}, text = {0};
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};
	double start, loaded, encoded;
	FILE *out;
	int rc;

	if (argc != 4 || read_file(argv[1], &json) || read_file(argv[2], &text))
		return 2;
	start = seconds();
	rc = ps_tokenizer_create(&tokenizer, json.data, json.length, argv[1], &diag);
	loaded = seconds();
	free(json.data);
	out = rc ? NULL : fopen(argv[3], "wb");
	if (out) {
		rc = ps_tokenizer_encode(tokenizer, text.data, text.length, write_id, out, &diag);
		encoded = seconds();
		if (fclose(out))
			rc = -1;
		printf("load %.3f s, encode %.3f s, %.1f MiB held, %d ids\n", loaded - start,
		       encoded - loaded, (double)ps_tokenizer_bytes(tokenizer) / (1 << 20),
		       ps_tokenizer_vocab(tokenizer));
	}
	if (rc)
		fprintf(stderr, "%s\n", diag.text);
	ps_tokenizer_destroy(tokenizer);
	free(text.data);
	return rc || !out;
}
