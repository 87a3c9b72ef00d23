/* A GGUF file that is made from a checkpoint, as llama.cpp makes one, is the same model: commands
 * give the same bits, dense and under a mask. What a command cannot do with it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/gguf_names.h"
#include "test/support/support_gguf.h"
#include "test/support/support_sys_double.h"
#include "tools/cmd/commands.h"
#include "tools/engine/model_files.h"

#define TEXT "docs/ARCHITECTURE.md"
#define TENSORS_MAX 128

static char scratch[256];
static ps_session s;

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	s = (ps_session){
		.threads = 2, .json = true, .quiet = true, .memory_bytes = (size_t)1 << 30};
	return ps_session_start(&s);
}

static int tear_down(void **state)
{
	(void)state;
	ps_session_end(&s);
	scratch_remove(scratch);
	return 0;
}

static const char *inside(const char *name)
{
	static char paths[8][512];
	static int next;
	char *path = paths[next++ % 8];

	snprintf(path, 512, "%s/%s", scratch, name);
	return path;
}

/* --- a checkpoint as GGUF --- */

struct tensor {
	char name[64];
	ps_weight w;
	bool norm;
};

struct conversion {
	ps_checkpoint *checkpoint;
	const ps_model_config *config;
	const char *arch;
	bool llama;
	struct tensor tensors[TENSORS_MAX];
	size_t count;
	float *final_norm;
};

static void add(struct conversion *c, const char *name, const ps_weight *w, bool norm)
{
	struct tensor *t = &c->tensors[c->count++];

	assert_true(c->count <= TENSORS_MAX);
	t->w = *w;
	t->norm = norm;
	(void)ps_gguf_tensor_name(c->llama, name, t->name, sizeof t->name);
	assert_true(*t->name);
}

static void list_tensors(struct conversion *c, const ps_weight_source *source)
{
	const size_t width = c->config->width;
	char name[96];
	ps_weight w;

	assert_int_equal(ps_checkpoint_embedding(c->checkpoint, &w, NULL), 0);
	add(c, "model.embed_tokens.weight", &w, false);
	c->final_norm = malloc(width * sizeof(float));
	assert_non_null(c->final_norm);
	assert_int_equal(source->final_norm(source->self, c->final_norm, NULL), 0);
	add(c, "model.norm.weight",
	    &(ps_weight){.data = c->final_norm, .dtype = PS_F32, .rows = 1, .cols = width}, true);
	for (int layer = 0; layer < (int)c->config->layers; layer++) {
		ps_layer_weights l;

		assert_int_equal(source->acquire_layer(source->self, layer, -1, &l, NULL), 0);
		for (int p = 0; p < PS_PROJECTIONS; p++)
			add(c, ps_projection_tensor(layer, p, name), &l.projection[p], false);
		for (int n = 0; n < PS_NORMS; n++)
			if (ps_norm_tensor(c->config->family, layer, n, name))
				add(c, name, &l.norm[n], true);
	}
}

static void write_keys(const struct conversion *c, gg_file *f, uint64_t keys)
{
	const ps_model_config *m = c->config;
	const struct {
		const char *name;
		uint64_t value;
	} sizes[] = {{"context_length", m->max_positions},
		     {"embedding_length", m->width},
		     {"block_count", m->layers},
		     {"feed_forward_length", m->mlp_width},
		     {"attention.head_count", m->heads},
		     {"attention.head_count_kv", m->kv_heads},
		     {"attention.key_length", m->head_width},
		     {"attention.value_length", m->head_width}};
	char key[96];

	gg_header(f, 3, c->count + m->rope_global.llama3, keys);
	gg_key_text(f, "general.architecture", c->arch);
	for (size_t i = 0; i < 8; i++) {
		snprintf(key, sizeof key, "%s.%s", c->arch, sizes[i].name);
		gg_key_u32(f, key, (uint32_t)sizes[i].value);
	}
	snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", c->arch);
	gg_key_f64(f, key, m->norm_eps);
	snprintf(key, sizeof key, "%s.rope.freq_base", c->arch);
	gg_key_f64(f, key, m->rope_global.theta);
	gg_key_u32(f, "tokenizer.ggml.bos_token_id", (uint32_t)m->bos);
	if (c->llama)
		return;
	snprintf(key, sizeof key, "%s.attention.sliding_window", c->arch);
	gg_key_u32(f, key, (uint32_t)m->sliding_window);
	snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", c->arch);
	gg_key_array(f, key, 7, m->layers);
	for (size_t i = 0; i < m->layers; i++)
		gg_number(f, m->sliding[i], 1);
}

/* The row of a checkpoint that stands in this place of the file: of each head, the halves' rows in
 * turn, as LlamaModel.permute of llama.cpp's converter puts them. */
