/* io/recognize, io/file: what stands in place of a checkpoint's files is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/checkpoint.h"
#include "io/file.h"
#include "io/recognize.h"
#include "test/support/support_checkpoint.h"

#define POINTER                                                                                    \
	"version https://git-lfs.github.com/spec/v1\n"                                             \
	"oid sha256:abababababababababababababababababababababababababababababababab\n"            \
	"size 1999811208\n"

static char folder[256];

static int make_folder(void **state)
{
	(void)state;
	ck_make_folder(folder, sizeof folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

static const char *inside(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void write_bytes(const char *name, const char *bytes, size_t length)
{
	FILE *file = fopen(inside(name), "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void write_model(void)
{
	ck_model model;

	ck_llama(&model);
	ck_write_llama(folder, &model);
}

/* Opening must fail with exit 3. The message must hold both words. */
static void refuse(const char *path, const char *want, const char *also)
{
	ps_checkpoint *checkpoint = NULL;
	ps_diag diag = {{0}};
	int rc = ps_checkpoint_open(&checkpoint, &ps_sys_linux, path, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want) || !strstr(diag.text, also))
		fail_msg("returned %d, '%s'; '%s' and '%s' are expected", rc, diag.text, want,
			 also);
	assert_null(checkpoint);
}

static void git_lfs_pointers_are_named(void **state)
{
	static const char *const names[] = {"config.json", "model.safetensors"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		write_model();
		ck_write_text(folder, names[i], POINTER);
		refuse(folder, names[i], "Git LFS pointer");
		refuse(folder, "1999811208", "git lfs pull");
	}
	/* A text that only speaks of pointers is a text. */
	write_bytes("text", " " POINTER, strlen(" " POINTER));
	{
		uint64_t bytes;
		int fd = ps_file_open(&ps_sys_linux, inside("text"), &bytes, NULL);

		assert_true(fd >= 0);
		close(fd);
	}
}

static void files_of_other_kinds_are_named(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t length;
		const char *want;
	} cases[] = {
		{"m.gguf", "GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16, "GGUF"},
		{"m.npz", "PK\3\4\0\0\0\0\0\0\0\0", 12, "NumPy archive (npz)"},
		{"m.pt", "PK\3\4\0\0\0\0\0\0\0\0", 12, "torch.save"},
		{"m.npy", "\x93NUMPY\1\0v\0", 10, "NumPy array"},
		{"m.bin", "\x80\2\212\nl\374\234F", 8, "pickle"},
		{"m.h5", "\x89HDF\r\n\x1a\n\0\0", 10, "HDF5"},
		{"m.onnx", "\x08\7\x12\4abcdefgh", 12, "ONNX"},
		{"m.gz", "\x1f\x8b\x08\0\0\0\0\0\0\0", 10, "gzip"},
		{"m.html", "<!DOCTYPE html>", 15, "HTML"},
		{"m.zst", "\x28\xb5\x2f\xfd\0\0\0\0\0", 9, "zstd"},
		{"m.gguf", "GGUF", 4, "GGUF"},
		{"m.txt", "Die W\xc3\xbcrde des Menschen\n", 24, "a text file"},
		{"m.xet", "# xet version 0\n", 16, "a text file"},
		{"m.annex", "/annex/objects/SHA256E-s1--a", 28, "git-annex"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_safetensors file;
		ps_diag diag = {{0}};
		int rc;

		write_bytes(cases[i].name, cases[i].bytes, cases[i].length);
		/* A GGUF file is read, and found wanting. */
		if (strcmp(cases[i].want, "GGUF") != 0)
			refuse(inside(cases[i].name), "not a checkpoint folder", cases[i].want);
		rc = ps_safetensors_open(&file, &ps_sys_linux, inside(cases[i].name), &diag);
		if (rc != PS_EINPUT || !strstr(diag.text, cases[i].want) ||
		    !strstr(diag.text, cases[i].name))
			fail_msg("%s: %d '%s'", cases[i].name, rc, diag.text);
	}
}

static void files_of_no_kind_are_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(inside("fifo"), 0600), 0);
	refuse(inside("fifo"), "not a checkpoint folder", "fifo");
	assert_null(ps_recognize_file(&ps_sys_linux, inside("nothing")));
}

