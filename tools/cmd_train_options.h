/* tools/cmd_train_options.h: from the arguments of `train` to training options, and from these to provenance. */
#ifndef PS_TOOLS_CMD_TRAIN_OPTIONS_H
#define PS_TOOLS_CMD_TRAIN_OPTIONS_H

#include "sae/train.h"
#include "tools/commands.h"

/* The recipe's options with those of the command line over them; seeds are left to the caller. rows: of the cache. */
int ps_train_options_make(const ps_train_args *args, size_t width, uint64_t rows, ps_train_options *options, ps_diag *diag) PS_MUST_USE;

/* Everything that determines the bits, as one object. */
json_t *ps_train_options_json(const ps_train_options *options);

#endif
