/* test/support/support_sae.h: what the tests of SAEs share: golden files, rows in memory, and a
 * pool with its arena. A set-up that fails ends the test program. */
#ifndef PS_TEST_SUPPORT_SUPPORT_SAE_H
#define PS_TEST_SUPPORT_SUPPORT_SAE_H

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/base/rows.h"
#include "sae/sae.h"

/* A golden file (test/fixtures/sae/generate.py), read record by record. */
typedef struct golden {
	char *data;
	size_t size, at;
} golden;

/* Reads a golden file. */
golden golden_open(const char *path);
/* Frees it. */
void golden_close(golden *g);
/* The values of the next record, which must have this name and count. Valid until golden_close. */
const float *golden_next(golden *g, const char *name, size_t count);

/* A pool, an arena and a context. */
typedef struct workspace {
	ps_pool *pool;
	ps_arena arena;
	ps_diag diag;
	ps_context context;
} workspace;

/* Makes a pool of so many threads and an arena of so many bytes. The context points into w, which
 * must stay where it is. */
void workspace_open(workspace *w, int threads, size_t bytes);
/* Frees the pool and the arena. */
void workspace_close(workspace *w);

/* A row source over memory. */
typedef struct memory_rows {
	const float *data;
	size_t width;
	ps_row_list list;
	ps_row_source source;
} memory_rows;

/* Opens a source over data (count, width), which is borrowed. The source points to rows, which must
 * stay where it is. */
void memory_rows_open(memory_rows *rows, const float *data, size_t count, size_t width);

/* Fills out (count) with seeded normal numbers. */
void fill_normal(float *out, size_t count, double deviation, uint64_t seed);

/* Encodes rows x (rows, D) and decodes them again: latents (rows, F), x_hat (rows, D). */
void run_sae(const ps_sae *sae, const float *x, size_t rows, float *latents, float *x_hat);

/* The largest difference of got and want (rows, cols), in units of the largest number of its row of
 * want. */
double largest_error_of_rows(const float *got, const float *want, size_t rows, size_t cols);

#endif