static void folders_of_other_kinds_are_named(void **state)
{
	static const struct {
		const char *file, *want;
		bool config; /* config.json is there */
	} cases[] = {
		{"adapter_config.json", "PEFT (LoRA) adapter", false},
		{"adapter_config.json", "PEFT (LoRA) adapter", true},
		{"q4.gguf", "GGUF", false},
		{"pytorch_model.bin", "torch file", true},
		{"pytorch_model.bin.index.json", "torch files", true},
		{"consolidated.00.pth", "torch file", false},
		{"model.pt", "torch file", true},
		{"flax_model.msgpack", "Flax", true},
		{"tf_model.h5", "TensorFlow", true},
		{"model.onnx", "ONNX", true},
		{"cfg.json", "an SAE", false},
		{"shard-00000.safetensors", "activation cache", false},
		{"model.fp16.safetensors", "1 safetensors file of other names", true},
		{"model.safetensors", "1 safetensors file (", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_remove_folder(folder);
		make_folder(NULL);
		if (cases[i].config)
			ck_write_text(folder, "config.json", ck_llama_config);
		ck_write_text(folder, cases[i].file, "{}");
		refuse(folder, cases[i].file, cases[i].want);
	}
	ck_write_text(folder, "a.safetensors", "");
	ck_write_text(folder, "b.safetensors", "");
	ck_write_text(folder, "c.safetensors", "");
	refuse(folder, "4 safetensors files", "(a.safetensors, b.safetensors, c.safetensors, ...)");
	unlink(inside("config.json"));
	assert_int_equal(mkdir(inside("snapshots"), 0700), 0);
	refuse(folder, "Hugging Face cache", "hub id");
}

static void an_adapter_beside_a_model_is_refused(void **state)
{
	(void)state;
	write_model();
	ck_write_text(folder, "adapter_config.json", "{}");
	refuse(folder, "adapter_config.json", "PEFT (LoRA)");
}

static void files_that_an_index_names_and_that_are_not_there_are_counted(void **state)
{
	(void)state;
	write_model();
	unlink(inside("model.safetensors"));
	ck_write_text(folder, "b.safetensors", "");
	ck_write_text(folder, "model.safetensors.index.json",
		      "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\", "
		      "\"z\": \"c.safetensors\"}}");
	refuse(folder, "names 3 files, of which 2 are not in the folder", "a.safetensors");
}

static void links_to_nothing_are_named(void **state)
{
	static const char *const names[] = {"config.json", "model.safetensors"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		write_model();
		unlink(inside(names[i]));
		assert_int_equal(symlink("../blobs/0123abcd", inside(names[i])), 0);
		refuse(folder, names[i], "a link to ../blobs/0123abcd, which is not there");
		unlink(inside(names[i]));
	}
}

static void tokenizers_in_other_files_are_named(void **state)
{
	static const struct {
		const char *file, *want;
	} cases[] = {
		{"tokenizer.model", "SentencePiece"},
		{"spiece.model", "SentencePiece"},
		{"vocab.txt", "WordPiece"},
		{"merges.txt", "several files"},
		{"o200k.tiktoken", "tiktoken"},
		{"tokenizer_config.json", "no tokenizer.json"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_diag diag = {{0}};

		ck_write_text(folder, cases[i].file, "");
		assert_int_equal(ps_recognize_tokenizer(folder, &diag), PS_EINPUT);
		if (!strstr(diag.text, cases[i].want) || !strstr(diag.text, "tokenizer.json"))
			fail_msg("%s: '%s'", cases[i].file, diag.text);
		unlink(inside(cases[i].file));
	}
}

static void refuse_cache(bool empty, const char *want)
{
	ps_diag diag = {{0}};

	assert_int_equal(ps_recognize_cache(folder, empty, &diag), PS_EINPUT);
	if (!strstr(diag.text, want))
		fail_msg("'%s' does not say '%s'", diag.text, want);
}

static void what_stands_in_place_of_activations_is_named(void **state)
{
	static const struct {
		const char *file, *want;
		bool empty_only;
	} cases[] = {
		{"model.safetensors", "a model, no activations: `prunescope cache`", false},
		{"model.safetensors.index.json", "a model", false},
		{"sae_weights.safetensors", "an SAE", false},
		{"acts.npy", "give its own path", true},
		{"acts.pt", "safetensors.torch.save_file({\"activations\": x}", true},
		{"results.json", "--keep-caches", true},
	};
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_recognize_cache(folder, true, &diag), 0);
	assert_int_equal(ps_recognize_cache(inside("nothing"), true, &diag), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_write_text(folder, cases[i].file, "");
		refuse_cache(true, cases[i].want);
		if (cases[i].empty_only)
			assert_int_equal(ps_recognize_cache(folder, false, &diag), 0);
		else
			refuse_cache(false, cases[i].want);
		unlink(inside(cases[i].file));
	}
}

static void caches_in_folders_are_named(void **state)
{
	ps_diag diag = {{0}};
	char want[400];

	(void)state;
	assert_int_equal(mkdir(inside("wanda"), 0700), 0);
	assert_int_equal(mkdir(inside("dense"), 0700), 0);
	assert_int_equal(mkdir(inside("a"), 0700), 0);
	ck_write_text(folder, "wanda/shard-00000.safetensors", "");
	ck_write_text(folder, "dense/shard-00000.safetensors", "");
	snprintf(want, sizeof want, "name one, such as %s/dense", folder);
	refuse_cache(true, want);
	assert_int_equal(ps_recognize_cache(folder, false, &diag), 0);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_folder(git_lfs_pointers_are_named),
		in_folder(files_of_other_kinds_are_named),
		in_folder(files_of_no_kind_are_not_waited_for),
		in_folder(folders_of_other_kinds_are_named),
		in_folder(an_adapter_beside_a_model_is_refused),
		in_folder(files_that_an_index_names_and_that_are_not_there_are_counted),
		in_folder(links_to_nothing_are_named),
		in_folder(tokenizers_in_other_files_are_named),
		in_folder(what_stands_in_place_of_activations_is_named),
		in_folder(caches_in_folders_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
