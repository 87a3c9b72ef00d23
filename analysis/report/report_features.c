#include "analysis/report/report_features.h"

#include <math.h>
#include <string.h>

#include "analysis/feature_stats.h"
#include "analysis/report/report_html.h"
#include "analysis/report/report_phrases.h"

enum { PERCENT = 100 };

static const ps_results_path classes[PS_FEATURE_CLASSES] = {
	[PS_CLASS_NONE] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_NONE),
	[PS_CLASS_KEPT] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_KEPT),
	[PS_CLASS_SHIFTED] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_SHIFTED),
	[PS_CLASS_BLURRED] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_BLURRED),
	[PS_CLASS_LOST] = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_LOST),
};

static const json_t *list_of(const ps_results *r)
{
	return ps_results_at(r->root, PS_AT(ROOT_FEATURES));
}

/* --- shares --- */

static double count_of(const json_t *feature, ps_feature_class class)
{
	return ps_results_number(feature, classes[class]);
}

/* Latents that fire in the dense model. */
static double firing(const json_t *feature)
{
	return count_of(feature, PS_CLASS_KEPT) + count_of(feature, PS_CLASS_SHIFTED) +
	       count_of(feature, PS_CLASS_BLURRED) + count_of(feature, PS_CLASS_LOST);
}

static double share_kept(const json_t *feature)
{
	return (count_of(feature, PS_CLASS_KEPT) + count_of(feature, PS_CLASS_SHIFTED)) /
	       firing(feature);
}

static double share_lost(const json_t *feature)
{
	return count_of(feature, PS_CLASS_LOST) / firing(feature);
}

static bool is_control(const ps_results *r, const json_t *feature)
{
	for (size_t i = 0; i < r->control_count; i++) {
		const json_t *c = ps_results_control(r, i);

		if (!strcmp(ps_results_text(c, PS_AT(CONTROL_MODEL)),
			    ps_results_text(feature, PS_AT(FEATURE_TABLE_MODEL))) &&
		    !strcmp(ps_results_text(c, PS_AT(CONTROL_NAME)),
			    ps_results_text(feature, PS_AT(FEATURE_TABLE_CONDITION))))
			return true;
	}
	return false;
}

/* Least and largest of a share over the conditions, or over the controls. */
static ps_span span_of(const ps_results *r, bool controls, double (*share)(const json_t *feature))
{
	const json_t *list = list_of(r);
	ps_span span = {INFINITY, -INFINITY, 0};

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *feature = json_array_get(list, i);
		const double value = share(feature);

		if (is_control(r, feature) != controls || !isfinite(value))
			continue;
		span.least = fmin(span.least, value);
		span.largest = fmax(span.largest, value);
		span.count++;
	}
	return span;
}

bool ps_report_feature_has_few(const ps_results *r, size_t index)
{
	const json_t *list = list_of(r), *feature = json_array_get(list, index);
	const double own = fabs(share_kept(feature) - 0.5);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *other = json_array_get(list, i);
		const double away = fabs(share_kept(other) - 0.5);

		if (strcmp(ps_results_text(other, PS_AT(FEATURE_TABLE_MODEL)),
			   ps_results_text(feature, PS_AT(FEATURE_TABLE_MODEL))))
			continue;
		if (away < own || (away == own && i < index))
			return false;
	}
	return isfinite(own);
}

/* --- the finding --- */

void ps_finding_features(FILE *out, const ps_results *r, bool brief)
{
	const ps_span kept = span_of(r, false, share_kept), lost = span_of(r, false, share_lost),
		      controls = span_of(r, true, share_kept),
		      rows = ps_span_of(list_of(r), PS_AT(FEATURE_TABLE_ROWS));

	if (!kept.count) {
		fputs("Single features: none were followed in this study. ", out);
		return;
	}
	fputs("Of the latents that fire in the dense model a share of ", out);
	ps_phrase_span(out, kept, 1, 3);
	fprintf(out,
		" is kept or shifted in the pruned one: the activations in both correlate by at "
		"least %g over the same tokens. A share of ",
		PS_KEPT_PEARSON);
	ps_phrase_span(out, lost, 1, 3);
	fprintf(out, " is lost, below %g", PS_BLURRED_PEARSON);
	fputs(" (", out);
	ps_phrase_count(out, kept.count, "condition");
	fputs(", first seed, ", out);
	ps_phrase_span(out, rows, 1, 0);
	fputs(" tokens)", out);
	if (controls.count) {
		fputs("; under what was done instead of pruning, a share of ", out);
		ps_phrase_span(out, controls, 1, 3);
		fputs(" is kept or shifted (", out);
		ps_phrase_count(out, controls.count, "control");
		fputs(")", out);
	}
	fputs(". ", out);
	if (!brief)
		fputs("These are counts of one dictionary’s latents, without intervals: another "
		      "seed has other latents. ",
		      out);
}

/* --- the section --- */

static void write_files(FILE *out, const json_t *feature, const ps_report_feature *page)
{
	static const struct {
		const char *label;
		ps_results_path path;
	} files[] = {{"CSV", PS_AT(FEATURE_TABLE_CSV)},
		     {"JSON", PS_AT(FEATURE_TABLE_CARDS)},
		     {"safetensors", PS_AT(FEATURE_TABLE_FILE)}};

	fputs("<td><a href=\"", out);
	ps_html_href(out, "features/", page->page);
	fputs("\">cards</a>", out);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const char *path = ps_results_text(feature, files[i].path);

		if (!*path)
			continue;
		fputs(" <a href=\"", out);
		ps_html_href(out, "", path);
		fprintf(out, "\">%s</a>", files[i].label);
	}
	fputs("</td>", out);
}

