/* bench/make_checkpoint.c: makes a Hugging Face checkpoint of a published model's exact shape, with
 * random weights, and a file of token ids for it.
 *
 *   make_checkpoint SHAPE [DIR] [--layers N] [--seed S] [--threads N]
 *                   [--tokens FILE --windows N --window W]
 *   make_checkpoint --shapes
 *
 * SHAPE is one of the table below; --layers makes fewer layers than the model has. --shapes lists
 * the shapes as CSV, with their sizes and the arithmetic of a token without the head.
 *
 * DIR gets config.json, with the keys of the published file, and model.safetensors in bf16. A
 * larger model is cut into shards of at most 2 GB, with an index. Headers are padded to 8 bytes, as
 * the safetensors library does. config.json is written last: a folder that has it is whole.
 *
 * Weights are normal with mean 0 and deviation 0.02 (every family's initializer_range). The norms'
 * gains are normal with mean 1 and deviation 0.1 (Gemma stores gain - 1). A weight is the normal
 * quantile of 16 bits of ps_rng, so four weights cost one mixed counter and four look-ups. The
 * bytes of a tensor depend on seed, its place in the model, and index alone.
 *
 * Token ids: BOS, then ids with a log-uniform rank, near a text's Zipf distribution, without the
 * special ids. Memory: one block of 2 MiB for each thread, and the tables. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/distributions.h"
#include "core/base/checked.h"
#include "core/base/pool.h"
#include "core/base/rng.h"
#include "core/model/config.h"
#include "io/artefact.h"
#include "io/temporary.h"

#define SHARD_BYTES ((uint64_t)2000000000)
#define BLOCK_WEIGHTS ((size_t)1 << 20)
#define QUANTILES ((size_t)1 << 16)
#define TENSORS_MAX 1024
#define WORKERS_MAX 64
#define TOKEN_STREAM UINT64_C(0xffffffff) /* no tensor has this number */

enum family { LLAMA, GEMMA2, GEMMA3 };

struct shape {
	const char *name, *of;
	enum family family;
	int layers, width, heads, kv_heads, head_width, mlp, vocab;
	int positions, sliding_window, bos, eos;
	int first_text, text_ids; /* ids of text: [first_text, first_text + text_ids) */
	double theta;
};

static const struct shape shapes[] = {
	{"gemma3-1b", "google/gemma-3-1b-pt", GEMMA3, 26, 1152, 4, 1, 256, 6912, 262144, 32768, 512,
	 2, 1, 4, 262140, 1e6},
	{"gemma3-270m", "google/gemma-3-270m", GEMMA3, 18, 640, 4, 1, 256, 2048, 262144, 32768, 512,
	 2, 1, 4, 262140, 1e6},
	{"gemma2-2b", "google/gemma-2-2b", GEMMA2, 26, 2304, 8, 4, 256, 9216, 256000, 8192, 4096, 2,
	 1, 4, 255996, 1e4},
	{"llama-1b", "meta-llama/Llama-3.2-1B", LLAMA, 16, 2048, 32, 8, 64, 8192, 128256, 131072, 0,
	 128000, 128001, 0, 128000, 5e5},
	{"llama-135m", "HuggingFaceTB/SmolLM-135M", LLAMA, 30, 576, 9, 3, 64, 1536, 49152, 2048, 0,
	 0, 0, 17, 49135, 1e4},
};

#define SHAPES (sizeof shapes / sizeof *shapes)

enum kind { MATRIX, GAIN };

struct tensor {
	char name[64];
	enum kind kind;
	uint64_t rows, cols; /* cols 0: a vector */
	int shard;
};

struct maker {
	const struct shape *shape;
	int layers, threads, shards;
	uint64_t seed, total_bytes;
	const char *folder;
	struct tensor tensors[TENSORS_MAX];
	size_t count;
	uint16_t table[2][QUANTILES]; /* by kind */
	uint16_t *block[WORKERS_MAX];
	ps_pool *pool;
	ps_diag diag;
	/* the tensor that is written */
	size_t current;
	int fd;
	uint64_t offset;
	atomic_int error; /* the first errno */
};

struct request {
	const char *shape, *folder, *tokens;
	long layers, seed, threads, windows, window;
};

/* Ends the program where memory ran out for a JSON value. */
static void must(int failed)
{
	if (!failed)
		return;
	fputs("make_checkpoint: no memory\n", stderr);
	exit(1);
}

static uint64_t weights_of(const struct tensor *t)
{
	return t->rows * (t->cols ? t->cols : 1);
}

