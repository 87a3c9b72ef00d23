#include "analysis/report/report.h"

#include <math.h>
#include <string.h>

#include "analysis/report/figure.h"
#include "analysis/report/report_findings.h"
#include "analysis/report/report_head.h"
#include "analysis/report/report_html.h"
#include "analysis/report/report_next.h"
#include "analysis/report/report_script.h"
#include "analysis/report/report_sections.h"
#include "analysis/report/report_tables.h"

#define NARROW_SUFFIX "-narrow"

/* Writes the models' names, or the methods, as "a, b and c". */
static void write_names(FILE *out, const ps_results *r, bool methods)
{
	size_t count = methods ? r->method_count : r->model_count;

	for (size_t i = 0; i < count; i++) {
		fputs(i == 0 ? "" : i + 1 == count ? " and " : ", ", out);
		ps_html_text(out, methods ? ps_method_label(r->methods[i])
					  : ps_results_model_name(r, i));
	}
}

static void write_sparsities(FILE *out, const ps_results *r)
{
	for (size_t i = 0; i < r->sparsity_count; i++)
		fprintf(out, "%s%.3g",
			i == 0                       ? ""
			: i + 1 == r->sparsity_count ? " and "
						     : ", ",
			100 * r->sparsities[i]);
	fputs("&nbsp;%", out);
}

/* Writes ", 2 seeds of each dense model, 1 of each pruned one". */
static void write_seeds(FILE *out, const ps_results *r)
{
	size_t seeds =
		json_array_size(ps_results_at(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SEEDS)));
	double pruned = ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_PRUNED_SEEDS));

	if (!seeds)
		return;
	fprintf(out, ", %zu seed%s of each dense model", seeds, seeds == 1 ? "" : "s");
	if (isfinite(pruned))
		fprintf(out, ", %.0f of each pruned one", pruned);
}

static void write_what(FILE *out, const ps_results *r)
{
	const char *arch =
		ps_results_text(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SAE, SETTINGS_SAE_ARCH));
	double tokens = ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_TRAIN_TOKENS)),
	       k = ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SAE, SETTINGS_SAE_K));

	fprintf(out, "<p class=\"lead\">%zu model%s (", r->model_count,
		r->model_count == 1 ? "" : "s");
	write_names(out, r, false);
	fputs("), dense and pruned by ", out);
	write_names(out, r, true);
	fputs(" to ", out);
	write_sparsities(out, r);
	fprintf(out, ": %zu pruned condition%s, each looked at through sparse autoencoders",
		r->condition_count, r->condition_count == 1 ? "" : "s");
	if (*arch) {
		fputs(" (", out);
		ps_html_text(out, arch);
		if (isfinite(k))
			fprintf(out, ", k = %.0f", k);
		if (isfinite(tokens)) {
			fputs(", trained on ", out);
			ps_html_number(out, tokens, 0);
			fputs(" tokens", out);
		}
		write_seeds(out, r);
		fputs(")", out);
	}
	fputs(" on the residual stream.</p>\n", out);
}

static void write_headline(FILE *out, const ps_results *r)
{
	const ps_section *s;

	fputs("<header>\n<p class=\"kicker\">Pruned language models through sparse "
	      "autoencoders</p>\n<h1>",
	      out);
	ps_html_text(out, *ps_results_text(r->root, PS_AT(ROOT_NAME))
				  ? ps_results_text(r->root, PS_AT(ROOT_NAME))
				  : "A pruning study");
	fputs("</h1>\n", out);
	write_what(out, r);
	ps_report_words(out, true);
	if (!r->condition_count)
		fputs("<p>No pruned condition has been measured.</p>\n", out);
	fputs("<ul class=\"findings\">\n", out);
	for (size_t i = 0; r->condition_count && (s = ps_report_section(i)); i++) {
		fprintf(out, "<li><a href=\"#%s\">%s.</a> ", s->id, s->label);
		s->finding(out, r, true);
		fputs("</li>\n", out);
	}
	if (json_array_size(ps_results_at(r->root, PS_AT(ROOT_FEATURES)))) {
		fputs("<li><a href=\"#features\">Features one by one.</a> ", out);
		ps_finding_features(out, r, true);
		fputs("</li>\n", out);
	}
	fputs("</ul>\n<p>", out);
	ps_finding_counts(out, r);
	fputs("</p>\n<nav aria-label=\"Sections\">"
	      "<a href=\"#models\">Models</a> <a href=\"#reference\">Reference study</a> <a "
	      "href=\"#methods\">Methods</a> <a href=\"#limits\">Limits</a> <a href=\"#next\">What "
	      "next</a></nav>\n</header>\n",
	      out);
}

static void write_svg(FILE *out, const char *name, const char *suffix, const char *class,
		      const char *svg, const char *label)
{
	char prefix[64];

	if (!svg)
		return;
	snprintf(prefix, sizeof prefix, "%s%s", name, suffix);
	fprintf(out, "<div class=\"%s\">", class);
	ps_html_svg(out, svg, prefix, label);
	fputs("</div>\n", out);
}