static size_t source_row(const struct conversion *c, const struct tensor *t, size_t place)
{
	const size_t d = c->config->head_width, in_head = place % d;

	if (!c->llama || !(strstr(t->name, "attn_q.") || strstr(t->name, "attn_k.")))
		return place;
	return place - in_head + in_head % 2 * (d / 2) + in_head / 2;
}

static void write_data(const struct conversion *c, gg_file *f, const struct tensor *t)
{
	const size_t row_bytes = ps_dtype_bytes(t->w.dtype, t->w.cols);
	float value;

	for (size_t row = 0; row < t->w.rows && !t->norm; row++)
		gg_bytes(f, (const char *)t->w.data + source_row(c, t, row) * row_bytes, row_bytes);
	for (size_t i = 0; t->norm && i < t->w.cols; i++) {
		ps_weight_decode(&t->w, 0, i, 1, &value);
		value += !c->llama;
		gg_bytes(f, &value, sizeof value);
	}
	gg_pad(f, 32);
}

/* The factors that llama.cpp's converter computes for rope_type llama3. */
static void write_factors(const struct conversion *c, gg_file *f)
{
	const ps_rope *rope = &c->config->rope_global;

	for (size_t i = 0; i < c->config->head_width / 2; i++) {
		const double length =
				     2 * 3.14159265358979323846 *
				     __builtin_pow(rope->theta,
						   2.0 * (double)i / (double)c->config->head_width),
			     low = rope->original_positions / rope->low_freq_factor,
			     high = rope->original_positions / rope->high_freq_factor,
			     smooth = (rope->original_positions / length - rope->low_freq_factor) /
				      (rope->high_freq_factor - rope->low_freq_factor);
		const float factor =
			(float)(length < high  ? 1
				: length > low ? rope->llama3_factor
					       : 1 / ((1 - smooth) / rope->llama3_factor + smooth));

		gg_bytes(f, &factor, sizeof factor);
	}
	gg_pad(f, 32);
}

static void write_file(const struct conversion *c, const char *path)
{
	const size_t factors = c->config->rope_global.llama3 ? c->config->head_width / 2 : 0;
	gg_file f = {0};
	uint64_t offset = 0;

	write_keys(c, &f, c->llama ? 12 : 14);
	if (factors) {
		gg_tensor(&f, "rope_freqs.weight", factors, 0, 0, offset);
		offset += (factors * 4 + 31) / 32 * 32;
	}
	for (size_t i = 0; i < c->count; i++) {
		const struct tensor *t = &c->tensors[i];
		const uint64_t bytes =
			t->norm ? t->w.cols * 4 : t->w.rows * ps_dtype_bytes(t->w.dtype, t->w.cols);

		assert_true(t->norm || t->w.dtype == PS_BF16);
		gg_tensor(&f, t->name, t->w.cols, t->norm ? 0 : t->w.rows, t->norm ? 0 : 30,
			  offset);
		offset += (bytes + 31) / 32 * 32;
	}
	gg_pad(&f, 32);
	if (factors)
		write_factors(c, &f);
	for (size_t i = 0; i < c->count; i++)
		write_data(c, &f, &c->tensors[i]);
	gg_write(&f, path);
	gg_free(&f);
}

static void convert(const char *model, const char *arch, const char *path)
{
	const ps_stream_options options = {.backend = PS_IO_MMAP, .layer_slots = 1};
	struct conversion c = {.arch = arch, .llama = !strcmp(arch, "llama")};
	ps_weight_source source;
	ps_arena arena = {0};

	assert_int_equal(ps_checkpoint_open(&c.checkpoint, &ps_sys_linux, model, &s.diag), 0);
	c.config = ps_checkpoint_config(c.checkpoint);
	assert_int_equal(ps_checkpoint_stream(c.checkpoint, &options, &arena, &source, &s.diag), 0);
	list_tensors(&c, &source);
	write_file(&c, path);
	free(c.final_norm);
	ps_checkpoint_close(c.checkpoint);
}

/* --- commands --- */

static void must(int rc, json_t *result)
{
	if (rc)
		fail_msg("%d: %s", rc, s.diag.text);
	json_decref(result);
}

static void logits(const char *model, const char *tokens, const char *mask, const char *out)
{
	const ps_logits_args args = {.model = model, .tokens = tokens, .mask = mask, .out = out};
	json_t *result = NULL;

	must(ps_run_logits(&s, &args, &result), result);
}

static void expect_equal_logits(const char *a, const char *b)
{
	ps_safetensors x, y;

	assert_int_equal(ps_safetensors_open(&x, &ps_sys_linux, a, &s.diag), 0);
	assert_int_equal(ps_safetensors_open(&y, &ps_sys_linux, b, &s.diag), 0);
	assert_int_equal(x.tensors[0].bytes, y.tensors[0].bytes);
	assert_memory_equal(ps_safetensors_data(&x, &x.tensors[0]),
			    ps_safetensors_data(&y, &y.tensors[0]), x.tensors[0].bytes);
	ps_safetensors_close(&x);
	ps_safetensors_close(&y);
}

