#include "tools/shard_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bitmap.h"
#include "core/base/checked.h"
#include "tools/shard_json.h"

#define NORM_ROWS ((uint64_t)1024) /* the most rows whose norm is taken */
#define NORM_PART ((size_t)1024)   /* values that are widened at a time */
#define WINDOWS_MAX                                                                                \
	((uint64_t)1 << 28) /* the widest range of ids that is counted: 32 MiB of bits */

static int32_t load_id(const char *ids, uint64_t i)
{
	int32_t id;

	memcpy(&id, ids + i * sizeof id, sizeof id);
	return id;
}

static void id_range(const char *ids, uint64_t count, int32_t *low, int32_t *high)
{
	*low = *high = load_id(ids, 0);
	for (uint64_t i = 1; i < count; i++) {
		int32_t id = load_id(ids, i);

		*low = id < *low ? id : *low;
		*high = id > *high ? id : *high;
	}
}

/* --- tokens --- */

static void count_tokens(const ps_safetensors *file, const ps_tensor_info *info, json_t *stats)
{
	int32_t low, high;

	ps_shard_put(stats, "windows", json_integer((json_int_t)info->shape[0]));
	ps_shard_put(stats, "window", json_integer((json_int_t)info->shape[1]));
	if (!info->bytes)
		return;
	id_range(ps_safetensors_data(file, info), info->bytes / sizeof(int32_t), &low, &high);
	ps_shard_put(stats, "min_id", json_integer(low));
	ps_shard_put(stats, "max_id", json_integer(high));
}

/* --- activations --- */

static double row_norm(const char *row, ps_dtype dtype, size_t width, uint64_t *non_finite)
{
	float values[NORM_PART];
	double sum = 0;

	for (size_t at = 0; at < width; at += NORM_PART) {
		size_t part = ps_min_size(NORM_PART, width - at);

		ps_widen(row + at * ps_dtype_size(dtype), dtype, part, values);
		for (size_t i = 0; i < part; i++) {
			*non_finite += !isfinite(values[i]);
			sum += (double)values[i] * (double)values[i];
		}
	}
	return sqrt(sum);
}

/* Counts the different ids by marking each in a bitmap over their range. 0: the range is too
 * wide. */
static uint64_t count_different(const char *ids, uint64_t count)
{
	int32_t low, high;
	uint64_t range, different = 0;
	uint8_t *seen;

	id_range(ids, count, &low, &high);
	range = (uint64_t)((int64_t)high - low) + 1;
	seen = range <= WINDOWS_MAX ? calloc((size_t)(range / 8 + 1), 1) : NULL;
	ps_shard_check_memory(range <= WINDOWS_MAX && !seen ? PS_EBUDGET : 0);
	for (uint64_t i = 0; seen && i < count; i++) {
		uint64_t at = (uint64_t)((int64_t)load_id(ids, i) - low);

		different += !(seen[at / 8] >> at % 8 & 1);
		seen[at / 8] |= (uint8_t)(1u << at % 8);
	}
	free(seen);
	return different;
}

static void count_activations(const ps_safetensors *file, const ps_tensor_info *info, json_t *stats)
{
	const ps_tensor_info *windows = ps_safetensors_find(file, "window_ids");
	uint64_t rows = info->shape[0], step = ps_div_up((size_t)rows, NORM_ROWS), sampled = 0,
		 non_finite = 0, different = 0;
	size_t width = (size_t)info->shape[1];
	const char *data = ps_safetensors_data(file, info);
	double sum = 0;

	ps_shard_put(stats, "rows", json_integer((json_int_t)rows));
	if (!info->bytes)
		return;
	if (windows && windows->dtype == PS_I32 && windows->bytes == rows * sizeof(int32_t))
		different = count_different(ps_safetensors_data(file, windows), rows);
	if (different)
		ps_shard_put(stats, "windows", json_integer((json_int_t)different));
	for (uint64_t r = 0; r < rows; r += step, sampled++)
		sum += row_norm(data + r * width * ps_dtype_size((ps_dtype)info->dtype),
				(ps_dtype)info->dtype, width, &non_finite);
	ps_shard_put(stats, "sampled_rows", json_integer((json_int_t)sampled));
	ps_shard_put(stats, "non_finite", json_integer((json_int_t)non_finite));
	/* Without a finite number the key is left out. */
	if (isfinite(sum))
		ps_shard_put(stats, "mean_row_norm", ps_number_json(sum / (double)sampled));
}

