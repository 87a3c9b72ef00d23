/* Every function here is pure and works on a strip of one row. So any number of threads may share
 * an edit. */
#include "core/model/edit.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/bitmap.h"
#include "core/base/checked.h"
#include "core/base/clones.h"

/* --- masks --- */

static bool is_mask(const ps_edit *edit)
{
	return edit->keep;
}

static void apply_mask(const ps_edit *edit, const ps_edit_place *place, size_t n, float *values)
{
	ps_bitmap_apply(edit->keep + place->row * ps_bitmap_row_bytes(place->cols), place->first, n,
			values);
}

/* --- rounding --- */

static bool is_rounding(const ps_edit *edit)
{
	return edit->rounding.scale;
}

/* An infinity is not clamped: it must not become a weight. */
PS_CLONES
static void round_group(float scale, float steps, size_t n, float *values)
{
	for (size_t i = 0; i < n; i++) {
		float q = rintf(values[i] / scale);

		q = q > steps && q <= FLT_MAX ? steps : q;
		q = q < -steps && q >= -FLT_MAX ? -steps : q;
		values[i] = q * scale;
	}
}

static void clear_group(size_t n, float *values)
{
	for (size_t i = 0; i < n; i++)
		values[i] *= 0; /* NaN if it is not finite */
}

static void apply_rounding(const ps_edit *edit, const ps_edit_place *place, size_t n, float *values)
{
	const ps_rounding *rounding = &edit->rounding;
	const size_t columns = ps_rounding_columns(&rounding->rule, place->cols),
		     groups = ps_rounding_groups(&rounding->rule, place->cols);
	const char *scales = (const char *)rounding->scale + place->row * groups * sizeof(float);

	for (size_t done = 0; done < n;) {
		const size_t group = (place->first + done) / columns,
			     end = (group + 1) * columns - place->first,
			     count = ps_min_size(end, n) - done;
		float scale;

		memcpy(&scale, scales + group * sizeof scale, sizeof scale);
		if (scale > 0)
			round_group(scale, ps_rounding_steps(rounding->rule.bits), count,
				    values + done);
		else
			clear_group(count, values + done);
		done += count;
	}
	ps_round_to(place->stored, n, values);
}

/* --- both --- */

static const struct kind {
	bool (*is)(const ps_edit *edit);
	void (*apply)(const ps_edit *edit, const ps_edit_place *place, size_t n, float *values);
} kinds[] = {
	{is_mask, apply_mask},
	{is_rounding, apply_rounding},
};

void ps_edit_apply(const ps_edit *edit, const ps_edit_place *place, size_t n, float *values)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].is(edit))
			kinds[i].apply(edit, place, n, values);
}
