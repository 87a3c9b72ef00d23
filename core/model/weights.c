#include "core/model/weights.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/base/checked.h"
#include "core/base/finite.h"

#define STRIP ((size_t)256) /* columns that are looked at together */

/* The place of a row among those that are stored. */
static size_t stored_row(const ps_weight *w, size_t row)
{
	const size_t head = w->paired_rows, in_head = head ? row % head : 0;

	if (!head)
		return row;
	return row - in_head + (in_head < head / 2 ? 2 * in_head : 2 * (in_head - head / 2) + 1);
}

void ps_weight_decode(const ps_weight *w, size_t row, size_t first, size_t n, float *out)
{
	ps_widen_part((const char *)w->data + ps_weight_at(w, row, 0), w->dtype, first, n, out);
	for (size_t i = 0; w->plus_one && i < n; i++)
		out[i] -= 1;
}

uint64_t ps_weight_at(const ps_weight *w, size_t row, size_t col)
{
	const size_t block = ps_dtype_block(w->dtype), before = stored_row(w, row) * w->cols + col;

	/* A row is whole blocks. */
	return ps_dtype_bytes(w->dtype, block == 1 ? before : before / block * block);
}

ps_dtype ps_weight_written(const ps_weight *w)
{
	return ps_dtype_block(w->dtype) > 1 ? PS_F32 : w->dtype;
}

/* Says that a weight is not finite, or is not once it is edited. */
static int name_not_finite(const ps_weight *w, size_t row, size_t col, ps_diag *diag)
{
	const ps_weight_place *place = &w->place;
	float value;

	ps_weight_decode(w, row, col, 1, &value);
	return ps_fail(diag, PS_EINPUT,
		       "%s: tensor %s holds %s at row %zu, column %zu (offset %" PRIu64 "): %s",
		       place->path ? place->path : "the model",
		       place->tensor ? place->tensor : "(unnamed)",
		       isnan(value)      ? "NaN"
		       : isfinite(value) ? "a weight"
		       : value > 0       ? "inf"
					 : "-inf",
		       place->first_row + row, col, place->offset + ps_weight_at(w, row, col),
		       isfinite(value) ? "its rounded value is not finite"
				       : "weights must be finite");
}

int ps_weight_check_finite(const ps_weight *w, ps_diag *diag)
{
	float values[STRIP];

	for (size_t row = 0; row < w->rows; row++)
		for (size_t first = 0; first < w->cols; first += STRIP) {
			const size_t n = ps_min_size(STRIP, w->cols - first);
			const ps_edit_place place = {row, first, w->cols, ps_weight_written(w)};
			size_t bad;

			ps_weight_decode(w, row, first, n, values);
			ps_edit_apply(&w->edit, &place, n, values);
			bad = ps_first_not_finite(values, n);
			if (bad < n)
				return name_not_finite(w, row, first + bad, diag);
		}
	return 0;
}

void ps_projection_shape(const ps_model_config *config, ps_projection projection, size_t *rows,
			 size_t *cols)
{
	const size_t query = config->heads * config->head_width,
		     key = config->kv_heads * config->head_width;
	const size_t shape[PS_PROJECTIONS][2] = {
		[PS_Q] = {query, config->width},
		[PS_K] = {key, config->width},
		[PS_V] = {key, config->width},
		[PS_O] = {config->width, query},
		[PS_GATE] = {config->mlp_width, config->width},
		[PS_UP] = {config->mlp_width, config->width},
		[PS_DOWN] = {config->width, config->mlp_width},
	};

	*rows = shape[projection][0];
	*cols = shape[projection][1];
}

char *ps_projection_tensor(int layer, ps_projection projection, char *out)
{
	static const char *const name[PS_PROJECTIONS] = {
		[PS_Q] = "self_attn.q_proj", [PS_K] = "self_attn.k_proj",
		[PS_V] = "self_attn.v_proj", [PS_O] = "self_attn.o_proj",
		[PS_GATE] = "mlp.gate_proj", [PS_UP] = "mlp.up_proj",
		[PS_DOWN] = "mlp.down_proj",
	};

	snprintf(out, 96, "model.layers.%d.%s.weight", layer, name[projection]);
	return out;
}

char *ps_norm_tensor(ps_family family, int layer, ps_norm norm, char *out)
{
	static const struct {
		const char *name;
		unsigned families; /* a bit for each ps_family that has it */
	} norms[PS_NORMS] = {
		[PS_NORM_INPUT] = {"input_layernorm", 7},
		[PS_NORM_POST_ATTENTION] = {"post_attention_layernorm", 7},
		[PS_NORM_PRE_MLP] = {"pre_feedforward_layernorm",
				     1 << PS_FAMILY_GEMMA2 | 1 << PS_FAMILY_GEMMA3},
		[PS_NORM_POST_MLP] = {"post_feedforward_layernorm",
				      1 << PS_FAMILY_GEMMA2 | 1 << PS_FAMILY_GEMMA3},
		[PS_NORM_Q] = {"self_attn.q_norm", 1 << PS_FAMILY_GEMMA3},
		[PS_NORM_K] = {"self_attn.k_norm", 1 << PS_FAMILY_GEMMA3},
	};

	if (!(norms[norm].families >> family & 1))
		return NULL;
	snprintf(out, 96, "model.layers.%d.%s.weight", layer, norms[norm].name);
	return out;
}

size_t ps_norm_length(const ps_model_config *config, ps_norm norm)
{
	return norm == PS_NORM_Q || norm == PS_NORM_K ? config->head_width : config->width;
}
