#include "io/row_join.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "core/base/checked.h"

#define CHUNK ((size_t)64)      /* rows that are gathered at a time */
#define COMPARED ((size_t)1024) /* rows that are compared at a time */

struct ps_row_join {
	size_t count, batch;
	ps_row_source sources[PS_JOIN_MAX];
	uint64_t *announced; /* (batch): row numbers of one source */
	float *scratch;      /* (threads, CHUNK, D) */
	bool *taken;         /* (threads): which part of scratch is in use */
	int threads;
	pthread_mutex_t lock; /* of taken */
	pthread_cond_t freed;
};

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out(ps_row_join *join, size_t width, ps_arena *arena)
{
	const size_t threads = (size_t)join->threads;
	ps_layout layout = {.arena = arena};

	join->announced = ps_layout_part(&layout, join->batch, sizeof *join->announced);
	join->scratch = ps_layout_part(&layout, threads * CHUNK * width, sizeof *join->scratch);
	join->taken = ps_layout_part(&layout, threads, sizeof *join->taken);
	return layout.bytes;
}

size_t ps_row_join_bytes(size_t width, size_t batch, int threads)
{
	ps_row_join join = {.batch = batch, .threads = threads};

	return ps_round_up(sizeof join, PS_ALIGN) + lay_out(&join, width, NULL);
}

/* --- the same tokens --- */

static const char *const column_names[PS_ROW_COLUMNS] = {
	[PS_ROW_TOKEN_ID] = "token",
	[PS_ROW_POSITION] = "position",
	[PS_ROW_WINDOW_ID] = "window",
};

static int compare_rows(const ps_row_source *a, const ps_row_source *b, ps_row_column column,
			uint64_t first, const char *const *names, ps_diag *diag)
{
	const size_t count = (size_t)(a->rows - first < COMPARED ? a->rows - first : COMPARED);
	int32_t of_a[COMPARED], of_b[COMPARED];
	uint64_t ids[COMPARED] = {0};

	for (size_t i = 0; i < count; i++)
		ids[i] = first + i;
	a->column(a->self, column, ids, count, of_a);
	b->column(b->self, column, ids, count, of_b);
	for (size_t i = 0; i < count; i++)
		if (of_a[i] != of_b[i])
			return ps_fail(diag, PS_EINPUT,
				       "%s: row %" PRIu64
				       " is %s %d, in %s it is %d: not the same tokens",
				       names[1], ids[i], column_names[column], (int)of_b[i],
				       names[0], (int)of_a[i]);
	return 0;
}

static int compare(const ps_row_source *a, const ps_row_source *b, const char *const *names,
		   ps_diag *diag)
{
	int rc = 0;

	if (a->rows != b->rows)
		return ps_fail(diag, PS_EINPUT,
			       "%s: has %" PRIu64 " rows, %s has %" PRIu64 ": not the same tokens",
			       names[1], b->rows, names[0], a->rows);
	if (a->width != b->width)
		return ps_fail(diag, PS_EINPUT, "%s: rows of width %zu, those of %s of %zu",
			       names[1], b->width, names[0], a->width);
	for (int c = 0; c < PS_ROW_COLUMNS; c++) {
		if (!ps_row_source_has(a, (ps_row_column)c) ||
		    !ps_row_source_has(b, (ps_row_column)c))
			return ps_fail(diag, PS_EINPUT, "%s: does not say the %s of a row",
				       ps_row_source_has(a, (ps_row_column)c) ? names[1] : names[0],
				       column_names[c]);
		for (uint64_t first = 0; first < a->rows && !rc; first += COMPARED)
			rc = compare_rows(a, b, (ps_row_column)c, first, names, diag);
		if (rc)
			return rc;
	}
	return 0;
}

int ps_row_join_check(const ps_row_source *sources, const char *const *names, size_t count,
		      ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 1; i < count && !rc; i++)
		rc = compare(&sources[0], &sources[i], (const char *const[]){names[0], names[i]},
			     diag);
	return rc;
}

/* --- rows --- */

/* Picks the rows of one source out of ids (count). own: their numbers in that source. at: their
 * places in ids, or NULL. Both have room for count. Returns how many. */
