/* io/gguf, gguf_config, gguf_names: what the package gguf wrote becomes the model of transformers,
 * by every backend; what is damaged or not supported is named. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/checkpoint.h"
#include "io/file.h"
#include "io/gguf.h"
#include "io/gguf_config.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_gguf.h"

#define FIXTURES "test/fixtures/gguf/"

static const char *const families[] = {"llama", "llama3", "gemma2", "gemma3"};
#define FAMILIES (sizeof families / sizeof *families)

static char folder[256]; /* of the running test */

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

static ps_checkpoint *open_good(const char *family)
{
	ps_checkpoint *checkpoint = NULL;
	ps_diag diag = {{0}};
	char path[256];

	snprintf(path, sizeof path, FIXTURES "%s.gguf", family);
	if (ps_checkpoint_open(&checkpoint, &ps_sys_linux, path, &diag))
		fail_msg("%s", diag.text);
	return checkpoint;
}

/* --- what the package wrote --- */

static ps_model_config config_of(const char *family)
{
	ps_model_config config = {0};
	ps_diag diag = {{0}};
	char path[256], *text = NULL;
	size_t length = 0;

	snprintf(path, sizeof path, FIXTURES "%s.json", family);
	if (ps_file_read(&ps_sys_linux, path, 1 << 20, &text, &length, &diag) ||
	    ps_config_parse(text, length, path, &config, &diag))
		fail_msg("%s", diag.text);
	free(text);
	return config;
}

static void check_rope(const ps_rope *a, const ps_rope *b)
{
	assert_true(a->theta == b->theta && a->factor == b->factor && a->llama3 == b->llama3);
	assert_true(a->llama3_factor == b->llama3_factor &&
		    a->low_freq_factor == b->low_freq_factor &&
		    a->high_freq_factor == b->high_freq_factor &&
		    a->original_positions == b->original_positions);
}

static void the_metadata_are_the_config_of_transformers(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++) {
		ps_checkpoint *checkpoint = open_good(families[i]);
		const ps_model_config *a = ps_checkpoint_config(checkpoint),
				      want = config_of(families[i]), *b = &want;

		assert_int_equal(a->family, b->family);
		assert_true(a->layers == b->layers && a->width == b->width &&
			    a->heads == b->heads && a->kv_heads == b->kv_heads &&
			    a->head_width == b->head_width && a->mlp_width == b->mlp_width &&
			    a->vocab == b->vocab && a->max_positions == b->max_positions);
		assert_true(a->norm_eps == b->norm_eps &&
			    a->attention_scale == b->attention_scale &&
			    a->attention_softcap == b->attention_softcap &&
			    a->logit_softcap == b->logit_softcap);
		assert_true(a->tied == b->tied && a->gelu == b->gelu &&
			    a->sliding_window == b->sliding_window);
		assert_memory_equal(a->sliding, b->sliding, sizeof a->sliding);
		check_rope(&a->rope_global, &b->rope_global);
		check_rope(&a->rope_local, &b->rope_local);
		assert_true(a->bos == b->bos && a->eos_count == 1 && b->eos_count == 1 &&
			    a->eos[0] == b->eos[0] && a->pad == b->pad);
		ps_checkpoint_close(checkpoint);
	}
}