static void write_figure(FILE *out, const ps_results *r, const ps_report_figure *figure,
			 size_t *number)
{
	char label[64];

	if (!figure->wide && !figure->narrow)
		return;
	snprintf(label, sizeof label, "Figure %zu; its numbers are in the table below", ++*number);
	fputs("<figure>\n", out);
	write_svg(out, figure->name, "", figure->narrow ? "wide" : "only", figure->wide, label);
	write_svg(out, figure->name, NARROW_SUFFIX, figure->wide ? "narrow" : "only",
		  figure->narrow, label);
	fprintf(out, "<figcaption><b>Figure %zu.</b> ", *number);
	ps_figure_caption(figure->name, r, out);
	if (figure->wide)
		fprintf(out, " <span class=\"links\"><a href=\"figures/%s.svg\">SVG</a></span>",
			figure->name);
	fputs("</figcaption>\n</figure>\n", out);
}

static void write_section(FILE *out, const ps_results *r, const ps_section *s,
			  const ps_report_parts *parts, size_t *number)
{
	fprintf(out,
		"<section id=\"%s\">\n<h2>%s</h2>\n<p class=\"question\">%s</p>\n<p "
		"class=\"finding\">",
		s->id, s->title, s->question);
	s->finding(out, r, false);
	fprintf(out, "</p>\n<p class=\"definition\">%s</p>\n", s->definition);
	for (size_t f = 0; f < sizeof s->figures / sizeof *s->figures && s->figures[f]; f++)
		for (size_t i = 0; i < parts->figure_count; i++)
			if (!strcmp(parts->figures[i].name, s->figures[f]))
				write_figure(out, r, &parts->figures[i], number);
	s->table(out, r);
	fputs("</section>\n", out);
}

static void write_reference(FILE *out, const ps_results *r)
{
	fputs("<section id=\"reference\">\n<h2>The reference study</h2>\n<p>arXiv 2603.25325, “How "
	      "Pruning Reshapes Features”. Its numbers are given here as reported in third-party "
	      "notes on the authors’ corrected release of 31&nbsp;July 2026, with the digits given "
	      "there. Headlines that stand in the first version alone are marked. Where a model, "
	      "method and sparsity are the same, its values stand in the tables’ columns called "
	      "reference and as hollow points in the figures. Its perplexities are left out: they "
	      "are of another text.</p>\n",
	      out);
	ps_report_reference_setup(out, r);
	ps_report_reference_table(out, r);
	fputs("</section>\n", out);
}

/* Warns of a study whose records come from more than one matrix kernel. */
static void write_kernels(FILE *out, const ps_results *r)
{
	const json_t *kernels = ps_results_at(r->root, PS_AT(ROOT_KERNELS));
	size_t count = json_array_size(kernels);

	if (count < 2)
		return;
	fputs("<p>This study’s records were computed with more than one matrix kernel (", out);
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(kernels, i));

		fputs(i ? ", " : "", out);
		ps_html_text(out, name ? name : "");
	}
	fputs("), and kernels differ in the last bits of their sums.</p>\n", out);
}

static void write_methods(FILE *out, const ps_results *r)
{
	bool shared = !strcmp(
		ps_results_text(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SAE, SETTINGS_SAE_INIT)),
		"shared");

	fputs("<section id=\"methods\">\n<h2>Methods</h2>\n"
	      "<p>For each model: the text is tokenized into windows; masks are computed for every "
	      "method and sparsity; perplexity is measured with each mask; the "
	      "residual stream after the named layer is stored for the dense and every pruned "
	      "model on the same tokens; SAEs are trained on each; the dense SAEs are also run, "
	      "unchanged, on every pruned model. Only the q, k, v, o, "
	      "gate, up and down projections of the decoder layers are pruned; "
	      "embeddings, norms and the output head are not. Weights are set to zero without "
	      "retraining. BOS, EOS and PAD rows are left out of SAE training and "
	      "of every FVU.</p>\n",
	      out);
	fputs(shared ? "<p>A dense and a pruned SAE of the same seed start from the same weights "
		       "and see tokens in the same order.</p>\n"
		     : "<p>A dense and a pruned SAE of the same seed start from different weights "
		       "and see tokens in the same order.</p>\n",
	      out);
	fputs("<p>Intervals are bootstrap intervals, 95&nbsp;%, from seeded draws: the same "
	      "results give the same intervals. Windows are resampled where a quantity is a "
	      "mean over text, latents where it is a mean over those, both where it is over "
	      "both, models for the diagnostics. Below 16 of them there is no interval.</p>\n",
	      out);
	ps_report_families_table(out, r);
	write_kernels(out, r);
	ps_report_settings_table(out, r);
	fputs("</section>\n", out);
}

