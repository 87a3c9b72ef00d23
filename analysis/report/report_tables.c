#include "analysis/report/report_tables.h"

#include <math.h>
#include <string.h>

#include "analysis/report/report_html.h"

/* A number in a table whose rows become cards. */
static void write_card_number(FILE *out, const char *head, double value, int decimals)
{
	ps_html_cell_begin(out, head);
	ps_html_number(out, value, decimals);
	fputs("</td>", out);
}

/* Columns of the table of models, behind name and family. */
enum model_column { LAYER, WIDTH, PERPLEXITY, SCORED, MODEL_COLUMNS };
static const char *const model_heads[MODEL_COLUMNS] = {"layer", "width", "perplexity",
						       "tokens scored"};

static void write_model(FILE *out, const json_t *m, bool reference)
{
	fputs("<tr><th scope=\"row\">", out);
	ps_html_text(out, ps_results_text(m, PS_AT(MODEL_NAME)));
	fputs("</th><td data-h=\"family\">", out);
	ps_html_text(out, ps_results_text(m, PS_AT(MODEL_FAMILY)));
	fputs("</td>", out);
	ps_html_cell_begin(out, model_heads[LAYER]);
	ps_html_number(out, ps_results_number(m, PS_AT(MODEL_LAYER)), 0);
	fputs(" of ", out);
	ps_html_number(out, ps_results_number(m, PS_AT(MODEL_LAYERS)), 0);
	fputs("</td>", out);
	write_card_number(out, model_heads[WIDTH], ps_results_number(m, PS_AT(MODEL_WIDTH)), 0);
	write_card_number(out, model_heads[PERPLEXITY], ps_results_number(m, PS_AT(MODEL_PPL)), 2);
	write_card_number(out, model_heads[SCORED], ps_results_number(m, PS_AT(MODEL_PPL_TOKENS)),
			  0);
	if (reference) {
		fputs("<td data-h=\"in the reference\">", out);
		ps_html_text(out, ps_results_text(m, PS_AT(MODEL_REFERENCE, MODEL_REFERENCE_NAME)));
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
}

void ps_report_models_table(FILE *out, const ps_results *r)
{
	bool reference = false;

	for (size_t i = 0; i < r->model_count; i++)
		reference |= *ps_results_text(ps_results_model(r, i),
					      PS_AT(MODEL_REFERENCE, MODEL_REFERENCE_NAME)) != 0;
	ps_html_cards_begin(out,
			    "<b>The dense models.</b> Layer: the residual stream after this layer, "
			    "counted from 0.",
			    "models");
	fputs("<thead><tr>", out);
	ps_html_head(out, "model", false);
	ps_html_head(out, "family", false);
	for (size_t i = 0; i < MODEL_COLUMNS; i++)
		ps_html_head(out, model_heads[i], true);
	if (reference)
		ps_html_head(out, "in the reference", false);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < r->model_count; i++)
		write_model(out, ps_results_model(r, i), reference);
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

/* --- SAEs --- */

enum sae_column { SAES, FVU, L0, DEAD, RECOVERED, SEEDS, KL, SAE_COLUMNS };
static const char *const sae_heads[SAE_COLUMNS] = {
	"SAEs", "FVU", "L0", "dead, %", "CE recovered", "single seeds", "KL, nats"};

/* CE recovered: the mean over the seeds, then least and largest; KL. */
static void write_spliced(FILE *out, const json_t *list)
{
	double least, largest;

	write_card_number(out, sae_heads[RECOVERED],
			  ps_results_mean(list, PS_AT(SPLICE_SEED_CE_RECOVERED)), 3);
	if (json_array_size(list) > 1 &&
	    ps_results_range(list, PS_AT(SPLICE_SEED_CE_RECOVERED), &least, &largest)) {
		ps_html_cell_begin(out, sae_heads[SEEDS]);
		ps_html_number(out, least, 3);
		fputs(" to ", out);
		ps_html_number(out, largest, 3);
		fputs("</td>", out);
	} else {
		fputs("<td></td>", out);
	}
	write_card_number(out, sae_heads[KL], ps_results_mean(list, PS_AT(SPLICE_SEED_KL)), 3);
}

/* How many columns the table has: those of the spliced loss only if it was measured. */
static int sae_columns(const ps_results *r)
{
	for (size_t m = 0; m < r->model_count; m++)
		if (json_array_size(ps_results_at(ps_results_model(r, m), PS_AT(MODEL_SPLICES))))
			return SAE_COLUMNS;
	return RECOVERED;
}

/* A row of SAEs: of a model, a condition or a control. spliced: the same SAEs in the dense model;
 * NULL: they belong to another model. columns: of the table (sae_columns). */
static void write_saes(FILE *out, const char *label, const json_t *saes, const json_t *spliced,
		       int columns)
{
	fputs("<tr><td>", out);
	ps_html_text(out, label);
	fputs("</td>", out);
	write_card_number(out, sae_heads[SAES], (double)json_array_size(saes), 0);
	write_card_number(out, sae_heads[FVU], ps_results_mean(saes, PS_AT(SAE_FVU)), 3);
	write_card_number(out, sae_heads[L0], ps_results_mean(saes, PS_AT(SAE_L0)), 1);
	write_card_number(out, sae_heads[DEAD],
			  100 * ps_results_mean(saes, PS_AT(SAE_DEAD_FRACTION)), 1);
	if (columns == SAE_COLUMNS && json_array_size(spliced))
		write_spliced(out, spliced);
	else if (columns == SAE_COLUMNS)
		fputs("<td></td><td></td><td></td>", out);
	fputs("</tr>\n", out);
}

/* The SAEs of one model's conditions, or of its controls. */
static void write_saes_of(FILE *out, const char *model, const json_t *list, bool controls,
			  int columns)
{
	char label[96];

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		const char *method = ps_results_text(c, PS_AT(CONDITION_METHOD));

		if (strcmp(ps_results_text(c, PS_AT(CONDITION_MODEL)), model))
			continue;
		snprintf(label, sizeof label, "%s %.4g %%", ps_method_label(method),
			 100 * ps_results_number(c, PS_AT(CONDITION_SPARSITY)));
		write_saes(out, controls ? ps_control_label(c) : label,
			   ps_results_at(c, PS_AT(CONDITION_SAES)),
			   controls && !*method ? ps_results_at(c, PS_AT(CONDITION_SPLICES)) : NULL,
			   columns);
	}
}

