#include "analysis/auc.h"

#include "analysis/sizes.h"
#include "analysis/statistics.h"

enum { LOST, SURVIVORS, GROUPS };

/* Over the items that have a score. */
struct ranking {
	size_t count;
	double *score;            /* (count) */
	uint32_t *order;          /* (count) */
	uint32_t *member[GROUPS]; /* (count): 1 for the group's items */
	double *all, *own;        /* (count): rank among all items, and within the group */
};

static size_t lay_out(struct ranking *r, size_t count, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	r->score = ps_layout_part(&layout, count, sizeof *r->score);
	r->order = ps_layout_part(&layout, count, sizeof *r->order);
	for (int g = 0; g < GROUPS; g++)
		r->member[g] = ps_layout_part(&layout, count, sizeof *r->member[g]);
	r->all = ps_layout_part(&layout, count, sizeof *r->all);
	r->own = ps_layout_part(&layout, count, sizeof *r->own);
	return layout.bytes;
}

size_t ps_auc_bytes(size_t count)
{
	struct ranking r;

	return lay_out(&r, count, NULL);
}

/* Takes the items that have a score, and counts the groups. */
static void take_items(const ps_auc_data *data, struct ranking *r, size_t size[GROUPS])
{
	size[LOST] = size[SURVIVORS] = r->count = 0;
	for (size_t i = 0; i < data->count; i++) {
		const int group = data->positive[i] ? SURVIVORS : LOST;

		if (isnan(data->score[i]))
			continue;
		r->score[r->count] = data->score[i];
		r->member[group][r->count] = 1;
		r->member[!group][r->count] = 0;
		size[group]++;
		r->count++;
	}
}

/* Of the items of a group: mean and variance of the share of the other group that scores lower. */
static double placement(const struct ranking *r, const size_t size[GROUPS], int group,
			double *variance)
{
	const double others = (double)size[!group], own = (double)size[group];
	double sum = 0, squares = 0;

	for (size_t i = 0; i < r->count; i++)
		if (r->member[group][i])
			sum += (r->all[i] - r->own[i]) / others;
	for (size_t i = 0; i < r->count; i++)
		if (r->member[group][i]) {
			const double d = (r->all[i] - r->own[i]) / others - sum / own;

			squares += d * d;
		}
	*variance = own > 1 ? squares / (own - 1) : (double)NAN;
	return sum / own;
}

void ps_auc(const ps_auc_data *data, double confidence, ps_arena *arena, ps_interval *out)
{
	const size_t mark = ps_arena_mark(arena);
	double variance[GROUPS], part[GROUPS], df;
	size_t size[GROUPS];
	struct ranking r;

	*out = ps_no_interval();
	out->unit = PS_UNIT_LATENTS;
	lay_out(&r, data->count, arena);
	take_items(data, &r, size);
	if (!size[LOST] || !size[SURVIVORS])
		goto out;
	ps_sort_order(r.score, r.count, r.order);
	ps_ranks(r.score, r.order, NULL, r.count, r.all);
	*out = (ps_interval){.kind = PS_KIND_DELONG,
			     .unit = PS_UNIT_LATENTS,
			     .n = ps_min_size(size[LOST], size[SURVIVORS])};
	for (int g = 0; g < GROUPS; g++) {
		ps_ranks(r.score, r.order, r.member[g], r.count, r.own);
		out->estimate = placement(&r, size, g, &variance[g]);
		part[g] = variance[g] / (double)size[g];
	}
	out->error = sqrt(part[LOST] + part[SURVIVORS]);
	df = (part[LOST] + part[SURVIVORS]) * (part[LOST] + part[SURVIVORS]) /
	     (part[LOST] * part[LOST] / ((double)size[LOST] - 1) +
	      part[SURVIVORS] * part[SURVIVORS] / ((double)size[SURVIVORS] - 1));
	ps_interval_set(out,
			&(ps_interval_law){.confidence = confidence, .df = df, .null_value = 0.5});
	ps_interval_clip(out, 0, 1);
out:
	ps_arena_rewind(arena, mark);
}

void ps_auc_held_out(const double *auc, size_t models, double *held_out)
{
	for (size_t m = 0; m < models; m++) {
		double sum = 0;
		size_t count = 0;

		for (size_t o = 0; o < models; o++)
			if (o != m && !isnan(auc[o])) {
				sum += auc[o];
				count++;
			}
		held_out[m] = !count                      ? (double)NAN
			      : sum / (double)count < 0.5 ? 1 - auc[m]
							  : auc[m];
	}
}
