/* tools/train/train_data.h: the rows that SAEs are trained on.
 *
 * They are the rows that count (io/row_filter.h) of one activation cache, or of several caches of
 * the same tokens (io/row_join.h). The last ones may be held out: they are measured, never trained
 * on. */
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
	ps_row_ahead
		*ahead[PS_JOIN_MAX]; /* not NULL between start and stop, with --io mmap never */
	ps_arena arena;              /* of the join */
	ps_row_join *join;           /* NULL: one cache */
	ps_row_source source;        /* as mapped; with a join read ahead between start and stop */
	ps_row_list rows;            /* to train on */
	ps_row_list held_out;        /* count 0: none */
	size_t ahead_rows;           /* read ahead at most; SIZE_MAX: a batch */
	size_t disk_bytes;           /* that sorted rows may take at most */
	ps_row_sort *sort[PS_JOIN_MAX]; /* between start and stop, of caches that are sorted */
} ps_train_data;

/* How rows are to be read. */
typedef struct ps_train_reading {
	ps_backend backend;
	const ps_train_options *options; /* of the trainers, which take the same batches */
	/* What the plan leaves of the budget without the rows' own order. Caches that fit in there
	 * are read through the page cache, where a second epoch finds them. Larger ones are read
	 * past it, and their rows are sorted into their order if half of these bytes, and the disk,
	 * have room for that (io/row_sort.h). */
	size_t spare_bytes;
} ps_train_reading;

/* Opens the caches that args names and finds the rows. data must stay where it is until it is
 * closed; after a failure it is closed already. PS_EUSAGE: too many caches, or nothing left to
 * train on. PS_EINPUT: a cache cannot be read, or the caches are not of the same tokens, model and
 * layer. */
int ps_train_data_open(ps_train_data *data, ps_session *session, const ps_train_args *args,
		       ps_diag *diag) PS_MUST_USE;
void ps_train_data_close(ps_train_data *data); /* a zeroed one is allowed */

/* PS_EUSAGE unless a batch of so many rows holds the same tokens of every cache. */
int ps_train_data_check_batch(const ps_train_data *data, size_t rows, ps_diag *diag) PS_MUST_USE;

/* The caches' digests as a provenance names its inputs: a new object, or NULL when memory ran
 * out. */
json_t *ps_train_data_inputs(const ps_train_data *data);
/* What an SAE's cfg.json says of the first cache. */
void ps_train_data_describe(const ps_train_data *data, ps_sae_about *about);

/* Adds to the plan what is held from open to close. */
void ps_train_data_plan(const ps_train_data *data, ps_plan *plan);
/* Bytes of the rows read ahead, which start takes from its arena; 0 with --io mmap. Does not look
 * at spare_bytes. */
size_t ps_train_data_ahead_bytes(const ps_train_data *data, const ps_train_reading *reading);
/* Bytes that start takes from its arena to sort rows; 0: they are not sorted. */
size_t ps_train_data_sort_bytes(const ps_train_data *data, const ps_train_reading *reading);
/* Starts to read ahead: *source are the rows from now on, until stop. Call stop before the arena is
 * destroyed. folder: where the unnamed files of sorted rows are made; it must outlive stop. Says
 * once how much they take, or why there are none. */
int ps_train_data_start(ps_train_data *data, const ps_session *session,
			const ps_train_reading *reading, const char *folder, ps_arena *arena,
			ps_row_source *source, ps_diag *diag) PS_MUST_USE;
/* How the rows are read, between start and stop (io/backend.h). */
const char *ps_train_data_backend(const ps_train_data *data);
/* Says why sorting has ended before, if it has. May be called again, and without a start. */
void ps_train_data_stop(ps_train_data *data, const ps_session *session);

/* How the rows of each of `caches` caches that exceed memory are sorted. rows: of each, to train
 * on. limits: the bytes that are left for all of them; half of the memory is used. chunk_bytes 0:
 * they are not sorted, because they come in the caches' order, few are wanted, or there is no
 * room. */
ps_row_sort_plan ps_train_sort_plan(const ps_train_options *options, size_t caches, size_t width,
				    ps_dtype dtype, uint64_t rows, ps_row_sort_limits limits);

#endif