static void write_seed_limit(FILE *out, const ps_results *r)
{
	size_t seeds =
		json_array_size(ps_results_at(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SEEDS)));
	double pruned_seeds =
		       ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_PRUNED_SEEDS)),
	       ablated = ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_ABLATION_SEEDS));

	fprintf(out, "<li><b>Seeds.</b> %zu SAE seed%s on each dense model", seeds,
		seeds == 1 ? "" : "s");
	if (isfinite(pruned_seeds) && pruned_seeds > 0)
		fprintf(out, ", %.0f on each pruned one", pruned_seeds);
	if (isfinite(ablated) && ablated > 0)
		fprintf(out, "; latents of %.0f are ablated", ablated);
	fputs(". Pairs of seeds have SAEs in common, so the seed floor describes these seeds and "
	      "no others. Where there are several, RQ3 to RQ5 give means over them, and intervals "
	      "over text or latents are for these SAEs: they do not contain the variation between "
	      "seeds. Single features are those of the first seed.</li>\n",
	      out);
}

static void write_limits(FILE *out, const ps_results *r)
{
	double largest = 0, least = 0;
	const char *scope = ps_results_text(
		r->root, PS_AT(ROOT_SETTINGS, SETTINGS_MAGNITUDE, SETTINGS_MAGNITUDE_SCOPE));

	fputs("<section id=\"limits\">\n<h2>What this cannot tell</h2>\n<ul>\n", out);
	write_seed_limit(out, r);
	if (ps_results_range(r->models, PS_AT(MODEL_WEIGHT_BYTES), &least, &largest) &&
	    largest < 1e9)
		fputs("<li><b>Small models.</b> All models here hold less than 1&nbsp;GB of "
		      "weights. Larger models are known to tolerate pruning differently.</li>\n",
		      out);
	fputs("<li><b>One layer.</b> Each model is looked at after one layer. Other layers may "
	      "lose or keep other features.</li>\n",
	      out);
	if (json_is_true(ps_results_at(r->root, PS_AT(ROOT_PPL_TEXT_TRAINED))))
		fputs("<li><b>Perplexity text.</b> The text on which perplexity is measured is "
		      "also "
		      "one that masks and SAEs are made from. Perplexities are not those of unseen "
		      "text.</li>\n",
		      out);
	if (json_is_true(ps_results_at(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_ALLOW_FEWER))))
		fputs("<li><b>Amount of text.</b> The study allows texts with fewer tokens than it "
		      "asks for. Its settings give the numbers asked for.</li>\n",
		      out);
	if (*scope) {
		fputs("<li><b>Magnitude’s scope</b> was “", out);
		ps_html_text(out, scope);
		fputs("”. Per row, per matrix and global thresholds distribute the zeros "
		      "differently at the same label; compare only within one scope, by achieved "
		      "sparsity.</li>\n",
		      out);
	}
	fputs("<li><b>An SAE is a probe.</b> A feature that is lost here may be there under "
	      "another dictionary; a match of decoder directions is not a match of meaning. "
	      "Where SAEs share their initial weights, survival also measures how far training "
	      "moved them.</li>\n"
	      "<li><b>Many intervals.</b> Each stands for itself: of twenty that truly hold zero, "
	      "one is expected to leave it out. Only counts in parentheses are adjusted.</li>\n"
	      "<li><b>No retraining.</b> What fine-tuning after pruning would bring back is not "
	      "measured.</li>\n"
	      "<li><b>One text.</b> Perplexity and features are measured on the texts named in the "
	      "study file; other domains may differ.</li>\n"
	      "</ul>\n</section>\n",
	      out);
}

void ps_report_write(FILE *out, const ps_results *r, const ps_report_parts *parts)
{
	const ps_section *s;
	size_t number = 0;

	ps_report_head(out, ps_results_text(r->root, PS_AT(ROOT_NAME)), NULL, "results",
		       parts->digest);
	write_headline(out, r);
	if (parts->missing) {
		fputs("<p class=\"finding\">There are no figures in this report: ", out);
		ps_html_text(out, parts->missing);
		fputs(". Every number they would show is in the tables.</p>\n", out);
	}
	fputs("<section id=\"models\">\n", out);
	ps_report_models_table(out, r);
	ps_report_saes_table(out, r);
	fputs("</section>\n", out);
	for (size_t i = 0; (s = ps_report_section(i)); i++)
		write_section(out, r, s, parts, &number);
	ps_report_features_write(out, r, parts->features);
	write_reference(out, r);
	write_methods(out, r);
	write_limits(out, r);
	ps_report_next(out, r);
	fputs("<footer>Written by prunescope from <code>results.json</code>, which holds every "
	      "number at full precision; the tables are in <code>tables/</code>, the "
	      "figures in <code>figures/</code>.</footer>\n</main>\n",
	      out);
	ps_report_script(out);
	fputs("</body>\n</html>\n", out);
}
