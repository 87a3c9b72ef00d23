#include "analysis/report/figure_curves.h"

#include <math.h>
#include <string.h>

#include "analysis/fragility.h"
#include "analysis/report/figure_canvas.h"
#include "analysis/seeds.h"

enum { SHARES = 5 }; /* of a condition: thresholds or quintiles */
_Static_assert((int)PS_TAUS == SHARES && (int)PS_QUINTILES == SHARES,
	       "both kinds of curve have five points");

/* The index-th number of a list. */
static double number_at(const json_t *object, ps_results_path list, int index)
{
	list.item = (unsigned)index + 1;
	return ps_results_number(object, list);
}

static double place(const ps_curves_plot *plot, const json_t *condition, int i)
{
	double tau;

	if (plot->quintiles)
		return i + 1;
	tau = number_at(condition, PS_AT(CONDITION_TAUS), i);
	return isfinite(tau) ? tau : ps_taus[i];
}

static bool measured(const ps_curves_plot *plot, const json_t *condition)
{
	for (int i = 0; i < SHARES; i++)
		if (isfinite(number_at(condition, plot->list, i)))
			return true;
	return false;
}

static void set_unit_axes(bool quintiles, FILE *out)
{
	fputs("set yrange [0:1.02]\nset ytics 0.2\n", out);
	if (quintiles)
		fputs("set xrange [0.7:5.3]\nset xtics ('Q1' 1, 'Q2' 2, 'Q3' 3, 'Q4' 4, 'Q5' 5)\n",
		      out);
	else
		fputs("set xrange [0.47:0.93]\nset xtics 0.1\n", out);
}

/* The data block $sI of a condition or control. */
static void write_curve(const ps_curves_plot *plot, const json_t *c, size_t index, FILE *out)
{
	fprintf(out, "$s%zu << EOD\n", index);
	for (int i = 0; i < SHARES; i++) {
		ps_gnuplot_number(out, place(plot, c, i));
		ps_gnuplot_number(out, number_at(c, plot->list, i));
		fputc('\n', out);
	}
	fputs("EOD\n", out);
}

/* One panel: a line for each sparsity of a model under a method. */
static void draw_curves(const ps_canvas *canvas, const ps_curves_plot *plot, const ps_results *r,
			size_t panel, const char *model, const char *method)
{
	const json_t *again = ps_results_retrain(r, model);
	const char *lead = "plot ";

	ps_canvas_panel(canvas, panel, model, plot->x, plot->y);
	ps_canvas_subtitle(canvas, ps_method_label(method), model);
	set_unit_axes(plot->quintiles, canvas->out);
	for (size_t s = 0; s <= r->sparsity_count; s++)
		write_curve(plot,
			    s < r->sparsity_count
				    ? ps_results_find(r, model, method, r->sparsities[s])
				    : again,
			    s, canvas->out);
	for (size_t s = 0; s < r->sparsity_count; s++) {
		const json_t *c = ps_results_find(r, model, method, r->sparsities[s]);

		if (!c || !measured(plot, c))
			continue;
		fprintf(canvas->out,
			"%s$s%zu using 1:2 with linespoints pt 7 ps 0.45 lw 1.5 lc rgb '%s'", lead,
			s, ps_scale_colour(s, r->sparsity_count)->light);
		lead = ", ";
	}
	if (measured(plot, again)) {
		fprintf(canvas->out, "%s$s%zu using 1:2 with lines lw 1.5 dt 2 lc rgb '%s'", lead,
			r->sparsity_count, ps_colour_ink.light);
		lead = ", ";
	}
	if (!strcmp(lead, ", "))
		fputc('\n', canvas->out);
	else
		ps_canvas_empty(canvas);
}