void ps_report_saes_table(FILE *out, const ps_results *r)
{
	const int columns = sae_columns(r);

	ps_html_cards_begin(
		out,
		"<b>The SAEs</b>, each on the rows it was trained on: FVU, L0 and dead "
		"latents, means over the seeds. CE recovered and KL, where <code>splice</code> of "
		"the study file asks for them: their reconstructions in the dense model’s forward "
		"pass, means over the seeds too; single seeds: least and largest CE recovered. A "
		"frozen decoder or "
		"encoder is never trained: what it reaches needs no learned directions "
		"(arXiv 2602.14111).",
		"controls");
	fputs("<thead><tr>", out);
	ps_html_head(out, "SAE of", false);
	for (int i = 0; i < columns; i++)
		ps_html_head(out, sae_heads[i], true);
	fputs("</tr></thead>\n", out);
	for (size_t m = 0; m < r->model_count; m++) {
		const json_t *model = ps_results_model(r, m);
		const char *name = ps_results_model_name(r, m);

		fprintf(out, "<tbody><tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%d\">",
			1 + columns);
		ps_html_text(out, name);
		fputs("</th></tr>\n", out);
		write_saes(out, "the dense model", ps_results_at(model, PS_AT(MODEL_SAES)),
			   ps_results_at(model, PS_AT(MODEL_SPLICES)), columns);
		write_saes_of(out, name, r->controls, true, columns);
		write_saes_of(out, name, r->conditions, false, columns);
		fputs("</tbody>\n", out);
	}
	ps_html_table_end(out);
}

/* --- diagnostics, predictors, families --- */

/* Writes least and largest of a list of numbers. */
static void write_list_range(FILE *out, const json_t *list, int decimals)
{
	double least = INFINITY, largest = -INFINITY;

	for (size_t i = 0; i < json_array_size(list); i++) {
		double value = ps_json_number(json_array_get(list, i));

		least = isfinite(value) ? fmin(least, value) : least;
		largest = isfinite(value) ? fmax(largest, value) : largest;
	}
	ps_html_number(out, least, decimals);
	if (isfinite(least) && !ps_html_alike(least, largest, decimals)) {
		fputs(" to ", out);
		ps_html_number(out, largest, decimals);
	}
	fputs("</td>", out);
}

static const char *const diagnostic_heads[] = {"ρ [95 %]",      "each model alone",
					       "each left out", "sparsity held fixed",
					       "conditions",    "reference ρ † [95 %]"};

