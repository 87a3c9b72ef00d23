#include "io/gguf_config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"

#define SIZE_MOST ((int64_t)1 << 24) /* as of config.json */
#define LAYERS_MOST 512
#define KEY_BYTES 128

enum { LLAMA = 1, GEMMA2 = 2, GEMMA3 = 4, GEMMA = GEMMA2 | GEMMA3, ALL = 7 };

/* The architectures. giant: the layers of the model whose attention is scaled by D / H. */
static const struct family {
	const char *name, *model_type, *class;
	unsigned bit;
	int64_t giant;
} families[] = {
	{"llama", "llama", "LlamaForCausalLM", LLAMA, 0},
	{"gemma2", "gemma2", "Gemma2ForCausalLM", GEMMA2, 46},
	{"gemma3", "gemma3_text", "Gemma3ForCausalLM", GEMMA3, 62},
};

/* The first failure stays in rc. */
struct reader {
	const ps_gguf *gguf;
	const struct family *family;
	json_t *config;
	int64_t width, heads, head_width, layers;
	ps_diag *diag;
	int rc;
};

/* A key of the architecture. NULL: it is not there. */
static const ps_gguf_value *find(const struct reader *r, const char *key)
{
	char full[KEY_BYTES];

	snprintf(full, sizeof full, "%s.%s", r->family->name, key);
	return ps_gguf_find(r->gguf, full);
}

/* value NULL: the key is not there. */
static void refuse(struct reader *r, const char *key, const ps_gguf_value *value, const char *why)
{
	const char *path = r->gguf->file.path, *name = r->family->name;

	if (r->rc)
		return;
	if (value)
		r->rc = ps_fail(r->diag, PS_EINPUT, "%s: %s.%s at offset %" PRIu64 " %s", path,
				name, key, value->offset, why);
	else
		r->rc = ps_fail(r->diag, PS_EINPUT, "%s: %s.%s %s", path, name, key, why);
}

/* Takes over value. */
static void put(struct reader *r, const char *key, json_t *value)
{
	if (json_object_set_new(r->config, key, value) && !r->rc)
		r->rc = ps_fail(r->diag, PS_EBUDGET, "%s: no memory for its config",
				r->gguf->file.path);
}

/* fallback 0: the key is required. */
static int64_t read_size(struct reader *r, const char *key, int64_t fallback)
{
	const ps_gguf_value *value = find(r, key);
	int64_t size = 0;

	if (!value && fallback)
		return fallback;
	if (!value)
		refuse(r, key, NULL, "is missing");
	else if (value->is_array)
		refuse(r, key, value, "is a list: layers of different sizes are not supported");
	else if (!ps_gguf_integer(r->gguf, value, &size))
		refuse(r, key, value, "is not an integer");
	else if (size <= 0 || size > SIZE_MOST)
		refuse(r, key, value, "is out of range");
	return r->rc ? 1 : size;
}

/* fallback 0: the key is required; below 0: the result if it is absent. */
static double read_number(struct reader *r, const char *key, double fallback)
{
	const ps_gguf_value *value = find(r, key);
	double number = 0;

	if (!value && fallback != 0)
		return fallback;
	if (!value)
		refuse(r, key, NULL, "is missing");
	else if (!ps_gguf_number(r->gguf, value, &number))
		refuse(r, key, value, "is not a number");
	else if (!isfinite(number) || number <= 0)
		refuse(r, key, value, "is not positive");
	return r->rc ? 1 : number;
}

/* --- keys that are there --- */

static bool ends(const ps_gguf_value *value, size_t prefix, const char *key)
{
	return value->key_length - prefix == strlen(key) &&
	       !memcmp(value->key + prefix, key, strlen(key));
}

/* Keys that are read below, and those that change nothing, with the families that have them. In
 * another family such a key would change what the model computes. */