static void add(struct maker *m, enum kind kind, uint64_t rows, uint64_t cols, int layer,
		const char *name)
{
	struct tensor *t = &m->tensors[m->count++];

	*t = (struct tensor){.kind = kind, .rows = rows, .cols = cols};
	if (layer < 0)
		snprintf(t->name, sizeof t->name, "model.%s.weight", name);
	else
		snprintf(t->name, sizeof t->name, "model.layers.%d.%s.weight", layer, name);
}

static void add_layer(struct maker *m, int l)
{
	const struct shape *s = m->shape;
	const uint64_t d = (uint64_t)s->width, q = (uint64_t)(s->heads * s->head_width),
		       kv = (uint64_t)(s->kv_heads * s->head_width);

	add(m, GAIN, d, 0, l, "input_layernorm");
	add(m, MATRIX, (uint64_t)s->mlp, d, l, "mlp.gate_proj");
	add(m, MATRIX, (uint64_t)s->mlp, d, l, "mlp.up_proj");
	add(m, MATRIX, d, (uint64_t)s->mlp, l, "mlp.down_proj");
	add(m, GAIN, d, 0, l, "post_attention_layernorm");
	if (s->family != LLAMA) {
		add(m, GAIN, d, 0, l, "pre_feedforward_layernorm");
		add(m, GAIN, d, 0, l, "post_feedforward_layernorm");
	}
	add(m, MATRIX, q, d, l, "self_attn.q_proj");
	add(m, MATRIX, kv, d, l, "self_attn.k_proj");
	add(m, MATRIX, kv, d, l, "self_attn.v_proj");
	add(m, MATRIX, d, q, l, "self_attn.o_proj");
	if (s->family == GEMMA3) {
		add(m, GAIN, (uint64_t)s->head_width, 0, l, "self_attn.q_norm");
		add(m, GAIN, (uint64_t)s->head_width, 0, l, "self_attn.k_norm");
	}
}

static void lay_out(struct maker *m)
{
	uint64_t filled = 0;

	add(m, MATRIX, (uint64_t)m->shape->vocab, (uint64_t)m->shape->width, -1, "embed_tokens");
	for (int l = 0; l < m->layers; l++)
		add_layer(m, l);
	add(m, GAIN, (uint64_t)m->shape->width, 0, -1, "norm");
	for (size_t i = 0; i < m->count; i++) {
		const uint64_t bytes = 2 * weights_of(&m->tensors[i]);

		if (filled && filled + bytes > SHARD_BYTES) {
			filled = 0;
			m->shards++;
		}
		m->tensors[i].shard = m->shards;
		filled += bytes;
		m->total_bytes += bytes;
	}
	m->shards++;
}

static void make_tables(struct maker *m)
{
	const float mean = m->shape->family == LLAMA ? 1 : 0;

	for (size_t i = 0; i < QUANTILES; i++) {
		const float z = (float)ps_normal_quantile(((double)i + 0.5) / (double)QUANTILES);

		m->table[MATRIX][i] = ps_f32_to_bf16(0.02f * z);
		m->table[GAIN][i] = ps_f32_to_bf16(mean + 0.1f * z);
	}
}

static void draw(uint16_t *out, size_t count, ps_rng rng, const uint16_t *table)
{
	for (size_t i = 0; i < count; i += 4) {
		uint64_t bits = ps_rng_u64(&rng);

		for (size_t j = i; j < i + 4 && j < count; j++, bits >>= 16)
			out[j] = table[bits & 0xffff];
	}
}

static int write_at(int fd, const void *data, size_t bytes, uint64_t offset)
{
	for (size_t done = 0; done < bytes;) {
		const ssize_t n =
			pwrite(fd, (const char *)data + done, bytes - done, (off_t)(offset + done));

		if (n > 0)
			done += (size_t)n;
		else if (!n || errno != EINTR)
			return n ? errno : EIO;
	}
	return 0;
}

static void write_block(void *context, size_t item, int worker)
{
	struct maker *m = context;
	const struct tensor *t = &m->tensors[m->current];
	const size_t first = item * BLOCK_WEIGHTS,
		     count = ps_min_size(BLOCK_WEIGHTS, (size_t)weights_of(t) - first);
	ps_rng rng = ps_rng_make(m->seed, m->current);
	int error;

	if (atomic_load(&m->error))
		return;
	rng.counter = first / 4;
	draw(m->block[worker], count, rng, m->table[t->kind]);
	error = write_at(m->fd, m->block[worker], 2 * count, m->offset + 2 * first);
	if (error)
		atomic_store(&m->error, error);
}