/* What export writes under the mask gives the logits that the mask gives. */
static void check_export(const char *gguf, const char *tokens, const char *mask, const char *want)
{
	const char *folder = inside("exported"), *c = inside("c");
	const ps_export_args args = {.model = gguf, .mask = mask, .out = folder, .replace = true};
	json_t *result = NULL;

	must(ps_run_export(&s, &args, &result), result);
	logits(folder, tokens, NULL, c);
	expect_equal_logits(want, c);
	remove(c);
}

static void check_model(const char *model, const char *arch)
{
	const char *gguf = inside("m.gguf"), *tokens = inside("tokens"), *mask = inside("mask"),
		   *a = inside("a"), *b = inside("b");
	const ps_tokenize_args text = {.model = model,
				       .out = tokens,
				       .texts = {1, {TEXT}},
				       .window = 32,
				       .windows = 2,
				       .replace = true};
	const ps_prune_args prune = {.model = gguf,
				     .method = "magnitude",
				     .sparsity = 0.5,
				     .out = mask,
				     .replace = true};
	json_t *result = NULL;

	convert(model, arch, gguf);
	must(ps_run_tokenize(&s, &text, &result), result);
	logits(model, tokens, NULL, a);
	logits(gguf, tokens, NULL, b);
	expect_equal_logits(a, b);
	result = NULL;
	must(ps_run_prune(&s, (const ps_prune_args *[]){&prune}, 1, &result), result);
	s.force_mismatch = true; /* the mask is of the GGUF file */
	remove(a);
	remove(b);
	logits(model, tokens, mask, a);
	logits(gguf, tokens, mask, b);
	s.force_mismatch = false;
	expect_equal_logits(a, b);
	check_export(gguf, tokens, mask, b);
	remove(a);
	remove(b);
	remove(mask);
}

static void llama_in_gguf_is_the_same_model(void **state)
{
	(void)state;
	check_model("demo/models/llama", "llama");
}

static void gemma2_in_gguf_is_the_same_model(void **state)
{
	(void)state;
	check_model("demo/models/gemma2", "gemma2");
}

static void gemma3_in_gguf_is_the_same_model(void **state)
{
	(void)state;
	check_model("demo/models/gemma3", "gemma3");
}

/* --- the small files --- */

static void copy(const char *from, const char *to)
{
	char *bytes = NULL;
	size_t length = 0;

	assert_int_equal(ps_file_read(&ps_sys_linux, from, 1 << 20, &bytes, &length, NULL), 0);
	assert_int_equal(ps_file_replace(&ps_sys_linux, to, bytes, length, NULL), 0);
	free(bytes);
}

static void the_tokenizer_comes_from_the_file_or_from_beside_it(void **state)
{
	const char *gguf = inside("v.gguf"), *json = inside("tokenizer.json");
	uint64_t own = 0, alone = 0, beside = 0;
	ps_tokenizer *tokenizer = NULL;
	bool there;

	(void)state;
	copy("test/fixtures/gguf/vocab-qwen2.gguf", gguf);
	assert_int_equal(ps_model_tokenizer(gguf, &tokenizer, &own, &s.diag), 0);
	ps_tokenizer_destroy(tokenizer);
	assert_int_equal(ps_model_tokenizer_digest(gguf, &there, &alone, &s.diag), 0);
	assert_true(there && own == alone);
	copy("test/fixtures/tokenizer/qwen2.json", json);
	assert_int_equal(ps_model_tokenizer(gguf, &tokenizer, &beside, &s.diag), 0);
	ps_tokenizer_destroy(tokenizer);
	assert_true(beside != own);
	copy("test/fixtures/tokenizer/llama3.json", json);
	assert_int_equal(ps_model_tokenizer(gguf, &tokenizer, &beside, &s.diag), PS_EINPUT);
	assert_non_null(strstr(s.diag.text, "tokenizer.json is not the tokenizer of"));
	s.diag.text[0] = 0;
	remove(json);
}

static void bos_comes_from_the_metadata(void **state)
{
	int32_t bos = -1;

	(void)state;
	assert_int_equal(ps_model_bos("test/fixtures/gguf/gemma3.gguf", &bos, &s.diag), 0);
	assert_int_equal(bos, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llama_in_gguf_is_the_same_model),
		cmocka_unit_test(gemma2_in_gguf_is_the_same_model),
		cmocka_unit_test(gemma3_in_gguf_is_the_same_model),
		cmocka_unit_test(the_tokenizer_comes_from_the_file_or_from_beside_it),
		cmocka_unit_test(bos_comes_from_the_metadata),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
