#include "test/support/support_checkpoint.h"
#include "core/base/half.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			perror(#condition);                                                        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static size_t sum_of(const char *name)
{
	size_t sum = 0;

	for (const char *c = name; *c; c++)
		sum += (unsigned char)*c;
	return sum;
}

static float value_of(size_t sum, size_t i)
{
	return ((float)((7 * i + 13 * sum) % 251) - 125.0f) / 64.0f;
}

float ck_value(const char *name, size_t i)
{
	return value_of(sum_of(name), i);
}

/* --- a model --- */

const char *const ck_llama_config =
	"{\"model_type\": \"llama\", \"hidden_size\": 8, \"num_attention_heads\": 2, "
	"\"num_key_value_heads\": 1, \"head_dim\": 4,"
	" \"intermediate_size\": 10, \"num_hidden_layers\": 2, \"vocab_size\": 16, "
	"\"max_position_embeddings\": 32,"
	" \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", "
	"\"tie_word_embeddings\": true,"
	" \"bos_token_id\": 1, \"eos_token_id\": 2}";

ck_tensor *ck_add(ck_model *model, const char *name, const char *dtype, int rank, size_t rows,
		  size_t cols)
{
	ck_tensor *tensor = &model->tensors[model->count++];

	MUST(model->count <= CK_TENSORS_MAX);
	*tensor =
		(ck_tensor){.dtype = dtype, .rank = rank, .shape = {rank == 1 ? cols : rows, cols}};
	snprintf(tensor->name, sizeof tensor->name, "%s", name);
	return tensor;
}

void ck_llama(ck_model *model)
{
	static const struct {
		const char *name;
		size_t rows, cols;
	} parts[] = {{"self_attn.q_proj", 8, 8},        {"self_attn.k_proj", 4, 8},
		     {"self_attn.v_proj", 4, 8},        {"self_attn.o_proj", 8, 8},
		     {"mlp.gate_proj", 10, 8},          {"mlp.up_proj", 10, 8},
		     {"mlp.down_proj", 8, 10},          {"input_layernorm", 0, 8},
		     {"post_attention_layernorm", 0, 8}};
	char name[160];

	memset(model, 0, sizeof *model);
	ck_add(model, "model.embed_tokens.weight", "BF16", 2, 16, 8);
	ck_add(model, "model.norm.weight", "BF16", 1, 0, 8);
	for (int layer = 0; layer < 2; layer++)
		for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
			snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer,
				 parts[i].name);
			ck_add(model, name, "BF16", parts[i].rows ? 2 : 1, parts[i].rows,
			       parts[i].cols);
		}
}

ck_tensor *ck_find(ck_model *model, const char *name)
{
	for (int i = 0; i < model->count; i++)
		if (!strcmp(model->tensors[i].name, name))
			return &model->tensors[i];
	fprintf(stderr, "no tensor %s\n", name);
	abort();
}

void ck_remove(ck_model *model, const char *name)
{
	ck_tensor *tensor = ck_find(model, name);

	*tensor = model->tensors[--model->count];
}

/* --- files --- */

void ck_make_folder(char *path, size_t size)
{
	const char *base = getenv("TMPDIR");

	snprintf(path, size, "%s/prunescope-test-XXXXXX", base ? base : "/tmp");
	MUST(mkdtemp(path));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

void ck_remove_folder(const char *path)
{
	MUST(!nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS));
}

void ck_write_text(const char *folder, const char *file, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	MUST((out = fopen(path, "wb")));
	MUST(fputs(text, out) >= 0 && !fclose(out));
}

static int element_bytes(const char *dtype)
{
	return !strcmp(dtype, "U8") || !strcmp(dtype, "BOOL") ? 1 : strstr(dtype, "16") ? 2 : 4;
}

static size_t element_count(const ck_tensor *tensor)
{
	size_t count = 1;

	for (int d = 0; d < tensor->rank; d++)
		count *= tensor->shape[d];
	return count;
}

/* The formula gives multiples of 1/64 below 2, which f16 holds exactly. */
static uint16_t to_f16(float value)
{
	for (unsigned bits = 0; bits < 65536; bits++)
		if (ps_f16_to_f32((uint16_t)bits) == value)
			return (uint16_t)bits;
	abort();
}

static void write_element(FILE *out, const ck_tensor *tensor, size_t i)
{
	float value = ck_value(tensor->name, i);
	uint16_t half;

	if (element_bytes(tensor->dtype) == 4) {
		fwrite(&value, 4, 1, out);
		return;
	}
	half = !strcmp(tensor->dtype, "BF16") ? ps_f32_to_bf16(value) : to_f16(value);
	fwrite(&half, element_bytes(tensor->dtype) == 2 ? 2 : 1, 1, out);
}

