#include "analysis/report/figure_sparsity.h"

#include <math.h>
#include <string.h>

#include "analysis/report/figure_canvas.h"
#include "analysis/seeds.h"

#define DODGE 0.03 /* of the axis, between the methods' points, so that all can be seen */
enum {
	NAME_CHARACTERS = 24, /* of a checkpoint's name beside its line */
	PAD = 4,              /* percentage points left and right of the data */
	OWN_AXIS_RATIO = 4    /* of the largest panel's range to the least: beyond it axes differ */
};

struct extent {
	double low, high;
};

static void stretch(struct extent *e, double value)
{
	if (!isfinite(value))
		return;
	e->low = fmin(e->low, value);
	e->high = fmax(e->high, value);
}

/* A condition's number for drawing. Ends that were not measured fall on the estimate. */
static ps_interval value_of(const ps_sparsity_plot *plot, const json_t *condition)
{
	ps_interval v = plot->value(condition);

	v.low = isfinite(v.low) ? v.low : v.estimate;
	v.high = isfinite(v.high) ? v.high : v.estimate;
	return (ps_interval){.estimate = v.estimate * plot->scale,
			     .low = v.low * plot->scale,
			     .high = v.high * plot->scale};
}

/* The second number, for drawing; NaN where the figure or the condition has none. */
static double hollow_of(const ps_sparsity_plot *plot, const json_t *condition)
{
	return plot->hollow.key[0] ? ps_results_number(condition, plot->hollow) * plot->scale
				   : (double)NAN;
}

/* The number of a model's retrain, for drawing; NaN where there is none. */
static double retrain_of(const ps_sparsity_plot *plot, const ps_results *r, const json_t *model)
{
	const char *name = ps_results_text(model, PS_AT(MODEL_NAME));

	return plot->retrain.key[0]
		       ? ps_results_number(ps_results_retrain(r, name), plot->retrain) * plot->scale
		       : (double)NAN;
}

static bool is_of(const json_t *condition, const json_t *model)
{
	return !strcmp(ps_results_text(condition, PS_AT(CONDITION_MODEL)),
		       ps_results_text(model, PS_AT(MODEL_NAME)));
}

/* The number of the index-th control, for drawing, if that is a checkpoint of the model; else
 * NaN. */
static double checkpoint_of(const ps_sparsity_plot *plot, const ps_results *r, const json_t *model,
			    size_t index)
{
	const json_t *control = ps_results_control(r, index);

	if (!is_of(control, model) ||
	    strcmp(ps_results_text(control, PS_AT(CONTROL_KIND)), "checkpoint") != 0)
		return (double)NAN;
	return value_of(plot, control).estimate;
}

/* Range of a model's panel, zero included; false when it has no value. */
static bool extent_of(const ps_sparsity_plot *plot, const ps_results *r, const json_t *model,
		      struct extent *e)
{
	bool found = false;

	*e = (struct extent){0, 0};
	stretch(e, retrain_of(plot, r, model));
	for (size_t i = 0; i < r->control_count; i++)
		stretch(e, checkpoint_of(plot, r, model, i));
	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i);
		ps_interval v;

		if (!is_of(c, model))
			continue;
		v = value_of(plot, c);
		found |= isfinite(v.estimate);
		stretch(e, v.estimate);
		stretch(e, v.low);
		stretch(e, v.high);
		stretch(e, hollow_of(plot, c));
		if (plot->dense_fvu)
			stretch(e, ps_results_dense_fvu(c));
	}
	return found;
}

bool ps_figure_own_axes(const ps_sparsity_plot *plot, const ps_results *r)
{
	double least = INFINITY, largest = 0;
	struct extent e;

	for (size_t m = 0; m < r->model_count; m++)
		if (extent_of(plot, r, ps_results_model(r, m), &e) && e.high > e.low) {
			least = fmin(least, e.high - e.low);
			largest = fmax(largest, e.high - e.low);
		}
	return !plot->share && largest > OWN_AXIS_RATIO * least;
}

static void set_axes(const ps_sparsity_plot *plot, const ps_results *r, const json_t *model,
		     bool own, FILE *out)
{
	struct extent all = {0, 0}, e;
	double first = r->sparsity_count ? r->sparsities[0] : 0,
	       last = r->sparsity_count ? r->sparsities[r->sparsity_count - 1] : 1;
	double pad;

	for (size_t m = 0; m < r->model_count; m++)
		if (extent_of(plot, r, ps_results_model(r, m), &e) &&
		    (!own || ps_results_model(r, m) == model)) {
			stretch(&all, e.low);
			stretch(&all, e.high);
		}
	pad = all.high > all.low ? 0.05 * (all.high - all.low) : 1;
	fprintf(out, "set xrange [%.4g:%.4g]\nset xtics 10\n", 100 * first - PAD, 100 * last + PAD);
	if (plot->share)
		fputs("set yrange [0:1.02]\nset ytics 0.2\n", out);
	else
		fprintf(out, "set yrange [%.6g:%.6g]\nset ytics autofreq\n",
			all.low < 0 ? all.low - pad : 0, all.high + pad);
}