static void write_diagnostic(FILE *out, const ps_results *r, const json_t *d, bool rival)
{
	static const ps_results_path paths[] = {
		PS_AT(DIAGNOSTIC_SPEARMAN), PS_AT(DIAGNOSTIC_BY_MODEL),
		PS_AT(DIAGNOSTIC_WITHOUT_MODEL), PS_AT(DIAGNOSTIC_PARTIAL)};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		ps_html_cell_begin(out, diagnostic_heads[i]);
		if (json_is_array(ps_results_at(d, paths[i]))) {
			write_list_range(out, ps_results_at(d, paths[i]), 3);
			continue;
		}
		ps_html_interval(out, ps_results_interval(d, paths[i]), 3);
		fputs("</td>", out);
	}
	ps_html_cell_begin(out, diagnostic_heads[4]);
	ps_html_number(out, ps_results_number(d, PS_AT(DIAGNOSTIC_N)), 0);
	fputs("</td>", out);
	if (rival) {
		fputs("<td></td>", out);
		return;
	}
	ps_html_cell_begin(out, diagnostic_heads[5]);
	ps_html_reference(out, ps_results_finding(ps_results_reference_diagnostic(r, d)), 3);
	fputs("</td>", out);
}

static void write_diagnostics(FILE *out, const ps_results *r, const json_t *list, bool rivals)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);

		fputs(rivals ? "<tr class=\"control\"><td>" : "<tr><td>", out);
		ps_html_text(out, ps_results_text(d, PS_AT(DIAGNOSTIC_NAME)));
		fputs("</td>", out);
		write_diagnostic(out, r, d, rivals);
		fputs("</tr>\n", out);
	}
}

void ps_report_diagnostics_table(FILE *out, const ps_results *r)
{
	ps_html_cards_begin(
		out,
		"<b>Spearman with the change of log perplexity</b>, over conditions. In "
		"italics: the rivals, which need no SAE. Reference: the published study’s, "
		"over its own conditions.",
		"diagnostics");
	fputs("<thead><tr>", out);
	ps_html_head(out, "diagnostic", false);
	for (size_t i = 0; i < sizeof diagnostic_heads / sizeof *diagnostic_heads; i++)
		ps_html_head(out, diagnostic_heads[i], true);
	fputs("</tr></thead><tbody>\n", out);
	write_diagnostics(out, r, ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTICS)), false);
	write_diagnostics(out, r, ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTIC_RIVALS)), true);
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