static size_t write_entry(FILE *out, const ck_tensor *tensor, size_t offset, const char *comma)
{
	size_t end = offset + element_count(tensor) * (size_t)element_bytes(tensor->dtype);

	fprintf(out, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", comma, tensor->name, tensor->dtype);
	for (int d = 0; d < tensor->rank; d++)
		fprintf(out, "%s%zu", d ? "," : "", tensor->shape[d]);
	fprintf(out, "],\"data_offsets\":[%zu,%zu]}", offset, end);
	return end;
}

static const char *file_of(const ck_tensor *tensor)
{
	return tensor->file[0] ? tensor->file : "model.safetensors";
}

/* The header with its length before it. Malloc'ed. */
static char *make_header(const ck_model *model, const char *file, size_t *length)
{
	const char *comma = "";
	size_t offset = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	MUST(out);
	fputc('{', out);
	if (model->metadata) {
		fprintf(out, "\"__metadata__\":%s", model->metadata);
		comma = ",";
	}
	for (int i = 0; i < model->count; i++)
		if (!strcmp(file_of(&model->tensors[i]), file)) {
			offset = write_entry(out, &model->tensors[i], offset, comma);
			comma = ",";
		}
	fputc('}', out);
	while (ftell(out) % 8)
		fputc(' ', out);
	MUST(!fclose(out));
	return text;
}

void ck_write_file(const char *folder, const char *file, const ck_model *model)
{
	const char *name = file[0] ? file : "model.safetensors";
	size_t length;
	char path[512], *header = make_header(model, name, &length);
	uint64_t prefix = length;
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	MUST((out = fopen(path, "wb")));
	fwrite(&prefix, sizeof prefix, 1, out);
	fwrite(header, 1, length, out);
	for (int i = 0; i < model->count; i++) {
		const ck_tensor *tensor = &model->tensors[i];
		size_t count = element_count(tensor);

		if (strcmp(file_of(tensor), name))
			continue;
		if (tensor->data)
			fwrite(tensor->data, (size_t)element_bytes(tensor->dtype), count, out);
		for (size_t e = 0; !tensor->data && e < count; e++)
			write_element(out, tensor, e);
	}
	MUST(!ferror(out) && !fclose(out));
	free(header);
}

void ck_write_llama(const char *folder, const ck_model *model)
{
	size_t length;
	bool sharded = false;
	char *index = NULL;
	FILE *out = open_memstream(&index, &length);

	MUST(out);
	ck_write_text(folder, "config.json", ck_llama_config);
	fputs("{\"weight_map\": {", out);
	for (int i = 0; i < model->count; i++) {
		fprintf(out, "%s\"%s\": \"%s\"", i ? ", " : "", model->tensors[i].name,
			file_of(&model->tensors[i]));
		ck_write_file(folder, model->tensors[i].file, model);
		sharded |= model->tensors[i].file[0];
	}
	fputs("}}", out);
	MUST(!fclose(out));
	if (sharded)
		ck_write_text(folder, "model.safetensors.index.json", index);
	free(index);
}

/* --- checks --- */

size_t ck_count_wrong(const ps_weight *view, const char *name, size_t first_row)
{
	size_t wrong = 0, sum = sum_of(name);
	float *row = malloc(view->cols * sizeof *row);

	MUST(row);
	for (size_t r = 0; r < view->rows; r++) {
		ps_weight_decode(view, r, 0, view->cols, row);
		for (size_t c = 0; c < view->cols; c++)
			wrong += row[c] != value_of(sum, (first_row + r) * view->cols + c);
	}
	free(row);
	return wrong;
}

size_t ck_count_wrong_in_layer(const ps_layer_weights *weights, const ps_model_config *config,
			       int layer)
{
	size_t wrong = 0, rows, cols;
	char name[96];

	for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		wrong += weights->projection[p].rows != rows || weights->projection[p].cols != cols;
		wrong += ck_count_wrong(&weights->projection[p],
					ps_projection_tensor(layer, (ps_projection)p, name), 0);
	}
	for (int n = 0; n < (int)PS_NORMS; n++) {
		bool there = ps_norm_tensor(config->family, layer, (ps_norm)n, name);

		wrong += there != !!weights->norm[n].data;
		if (there)
			wrong += weights->norm[n].cols != ps_norm_length(config, (ps_norm)n) ||
				 ck_count_wrong(&weights->norm[n], name, 0);
	}
	return wrong;
}