static bool is_known(const struct family *family, const ps_gguf_value *value, size_t prefix)
{
	static const struct {
		const char *key;
		unsigned families;
	} known[] = {{"context_length", ALL},
		     {"embedding_length", ALL},
		     {"block_count", ALL},
		     {"feed_forward_length", ALL},
		     {"attention.head_count", ALL},
		     {"attention.head_count_kv", ALL},
		     {"attention.key_length", ALL},
		     {"attention.value_length", ALL},
		     {"attention.layer_norm_rms_epsilon", ALL},
		     {"attention.sliding_window", GEMMA},
		     {"attention.sliding_window_pattern", GEMMA},
		     {"attention.key_length_swa", GEMMA},
		     {"attention.value_length_swa", GEMMA},
		     {"attn_logit_softcapping", GEMMA2},
		     {"final_logit_softcapping", GEMMA},
		     {"rope.freq_base", ALL},
		     {"rope.freq_base_swa", GEMMA3},
		     {"rope.dimension_count", ALL},
		     {"rope.dimension_count_swa", GEMMA},
		     {"rope.scale_linear", ALL},
		     {"rope.scaling.type", ALL},
		     {"rope.scaling.factor", ALL},
		     {"rope.scaling.original_context_length", ALL},
		     {"rope.scaling.finetuned", ALL},
		     {"vocab_size", ALL},
		     {"expert_count", ALL},
		     {"expert_used_count", ALL},
		     {"attention.causal", ALL},
		     {"tensor_data_layout", ALL}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (ends(value, prefix, known[i].key))
			return known[i].families & family->bit;
	return false;
}

static void check_keys(struct reader *r)
{
	const struct family *family = r->family;
	const size_t prefix = strlen(family->name) + 1;
	char start[KEY_BYTES];

	snprintf(start, sizeof start, "%s.", family->name);
	for (size_t i = 0; i < r->gguf->value_count; i++) {
		const ps_gguf_value *value = &r->gguf->values[i];

		if (value->key_length > prefix && !memcmp(value->key, start, prefix) &&
		    !is_known(family, value, prefix) && !r->rc)
			r->rc = ps_fail(
				r->diag, PS_EINPUT,
				"%s: the key %.*s at offset %" PRIu64
				" is not known in a %s model, and may change what it computes",
				r->gguf->file.path,
				value->key_length < 80 ? (int)value->key_length : 80, value->key,
				value->offset, family->name);
	}
}

/* A key that must have one value, if it is there. */
static void expect_size(struct reader *r, const char *key, int64_t want)
{
	char why[96];
	const ps_gguf_value *value = find(r, key);
	int64_t size;

	if (!value || (ps_gguf_integer(r->gguf, value, &size) && size == want))
		return;
	snprintf(why, sizeof why, "is not %" PRId64 ", which is not supported", want);
	refuse(r, key, value, why);
}

static void check_others(struct reader *r)
{
	const ps_gguf_value *causal = find(r, "attention.causal"),
			    *layout = find(r, "tensor_data_layout");
	bool flag;

	expect_size(r, "attention.value_length", r->head_width);
	expect_size(r, "attention.key_length_swa", r->head_width);
	expect_size(r, "attention.value_length_swa", r->head_width);
	expect_size(r, "rope.dimension_count", r->head_width);
	expect_size(r, "rope.dimension_count_swa", r->head_width);
	expect_size(r, "expert_count", 0);
	expect_size(r, "expert_used_count", 0);
	if (causal && (!ps_gguf_flag(r->gguf, causal, &flag) || !flag))
		refuse(r, "attention.causal", causal, "is not true, which is not supported");
	/* Q and K of these files are in another order. */
	if (layout && !ps_gguf_is(r->gguf, layout, "reference"))
		refuse(r, "tensor_data_layout", layout, "is not supported");
}

/* --- shape --- */

static void read_shape(struct reader *r)
{
	const ps_tensor_info *embedding = ps_tensor_file_find(&r->gguf->file, "token_embd.weight");
	int64_t kv_heads;

	r->width = read_size(r, "embedding_length", 0);
	r->heads = read_size(r, "attention.head_count", 0);
	r->layers = read_size(r, "block_count", 0);
	kv_heads = read_size(r, "attention.head_count_kv", r->heads);
	if (!r->rc && r->layers > LAYERS_MOST)
		refuse(r, "block_count", find(r, "block_count"), "is out of range");
	if (!r->rc && !find(r, "attention.key_length") && r->width % r->heads)
		refuse(r, "attention.key_length", NULL,
		       "is missing, and the heads do not divide the width");
	if (r->rc)
		return;
	r->head_width = read_size(r, "attention.key_length",
				  r->width >= r->heads ? r->width / r->heads : 1);
	put(r, "hidden_size", json_integer(r->width));
	put(r, "num_attention_heads", json_integer(r->heads));
	put(r, "num_hidden_layers", json_integer(r->layers));
	put(r, "num_key_value_heads", json_integer(kv_heads));
	put(r, "head_dim", json_integer(r->head_width));
	put(r, "intermediate_size", json_integer(read_size(r, "feed_forward_length", 0)));
	put(r, "max_position_embeddings", json_integer(read_size(r, "context_length", 0)));
	put(r, "rms_norm_eps",
	    ps_number_json(read_number(r, "attention.layer_norm_rms_epsilon", 0)));
	if (!embedding && !r->rc)
		r->rc = ps_fail(r->diag, PS_EINPUT, "%s: tensor token_embd.weight is missing",
				r->gguf->file.path);
	if (embedding) {
		put(r, "vocab_size", json_integer((json_int_t)embedding->shape[0]));
		expect_size(r, "vocab_size", (int64_t)embedding->shape[0]);
	}
	put(r, "tie_word_embeddings",
	    json_boolean(!ps_tensor_file_find(&r->gguf->file, "output.weight")));
}

/* --- Gemma --- */

/* Absent: fallback, or null if that is 0. */
static void read_cap(struct reader *r, const char *key, const char *name, double fallback)
{
	const double cap = read_number(r, key, fallback > 0 ? fallback : -1);

	put(r, name, cap > 0 ? ps_number_json(cap) : json_null());
}

/* Which layers slide: the pattern is a number n (every n-th does not) or a list of flags. */
static void read_layer_types(struct reader *r)
{
	const ps_gguf_value *value = find(r, "attention.sliding_window_pattern");
	int64_t pattern = r->family->bit == GEMMA2 ? 2 : 6;
	const bool listed = value && value->is_array && value->type == PS_GGUF_BOOL &&
			    value->count == (uint64_t)r->layers;
	json_t *types = json_array();

	if (value && !listed &&
	    (!ps_gguf_integer(r->gguf, value, &pattern) || pattern <= 0 || pattern > SIZE_MOST)) {
		refuse(r, "attention.sliding_window_pattern", value,
		       "is neither a number of layers nor a flag for each");
		pattern = 1;
	}
	for (int64_t i = 0; i < r->layers; i++) {
		const bool slides = listed ? r->gguf->file.map[value->offset + (uint64_t)i] != 0
					   : (i + 1) % pattern != 0;

		if (json_array_append_new(
			    types, json_string(slides ? "sliding_attention" : "full_attention"))) {
			json_decref(types);
			types = NULL;
		}
	}
	put(r, "layer_types", types);
}

static void read_gemma(struct reader *r)
{
	const bool gemma2 = r->family->bit == GEMMA2;
	const double scale = r->layers == r->family->giant ? (double)r->width / (double)r->heads
							   : (double)r->head_width;

	/* transformers takes an integer alone; all published models have one. */
	put(r, "query_pre_attn_scalar",
	    scale == rint(scale) ? json_integer((json_int_t)scale) : ps_number_json(scale));
	put(r, "sliding_window",
	    json_integer(read_size(r, "attention.sliding_window", gemma2 ? 4096 : 0)));
	read_layer_types(r);
	read_cap(r, "final_logit_softcapping", "final_logit_softcapping", gemma2 ? 30 : 0);
	if (gemma2)
		read_cap(r, "attn_logit_softcapping", "attn_logit_softcapping", 50);
	else
		put(r, "rope_local_base_freq",
		    ps_number_json(read_number(r, "rope.freq_base_swa", 1e4)));
}

/* --- rope --- */

/* The factors of Llama 3.1 to 3.3 (rope_type llama3 of transformers, low 1, high 4). With F the
 * largest factor and P the positions of the first training: wavelengths above P are stretched by F,
 * those below P / 4 stay, and between them s = (P / wavelength - 1) / 3 mixes the two. */
#define LLAMA3_LOW 1.0
#define LLAMA3_HIGH 4.0
#define LLAMA3_POSITIONS 8192.0

struct factors {
	const char *bytes; /* F32 (count) */
	size_t count;
	double theta, width, most;
};

static double factor_at(const struct factors *f, size_t i)
{
	float factor;

	memcpy(&factor, f->bytes + i * sizeof factor, sizeof factor);
	return (double)factor;
}

static double wavelength_at(const struct factors *f, size_t i)
{
	return 2 * M_PI * pow(f->theta, 2 * (double)i / f->width);
}

/* P, from the factor that lies most clearly between 1 and F. */
static double find_positions(const struct factors *f)
{
	double positions = LLAMA3_POSITIONS, clearest = 1e-3;

	for (size_t i = 0; i < f->count; i++) {
		const double s = (1 / factor_at(f, i) - 1 / f->most) / (1 - 1 / f->most),
			     clear = fmin(s, 1 - s);

		if (!(clear > clearest))
			continue;
		clearest = clear;
		positions =
			rint(wavelength_at(f, i) * (s * (LLAMA3_HIGH - LLAMA3_LOW) + LLAMA3_LOW));
	}
	return positions;
}

static bool is_factor(const struct factors *f, size_t i, double positions)
{
	const double wavelength = wavelength_at(f, i),
		     s = (positions / wavelength - LLAMA3_LOW) / (LLAMA3_HIGH - LLAMA3_LOW);
	double want = 1 / ((1 - s) / f->most + s);

	if (wavelength < positions / LLAMA3_HIGH)
		want = 1;
	else if (wavelength > positions / LLAMA3_LOW)
		want = f->most;
	return fabs(factor_at(f, i) - want) <= 1e-5 * want;
}

static void read_factors(struct reader *r, const ps_tensor_info *tensor, double theta)
{
	struct factors f = {.bytes = ps_tensor_file_data(&r->gguf->file, tensor),
			    .count = (size_t)r->head_width / 2,
			    .theta = theta,
			    .width = (double)r->head_width,
			    .most = 1};
	bool known = tensor->dtype == PS_F32 && tensor->rank == 1 && tensor->shape[0] == f.count;
	double positions = 0;

	for (size_t i = 0; known && i < f.count; i++)
		f.most = fmax(f.most, factor_at(&f, i));
	if (known)
		positions = find_positions(&f);
	known = known && isfinite(f.most) && positions >= 1 && positions <= (double)SIZE_MOST;
	for (size_t i = 0; known && i < f.count; i++)
		known = is_factor(&f, i, positions);
	if (!known && !r->rc)
		r->rc = ps_fail(r->diag, PS_EINPUT,
				"%s: tensor %s (offset %" PRIu64
				"): its factors are not those of Llama 3 (F32 [%zu]; low 1, high "
				"4): another rope is not supported",
				r->gguf->file.path, tensor->name, tensor->offset, f.count);
	if (known)
		put(r, "rope_scaling",
		    json_pack("{s:s, s:o, s:o, s:o, s:I}", "rope_type", "llama3", "factor",
			      ps_number_json(f.most), "low_freq_factor", ps_number_json(LLAMA3_LOW),
			      "high_freq_factor", ps_number_json(LLAMA3_HIGH),
			      "original_max_position_embeddings", (json_int_t)positions));
}

static void read_rope(struct reader *r)
{
	static const char type_key[] = "rope.scaling.type";
	const ps_tensor_info *factors = ps_tensor_file_find(&r->gguf->file, "rope_freqs.weight");
	const double theta = read_number(r, "rope.freq_base", r->family->bit == GEMMA3 ? 0 : 1e4),
		     older = read_number(r, "rope.scale_linear", 1),
		     factor = read_number(r, "rope.scaling.factor", older);
	const ps_gguf_value *type = find(r, type_key);
	const bool none = type && ps_gguf_is(r->gguf, type, "none");

	put(r, "rope_theta", ps_number_json(theta));
	if (type && !none && !ps_gguf_is(r->gguf, type, "linear"))
		refuse(r, type_key, type,
		       "is neither linear nor none: another rope is not supported");
	if (factors && (factor != 1 || r->family->bit != LLAMA) && !r->rc)
		r->rc = ps_fail(r->diag, PS_EINPUT,
				"%s: tensor %s: factors of this model's rope are not supported",
				r->gguf->file.path, factors->name);
	if (r->rc)
		return;
	if (factors)
		read_factors(r, factors, theta);
	else if (factor != 1 && !none)
		put(r, "rope_scaling",
		    json_pack("{s:s, s:o}", "rope_type", "linear", "factor",
			      ps_number_json(factor)));
}

/* --- the whole --- */

static void read_tokens(struct reader *r)
{
	static const char *const keys[][2] = {
		{"tokenizer.ggml.bos_token_id", "bos_token_id"},
		{"tokenizer.ggml.eos_token_id", "eos_token_id"},
		{"tokenizer.ggml.padding_token_id", "pad_token_id"},
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const ps_gguf_value *value = ps_gguf_find(r->gguf, keys[i][0]);
		int64_t id = -1;

		if (value && !ps_gguf_integer(r->gguf, value, &id) && !r->rc)
			r->rc = ps_fail(r->diag, PS_EINPUT,
					"%s: %s at offset %" PRIu64 " is not an integer",
					r->gguf->file.path, keys[i][0], value->offset);
		/* The largest id means none. */
		put(r, keys[i][1], id < 0 || id >= UINT32_MAX ? json_null() : json_integer(id));
	}
}

static int find_family(struct reader *r)
{
	const ps_gguf_value *value = ps_gguf_find(r->gguf, "general.architecture"),
			    *kind = ps_gguf_find(r->gguf, "general.type");
	const char *name = "(none)";
	size_t length = strlen(name);

	if (kind && !ps_gguf_is(r->gguf, kind, "model"))
		return ps_fail(
			r->diag, PS_EINPUT,
			"%s: general.type at offset %" PRIu64
			" is not \"model\": adapters, projectors and others are not supported",
			r->gguf->file.path, kind->offset);
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (ps_gguf_is(r->gguf, value, families[i].name)) {
			r->family = &families[i];
			return 0;
		}
	if (value)
		(void)ps_gguf_string(r->gguf, value, &name, &length);
	return ps_fail(
		r->diag, PS_EINPUT,
		"%s: general.architecture: '%.*s' is not supported (llama, gemma2 and gemma3 "
		"are)",
		r->gguf->file.path, length < 60 ? (int)length : 60, name);
}

int ps_gguf_config(const ps_gguf *gguf, char **text, size_t *length, ps_diag *diag)
{
	struct reader r = {.gguf = gguf, .diag = diag};
	int rc = find_family(&r);

	if (rc)
		return rc;
	r.config = json_object();
	check_keys(&r);
	put(&r, "model_type", json_string(r.family->model_type));
	put(&r, "architectures", json_pack("[s]", r.family->class));
	read_shape(&r);
	if (!r.rc)
		check_others(&r);
	if (!r.rc)
		read_rope(&r);
	if (!r.rc && r.family->bit != LLAMA)
		read_gemma(&r);
	read_tokens(&r);
	*text = r.rc ? NULL : ps_json_text(r.config, PS_JSON_FILE);
	json_decref(r.config);
	if (r.rc)
		return r.rc;
	if (!*text)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its config", gguf->file.path);
	*length = strlen(*text);
	return 0;
}

int ps_gguf_config_of_file(const ps_sys *sys, const char *path, char **text, size_t *length,
			   ps_diag *diag)
{
	ps_gguf gguf;
	int rc = ps_gguf_open(&gguf, sys, path, diag);

	if (rc)
		return rc;
	rc = ps_gguf_config(&gguf, text, length, diag);
	ps_gguf_close(&gguf);
	return rc;
}