/* The header of a shard: its length, JSON, and blanks up to a multiple of 8. The caller frees
 * it. */
static char *make_header(const struct maker *m, int shard, size_t *bytes)
{
	json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
	uint64_t begin = 0, length;
	char *text, *header;

	for (size_t i = 0; i < m->count; i++) {
		const struct tensor *t = &m->tensors[i];
		const uint64_t end = begin + 2 * weights_of(t);
		json_t *dims;

		if (t->shard != shard)
			continue;
		dims = t->cols ? json_pack("[I,I]", (json_int_t)t->rows, (json_int_t)t->cols)
			       : json_pack("[I]", (json_int_t)t->rows);
		must(json_object_set_new(root, t->name,
					 json_pack("{s:s, s:o, s:[I,I]}", "dtype", "BF16", "shape",
						   dims, "data_offsets", (json_int_t)begin,
						   (json_int_t)end)));
		begin = end;
	}
	text = ps_json_text(root, JSON_COMPACT);
	json_decref(root);
	if (!text)
		return NULL;
	length = ps_round_up(strlen(text), 8);
	*bytes = 8 + length;
	header = malloc(*bytes);
	if (header) {
		memset(header, ' ', *bytes);
		memcpy(header, &length, 8);
		memcpy(header + 8, text, strlen(text));
	}
	free(text);
	return header;
}

static void shard_name(const struct maker *m, int shard, char *out, size_t size)
{
	if (m->shards == 1)
		snprintf(out, size, "model.safetensors");
	else
		snprintf(out, size, "model-%05d-of-%05d.safetensors", shard + 1, m->shards);
}

static int fill_shard(struct maker *m, int shard, const char *path)
{
	size_t header_bytes = 0;
	char *header = make_header(m, shard, &header_bytes);
	int error;

	if (!header)
		return ps_fail(&m->diag, PS_EBUDGET, "no memory for the header of %s", path);
	error = write_at(m->fd, header, header_bytes, 0);
	free(header);
	atomic_store(&m->error, error);
	m->offset = header_bytes;
	for (m->current = 0; m->current < m->count; m->current++) {
		const uint64_t weights = weights_of(&m->tensors[m->current]);

		if (m->tensors[m->current].shard != shard)
			continue;
		ps_pool_run(m->pool, ps_div_up((size_t)weights, BLOCK_WEIGHTS), write_block, m);
		m->offset += 2 * weights;
	}
	error = atomic_load(&m->error);
	return error ? ps_fail_errno(&m->diag, -error, "cannot write %s", path) : 0;
}

static int write_shard(struct maker *m, int shard)
{
	ps_temporary temporary;
	char name[64], path[PATH_MAX];
	int rc;

	shard_name(m, shard, name, sizeof name);
	snprintf(path, sizeof path, "%s/%s", m->folder, name);
	rc = ps_temporary_open(&temporary, &ps_sys_linux, path, &m->diag);
	if (rc)
		return rc;
	m->fd = temporary.fd;
	rc = fill_shard(m, shard, path);
	if (!rc)
		return ps_temporary_keep(&temporary, &m->diag);
	ps_temporary_drop(&temporary);
	return rc;
}

static int write_index(struct maker *m)
{
	json_t *map = json_object(), *index;
	char name[64], path[PATH_MAX];
	int rc;

	for (size_t i = 0; i < m->count; i++) {
		shard_name(m, m->tensors[i].shard, name, sizeof name);
		must(json_object_set_new(map, m->tensors[i].name, json_string(name)));
	}
	index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)m->total_bytes,
			  "weight_map", map);
	snprintf(path, sizeof path, "%s/model.safetensors.index.json", m->folder);
	rc = ps_file_replace_json(&ps_sys_linux, path, index, &m->diag);
	json_decref(index);
	return rc;
}

/* The arithmetic of a token: 2 for every weight of a layer's matrices, and 4 for every element of a
 * key that it sees. Windows are causal, of 512 tokens; no shape's sliding window is shorter. */
