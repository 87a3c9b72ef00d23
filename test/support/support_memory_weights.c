#include "test/support/support_memory_weights.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

char *ps_test_read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	long end;

	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END) && (end = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET)) {
		text = calloc(1, (size_t)end + 1);
		*length = text ? fread(text, 1, (size_t)end, file) : 0;
	}
	fclose(file);
	return text;
}

static bool read_config(ps_memory_weights *weights, const char *path)
{
	ps_diag diag = {""};
	size_t length = 0;
	char *text = ps_test_read_file(path, &length);
	int rc = text ? ps_config_parse(text, length, path, &weights->config, &diag) : PS_EINPUT;

	free(text);
	if (rc)
		fprintf(stderr, "%s: %s\n", path, text ? diag.text : "cannot be read");
	return !rc;
}

static bool map_tensors(ps_memory_weights *weights, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	uint64_t length;

	if (fd < 0 || fstat(fd, &st)) {
		perror(path);
		return false;
	}
	weights->map_bytes = (size_t)st.st_size;
	weights->map = mmap(NULL, weights->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	if (weights->map == MAP_FAILED) {
		perror(path);
		return false;
	}
	memcpy(&length, weights->map, sizeof length);
	weights->header = json_loadb(weights->map + 8, length, 0, NULL);
	weights->data = weights->map + 8 + length;
	return weights->header != NULL;
}

bool ps_memory_weights_open(ps_memory_weights *weights, const char *config_path,
			    const char *tensors_path)
{
	*weights = (ps_memory_weights){0};
	return read_config(weights, config_path) && map_tensors(weights, tensors_path);
}

void ps_memory_weights_close(ps_memory_weights *weights)
{
	json_decref(weights->header);
	munmap(weights->map, weights->map_bytes);
}

bool ps_memory_weights_find(const ps_memory_weights *weights, const char *name, ps_weight *out)
{
	const json_t *tensor = json_object_get(weights->header, name),
		     *shape = json_object_get(tensor, "shape");
	const json_t *offset = json_array_get(json_object_get(tensor, "data_offsets"), 0);
	size_t rank = json_array_size(shape);

	if (!tensor)
		return false;
	*out = (ps_weight){
		.data = weights->data + json_integer_value(offset),
		.dtype = (ps_dtype)ps_dtype_parse(
			json_string_value(json_object_get(tensor, "dtype"))),
		.rows = rank < 2 ? 1 : (size_t)json_integer_value(json_array_get(shape, 0)),
		.cols = 1,
		.place = {.path = "memory",
			  .tensor =
				  json_object_iter_key(json_object_iter_at(weights->header, name))},
	};
	for (size_t i = rank < 2 ? 0 : 1; i < rank; i++)
		out->cols *= (size_t)json_integer_value(json_array_get(shape, i));
	return true;
}

const void *ps_memory_weights_data(const ps_memory_weights *weights, const char *name,
				   size_t *count)
{
	ps_weight w;

	if (!ps_memory_weights_find(weights, name, &w)) {
		fprintf(stderr, "no tensor %s\n", name);
		abort();
	}
	if (count)
		*count = w.rows * w.cols;
	return w.data;
}

static int acquire_layer(void *self, int layer, int next, ps_layer_weights *out, ps_diag *diag)
{
	ps_memory_weights *weights = self;
	char name[96];

	(void)next;
	*out = (ps_layer_weights){0};
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		if (!ps_memory_weights_find(weights,
					    ps_projection_tensor(layer, (ps_projection)p, name),
					    &out->projection[p]))
			return ps_fail(diag, PS_EINPUT, "no tensor %s", name);
		out->projection[p].edit.keep = weights->keep[p];
	}
	for (int n = 0; n < PS_NORMS; n++)
		if (ps_norm_tensor(weights->config.family, layer, (ps_norm)n, name) &&
		    !ps_memory_weights_find(weights, name, &out->norm[n]))
			return ps_fail(diag, PS_EINPUT, "no tensor %s", name);
	weights->acquired++;
	return 0;
}

static void release_layer(void *self, int layer)
{
	ps_memory_weights *weights = self;

	(void)layer;
	weights->acquired--;
}

static void rows_of(const ps_weight *w, size_t first, size_t rows, ps_weight *out)
{
	*out = *w;
	out->data = (const char *)w->data + first * w->cols * ps_dtype_size(w->dtype);
	out->rows = rows;
	out->place.first_row = first;
}

static int embedding_rows(void *self, const int32_t *ids, size_t count, float *out, ps_diag *diag)
{
	const ps_memory_weights *weights = self;
	ps_weight all, row;

	if (!ps_memory_weights_find(weights, "model.embed_tokens.weight", &all))
		return ps_fail(diag, PS_EINPUT, "no embedding");
	for (size_t i = 0; i < count; i++) {
		rows_of(&all, (size_t)ids[i], 1, &row);
		ps_widen(row.data, row.dtype, row.cols, out + i * row.cols);
	}
	return 0;
}

static int head_rows(void *self, size_t first, size_t rows, ps_weight *out, ps_diag *diag)
{
	const ps_memory_weights *weights = self;
	ps_weight all;

	if (!ps_memory_weights_find(
		    weights, weights->config.tied ? "model.embed_tokens.weight" : "lm_head.weight",
		    &all))
		return ps_fail(diag, PS_EINPUT, "no output head");
	rows_of(&all, first, rows, out);
	return 0;
}

static int final_norm(void *self, float *out, ps_diag *diag)
{
	const ps_memory_weights *weights = self;
	ps_weight gain;

	if (!ps_memory_weights_find(weights, "model.norm.weight", &gain))
		return ps_fail(diag, PS_EINPUT, "no final norm");
	ps_widen(gain.data, gain.dtype, gain.cols, out);
	return 0;
}

ps_weight_source ps_memory_weights_source(ps_memory_weights *weights)
{
	return (ps_weight_source){weights,        acquire_layer, release_layer,
				  embedding_rows, head_rows,     final_norm};
}