/* Norms of Gemma come back from 1 + w, q and k of Llama from their pairs. */
static size_t wrong_values(const char *family, ps_backend backend)
{
	ps_checkpoint *checkpoint = open_good(family);
	const ps_model_config *config = ps_checkpoint_config(checkpoint);
	const ps_stream_options options = {.backend = backend, .layer_slots = 2};
	const int32_t ids[] = {0, 49, 7, 7};
	ps_arena arena = {0};
	ps_diag diag = {{0}};
	ps_layer_weights layer;
	ps_weight_source source;
	ps_weight head;
	float rows[4 * 24];
	size_t wrong = 0;

	assert_int_equal(
		ps_arena_create(&arena, ps_checkpoint_stream_bytes(checkpoint, &options) + PS_ALIGN,
				&diag),
		0);
	assert_int_equal(ps_checkpoint_stream(checkpoint, &options, &arena, &source, &diag), 0);
	for (int i = 0; i < (int)config->layers; i++) {
		const int next = i + 1 < (int)config->layers ? i + 1 : -1;

		assert_int_equal(source.acquire_layer(source.self, i, next, &layer, &diag), 0);
		wrong += ck_count_wrong_in_layer(&layer, config, i);
		source.release_layer(source.self, i);
	}
	assert_int_equal(source.embedding_rows(source.self, ids, 4, rows, &diag), 0);
	for (size_t i = 0; i < 4 * 24; i++)
		wrong += rows[i] !=
			 ck_value("model.embed_tokens.weight", (size_t)ids[i / 24] * 24 + i % 24);
	assert_int_equal(source.head_rows(source.self, 3, 40, &head, &diag), 0);
	wrong += ck_count_wrong(&head,
				config->tied ? "model.embed_tokens.weight" : "lm_head.weight", 3);
	assert_int_equal(source.final_norm(source.self, rows, &diag), 0);
	for (size_t i = 0; i < 24; i++)
		wrong += rows[i] != ck_value("model.norm.weight", i);
	ps_checkpoint_close(checkpoint);
	ps_arena_destroy(&arena);
	return wrong;
}

static void every_backend_gives_the_weights_of_transformers(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++) {
		size_t wrong = wrong_values(families[i], PS_IO_MMAP) +
			       wrong_values(families[i], PS_IO_PREAD) +
			       wrong_values(families[i], PS_IO_AUTO);

		print_message("%s: %zu wrong values\n", families[i], wrong);
		assert_int_equal(wrong, 0);
	}
}

static void masks_may_name_weights_as_either_format_does(void **state)
{
	ps_checkpoint *checkpoint = open_good("llama");
	ps_projection projection;
	int layer;

	(void)state;
	assert_true(ps_checkpoint_find_projection(checkpoint, "blk.2.ffn_down.weight", &layer,
						  &projection));
	assert_int_equal(layer, 2);
	assert_int_equal(projection, PS_DOWN);
	assert_false(ps_checkpoint_find_projection(checkpoint, "blk.3.ffn_down.weight", &layer,
						   &projection));
	assert_true(ps_checkpoint_uses(checkpoint, "output.weight"));
	ps_checkpoint_close(checkpoint);
}

static void the_identity_is_that_of_the_file(void **state)
{
	ps_checkpoint *a = open_good("gemma2"), *b = open_good("gemma2"), *c = open_good("gemma3");
	uint64_t digest[3];

	(void)state;
	assert_int_equal(ps_checkpoint_digest(a, NULL, &digest[0], NULL), 0);
	assert_int_equal(ps_checkpoint_digest(b, NULL, &digest[1], NULL), 0);
	assert_int_equal(ps_checkpoint_digest(c, NULL, &digest[2], NULL), 0);
	assert_true(digest[0] == digest[1] && digest[0] != digest[2]);
	ps_checkpoint_close(a);
	ps_checkpoint_close(b);
	ps_checkpoint_close(c);
}

/* --- files that are damaged --- */

/* Opening the file must fail with exit 3. The message must name the file and hold `want`. */
static void refuse(const gg_file *file, const char *want)
{
	const char *path = inside("bad.gguf");
	ps_checkpoint *checkpoint = NULL;
	ps_diag diag = {{0}};
	int rc;

	gg_write(file, path);
	rc = ps_checkpoint_open(&checkpoint, &ps_sys_linux, path, &diag);
	if (rc != PS_EINPUT || !strstr(diag.text, want) || !strstr(diag.text, "bad.gguf"))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
}

static void refuse_and_free(gg_file *file, const char *want)
{
	refuse(file, want);
	gg_free(file);
}