static void list_shapes(struct maker *m)
{
	puts("shape,of,layers,width,vocab,bytes,flop_per_token");
	for (m->shape = shapes; m->shape < shapes + SHAPES; m->shape++) {
		const struct shape *s = m->shape;
		double flop = 4.0 * s->layers * s->heads * s->head_width * (512 + 1) / 2;

		m->layers = s->layers;
		m->shards = 0;
		m->count = 0;
		m->total_bytes = 0;
		lay_out(m);
		for (size_t i = 1; i < m->count; i++)
			flop += m->tensors[i].kind == MATRIX
					? 2.0 * (double)weights_of(&m->tensors[i])
					: 0;
		printf("%s,%s,%d,%d,%d,%llu,%.0f\n", s->name, s->of, s->layers, s->width, s->vocab,
		       (unsigned long long)m->total_bytes, flop);
	}
}

static json_t *common_config(const struct maker *m)
{
	const struct shape *s = m->shape;

	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:b, "
			 "s:b, s:b, s:s}",
			 "num_hidden_layers", m->layers, "hidden_size", s->width,
			 "num_attention_heads", s->heads, "num_key_value_heads", s->kv_heads,
			 "head_dim", s->head_width, "intermediate_size", s->mlp, "vocab_size",
			 s->vocab, "max_position_embeddings", s->positions, "bos_token_id", s->bos,
			 "eos_token_id", s->eos, "rope_theta", s->theta, "initializer_range", 0.02,
			 "attention_dropout", 0.0, "attention_bias", 0, "tie_word_embeddings", 1,
			 "use_cache", 1, "torch_dtype", "bfloat16");
}

static void set_llama(json_t *config, const struct shape *s)
{
	must(json_object_update_new(config,
				    json_pack("{s:s, s:[s], s:s, s:f, s:b}", "model_type", "llama",
					      "architectures", "LlamaForCausalLM", "hidden_act",
					      "silu", "rms_norm_eps", 1e-5, "mlp_bias", 0)));
	if (s->positions > 8192)
		must(json_object_set_new(config, "rope_scaling",
					 json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type",
						   "llama3", "factor", 32.0, "low_freq_factor", 1.0,
						   "high_freq_factor", 4.0,
						   "original_max_position_embeddings", 8192)));
	else
		must(json_object_set_new(config, "rope_scaling", json_null()));
}

static void set_gemma(json_t *config, const struct shape *s)
{
	const bool second = s->family == GEMMA2;

	must(json_object_update_new(
		config,
		json_pack("{s:s, s:[s], s:s, s:f, s:i, s:i, s:i}", "model_type",
			  second ? "gemma2" : "gemma3_text", "architectures",
			  second ? "Gemma2ForCausalLM" : "Gemma3ForCausalLM", "hidden_activation",
			  "gelu_pytorch_tanh", "rms_norm_eps", 1e-6, "query_pre_attn_scalar", 256,
			  "sliding_window", s->sliding_window, "pad_token_id", 0)));
	must(json_object_set_new(config, "attn_logit_softcapping",
				 second ? json_real(50) : json_null()));
	must(json_object_set_new(config, "final_logit_softcapping",
				 second ? json_real(30) : json_null()));
	if (second)
		return;
	must(json_object_update_new(config,
				    json_pack("{s:i, s:f, s:n}", "sliding_window_pattern", 6,
					      "rope_local_base_freq", 1e4, "rope_scaling")));
}

static int write_config(struct maker *m)
{
	json_t *config = common_config(m);
	char path[PATH_MAX];
	int rc;

	if (m->shape->family == LLAMA)
		set_llama(config, m->shape);
	else
		set_gemma(config, m->shape);
	snprintf(path, sizeof path, "%s/config.json", m->folder);
	rc = ps_file_replace_json(&ps_sys_linux, path, config, &m->diag);
	json_decref(config);
	return rc;
}

static int write_checkpoint(struct maker *m)
{
	int rc = ps_folder_make(&ps_sys_linux, m->folder, &m->diag);

	if (!rc)
		rc = ps_pool_create(&m->pool, m->threads, &m->diag);
	for (int i = 0; i < m->threads && !rc; i++) {
		m->block[i] = malloc(BLOCK_WEIGHTS * sizeof **m->block);
		if (!m->block[i])
			rc = ps_fail(&m->diag, PS_EBUDGET, "no memory for a block of weights");
	}
	if (rc)
		return rc;
	lay_out(m);
	make_tables(m);
	for (int i = 0; i < m->shards && !rc; i++)
		rc = write_shard(m, i);
	if (!rc && m->shards > 1)
		rc = write_index(m);
	return rc ? rc : write_config(m);
}

static int32_t draw_id(const struct shape *s, uint64_t seed, ps_rng *rng)
{
	const double rank = exp(ps_rng_uniform(rng) * log((double)s->text_ids)) - 1;

	return (int32_t)ps_permute((uint64_t)rank, (uint64_t)s->text_ids, seed) + s->first_text;
}