bool ps_figure_curves(const ps_curves_plot *plot, const ps_results *r, bool narrow, FILE *out)
{
	bool by_method = r->model_count <= 3, found = false;
	ps_canvas canvas = {.out = out,
			    .narrow = narrow,
			    .panels = r->model_count * r->method_count,
			    .panel_height = 250};
	size_t most = by_method ? r->model_count : r->method_count;

	for (size_t i = 0; i < r->condition_count; i++)
		found |= measured(plot, ps_results_condition(r, i));
	if (!found)
		return false;
	canvas.per_row = most < 3 ? most : 3;
	for (size_t s = 0; s < r->sparsity_count; s++) {
		char text[24];

		snprintf(text, sizeof text, "%.3g %%", 100 * r->sparsities[s]);
		ps_canvas_legend(&canvas, text, ps_scale_colour(s, r->sparsity_count), 7);
	}
	for (size_t i = 0, any = 0; i < r->control_count; i++)
		if (!strcmp(ps_results_text(ps_results_control(r, i), PS_AT(CONTROL_KIND)),
			    "retrain") &&
		    !any++)
			ps_canvas_legend(&canvas, "unpruned retrain", &ps_colour_ink,
					 PS_LEGEND_DASHED);
	ps_canvas_begin(&canvas, plot->name);
	for (size_t p = 0; p < canvas.panels; p++) {
		size_t model = by_method ? p % r->model_count : p / r->method_count,
		       method = by_method ? p / r->model_count : p % r->method_count;

		draw_curves(&canvas, plot, r, p, ps_results_model_name(r, model),
			    r->methods[method]);
	}
	ps_canvas_end(&canvas);
	return true;
}

/* --- seeds --- */

static void draw_pairs(const ps_canvas *canvas, size_t panel, const json_t *model)
{
	const json_t *pairs = ps_results_at(model, PS_AT(MODEL_SEEDS, SEEDS_PAIRS)),
		     *means = ps_results_at(model, PS_AT(MODEL_SEEDS, SEEDS_SURVIVAL));
	FILE *out = canvas->out;

	ps_canvas_panel(canvas, panel, ps_results_text(model, PS_AT(MODEL_NAME)), "least cosine τ",
			"survival between seeds");
	set_unit_axes(false, out);
	if (!json_array_size(pairs)) {
		ps_canvas_empty(canvas);
		return;
	}
	fputs("$pairs << EOD\n", out);
	for (size_t i = 0; i < json_array_size(pairs); i++)
		for (int t = 0; t < SHARES; t++) {
			ps_gnuplot_number(out, ps_taus[t]);
			ps_gnuplot_number(
				out, number_at(json_array_get(pairs, i), PS_AT(PAIR_SURVIVAL), t));
			fputc('\n', out);
		}
	fputs("EOD\n$means << EOD\n", out);
	for (int t = 0; t < SHARES; t++) {
		ps_gnuplot_number(out, ps_taus[t]);
		ps_gnuplot_number(out, ps_results_number(json_array_get(means, (size_t)t),
							 PS_AT(SUMMARY_MEAN)));
		fputc('\n', out);
	}
	fprintf(out,
		"EOD\nplot $means using 1:2 with lines lw 1.6 lc rgb '%s', $pairs using 1:2 with "
		"points pt 6 ps 0.7 lw 1.2 lc rgb '%s'\n",
		ps_colour_muted.light, ps_colour_method[1].light);
}

bool ps_figure_seeds(const ps_results *r, bool narrow, FILE *out)
{
	size_t in_a_row = r->model_count < 3 ? r->model_count : 3;
	ps_canvas canvas = {.out = out,
			    .narrow = narrow,
			    .panels = r->model_count,
			    .per_row = in_a_row,
			    .panel_height = 250};
	bool found = false;

	for (size_t m = 0; m < r->model_count; m++)
		found |= json_array_size(ps_results_at(ps_results_model(r, m),
						       PS_AT(MODEL_SEEDS, SEEDS_PAIRS))) > 0;
	if (!found)
		return false;
	ps_canvas_legend(&canvas, "pair of seeds", &ps_colour_method[1], 6);
	ps_canvas_legend(&canvas, "mean over pairs", &ps_colour_muted, PS_LEGEND_LINE);
	ps_canvas_begin(&canvas, "seeds");
	for (size_t m = 0; m < r->model_count; m++)
		draw_pairs(&canvas, m, ps_results_model(r, m));
	ps_canvas_end(&canvas);
	return true;
}

