/* test/support/support_sae.h: what the tests of SAEs share: golden files, rows in memory, and a pool with its arena. */
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

golden golden_open(const char *path);
void golden_close(golden *g);
/* The next record, which must have this name and count; valid until golden_close. */
const float *golden_next(golden *g, const char *name, size_t count);

/* A pool, an arena and a context; workspace_close frees them. */
typedef struct workspace {
	ps_pool *pool;
	ps_arena arena;
	ps_diag diag;
	ps_context context;
} workspace;

/* The context points into w, which must stay where it is. */
void workspace_open(workspace *w, int threads, size_t bytes);
void workspace_close(workspace *w);

/* Rows in memory. scripted: gather ignores the ids and hands out row after row (with one thread), starting
 * anew whenever `next` is set to 0. */
typedef struct memory_rows {
	const float *data;
	size_t width;
	bool scripted;
	size_t next;
	ps_row_list list;
	ps_row_source source;
} memory_rows;

void memory_rows_open(memory_rows *rows, const float *data, size_t count, size_t width);

/* Seeded normal numbers. */
void fill_normal(float *out, size_t count, double deviation, uint64_t seed);

#endif
