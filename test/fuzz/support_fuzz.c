#include "test/fuzz/support_fuzz.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/sealed_json.h"

#define TINY_CONFIG                                                                                \
	"{\"model_type\": \"llama\", \"num_hidden_layers\": 2, \"hidden_size\": 16, "              \
	"\"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"head_dim\": 8, "                \
	"\"intermediate_size\": 24, \"vocab_size\": 32, \"rms_norm_eps\": 1e-5, "                  \
	"\"max_position_embeddings\": 64, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", "     \
	"\"tie_word_embeddings\": true, \"bos_token_id\": 1, \"eos_token_id\": 2}"

const uint64_t support_fuzz_digest = UINT64_C(0x0123456789abcdef);

static char folder[64];

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	if (system(command))
		fprintf(stderr, "%s stays behind\n", folder);
}

const char *support_fuzz_folder(void)
{
	if (folder[0])
		return folder;
	snprintf(folder, sizeof folder, "/dev/shm/prunescope-fuzz-XXXXXX");
	if (!mkdtemp(folder))
		abort();
	atexit(remove_folder);
	return folder;
}

const char *support_fuzz_file(const char *name, const void *bytes, size_t length)
{
	static char path[PATH_MAX];
	const char *slash = strchr(name, '/');
	int fd;

	snprintf(path, sizeof path, "%s/%.*s", support_fuzz_folder(),
		 slash ? (int)(slash - name) : 0, name);
	if (slash)
		mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/%s", support_fuzz_folder(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
		abort();
	close(fd);
	return path;
}

void support_fuzz_check(int rc, const ps_diag *diag)
{
	if (rc >= 0)
		return;
	if (!diag->text[0])
		__builtin_trap();
	for (const unsigned char *c = (const unsigned char *)diag->text; *c; c++)
		if (*c < ' ' || *c == 0x7f)
			__builtin_trap();
}

const ps_model_config *support_fuzz_model(void)
{
	static ps_model_config config;
	ps_diag diag = {{0}};

	if (!config.layers &&
	    ps_config_parse(TINY_CONFIG, sizeof TINY_CONFIG - 1, "tiny", &config, &diag)) {
		fprintf(stderr, "%s\n", diag.text);
		abort();
	}
	return &config;
}

size_t support_seal_json(const uint8_t *text, size_t length, uint8_t *out, size_t max)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)text, length, JSON_REJECT_DUPLICATES, &error);
	char digest[PS_DIGEST_TEXT];
	ps_diag diag = {{0}};
	size_t written = 0;

	json_object_del(root, "checksum");
	if (json_is_object(root) && !ps_json_digest(root, digest, &diag) &&
	    !json_object_set_new(root, "checksum", json_string(digest)))
		written = json_dumpb(root, (char *)out, max, JSON_SORT_KEYS | JSON_INDENT(1));
	json_decref(root);
	return written > max ? 0 : written;
}
