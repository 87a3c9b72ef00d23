#include "test/support/support_prune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORD_NAME 24
#define RECORD_DTYPE 8

ps_weight prune_fixture_find(const prune_fixture *fixture, const char *name)
{
	size_t at = 0;

	while (at < fixture->size_bytes) {
		const unsigned char *record = fixture->bytes + at;
		uint32_t shape[2];
		int dtype = ps_dtype_parse((const char *)record + RECORD_NAME);
		ps_weight found;

		assert_true(dtype >= 0);
		memcpy(shape, record + RECORD_NAME + RECORD_DTYPE, sizeof shape);
		found = (ps_weight){.data = record + RECORD_NAME + RECORD_DTYPE + sizeof shape,
				    .dtype = (ps_dtype)dtype,
				    .rows = shape[0],
				    .cols = shape[1]};
		if (!strncmp((const char *)record, name, RECORD_NAME))
			return found;
		at += RECORD_NAME + RECORD_DTYPE + sizeof shape +
		      found.rows * found.cols * ps_dtype_size(found.dtype);
	}
	fail_msg("no record %s", name);
	return (ps_weight){0};
}

ps_weight prune_fixture_find_at(const prune_fixture *fixture, const char *prefix, int layer,
				int index)
{
	char name[RECORD_NAME + 16];

	snprintf(name, sizeof name, "%s%d.%d", prefix, layer, index);
	return prune_fixture_find(fixture, name);
}

static double number_at(const ps_weight *record, size_t row, size_t col)
{
	double value;

	memcpy(&value, (const char *)record->data + (row * record->cols + col) * sizeof value,
	       sizeof value);
	return value;
}

static void read_config(prune_fixture *fixture)
{
	ps_weight r = prune_fixture_find(fixture, "config");
	size_t sizes[7];

	for (size_t i = 0; i < 7; i++)
		sizes[i] = (size_t)number_at(&r, 0, i);
	fixture->config = (ps_model_config){
		.family = PS_FAMILY_LLAMA,
		.layers = sizes[0],
		.width = sizes[1],
		.heads = sizes[2],
		.kv_heads = sizes[3],
		.head_width = sizes[4],
		.mlp_width = sizes[5],
		.vocab = sizes[6],
		.max_positions = 2048,
		.norm_eps = number_at(&r, 0, 7),
		.attention_scale = 1 / __builtin_sqrt((double)sizes[4]),
		.tied = true,
		.rope_global = {.theta = number_at(&r, 0, 8), .factor = 1},
		.rope_local = {.theta = number_at(&r, 0, 8), .factor = 1},
		.bos = -1,
		.pad = -1,
	};
}

void prune_fixture_load(prune_fixture *fixture, const char *path)
{
	FILE *file = fopen(path, "rb");
	long size;

	if (!file)
		fail_msg("cannot open %s", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_true(size > 0);
	rewind(file);
	fixture->size_bytes = (size_t)size;
	fixture->bytes = malloc(fixture->size_bytes);
	assert_non_null(fixture->bytes);
	assert_int_equal(fread(fixture->bytes, 1, fixture->size_bytes, file), fixture->size_bytes);
	fclose(file);
	read_config(fixture);
}

void prune_fixture_free(prune_fixture *fixture)
{
	free(fixture->bytes);
	*fixture = (prune_fixture){0};
}

static int lookup_projection(void *self, int layer, ps_projection projection, ps_weight *out,
			     ps_diag *diag)
{
	(void)diag;
	*out = prune_fixture_find_at(self, "w", layer, (int)projection);
	return 0;
}

static int lookup_embedding(void *self, ps_weight *out, ps_diag *diag)
{
	(void)diag;
	*out = prune_fixture_find(self, "embed");
	return 0;
}

ps_weight_lookup prune_fixture_lookup(prune_fixture *fixture)
{
	return (ps_weight_lookup){
		.self = fixture, .projection = lookup_projection, .embedding = lookup_embedding};
}

size_t prune_fixture_variants(const prune_fixture *fixture)
{
	return prune_fixture_find(fixture, "variants").rows;
}

bool prune_fixture_variant(const prune_fixture *fixture, size_t v, ps_prune_options *options)
{
	ps_weight r = prune_fixture_find(fixture, "variants");

	*options = (ps_prune_options){
		.scope = (ps_scope)(int)number_at(&r, v, 1),
		.sparsity = number_at(&r, v, 2),
		.n = (unsigned)number_at(&r, v, 3),
		.m = (unsigned)number_at(&r, v, 4),
		.pool_embedding = number_at(&r, v, 5) != 0,
	};
	return number_at(&r, v, 0) != 0;
}

static int collect(void *context, int layer, ps_projection projection, const ps_bitmap *mask,
		   uint64_t dropped)
{
	mask_set *set = context;
	size_t row_bytes = ps_bitmap_row_bytes(mask->cols), bytes = mask->rows * row_bytes;
	uint64_t total = (uint64_t)mask->rows * mask->cols;

	set->wrong += layer * PS_PROJECTIONS + (int)projection != set->calls;
	set->wrong += dropped != total - ps_bitmap_count(mask->bits, mask->rows, mask->cols);
	for (size_t r = 0; mask->cols % 8 && r < mask->rows; r++)
		set->wrong += mask->bits[r * row_bytes + row_bytes - 1] >> mask->cols % 8 != 0;
	if (set->used_bytes + bytes > set->capacity_bytes) {
		set->capacity_bytes = (set->used_bytes + bytes) * 2;
		set->bytes = realloc(set->bytes, set->capacity_bytes);
		assert_non_null(set->bytes);
	}
	memcpy(set->bytes + set->used_bytes, mask->bits, bytes);
	set->used_bytes += bytes;
	assert_true(set->calls < 64);
	set->total[set->calls] = total;
	set->dropped[set->calls++] = dropped;
	return 0;
}

ps_mask_sink mask_set_sink(mask_set *set)
{
	return (ps_mask_sink){.self = set, .put = collect};
}

void mask_set_free(mask_set *set)
{
	free(set->bytes);
	*set = (mask_set){0};
}

uint64_t mask_set_differing(const mask_set *set, const prune_fixture *fixture, size_t v)
{
	char name[RECORD_NAME];
	ps_weight golden;
	const uint8_t *bits;
	uint64_t differing = 0;

	snprintf(name, sizeof name, "mask.%zu", v % 1000);
	golden = prune_fixture_find(fixture, name);
	bits = golden.data;
	if (golden.cols != set->used_bytes)
		return UINT64_MAX;
	for (size_t i = 0; i < golden.cols; i++)
		differing += (uint64_t)__builtin_popcount((unsigned)(bits[i] ^ set->bytes[i]));
	return differing;
}

const double sweep_sparsities[SWEEP_COUNT] = {0.3, 0, 0.62, 0.001, 0.3};

void sweep_is_each_alone(const mask_set sweep[SWEEP_COUNT], void *context,
			 void (*alone)(void *context, double sparsity, mask_set *set))
{
	for (size_t i = 0; i < SWEEP_COUNT; i++) {
		mask_set set = {0};

		alone(context, sweep_sparsities[i], &set);
		assert_int_equal(sweep[i].wrong, 0);
		assert_int_equal(sweep[i].calls, set.calls);
		assert_int_equal(sweep[i].used_bytes, set.used_bytes);
		assert_memory_equal(sweep[i].bytes, set.bytes, set.used_bytes);
		assert_memory_equal(sweep[i].dropped, set.dropped, sizeof set.dropped);
		mask_set_free(&set);
	}
}