static gg_file load(const char *family)
{
	char path[256], *bytes = NULL;
	size_t length = 0;
	gg_file file = {0};

	snprintf(path, sizeof path, FIXTURES "%s.gguf", family);
	assert_int_equal(ps_file_read(&ps_sys_linux, path, 1 << 20, &bytes, &length, NULL), 0);
	gg_bytes(&file, bytes, length);
	free(bytes);
	return file;
}

/* The bytes of a text in the file; the n-th such place, from 0. */
static unsigned char *place_of(const gg_file *file, const char *text, int n)
{
	const size_t length = strlen(text);

	for (size_t at = 0; at + length <= file->length; at++)
		if (!memcmp(file->bytes + at, text, length) && !n--)
			return file->bytes + at;
	fail_msg("no '%s' in the file", text);
	return NULL;
}

static void a_file_cut_anywhere_is_refused(void **state)
{
	gg_file whole = load("gemma2");
	size_t step = 1;

	(void)state;
	for (size_t length = 0; length < whole.length - 32; length += step) {
		const gg_file cut = {.bytes = whole.bytes, .length = length};

		refuse(&cut, "bad.gguf");
		step = length < 2500 ? 13 : 997;
	}
	gg_free(&whole);
}

static void headers_that_lie_are_refused(void **state)
{
	gg_file f = {0};

	(void)state;
	gg_bytes(&f, "GGML\3\0\0\0", 8);
	refuse_and_free(&f, "does not begin with GGUF");
	gg_header(&f, 1, 0, 0);
	refuse_and_free(&f, "version 1 (offset 4)");
	gg_header(&f, 3u << 24, 0, 0);
	refuse_and_free(&f, "big-endian");
	gg_header(&f, 3, 0, UINT64_MAX);
	refuse_and_free(&f, "claims 18446744073709551615 keys");
	gg_header(&f, 3, 0, 60000);
	refuse_and_free(&f, "claims 60000 keys, more than its 24 bytes can hold");
	gg_header(&f, 3, UINT64_MAX / 2, 0);
	refuse_and_free(&f, "tensors, more than");
	gg_header(&f, 3, 0, 1);
	gg_number(&f, UINT64_MAX, 8);
	gg_pad(&f, 64);
	refuse_and_free(&f, "a key at offset 24 has a length of 18446744073709551615");
	gg_header(&f, 3, 0, 1);
	gg_key(&f, "some.key", 13);
	gg_pad(&f, 64);
	refuse_and_free(&f, "key some.key has the unknown type 13");
	gg_header(&f, 3, 0, 1);
	gg_key_array(&f, "some.key", 9, 1);
	gg_pad(&f, 64);
	refuse_and_free(&f, "array of arrays");
	gg_header(&f, 3, 0, 1);
	gg_key_array(&f, "some.key", 8, UINT64_MAX);
	gg_pad(&f, 64);
	refuse_and_free(&f, "key some.key");
	gg_header(&f, 3, 0, 1);
	gg_key_array(&f, "some.key", 10, UINT64_MAX / 4);
	gg_pad(&f, 64);
	refuse_and_free(&f, "key some.key at offset 56 needs 18446744073709551615 bytes");
	gg_header(&f, 3, 0, 2);
	gg_key_u32(&f, "twice", 1);
	gg_key_u32(&f, "twice", 2);
	refuse_and_free(&f, "key twice is there twice");
	gg_header(&f, 3, 0, 1);
	gg_key_u32(&f, "split.count", 4);
	refuse_and_free(&f, "one of 4 parts");
	gg_header(&f, 3, 0, 1);
	gg_key_u32(&f, "general.alignment", 48);
	refuse_and_free(&f, "general.alignment at offset");
}

/* A file of one F32 tensor `a`, [2, 8], but for what the arguments change. */
static gg_file one_tensor(uint64_t cols, uint32_t type, uint64_t offset, size_t data)
{
	gg_file f = {0};

	gg_header(&f, 3, 1, 0);
	gg_tensor(&f, "a", cols, 2, type, offset);
	gg_pad(&f, 32);
	for (size_t i = 0; i < data; i++)
		gg_bytes(&f, "", 1);
	return f;
}