/* --- diagnostics --- */

static void write_row(double y, ps_interval interval, FILE *out)
{
	ps_gnuplot_number(out, interval.estimate);
	ps_gnuplot_number(out, y);
	ps_gnuplot_number(out, interval.low);
	ps_gnuplot_number(out, interval.high);
	fputc('\n', out);
}

/* The index-th of the diagnostics and, below them, their rivals. */
static const json_t *diagnostic_at(const ps_results *r, size_t index)
{
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTICS)),
		     *rivals = ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTIC_RIVALS));
	size_t n = json_array_size(list);

	return index < n ? json_array_get(list, index) : json_array_get(rivals, index - n);
}

static void write_diagnostics(const ps_results *r, size_t n, FILE *out)
{
	fputs("$own << EOD\n", out);
	for (size_t i = 0; i < n; i++)
		write_row((double)(n - i) + 0.12,
			  ps_results_interval(diagnostic_at(r, i), PS_AT(DIAGNOSTIC_SPEARMAN)),
			  out);
	fputs("EOD\n$paper << EOD\nNaN NaN NaN NaN\n", out);
	for (size_t i = 0; i < n; i++) {
		const json_t *reference = ps_results_reference_diagnostic(r, diagnostic_at(r, i));

		if (reference)
			write_row((double)(n - i) - 0.18, ps_results_finding(reference), out);
	}
	fputs("EOD\n", out);
}

bool ps_figure_diagnostics(const ps_results *r, bool narrow, FILE *out)
{
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTICS));
	size_t n = json_array_size(list) +
		   json_array_size(ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTIC_RIVALS)));
	ps_canvas canvas = {.out = out,
			    .narrow = narrow,
			    .panels = 1,
			    .per_row = 1,
			    .panel_width = 640,
			    .panel_height = 90 + 52 * (int)(n < 40 ? n : 40),
			    .left = 178};

	if (!isfinite(ps_results_mean(list, PS_AT(DIAGNOSTIC_SPEARMAN, INTERVAL_ESTIMATE))))
		return false;
	ps_canvas_legend(&canvas, "this study", &ps_colour_method[1], 7);
	ps_canvas_legend(&canvas, "reference, other set-up", &ps_colour_muted, 6);
	ps_canvas_begin(&canvas, "diagnostics");
	ps_canvas_panel(&canvas, 0, "", "Spearman with the change of log perplexity", "");
	write_diagnostics(r, n, out);
	fprintf(out,
		"set xrange [-1.05:1.05]\nset xtics 0.5\nset yrange [0.4:%zu.6]\nset grid noytics "
		"xtics\nset ytics (",
		n);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "", out);
		ps_gnuplot_tic(out, ps_results_text(diagnostic_at(r, i), PS_AT(DIAGNOSTIC_NAME)),
			       26);
		fprintf(out, " %zu", n - i);
	}
	fprintf(out,
		")\nset arrow from first 0, graph 0 to first 0, graph 1 nohead lw 1 lc rgb '%s' "
		"back\n",
		ps_colour_muted.light);
	fprintf(out,
		"plot $paper using 3:2:($4-$3):(0) with vectors nohead lw 1.2 lc rgb '%s', $paper "
		"using 1:2 with points pt 6 ps 0.8 lw 1.2 lc rgb '%s', ",
		ps_colour_muted.light, ps_colour_muted.light);
	fprintf(out,
		"$own using 3:2:($4-$3):(0) with vectors nohead lw 1.6 lc rgb '%s', $own using 1:2 "
		"with points pt 7 ps 0.7 lc rgb '%s'\n",
		ps_colour_method[1].light, ps_colour_method[1].light);
	ps_canvas_end(&canvas);
	return true;
}
