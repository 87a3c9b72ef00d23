/* The report's tables that are not of conditions: models, settings, the reference study. */
#include <math.h>
#include <string.h>

#include "analysis/report/report_html.h"
#include "analysis/report/report_sections.h"

static void write_model(FILE *out, const json_t *m, bool reference, bool reference_text)
{
	const json_t *saes = json_object_get(m, "saes");

	fputs("<tr><th scope=\"row\">", out);
	ps_html_text(out, ps_results_text(m, "name"));
	fputs("</th><td>", out);
	ps_html_text(out, ps_results_text(m, "family"));
	fputs("</td>", out);
	fputs("<td class=\"n\">", out);
	ps_html_number(out, ps_results_number(m, "layer"), 0);
	fputs(" of ", out);
	ps_html_number(out, ps_results_number(m, "layers"), 0);
	fputs("</td>", out);
	ps_html_cell_number(out, ps_results_number(m, "width"), 0);
	ps_html_cell_number(out, ps_results_number(m, "ppl"), 2);
	ps_html_cell_number(out, ps_results_number(m, "ppl_tokens"), 0);
	ps_html_cell_number(out, ps_results_mean(saes, "fvu"), 3);
	ps_html_cell_number(out, ps_results_mean(saes, "l0"), 1);
	ps_html_cell_number(out, 100 * ps_results_mean(saes, "dead_fraction"), 1);
	ps_html_cell_number(out, ps_results_number(m, "splice.ce_recovered"), 3);
	if (reference) {
		fputs("<td>", out);
		ps_html_text(out, ps_results_text(m, "reference.name"));
		fputs("</td>", out);
	}
	if (reference && reference_text)
		ps_html_cell_number(out, ps_results_number(m, "reference.ppl"), 2);
	fputs("</tr>\n", out);
}

void ps_report_models_table(FILE *out, const ps_results *r)
{
	static const char *const heads[] = {"layer",   "width", "perplexity", "tokens scored",
					    "SAE FVU", "L0",    "dead, %",    "CE recovered"};
	bool reference = false;

	for (size_t i = 0; i < r->model_count; i++)
		reference |= *ps_results_text(ps_results_model(r, i), "reference.name") != 0;
	ps_html_table_begin(out,
			    "<b>Models and their dense SAEs.</b> Layer: the residual stream after "
			    "this layer, counted from 0. SAE figures: means over seeds.");
	fputs("<thead><tr>", out);
	ps_html_head(out, "model", false);
	ps_html_head(out, "family", false);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		ps_html_head(out, heads[i], true);
	if (reference)
		ps_html_head(out, "in the reference", false);
	if (reference && r->reference_text)
		ps_html_head(out, "its perplexity", true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < r->model_count; i++)
		write_model(out, ps_results_model(r, i), reference, r->reference_text);
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

static void write_finding(FILE *out, const json_t *f)
{
	ps_interval i = ps_results_interval(f, "");
	bool range_only;

	i.estimate = ps_results_number(f, "value");
	range_only = !isfinite(i.estimate) && isfinite(i.low) && isfinite(i.high);
	fputs("<tr><td>", out);
	ps_html_text(out, ps_results_text(f, "question"));
	fputs("</td><td class=\"text\">", out);
	ps_html_text(out, ps_results_text(f, "text"));
	fputs(json_is_true(json_object_get(f, "superseded"))
		      ? " <span class=\"tag\">first version only, superseded</span></td>"
		      : "</td>",
	      out);
	if (range_only) {
		fputs("<td class=\"n\">", out);
		ps_html_number(out, i.low, 3);
		fputs(" to ", out);
		ps_html_number(out, i.high, 3);
		fputs("</td>", out);
	} else {
		ps_html_cell_interval(out, i, 3);
	}
	fputs("</tr>\n", out);
}

void ps_report_reference_table(FILE *out, const ps_results *r)
{
	const json_t *list = json_object_get(r->root, "reference_findings");

	ps_html_table_begin(out, "<b>What the published study reports</b> (arXiv 2603.25325, "
				 "corrected release; other models, text and sizes).");
	fputs("<thead><tr>", out);
	ps_html_head(out, "question", false);
	ps_html_head(out, "finding", false);
	ps_html_head(out, "value [95 %]", true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < json_array_size(list); i++)
		write_finding(out, json_array_get(list, i));
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

static void write_value(FILE *out, const json_t *value)
{
	if (json_is_string(value))
		ps_html_text(out, json_string_value(value));
	else if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%.6g", json_real_value(value));
	else
		fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "–", out);
}

/* A setting of the study file, or one within prefix; deeper objects do not occur. */
static void write_setting(FILE *out, const char *prefix, const char *key, const json_t *value)
{
	fputs("<tr><td><code>", out);
	ps_html_text(out, prefix);
	fputs(*prefix ? "." : "", out);
	ps_html_text(out, key);
	fputs("</code></td><td>", out);
	for (size_t i = 0; i < json_array_size(value); i++) {
		fputs(i ? ", " : "", out);
		write_value(out, json_array_get(value, i));
	}
	if (!json_is_array(value))
		write_value(out, value);
	fputs("</td></tr>\n", out);
}

void ps_report_settings_table(FILE *out, const ps_results *r)
{
	json_t *settings = json_object_get(r->root, "settings"), *value, *inner;
	const char *key, *inner_key;

	ps_html_table_begin(out, "<b>Settings</b>, by their names in the study file.");
	fputs("<tbody class=\"settings\">\n", out);
	json_object_foreach (settings, key, value) {
		if (!json_is_object(value))
			write_setting(out, "", key, value);
		json_object_foreach (value, inner_key, inner)
			write_setting(out, key, inner_key, inner);
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}