static void tensors_that_lie_are_refused(void **state)
{
	gg_file f;

	(void)state;
	f = one_tensor(8, 0, 32, 128);
	refuse_and_free(&f, "tensor a: begins at offset 128, the one before ends at 96: a hole");
	f = one_tensor(8, 0, 7, 128);
	refuse_and_free(&f, "tensor a: its offset 7 is no multiple of the alignment 32");
	f = one_tensor(8, 0, UINT64_MAX - 31, 128);
	refuse_and_free(&f, "tensor a: offset 18446744073709551584 and its 64 bytes pass the end");
	f = one_tensor(8, 0, 0, 63);
	refuse_and_free(&f, "pass the end of the file (63 bytes of data)");
	f = one_tensor(8, 0, 0, 96);
	refuse_and_free(&f, "the tensors end at offset 160, the file at 192");
	f = one_tensor(UINT64_MAX / 2, 0, 0, 64);
	refuse_and_free(&f, "tensor a: its size overflows");
	f = one_tensor(UINT64_MAX, 0, 0, 64);
	refuse_and_free(&f, "makes the product of the shape overflow");
	f = one_tensor(0, 0, 0, 64);
	refuse_and_free(&f, "is not positive");
	f = one_tensor(40, 8, 0, 96);
	refuse_and_free(&f, "tensor a: rows of 40 are not whole blocks of Q8_0");
	f = one_tensor(256, 23, 0, 300);
	refuse_and_free(&f, "tensor a: the type IQ4_XS (23) at offset");
	f = one_tensor(256, 4711, 0, 300);
	refuse_and_free(&f, "tensor a: the type 4711 at offset");
	f = (gg_file){0};
	gg_header(&f, 3, 2, 0);
	gg_tensor(&f, "a", 8, 0, 0, 0);
	gg_tensor(&f, "b", 8, 0, 0, 0);
	gg_pad(&f, 32);
	gg_bytes(&f, (char[32]){0}, 32);
	refuse_and_free(&f, "they overlap");
	gg_header(&f, 3, 1, 0);
	gg_tensor(&f, "", 8, 0, 0, 0);
	gg_pad(&f, 64);
	refuse_and_free(&f, "the name of a tensor at offset 24 is empty");
}

/* Writes a u32 behind a key. */
static void set_u32(gg_file *file, const char *key, uint32_t value)
{
	memcpy(place_of(file, key, 0) + strlen(key) + 4, &value, sizeof value);
}

static void metadata_that_fit_no_model_are_refused(void **state)
{
	gg_file f = load("gemma2");

	(void)state;
	memcpy(place_of(&f, "gemma2", 0), "qwen3x", 6);
	refuse_and_free(&f, "general.architecture: 'qwen3x' is not supported");
	f = load("gemma2");
	set_u32(&f, "gemma2.block_count", 0);
	refuse_and_free(&f, "gemma2.block_count at offset");
	f = load("gemma2");
	set_u32(&f, "gemma2.block_count", 1);
	refuse_and_free(&f, "tensor blk.1.attn_k.weight is beyond the 1 layers");
	f = load("gemma2");
	set_u32(&f, "gemma2.block_count", 3);
	refuse_and_free(&f, "tensor blk.2.attn_q.weight is missing");
	f = load("gemma2");
	set_u32(&f, "gemma2.attention.head_count", 8);
	refuse_and_free(&f, "tensor blk.0.attn_q.weight: dimension 0 is 32, must be 64");
	f = load("gemma2");
	set_u32(&f, "gemma2.attention.value_length", 16);
	refuse_and_free(&f, "gemma2.attention.value_length at offset");
	f = load("gemma2");
	memcpy(place_of(&f, "gemma2.context_length", 0), "gemma2.context_langth", 21);
	refuse_and_free(&f, "the key gemma2.context_langth at offset");
	/* Keys of one family that would change another one. */
	f = load("gemma3");
	memcpy(place_of(&f, "gemma3.attention.value_length", 0), "gemma3.attn_logit_softcapping",
	       29);
	refuse_and_free(&f, "the key gemma3.attn_logit_softcapping at offset");
	f = load("llama");
	memcpy(place_of(&f, "llama.attention.value_length", 0), "llama.attn_logit_softcapping", 28);
	refuse_and_free(&f, "the key llama.attn_logit_softcapping at offset");
	f = load("gemma2");
	memcpy(place_of(&f, "blk.0.attn_k.weight", 0), "blk.0.attn_k.biased", 19);
	refuse_and_free(&f, "tensor blk.0.attn_k.biased is unknown in a gemma2 model");
	f = load("gemma2");
	memcpy(place_of(&f, "blk.0.attn_k.weight", 0), "blk.0.attn_q.weight", 19);
	refuse_and_free(&f, "tensor blk.0.attn_q.weight is there twice, at offsets");
	f = load("gemma2");
	memcpy(place_of(&f, "output_norm.weight", 0), "output_nerm.weight", 18);
	refuse_and_free(&f, "tensor output_norm.weight is missing");
	f = load("llama3");
	memcpy(place_of(&f, "rope_freqs", 0), "rope_frogs", 10);
	refuse_and_free(&f, "tensor rope_frogs.weight is unknown in a llama model");
	f = load("gemma3");
	memcpy(place_of(&f, "linear", 0), "linoar", 6);
	refuse_and_free(&f, "gemma3.rope.scaling.type at offset");
}