static const struct {
	const char *head;
	ps_feature_class class;
} columns[] = {{"kept", PS_CLASS_KEPT},
	       {"shifted", PS_CLASS_SHIFTED},
	       {"blurred", PS_CLASS_BLURRED},
	       {"lost", PS_CLASS_LOST},
	       {"none", PS_CLASS_NONE}};

static void write_feature(FILE *out, const ps_results *r, const json_t *feature,
			  const ps_report_feature *page)
{
	fputs(is_control(r, feature) ? "<tr class=\"control\"><td>" : "<tr><td>", out);
	ps_html_text(out, ps_results_text(feature, PS_AT(FEATURE_TABLE_CONDITION)));
	fputs("</td>", out);
	ps_html_cell_begin(out, "kept or shifted, %");
	ps_html_number(out, PERCENT * share_kept(feature), 1);
	fputs("</td>", out);
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
		ps_html_cell_begin(out, columns[i].head);
		ps_html_number(out, count_of(feature, columns[i].class), 0);
		fputs("</td>", out);
	}
	write_files(out, feature, page);
	fputs("</tr>\n", out);
}

static bool has_entries(const json_t *list, const char *model)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!strcmp(ps_results_text(json_array_get(list, i), PS_AT(FEATURE_TABLE_MODEL)),
			    model))
			return true;
	return false;
}

static void write_table(FILE *out, const ps_results *r, const ps_report_feature *features)
{
	const json_t *list = list_of(r);

	ps_html_cards_begin(out,
			    "<b>What became of each latent of the dense SAE</b>, in numbers of "
			    "latents. None: it never fires in the dense model. The share is of the "
			    "others. Cards: a page of chosen latents with their texts, and a table "
			    "of all. Rows in italics are controls.",
			    "features");
	fputs("<thead><tr>", out);
	ps_html_head(out, "condition", false);
	ps_html_head(out, "kept or shifted, %", true);
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		ps_html_head(out, columns[i].head, true);
	ps_html_head(out, "files", false);
	fputs("</tr></thead>\n", out);
	for (size_t m = 0; m < r->model_count; m++) {
		const char *name = ps_results_model_name(r, m);

		if (!has_entries(list, name))
			continue;
		fputs("<tbody><tr class=\"group\"><th scope=\"rowgroup\" colspan=\"8\">", out);
		ps_html_text(out, name);
		fputs("</th></tr>\n", out);
		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *feature = json_array_get(list, i);

			if (!strcmp(ps_results_text(feature, PS_AT(FEATURE_TABLE_MODEL)), name))
				write_feature(out, r, feature, &features[i]);
		}
		fputs("</tbody>\n", out);
	}
	ps_html_table_end(out);
}

static void write_few(FILE *out, const json_t *feature, const ps_report_feature *page)
{
	fputs("<h3>", out);
	ps_html_text(out, ps_results_text(feature, PS_AT(FEATURE_TABLE_MODEL)));
	fputs(", ", out);
	ps_html_text(out, ps_results_text(feature, PS_AT(FEATURE_TABLE_CONDITION)));
	fputs("</h3>\n<p>The first latent of each group; <a href=\"", out);
	ps_html_href(out, "features/", page->page);
	fputs("\">the page of this condition</a> has all of them, and says how they were "
	      "chosen.</p>\n",
	      out);
	fputs(page->few, out);
}

void ps_report_features_write(FILE *out, const ps_results *r, const ps_report_feature *features)
{
	const json_t *list = list_of(r);
	bool few = false;

	if (!features || !json_array_size(list))
		return;
	fputs("<section id=\"features\">\n<h2>Features one by one</h2>\n<p class=\"question\">What "
	      "becomes of a single latent?</p>\n<p class=\"finding\">",
	      out);
	ps_finding_features(out, r, false);
	fprintf(out,
		"</p>\n<p class=\"definition\">The frozen dense SAE encodes both models on the "
		"same "
		"tokens. A latent’s class is by the correlation r of its two activations over all "
		"tokens: <b>kept</b>, r ≥ %g, and neither its rate nor its mean activation changes "
		"beyond a factor of %g; <b>shifted</b>, r ≥ %g, and one of them does; "
		"<b>blurred</b>, r from %g to %g; <b>lost</b>, r below that, or it never fires in "
		"the pruned model. The idea of grades of survival on the same tokens is of arXiv "
		"2606.03002; the thresholds are ours.</p>\n",
		PS_KEPT_PEARSON, PS_SHIFT_FACTOR, PS_KEPT_PEARSON, PS_BLURRED_PEARSON,
		PS_KEPT_PEARSON);
	write_table(out, r, features);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (features[i].few) {
			write_few(out, json_array_get(list, i), &features[i]);
			few = true;
		}
	if (!few)
		fputs("<p>The cards stand on pages of their own: here they would make this page "
		      "larger than 2&nbsp;MB.</p>\n",
		      out);
	fputs("</section>\n", out);
}
