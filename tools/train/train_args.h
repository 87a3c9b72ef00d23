/* tools/train/train_args.h: from the arguments of `train` to training options, and from these to provenance. */
#ifndef PS_TOOLS_TRAIN_TRAIN_ARGS_H
#define PS_TOOLS_TRAIN_TRAIN_ARGS_H

#include "sae/train.h"
#include "tools/cmd/commands.h"

/* The widths asked for, of latents: in out (count returned, 1 to PS_LIST_MAX), or PS_EUSAGE. And the ks. */
int ps_train_widths(const ps_train_args *args, size_t width, int64_t *out, ps_diag *diag) PS_MUST_USE;
int ps_train_ks(const ps_train_args *args, int64_t *out, ps_diag *diag) PS_MUST_USE;

/* The recipe's options with those of the command line over them; seeds are left to the caller. width, rows: of the cache. */
int ps_train_options_make(const ps_train_args *args, size_t width, uint64_t rows, size_t d_sae, size_t k, ps_train_options *options,
			  ps_diag *diag) PS_MUST_USE;

/* Everything that determines the bits, as one object. */
json_t *ps_train_options_json(const ps_train_options *options);

#endif
