/* results_page: prints docs/RESULTS.md (`make docs/RESULTS.md`). */
#include "analysis/report/results_page.h"

int main(void)
{
	ps_results_page_write(stdout);
	return fflush(stdout) ? 1 : 0;
}