/* The data block $mI of a method: x, value, low, high, hollow, other seed. gnuplot refuses an empty
 * block, so the last row has no numbers. */
static void write_block(const ps_sparsity_plot *plot, const ps_results *r, const json_t *model,
			size_t method, FILE *out)
{
	double length = 100 * (r->sparsities[r->sparsity_count - 1] - r->sparsities[0]) + 2 * PAD;
	double shift = ((double)method - 0.5 * (double)(r->method_count - 1)) * DODGE * length;

	fprintf(out, "$m%zu << EOD\n", method);
	for (size_t i = 0; i < r->sparsity_count; i++) {
		const json_t *c = ps_results_find(r, ps_results_text(model, PS_AT(MODEL_NAME)),
						  r->methods[method], r->sparsities[i]);
		ps_interval v;

		if (!c)
			continue;
		v = value_of(plot, c);
		ps_gnuplot_number(out, 100 * r->sparsities[i] + shift);
		ps_gnuplot_number(out, v.estimate);
		ps_gnuplot_number(out, v.low);
		ps_gnuplot_number(out, v.high);
		ps_gnuplot_number(out, hollow_of(plot, c));
		ps_gnuplot_number(
			out,
			plot->is_survival
				? ps_results_number(c, PS_AT(CONDITION_MNN_SURVIVAL_INDEPENDENT))
				: (double)NAN);
		fputc('\n', out);
	}
	fputs("NaN NaN NaN NaN NaN NaN\nEOD\n", out);
}

static void horizontal(FILE *out, double y, const char *dash, const ps_colour *colour)
{
	fprintf(out,
		"set arrow from graph 0, first %.9g to graph 1, first %.9g nohead lw 1.2 dt %s lc "
		"rgb '%s' back\n",
		y, y, dash, colour->light);
}

/* Seed floor: a band from low to high, its mean dashed. */
static void draw_floor(const json_t *model, FILE *out)
{
	const json_t *floor =
		ps_results_at(model, PS_AT_ITEM(PS_TAU_MAIN, MODEL_SEEDS, SEEDS_SURVIVAL));
	double mean = ps_results_number(floor, PS_AT(SUMMARY_MEAN)),
	       low = ps_results_number(floor, PS_AT(SUMMARY_LOW)),
	       high = ps_results_number(floor, PS_AT(SUMMARY_HIGH));

	if (isfinite(low) && isfinite(high) && high > low)
		fprintf(out,
			"set object rectangle from graph 0, first %.9g to graph 1, first %.9g "
			"behind fc rgb '%s' fs solid 0.25 noborder\n",
			low, high, ps_colour_muted.light);
	if (isfinite(mean))
		horizontal(out, mean, "2", &ps_colour_muted);
}

/* A checkpoint has no sparsity: a dotted line, under its name. */
static void draw_checkpoints(const ps_sparsity_plot *plot, const ps_results *r, const json_t *model,
			     FILE *out)
{
	for (size_t i = 0; i < r->control_count; i++) {
		const double y = checkpoint_of(plot, r, model, i);

		if (!isfinite(y))
			continue;
		horizontal(out, y, "3", &ps_colour_ink);
		fputs("set label ", out);
		ps_gnuplot_text(out, ps_control_label(ps_results_control(r, i)), NAME_CHARACTERS);
		fprintf(out,
			" at graph 0.98, first %.9g right offset 0,0.5 noenhanced textcolor rgb "
			"'%s'\n",
			y, ps_colour_ink.light);
	}
}

static void draw_dense_fvu(const ps_results *r, const json_t *model, FILE *out)
{
	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i);

		if (is_of(c, model) && isfinite(ps_results_dense_fvu(c))) {
			horizontal(out, ps_results_dense_fvu(c), "2", &ps_colour_muted);
			return;
		}
	}
}