void ps_report_predictors_table(FILE *out, const ps_results *r)
{
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_PREDICTORS));

	if (!json_array_size(list))
		return;
	ps_html_table_begin(
		out,
		"<b>Which statistics of a latent in the dense model tell survivors from "
		"the lost?</b> AUC: the chance that a survivor has the higher value, 0.5: "
		"none; mean over a model’s conditions, least to largest over the models. "
		"Held out: in the direction that the other models show.",
		"predictors");
	fputs("<thead><tr>", out);
	ps_html_head(out, "statistic", false);
	ps_html_head(out, "AUC", true);
	ps_html_head(out, "AUC, model held out", true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		fputs("<tr><td>", out);
		ps_html_text(out, ps_results_text(p, PS_AT(PREDICTOR_NAME)));
		fputs("</td>", out);
		fputs("<td class=\"n\">", out);
		write_list_range(out, ps_results_at(p, PS_AT(PREDICTOR_BY_MODEL)), 3);
		fputs("<td class=\"n\">", out);
		write_list_range(out, ps_results_at(p, PS_AT(PREDICTOR_HELD_OUT)), 3);
		fputs("</tr>\n", out);
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

void ps_report_families_table(FILE *out, const ps_results *r)
{
	static const struct {
		const char *head;
		ps_results_path path;
	} counts[] = {
		{"tests", PS_AT(FAMILY_TESTS)},
		{"above 0", PS_AT(FAMILY_ABOVE)},
		{"adjusted", PS_AT(FAMILY_ADJUSTED_ABOVE)},
		{"below 0", PS_AT(FAMILY_BELOW)},
		{"adjusted", PS_AT(FAMILY_ADJUSTED_BELOW)},
	};
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_FAMILIES));

	if (!json_array_size(list))
		return;
	ps_html_table_begin(
		out,
		"<b>The headline numbers against 0.</b> A test is a condition that has an "
		"interval. Adjusted: by Holm’s method over all tests of all rows together. "
		"Models: mean over a model’s conditions, least to largest; conditions of "
		"one model are not independent of each other.",
		"families");
	fputs("<thead><tr>", out);
	ps_html_head(out, "number", false);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		ps_html_head(out, counts[i].head, true);
	ps_html_head(out, "models", true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *f = json_array_get(list, i);

		fputs("<tr><td>", out);
		ps_html_text(out, ps_results_text(f, PS_AT(FAMILY_NAME)));
		fputs("</td>", out);
		for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
			ps_html_cell_number(out, ps_results_number(f, counts[k].path), 0);
		fputs("<td class=\"n\">", out);
		write_list_range(out, ps_results_at(f, PS_AT(FAMILY_MODEL_MEANS)), 4);
		fputs("</tr>\n", out);
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

/* --- the reference study --- */

/* What the third-party notes say of the published study's set-up. A text, or a number above 0. */
static const struct {
	const char *what;
	ps_results_path path;
	const char *text;
	double number;
} setups[] = {
	{"magnitude’s threshold over",
	 PS_AT(ROOT_SETTINGS, SETTINGS_MAGNITUDE, SETTINGS_MAGNITUDE_SCOPE), "global", 0},
	{"Wanda’s threshold over", PS_AT(ROOT_SETTINGS, SETTINGS_WANDA, SETTINGS_WANDA_SCOPE),
	 "matrix", 0},
	{"Wanda’s statistics", PS_AT(ROOT_SETTINGS, SETTINGS_WANDA, SETTINGS_WANDA_CALIBRATION),
	 "dense", 0},
	{"tokens of calibration", PS_AT(ROOT_SETTINGS, SETTINGS_CALIBRATION_TOKENS), NULL, 300000},
	{"architecture of the SAEs", PS_AT(ROOT_SETTINGS, SETTINGS_SAE, SETTINGS_SAE_ARCH), "topk",
	 0},
	{"tokens that an SAE is trained on", PS_AT(ROOT_SETTINGS, SETTINGS_TRAIN_TOKENS), NULL,
	 1500000},
};

static bool is_method(const ps_results *r, const char *method)
{
	for (size_t i = 0; i < r->method_count; i++)
		if (!strcmp(r->methods[i], method))
			return true;
	return false;
}

/* Writes a difference as an item of a list; nothing where there is none. */
static void write_difference(FILE *out, const ps_results *r, size_t i)
{
	const char *text = ps_results_text(r->root, setups[i].path);
	double number = ps_results_number(r->root, setups[i].path);

	if (setups[i].text ? !*text || !strcmp(text, setups[i].text)
			   : !isfinite(number) || number == setups[i].number)
		return;
	fprintf(out, "<li>%s: ", setups[i].what);
	if (setups[i].text) {
		ps_html_text(out, text);
		fprintf(out, " here, %s there", setups[i].text);
	} else {
		ps_html_number(out, number, 0);
		fputs(" here, ", out);
		ps_html_number(out, setups[i].number, 0);
		fputs(" there", out);
	}
	fputs("</li>\n", out);
}

void ps_report_reference_setup(FILE *out, const ps_results *r)
{
	const double d_sae = ps_results_number(
			     r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SAE, SETTINGS_SAE_D_SAE)),
		     expansion = ps_results_number(
			     r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SAE, SETTINGS_SAE_EXPANSION));

	fputs("<p>† A number that stands beside one of this study is of another set-up. Known to "
	      "differ, or not known to be the same:</p>\n<ul>\n<li>the layer: the notes give one "
	      "for Gemma 3 1B only (13)</li>\n",
	      out);
	for (size_t i = 0; i < sizeof setups / sizeof *setups; i++)
		if ((i > 0 || is_method(r, "magnitude")) &&
		    ((i != 1 && i != 2) || is_method(r, "wanda")))
			write_difference(out, r, i);
	if (d_sae > 0 || (isfinite(expansion) && expansion != 8)) {
		fputs("<li>latents of an SAE: ", out);
		ps_html_number(out, d_sae > 0 ? d_sae : expansion, 0);
		fputs(d_sae > 0 ? " here, 8 times the model’s width there</li>\n"
				: " times the model’s width here, 8 times there</li>\n",
		      out);
	}
	fputs("</ul>\n", out);
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
	fputs("<td class=\"n\">", out);
	ps_html_reference(out, i, 0);
	fputs("</td>", out);
	fputs("</tr>\n", out);
}

void ps_report_reference_table(FILE *out, const ps_results *r)
{
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_REFERENCE_FINDINGS));

	ps_html_table_begin(
		out,
		"<b>What the published study reports</b>, as given in third-party notes: "
		"its own conditions, text and SAE sizes.",
		NULL);
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

	ps_html_table_begin(out, "<b>Settings</b>, by their names in the study file.", NULL);
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