static int write_tokens(const struct request *r, const struct maker *m, ps_diag *diag)
{
	const size_t windows = (size_t)r->windows, window = (size_t)r->window;
	const ps_tensor_decl decl = {
		.name = "tokens", .dtype = PS_I32, .rank = 2, .shape = {windows, window}};
	int32_t *row = malloc(window * sizeof *row);
	ps_artefact *artefact = NULL;
	ps_rng rng = ps_rng_make(m->seed, TOKEN_STREAM);
	int rc;

	if (!row)
		return ps_fail(diag, PS_EBUDGET, "no memory for a window");
	rc = ps_artefact_create(
		&artefact, &ps_sys_linux,
		&(ps_artefact_spec){
			.path = r->tokens, .kind = "tokens", .tensors = &decl, .count = 1},
		diag);
	for (size_t w = 0; w < windows && !rc; w++) {
		row[0] = m->shape->bos;
		for (size_t i = 1; i < window; i++)
			row[i] = draw_id(m->shape, m->seed, &rng);
		rc = ps_artefact_write(artefact, row, window * sizeof *row, diag);
	}
	free(row);
	if (!rc)
		return ps_artefact_commit(artefact, diag);
	ps_artefact_abort(artefact);
	return rc;
}

static int usage(void)
{
	fputs("usage: make_checkpoint SHAPE [DIR] [--layers N] [--seed S] [--threads N] [--tokens "
	      "FILE --windows N --window W]\n"
	      "       make_checkpoint --shapes\n",
	      stderr);
	return 2;
}

static bool read_number(const char *text, long least, long most, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return !errno && end != text && !*end && *out >= least && *out <= most;
}

/* Takes the option at argv[*i] and its value. False if it is unknown or its value is bad. */
static bool read_option(struct request *r, int argc, char **argv, int *i)
{
	static const char *const names[] = {"--layers", "--seed", "--threads", "--windows",
					    "--window"};
	long *const values[] = {&r->layers, &r->seed, &r->threads, &r->windows, &r->window};
	const long least[] = {1, 0, 1, 1, 1},
		   most[] = {PS_LAYERS_MAX, LONG_MAX, WORKERS_MAX, 1 << 24, 1 << 24};
	const char *name = argv[(*i)++];

	if (*i == argc)
		return false;
	if (!strcmp(name, "--tokens")) {
		r->tokens = argv[*i];
		return true;
	}
	for (size_t n = 0; n < sizeof names / sizeof *names; n++)
		if (!strcmp(name, names[n]))
			return read_number(argv[*i], least[n], most[n], values[n]);
	return false;
}

static bool read_arguments(struct request *r, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			if (!read_option(r, argc, argv, &i))
				return false;
		} else if (!r->shape) {
			r->shape = argv[i];
		} else if (!r->folder) {
			r->folder = argv[i];
		} else {
			return false;
		}
	}
	return r->shape && (r->folder || r->tokens) && (!r->tokens || (r->windows && r->window));
}

static const struct shape *find_shape(const char *name)
{
	for (size_t i = 0; i < SHAPES; i++)
		if (!strcmp(name, shapes[i].name))
			return &shapes[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct request r = {.threads = sysconf(_SC_NPROCESSORS_ONLN)};
	struct maker *m = calloc(1, sizeof *m);
	int rc = 0;

	if (m && argc == 2 && !strcmp(argv[1], "--shapes")) {
		list_shapes(m);
		free(m);
		return 0;
	}
	if (!m || !read_arguments(&r, argc, argv) || !find_shape(r.shape) ||
	    r.layers > find_shape(r.shape)->layers) {
		free(m);
		return usage();
	}
	m->shape = find_shape(r.shape);
	m->layers = r.layers ? (int)r.layers : m->shape->layers;
	m->threads = (int)(r.threads < WORKERS_MAX ? r.threads : WORKERS_MAX);
	m->seed = (uint64_t)r.seed;
	m->folder = r.folder;
	if (r.folder)
		rc = write_checkpoint(m);
	if (!rc && r.tokens)
		rc = write_tokens(&r, m, &m->diag);
	if (rc)
		fprintf(stderr, "make_checkpoint: %s\n", m->diag.text);
	for (int i = 0; i < m->threads; i++)
		free(m->block[i]);
	ps_pool_destroy(m->pool);
	free(m);
	return rc ? ps_exit_code(rc) : 0;
}
