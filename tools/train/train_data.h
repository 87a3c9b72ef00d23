/* tools/train/train_data.h: what SAEs are trained on: the rows that count of an activation cache, or of several on the same tokens
 * (io/row_join.h), less those held out. */
#ifndef PS_TOOLS_TRAIN_TRAIN_DATA_H
#define PS_TOOLS_TRAIN_TRAIN_DATA_H

#include "io/row_ahead.h"
#include "io/row_join.h"
#include "tools/run/session.h"
#include "tools/train/sae_folder.h"
#include "tools/train/train_args.h"

typedef struct ps_train_data {
	size_t count;
	ps_cache caches[PS_JOIN_MAX];
	ps_row_ahead *ahead[PS_JOIN_MAX]; /* between start and stop */
	ps_arena arena;                    /* of the join */
	ps_row_join *join;                 /* NULL: one cache */
	ps_row_source source;       /* as mapped; with a join read ahead between start and stop */
	ps_row_list rows, held_out; /* held_out.count 0: none */
	size_t ahead_rows;          /* read ahead at most; SIZE_MAX: a batch */
} ps_train_data;

/* data stays where it is until it is closed. */
int ps_train_data_open(ps_train_data *data, const ps_session *session, const ps_train_args *args,
		       ps_diag *diag) PS_MUST_USE;
void ps_train_data_close(ps_train_data *data);

/* PS_EUSAGE unless a batch of so many rows holds the same tokens of every cache. */
int ps_train_data_check_batch(const ps_train_data *data, size_t rows, ps_diag *diag) PS_MUST_USE;

/* The caches by their digests, as a provenance names its inputs; and what an SAE's cfg.json says of the first. */
json_t *ps_train_data_inputs(const ps_train_data *data);
void ps_train_data_describe(const ps_train_data *data, ps_sae_about *about);

/* What is held from open to close. */
void ps_train_data_plan(const ps_train_data *data, ps_plan *plan);
/* Of start, from its arena; 0 for mmap. batch: rows announced at a time. */
size_t ps_train_data_ahead_bytes(const ps_train_data *data, ps_backend backend, size_t batch);
/* *source: the rows, read ahead from now on, until stop, before the arena goes. spare_bytes: what the plan leaves of the
 * budget; the page cache is used for caches that fit in there. */
int ps_train_data_start(ps_train_data *data, ps_backend backend, size_t batch, size_t spare_bytes,
			ps_arena *arena, ps_row_source *source, ps_diag *diag) PS_MUST_USE;
void ps_train_data_stop(ps_train_data *data); /* more than once is fine */

#endif
