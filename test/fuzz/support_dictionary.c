#include "test/fuzz/support_dictionary.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "io/file.h"
#include "test/fuzz/support_fuzz.h"
#include "tools/train/sae_folder.h"

#define FIXTURES "test/fixtures/dictionaries/"
enum { BYTES_MAX = 1 << 16, LOAD_BYTES_MAX = 1 << 22 };

static const struct format {
	const char *folder, *config, *weights; /* below support_fuzz_folder */
	const char *from;                      /* the folder of the fixture */
} formats[] = {
	{"layers.3", "cfg.json", "sae.safetensors", "sparsify-run/layers.3"},
	{"llama", "hyperparams.json", "checkpoints/final.safetensors",
	 "Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L3R-8x"},
	{"layer_2", "config.json", "params.safetensors",
	 "gemma-scope-2-270m-pt/resid_post/layer_2_width_32_l0_small"},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static void write_into(const char *folder, const char *name, const void *bytes, size_t length)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	support_fuzz_file(path, bytes, length);
}

static void copy(const struct format *format, const char *name)
{
	char path[512], *bytes;
	size_t length;

	snprintf(path, sizeof path, FIXTURES "%s/%s", format->from, name);
	if (ps_file_read(&ps_sys_linux, path, BYTES_MAX, &bytes, &length, NULL)) {
		fprintf(stderr, "%s cannot be read\n", path);
		abort();
	}
	write_into(format->folder, name, bytes, length);
	free(bytes);
}

void support_dictionaries_make(void)
{
	static int made;
	char path[256];

	if (made++)
		return;
	snprintf(path, sizeof path, "%s/llama", support_fuzz_folder());
	mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/llama/checkpoints", support_fuzz_folder());
	mkdir(path, 0777);
	for (int i = 0; i < FORMATS; i++) {
		copy(&formats[i], formats[i].config);
		copy(&formats[i], formats[i].weights);
	}
}

void support_dictionaries_config(const uint8_t *bytes, size_t length)
{
	for (int i = 0; i < FORMATS; i++)
		write_into(formats[i].folder, formats[i].config, bytes, length);
}

void support_dictionaries_weights(const uint8_t *bytes, size_t length)
{
	for (int i = 0; i < FORMATS; i++)
		write_into(formats[i].folder, formats[i].weights, bytes, length);
}

static void load(const char *folder)
{
	char path[256];
	ps_sae_folder sae;
	ps_sae shape;
	ps_diag diag = {0};
	size_t need;
	int rc;

	snprintf(path, sizeof path, "%s/%s", support_fuzz_folder(), folder);
	rc = ps_sae_folder_measure(path, &shape, &need, &diag);
	support_fuzz_check(rc, &diag);
	if (rc || need > LOAD_BYTES_MAX)
		return;
	rc = ps_sae_folder_load(&sae, path, &diag);
	support_fuzz_check(rc, &diag);
	if (rc)
		return;
	if (sae.sae.d_in != shape.d_in || sae.sae.d_sae != shape.d_sae || sae.sae.k > shape.d_sae)
		__builtin_trap();
	ps_sae_folder_close(&sae);
}

void support_dictionaries_load(void)
{
	for (int i = 0; i < FORMATS; i++)
		load(formats[i].folder);
}
