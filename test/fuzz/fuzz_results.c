/* test/fuzz/fuzz_results.c: takes any bytes for a results.json: checks it, and writes the page, the
 * tables and the scripts of the figures that it gives. Takes them for a file of feature cards too,
 * and writes its page. */
#include <stdlib.h>

#include "analysis/report/cards_page.h"
#include "analysis/report/figure.h"
#include "analysis/report/report.h"
#include "analysis/report/report_csv.h"
#include "test/fuzz/support_fuzz.h"

static void write_all(const ps_results *results)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return;
	ps_report_write(
		out, results,
		&(ps_report_parts){.digest = "0123456789abcdef", .missing = "no figures here"});
	for (size_t i = 0; ps_csv_name(i); i++)
		ps_csv_write(out, results, i);
	for (size_t i = 0; ps_figure_name(i); i++) {
		(void)ps_figure_script(i, results, i % 2, out);
		ps_figure_caption(ps_figure_name(i), results, out);
	}
	fclose(out);
	free(text);
}

static void write_cards(const ps_cards *cards)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return;
	for (size_t level = 0; level < PS_CARDS_LEVELS; level++)
		ps_cards_page_write(out,
				    &(ps_cards_page){cards, "0123456789abcdef", "model",
						     "wanda-0.5", NULL, "cards.json"},
				    level);
	ps_cards_few_write(out, cards);
	fclose(out);
	free(text);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, &error);
	ps_results results;
	ps_cards cards;
	ps_diag diag = {0}, complaint = {0};
	int rc;

	if (!root)
		return 0;
	rc = ps_results_open(&results, root, &diag);
	support_fuzz_check(rc, &diag);
	support_fuzz_check(ps_results_check(root, &complaint), &complaint);
	if (!rc)
		write_all(&results);
	diag = (ps_diag){0};
	rc = ps_cards_open(&cards, root, &diag);
	support_fuzz_check(rc, &diag);
	if (!rc)
		write_cards(&cards);
	json_decref(root);
	return 0;
}
