/* tools/cli/printed.h: what a command prints: a row for each value, for its help and its man page.
 * A row begins with the name that a person sees; in the object of --json a value has the same name,
 * or stands in a list or object of it. docs/DEFINITIONS.md has the formulas. */
#ifndef PS_TOOLS_CLI_PRINTED_H
#define PS_TOOLS_CLI_PRINTED_H

#include "tools/args/options.h"

/* Each begins with a title, and ends with PS_OPTION_END. */
extern const ps_option ps_printed_ppl[], ps_printed_prune[], ps_printed_train[], ps_printed_eval[],
	ps_printed_compare[], ps_printed_transfer[], ps_printed_ablate[], ps_printed_seeds[],
	ps_printed_survival[];

#endif