static void plot_method(const ps_sparsity_plot *plot, const ps_results *r, size_t method, FILE *out)
{
	size_t slot = ps_method_slot(r->methods[method], method);
	const char *colour = ps_colour_method[slot].light;
	int point = ps_method_point(slot);

	if (plot->joined)
		fprintf(out, "$m%zu using 1:2 with lines lw 1.3 lc rgb '%s', ", method, colour);
	fprintf(out,
		"$m%zu using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '%s', $m%zu using "
		"1:2 with points pt %d ps 0.6 lc rgb '%s'",
		method, colour, method, point, colour);
	if (plot->hollow.key[0])
		fprintf(out, ", $m%zu using 1:5 with points pt %d ps 1.1 lw 1.2 lc rgb '%s'",
			method, point - 1, colour);
	if (plot->is_survival)
		fprintf(out, ", $m%zu using 1:6 with points pt 1 ps 0.7 lw 1.2 lc rgb '%s'", method,
			colour);
}

static void plot_panel(const ps_sparsity_plot *plot, const ps_results *r, const json_t *model,
		       FILE *out)
{
	for (size_t i = 0; i < r->method_count; i++)
		write_block(plot, r, model, i, out);
	fputs("plot ", out);
	for (size_t i = 0; i < r->method_count; i++) {
		fputs(i ? ", " : "", out);
		plot_method(plot, r, i, out);
	}
	fputc('\n', out);
}

static bool any_hollow(const ps_sparsity_plot *plot, const ps_results *r)
{
	for (size_t i = 0; i < r->condition_count; i++)
		if (isfinite(hollow_of(plot, ps_results_condition(r, i))))
			return true;
	return false;
}

static void add_legend(ps_canvas *canvas, const ps_sparsity_plot *plot, const ps_results *r)
{
	for (size_t i = 0; i < r->method_count; i++) {
		size_t slot = ps_method_slot(r->methods[i], i);

		ps_canvas_legend(canvas, ps_method_label(r->methods[i]), &ps_colour_method[slot],
				 ps_method_point(slot));
	}
	if (plot->is_survival) {
		ps_canvas_legend(canvas, "seed floor", &ps_colour_muted, PS_LEGEND_DASHED);
		ps_canvas_legend(canvas, "other initial seed", &ps_colour_muted, 1);
	}
	for (size_t m = 0, any = 0; m < r->model_count; m++)
		if (isfinite(retrain_of(plot, r, ps_results_model(r, m))) && !any++)
			ps_canvas_legend(canvas, "unpruned retrain", &ps_colour_ink,
					 PS_LEGEND_LINE);
	if (plot->dense_fvu)
		ps_canvas_legend(canvas, "dense model", &ps_colour_muted, PS_LEGEND_DASHED);
	if (any_hollow(plot, r))
		ps_canvas_legend(canvas, plot->hollow_name, &ps_colour_muted, 6);
}

static void draw_model(const ps_canvas *canvas, const ps_sparsity_plot *plot, const ps_results *r,
		       size_t m, bool own)
{
	const json_t *model = ps_results_model(r, m);
	struct extent e;
	bool found = extent_of(plot, r, model, &e);

	ps_canvas_panel(canvas, m, ps_results_text(model, PS_AT(MODEL_NAME)), "sparsity (label), %",
			plot->y);
	set_axes(plot, r, model, own, canvas->out);
	if (!found) {
		ps_canvas_empty(canvas);
		return;
	}
	if (e.low < 0 && !plot->share)
		horizontal(canvas->out, 0, "1", &ps_colour_muted);
	if (plot->is_survival)
		draw_floor(model, canvas->out);
	if (isfinite(retrain_of(plot, r, model)))
		horizontal(canvas->out, retrain_of(plot, r, model), "1", &ps_colour_ink);
	if (plot->dense_fvu)
		draw_dense_fvu(r, model, canvas->out);
	draw_checkpoints(plot, r, model, canvas->out);
	plot_panel(plot, r, model, canvas->out);
}

bool ps_figure_against_sparsity(const ps_sparsity_plot *plot, const ps_results *r, bool narrow,
				FILE *out)
{
	bool own = ps_figure_own_axes(plot, r), found = false;
	size_t in_a_row = r->model_count < 3 ? r->model_count : 3;
	ps_canvas canvas = {
		.out = out, .narrow = narrow, .panels = r->model_count, .per_row = in_a_row};
	struct extent e;

	for (size_t m = 0; m < r->model_count; m++)
		found |= extent_of(plot, r, ps_results_model(r, m), &e);
	if (!found)
		return false;
	add_legend(&canvas, plot, r);
	ps_canvas_begin(&canvas, plot->name);
	for (size_t m = 0; m < r->model_count; m++)
		draw_model(&canvas, plot, r, m, own);
	ps_canvas_end(&canvas);
	return true;
}