static void another_rope_of_llama_is_refused(void **state)
{
	gg_file f = load("llama3");
	const float factor = 3;
	ps_gguf gguf;

	(void)state;
	assert_int_equal(ps_gguf_open(&gguf, &ps_sys_linux, FIXTURES "llama3.gguf", NULL), 0);
	memcpy(f.bytes + ps_tensor_file_find(&gguf.file, "rope_freqs.weight")->offset, &factor,
	       sizeof factor);
	ps_gguf_close(&gguf);
	refuse_and_free(&f, "tensor rope_freqs.weight");
}

/* --- a single safetensors file --- */

static void a_safetensors_file_is_a_model_beside_its_config(void **state)
{
	ps_checkpoint *checkpoint = NULL;
	ps_diag diag = {{0}};
	char path[PATH_MAX];
	ps_weight view;
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	snprintf(path, sizeof path, "%s", inside("model.safetensors"));
	assert_int_equal(rename(path, inside("other.safetensors")), 0);
	assert_int_equal(
		ps_checkpoint_open(&checkpoint, &ps_sys_linux, inside("other.safetensors"), &diag),
		0);
	assert_int_equal(ps_checkpoint_projection(checkpoint, 1, PS_DOWN, &view, &diag), 0);
	assert_int_equal(ck_count_wrong(&view, "model.layers.1.mlp.down_proj.weight", 0), 0);
	assert_int_equal(ps_model_beside(ps_checkpoint_path(checkpoint), "config.json", path, NULL),
			 0);
	assert_string_equal(path, inside("config.json"));
	ps_checkpoint_close(checkpoint);
	assert_int_equal(remove(inside("config.json")), 0);
	assert_int_equal(
		ps_checkpoint_open(&checkpoint, &ps_sys_linux, inside("other.safetensors"), &diag),
		PS_EINPUT);
	assert_non_null(strstr(diag.text, "has no config.json"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_metadata_are_the_config_of_transformers),
		cmocka_unit_test(every_backend_gives_the_weights_of_transformers),
		cmocka_unit_test(masks_may_name_weights_as_either_format_does),
		cmocka_unit_test(the_identity_is_that_of_the_file),
		TEST(a_file_cut_anywhere_is_refused),
		TEST(headers_that_lie_are_refused),
		TEST(tensors_that_lie_are_refused),
		TEST(metadata_that_fit_no_model_are_refused),
		TEST(another_rope_of_llama_is_refused),
		TEST(a_safetensors_file_is_a_model_beside_its_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