/* --- masks --- */

/* The weights of a row: the number in the metadata if it agrees with the bytes of a row. */
static size_t logical_cols(const ps_safetensors *file, const ps_tensor_info *info)
{
	const json_t *about =
		json_object_get(json_object_get(file->metadata, "tensors"), info->name);
	json_int_t cols = json_integer_value(json_object_get(about, "cols"));

	return cols > 0 && (uint64_t)cols <= info->shape[1] * 8 &&
			       ps_bitmap_row_bytes((size_t)cols) == info->shape[1]
		       ? (size_t)cols
		       : (size_t)info->shape[1] * 8;
}

static void count_mask(const ps_safetensors *file, json_t *tensors, json_t *stats)
{
	uint64_t weights = 0, kept = 0;

	for (size_t i = 0; i < file->count; i++) {
		const ps_tensor_info *info = &file->tensors[i];
		size_t cols;
		uint64_t all, left;

		if (info->dtype != PS_U8 || info->rank != 2 || !info->bytes ||
		    info->bytes > UINT64_MAX / 8)
			continue;
		cols = logical_cols(file, info);
		all = info->shape[0] * cols;
		left = ps_bitmap_count(ps_safetensors_data(file, info), (size_t)info->shape[0],
				       cols);
		ps_shard_put(json_array_get(tensors, i), "sparsity",
			     ps_number_json(1 - (double)left / (double)all));
		weights += all;
		kept += left;
	}
	if (!weights)
		return;
	ps_shard_put(stats, "weights", json_integer((json_int_t)weights));
	ps_shard_put(stats, "dropped", json_integer((json_int_t)(weights - kept)));
	ps_shard_put(stats, "sparsity", ps_number_json(1 - (double)kept / (double)weights));
}

/* --- roundings --- */

static void count_rounding(const ps_safetensors *file, json_t *stats)
{
	uint64_t scales = 0, zeros = 0, non_finite = 0;

	for (size_t i = 0; i < file->count; i++) {
		const ps_tensor_info *info = &file->tensors[i];
		const char *data = ps_safetensors_data(file, info);

		if (info->dtype != PS_F32)
			continue;
		for (uint64_t at = 0; at < info->bytes; at += sizeof(float), scales++) {
			float scale;

			memcpy(&scale, data + at, sizeof scale);
			zeros += scale == 0;
			non_finite += !isfinite(scale);
		}
	}
	ps_shard_put(stats, "scales", json_integer((json_int_t)scales));
	ps_shard_put(stats, "zero_scales", json_integer((json_int_t)zeros));
	ps_shard_put(stats, "non_finite", json_integer((json_int_t)non_finite));
}

json_t *ps_shard_stats(const ps_safetensors *file, json_t *tensors)
{
	const char *kind = json_string_value(json_object_get(file->metadata, "kind"));
	const ps_tensor_info *tokens = ps_safetensors_find(file, "tokens"),
			     *rows = ps_safetensors_find(file, "activations");
	json_t *stats = ps_shard_made(json_object());

	if (kind && !strcmp(kind, "mask"))
		count_mask(file, tensors, stats);
	else if (kind && !strcmp(kind, "rounding"))
		count_rounding(file, stats);
	else if (tokens && tokens->dtype == PS_I32 && tokens->rank == 2)
		count_tokens(file, tokens, stats);
	else if (rows && rows->rank == 2 &&
		 (rows->dtype == PS_F32 || rows->dtype == PS_BF16 || rows->dtype == PS_F16))
		count_activations(file, rows, stats);
	return stats;
}
