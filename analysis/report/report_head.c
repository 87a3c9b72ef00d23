#include "analysis/report/report_head.h"

#include "analysis/report/report_html.h"
#include "analysis/report/report_style.h"

void ps_report_head(FILE *out, const char *title, const char *second, const char *of,
		    const char *digest)
{
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
		"name=\"viewport\" content=\"width=device-width, "
		"initial-scale=1\">\n" PS_REPORT_GENERATOR "\n<meta name=\"%s\" content=\"",
		of);
	ps_html_text(out, digest);
	fputs("\">\n<title>", out);
	ps_html_text(out, title);
	if (second) {
		fputs(", ", out);
		ps_html_text(out, second);
	}
	fputs("</title>\n<style>\n", out);
	ps_report_style(out);
	fputs("</style>\n</head>\n<body>\n<main>\n", out);
}

void ps_report_words(FILE *out, bool study)
{
	fputs("<dl class=\"words\">\n"
	      "<dt>SAE</dt><dd>A sparse autoencoder: a small network that rewrites each activation "
	      "vector of a model as a sum of a few directions out of many.</dd>\n"
	      "<dt>Latent, feature</dt><dd>One of these directions, with the number that says how "
	      "strongly a token uses it (its activation).</dd>\n"
	      "<dt>Decoder row</dt><dd>The direction itself, a vector as long as the model is "
	      "wide. Two latents are compared by the cosine of their decoder rows.</dd>\n"
	      "<dt>Survival</dt><dd>The share of the dense model’s latents that have a partner in "
	      "the pruned model’s SAE: each is the other’s nearest, with a cosine of at least "
	      "τ.</dd>\n",
	      out);
	if (study)
		fputs("<dt>Unpruned retrain</dt><dd>A control: the dense model’s SAE trained again "
		      "from the same start on the same rows in another order. Nothing was pruned, "
		      "so what it loses is lost to training.</dd>\n"
		      "<dt>Achieved</dt><dd>The share of weights that are zero; what was asked for "
		      "is the label.</dd>\n",
		      out);
	fputs("</dl>\n", out);
}
