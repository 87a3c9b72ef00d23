#include "analysis/report/report_tables.h"

#include <math.h>

#include "analysis/report/report_html.h"

static void write_model(FILE *out, const json_t *m, bool reference)
{
	const json_t *saes = ps_results_at(m, PS_AT(MODEL_SAES));

	fputs("<tr><th scope=\"row\">", out);
	ps_html_text(out, ps_results_text(m, PS_AT(MODEL_NAME)));
	fputs("</th><td>", out);
	ps_html_text(out, ps_results_text(m, PS_AT(MODEL_FAMILY)));
	fputs("</td>", out);
	fputs("<td class=\"n\">", out);
	ps_html_number(out, ps_results_number(m, PS_AT(MODEL_LAYER)), 0);
	fputs(" of ", out);
	ps_html_number(out, ps_results_number(m, PS_AT(MODEL_LAYERS)), 0);
	fputs("</td>", out);
	ps_html_cell_number(out, ps_results_number(m, PS_AT(MODEL_WIDTH)), 0);
	ps_html_cell_number(out, ps_results_number(m, PS_AT(MODEL_PPL)), 2);
	ps_html_cell_number(out, ps_results_number(m, PS_AT(MODEL_PPL_TOKENS)), 0);
	ps_html_cell_number(out, ps_results_mean(saes, PS_AT(SAE_FVU)), 3);
	ps_html_cell_number(out, ps_results_mean(saes, PS_AT(SAE_L0)), 1);
	ps_html_cell_number(out, 100 * ps_results_mean(saes, PS_AT(SAE_DEAD_FRACTION)), 1);
	ps_html_cell_number(out, ps_results_number(m, PS_AT(MODEL_SPLICE, SPLICE_CE_RECOVERED)), 3);
	if (reference) {
		fputs("<td>", out);
		ps_html_text(out, ps_results_text(m, PS_AT(MODEL_REFERENCE, MODEL_REFERENCE_NAME)));
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
}

void ps_report_models_table(FILE *out, const ps_results *r)
{
	static const char *const heads[] = {"layer",   "width", "perplexity", "tokens scored",
					    "SAE FVU", "L0",    "dead, %",    "CE recovered"};
	bool reference = false;

	for (size_t i = 0; i < r->model_count; i++)
		reference |= *ps_results_text(ps_results_model(r, i),
					      PS_AT(MODEL_REFERENCE, MODEL_REFERENCE_NAME)) != 0;
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
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < r->model_count; i++)
		write_model(out, ps_results_model(r, i), reference);
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

static void write_finding(FILE *out, const json_t *f)
{
	ps_interval i = ps_results_finding(f);

	fputs("<tr><td>", out);
	ps_html_text(out, ps_results_text(f, PS_AT(FINDING_QUESTION)));
	fputs("</td><td class=\"text\">", out);
	ps_html_text(out, ps_results_text(f, PS_AT(FINDING_TEXT)));
	fputs(json_is_true(ps_results_at(f, PS_AT(FINDING_SUPERSEDED)))
		      ? " <span class=\"tag\">first version only, superseded</span></td>"
		      : "</td>",
	      out);
	if (!isfinite(i.estimate) && isfinite(i.low) && isfinite(i.high)) {
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
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_REFERENCE_FINDINGS));

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

/* One setting: `key` of the study file, or `prefix.key`. Settings are at most two levels deep. */
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
	const json_t *settings = ps_results_at(r->root, PS_AT(ROOT_SETTINGS));
	json_t *value, *inner;
	const char *key, *inner_key;

	ps_html_table_begin(out, "<b>Settings</b>, by their names in the study file.");
	fputs("<tbody class=\"settings\">\n", out);
	json_object_foreach ((json_t *)settings, key, value) {
		if (!json_is_object(value))
			write_setting(out, "", key, value);
		json_object_foreach (value, inner_key, inner)
			write_setting(out, key, inner_key, inner);
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}
