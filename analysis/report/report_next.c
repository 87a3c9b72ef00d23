#include "analysis/report/report_next.h"

#include <math.h>

#include "analysis/report/report_html.h"

/* Parts of a command. */
enum part { END, TEXT, MODEL, DENSE_SAE, PRUNED_SAE, DENSE_CACHE, PRUNED_CACHE };

struct command {
	const char *why;
	struct {
		enum part part;
		const char *text;
	} parts[8];
};

static const struct command commands[] = {
	{"Go on, or do what a changed study file adds. Steps that are done are not done again.",
	 {{TEXT, "prunescope study STUDY.yaml -o DIR"}, {END, ""}}},
	{"Check every file of the study against its records.",
	 {{TEXT, "prunescope study STUDY.yaml -o DIR --verify"}, {END, ""}}},
	{"See each latent’s partner in the pruned model’s SAE, as JSON.",
	 {{TEXT, "prunescope compare "},
	  {DENSE_SAE, ""},
	  {TEXT, " "},
	  {PRUNED_SAE, ""},
	  {TEXT, " -o matching.json"},
	  {END, ""}}},
};

/* Where the study has cards of single latents, and where it has none. */
static const struct command look = {
	"See the card of any latent of a model, also of one that no page shows.",
	{{TEXT, "prunescope features DIR --model "},
	 {MODEL, ""},
	 {TEXT, " --latent N"},
	 {END, ""}}};
static const struct command make[] = {
	{"Keep the activation caches of the next run.",
	 {{TEXT, "prunescope study STUDY.yaml -o DIR --keep-caches"}, {END, ""}}},
	{"Then see what became of each latent: kept, shifted, blurred or lost.",
	 {{TEXT, "prunescope features "},
	  {DENSE_SAE, ""},
	  {TEXT, " --cache "},
	  {DENSE_CACHE, ""},
	  {TEXT, " --cache "},
	  {PRUNED_CACHE, ""},
	  {TEXT, " -o features.safetensors --csv features.csv"}}},
};

static void write_folder(FILE *out, const char *model, const char *method, double sparsity)
{
	fputs("DIR/runs/", out);
	ps_html_text(out, model);
	fputs("/", out);
	ps_html_text(out, method);
	if (isfinite(sparsity))
		fprintf(out, "-%g", sparsity);
}

/* Writes an argument: the model of the last condition, or an SAE or a cache of it. */
static void write_argument(FILE *out, const ps_results *r, enum part part)
{
	const json_t *pruned = ps_results_condition(r, r->condition_count - 1);
	bool dense = part == DENSE_SAE || part == DENSE_CACHE;
	double seed = ps_results_number(r->root, PS_AT_ITEM(0, ROOT_SETTINGS, SETTINGS_SEEDS));

	if (part == MODEL) {
		ps_html_text(out, ps_results_text(pruned, PS_AT(CONDITION_MODEL)));
		return;
	}
	if (dense)
		write_folder(out, ps_results_text(pruned, PS_AT(CONDITION_MODEL)), "dense",
			     (double)NAN);
	else
		write_folder(out, ps_results_text(pruned, PS_AT(CONDITION_MODEL)),
			     ps_results_text(pruned, PS_AT(CONDITION_METHOD)),
			     ps_results_number(pruned, PS_AT(CONDITION_SPARSITY)));
	if (part == DENSE_CACHE || part == PRUNED_CACHE)
		fputs("/cache", out);
	else
		fprintf(out, "/sae/seed-%.0f", isfinite(seed) ? seed : 0);
}

static void write_command(FILE *out, const ps_results *r, const struct command *c)
{
	fprintf(out, "<dt>%s</dt>\n<dd><code>", c->why);
	for (size_t i = 0; i < sizeof c->parts / sizeof *c->parts && c->parts[i].part; i++)
		if (c->parts[i].part == TEXT)
			fputs(c->parts[i].text, out);
		else
			write_argument(out, r, c->parts[i].part);
	fputs("</code></dd>\n", out);
}

/* Writes what the study file may add, where the study lacks it. */
static void write_lacks(FILE *out, const ps_results *r)
{
	const json_t *seeds = ps_results_at(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SEEDS));

	if (!r->control_count)
		fputs("<dt>Controls: the dense SAE trained again, and one whose decoder is never "
		      "trained. In STUDY.yaml:</dt>\n<dd><code>controls: {retrain: true, frozen: "
		      "[decoder]}</code></dd>\n",
		      out);
	if (json_array_size(seeds) < 2)
		fputs("<dt>A second seed, for RQ1 and the seed floor. In STUDY.yaml:</dt>\n"
		      "<dd><code>seeds: [7, 42]</code></dd>\n",
		      out);
}

void ps_report_next(FILE *out, const ps_results *r)
{
	const bool followed = json_array_size(ps_results_at(r->root, PS_AT(ROOT_FEATURES))) > 0;

	if (!r->condition_count)
		return;
	fputs("<section id=\"next\">\n<h2>What next</h2>\n<p><code>STUDY.yaml</code> is the study "
	      "file, and <code>DIR</code> the folder of this report.</p>\n<dl class=\"next\">\n",
	      out);
	write_lacks(out, r);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		write_command(out, r, &commands[i]);
	if (followed)
		write_command(out, r, &look);
	for (size_t i = 0; i < sizeof make / sizeof *make && !followed; i++)
		write_command(out, r, &make[i]);
	fputs("</dl>\n</section>\n", out);
}