static size_t pick(const ps_row_join *join, size_t source, const uint64_t *ids, size_t count,
		   uint64_t *own, size_t *at)
{
	size_t picked = 0;

	for (size_t i = 0; i < count; i++) {
		if (ids[i] % join->count != source)
			continue;
		if (at)
			at[picked] = i;
		own[picked++] = ids[i] / join->count;
	}
	return picked;
}

static int take_scratch(ps_row_join *join)
{
	int slot = 0;

	pthread_mutex_lock(&join->lock);
	for (;;) {
		for (slot = 0; slot < join->threads && join->taken[slot]; slot++)
			;
		if (slot < join->threads)
			break;
		pthread_cond_wait(&join->freed, &join->lock);
	}
	join->taken[slot] = true;
	pthread_mutex_unlock(&join->lock);
	return slot;
}

static void give_scratch(ps_row_join *join, int slot)
{
	pthread_mutex_lock(&join->lock);
	join->taken[slot] = false;
	pthread_cond_signal(&join->freed);
	pthread_mutex_unlock(&join->lock);
}

static int gather_chunk(ps_row_join *join, const uint64_t *ids, size_t count, float *scratch,
			float *out, ps_diag *diag)
{
	const size_t width = join->sources[0].width;

	for (size_t s = 0; s < join->count; s++) {
		const ps_row_source *source = &join->sources[s];
		uint64_t own[CHUNK];
		size_t at[CHUNK], picked = pick(join, s, ids, count, own, at);
		int rc = picked ? source->gather(source->self, own, picked, scratch, diag) : 0;

		if (rc)
			return rc;
		for (size_t i = 0; i < picked; i++)
			memcpy(out + at[i] * width, scratch + i * width, width * sizeof *out);
	}
	return 0;
}

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	ps_row_join *join = self;
	const size_t width = join->sources[0].width;
	const int slot = take_scratch(join);
	int rc = 0;

	for (size_t first = 0; first < count && !rc; first += CHUNK)
		rc = gather_chunk(join, ids + first, ps_min_size(CHUNK, count - first),
				  join->scratch + (size_t)slot * CHUNK * width, out + first * width,
				  diag);
	give_scratch(join, slot);
	return rc;
}

/* The rows of one source stand in the order of the whole, so their places are a part of it. */
static void announce(void *self, const uint64_t *ids, size_t count, uint64_t place)
{
	ps_row_join *join = self;
	const uint64_t own = place == PS_ROW_NO_PLACE ? place : place / join->count;

	for (size_t s = 0; s < join->count; s++) {
		const ps_row_source *source = &join->sources[s];

		if (source->ahead)
			source->ahead(source->self, join->announced,
				      pick(join, s, ids, ps_min_size(count, join->batch),
					   join->announced, NULL),
				      own);
	}
}

static void column(void *self, ps_row_column which, const uint64_t *ids, size_t count, int32_t *out)
{
	const ps_row_join *join = self;

	for (size_t i = 0; i < count; i++) {
		const uint64_t own = ids[i] / join->count;

		join->sources[0].column(join->sources[0].self, which, &own, 1, out + i);
	}
}

/* --- start and end --- */

ps_row_join *ps_row_join_create(const ps_row_join_options *options, ps_arena *arena,
				ps_row_source *source)
{
	const ps_row_source *first = options->sources;
	ps_row_join *join = ps_arena_take(arena, sizeof *join);

	*join = (ps_row_join){
		.count = options->count, .batch = options->batch, .threads = options->threads};
	memcpy(join->sources, options->sources, options->count * sizeof *options->sources);
	lay_out(join, first->width, arena);
	memset(join->taken, 0, (size_t)options->threads * sizeof *join->taken);
	pthread_mutex_init(&join->lock, NULL);
	pthread_cond_init(&join->freed, NULL);
	*source = (ps_row_source){.self = join,
				  .rows = first->rows * options->count,
				  .width = first->width,
				  .gather = gather,
				  .ahead = announce,
				  .columns = first->columns,
				  .column = column};
	return join;
}

void ps_row_join_replace(ps_row_join *join, size_t index, const ps_row_source *source)
{
	join->sources[index] = *source;
}

void ps_row_join_destroy(ps_row_join *join)
{
	if (!join)
		return;
	pthread_cond_destroy(&join->freed);
	pthread_mutex_destroy(&join->lock);
}
