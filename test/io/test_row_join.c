/* io/row_join: several sources over the same tokens become one, with the rows of a token side by
 * side. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/progress.h"
#include "core/base/rng.h"
#include "io/row_join.h"

enum { ROWS = 700, WIDTH = 3, SOURCES = 3, BATCH = 150 };

/* Source s in memory. Its values are 1000 s + row. It notes what is announced to it. */
struct memory {
	int number;
	int32_t columns[PS_ROW_COLUMNS][ROWS];
	uint64_t announced[BATCH];
	size_t announced_count;
	uint64_t place;
	bool fails;
};

static struct memory memory[SOURCES];
static ps_row_source sources[SOURCES];
static const char *const names[SOURCES] = {"dense", "magnitude", "wanda"};

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	const struct memory *m = self;

	if (m->fails)
		return ps_fail(diag, PS_EINPUT, "source %d fails", m->number);
	for (size_t i = 0; i < count * WIDTH; i++)
		out[i] = (float)(1000 * m->number + (int)ids[i / WIDTH]) +
			 0.25f * (float)(i % WIDTH);
	return 0;
}

static void announce(void *self, const uint64_t *ids, size_t count, uint64_t place)
{
	struct memory *m = self;

	m->place = place;
	memcpy(m->announced, ids, count * sizeof *ids);
	m->announced_count = count;
}

static void column(void *self, ps_row_column which, const uint64_t *ids, size_t count, int32_t *out)
{
	const struct memory *m = self;

	for (size_t i = 0; i < count; i++)
		out[i] = m->columns[which][ids[i]];
}

static int set_up(void **state)
{
	(void)state;
	for (int s = 0; s < SOURCES; s++) {
		memory[s] = (struct memory){.number = s};
		for (int r = 0; r < ROWS; r++) {
			memory[s].columns[PS_ROW_TOKEN_ID][r] = r * 7 % 97;
			memory[s].columns[PS_ROW_POSITION][r] = r % 50;
			memory[s].columns[PS_ROW_WINDOW_ID][r] = r / 50;
		}
		sources[s] = (ps_row_source){.self = &memory[s],
					     .rows = ROWS,
					     .width = WIDTH,
					     .gather = gather,
					     .ahead = s == 1 ? NULL : announce,
					     .columns = (1 << PS_ROW_COLUMNS) - 1,
					     .column = column};
	}
	return 0;
}

struct part {
	const ps_row_source *source;
	const uint64_t *ids;
	float *out;
};

enum { PARTS = 10 };

static void gather_part(void *context, size_t part, int worker)
{
	const struct part *p = context;
	const size_t first = BATCH / PARTS * part;
	ps_diag diag = {{0}};

	(void)worker;
	if (p->source->gather(p->source->self, p->ids + first, BATCH / PARTS,
			      p->out + first * WIDTH, &diag))
		p->out[first * WIDTH] = -1;
}

static void a_row_is_that_token_of_that_source(void **state)
{
	uint64_t ids[BATCH];
	float out[BATCH * WIDTH];
	struct part parts;
	ps_row_join *join;
	ps_row_source joint;
	ps_arena arena;
	ps_diag diag = {{0}};
	ps_pool *pool;

	(void)state;
	assert_int_equal(ps_row_join_check(sources, names, SOURCES, &diag), 0);
	assert_int_equal(ps_arena_create(&arena, ps_row_join_bytes(WIDTH, BATCH, 2), &diag), 0);
	join = ps_row_join_create(
		&(ps_row_join_options){
			.sources = sources, .count = SOURCES, .batch = BATCH, .threads = 2},
		&arena, &joint);
	assert_true(joint.rows == SOURCES * ROWS && joint.width == WIDTH);
	/* More than the join has room for: they wait. */
	assert_int_equal(ps_pool_create(&pool, 4, &diag), 0);
	for (uint64_t turn = 0; turn < 20; turn++) {
		size_t expected[SOURCES] = {0};
		const uint64_t place = turn % 2 ? turn * BATCH : PS_ROW_NO_PLACE;
		int32_t token;

		for (uint64_t i = 0; i < BATCH; i++)
			ids[i] = ps_permute(turn * 100 + i, joint.rows, turn);
		joint.ahead(joint.self, ids, BATCH, turn % 2 ? place * SOURCES : place);
		parts = (struct part){&joint, ids, out};
		ps_pool_run(pool, PARTS, gather_part, &parts);
		for (size_t i = 0; i < BATCH; i++) {
			const size_t s = ids[i] % SOURCES;

			for (size_t d = 0; d < WIDTH; d++)
				assert_true(out[i * WIDTH + d] ==
					    (float)(1000 * s + ids[i] / SOURCES) +
						    0.25f * (float)d);
			if (s != 1)
				assert_int_equal(memory[s].announced[expected[s]++],
						 ids[i] / SOURCES);
			joint.column(joint.self, PS_ROW_TOKEN_ID, &ids[i], 1, &token);
			assert_int_equal(token,
					 memory[s].columns[PS_ROW_TOKEN_ID][ids[i] / SOURCES]);
		}
		for (size_t s = 0; s < SOURCES; s++) {
			assert_int_equal(memory[s].announced_count, expected[s]);
			assert_true(s == 1 || memory[s].place == place);
		}
	}
	memory[2].fails = true;
	assert_int_equal(joint.gather(joint.self, ids, BATCH, out, &diag), PS_EINPUT);
	assert_string_equal(diag.text, "source 2 fails");
	ps_row_join_replace(join, 2, &sources[0]);
	assert_int_equal(joint.gather(joint.self, (uint64_t[]){5}, 1, out, &diag), 0);
	assert_true(out[0] == 1);
	ps_pool_destroy(pool);
	ps_row_join_destroy(join);
	ps_arena_destroy(&arena);
}

/* --- two threads at a time --- */

static pthread_barrier_t meeting;

/* Returns when two threads are here. */
static int gather_together(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	pthread_barrier_wait(&meeting);
	return gather(self, ids, count, out, diag);
}

struct call {
	const ps_row_source *source;
	uint64_t id;
	float out[WIDTH];
	int rc;
};

static void *call_gather(void *context)
{
	struct call *c = context;

	c->rc = c->source->gather(c->source->self, &c->id, 1, c->out, NULL);
	return NULL;
}

static void threads_that_gather_at_once_do_not_meet_in_memory(void **state)
{
	ps_row_source joint;
	struct call calls[2];
	pthread_t thread;
	ps_row_join *join;
	ps_arena arena;

	(void)state;
	assert_int_equal(pthread_barrier_init(&meeting, NULL, 2), 0);
	for (int s = 0; s < SOURCES; s++)
		sources[s].gather = gather_together;
	assert_int_equal(ps_arena_create(&arena, ps_row_join_bytes(WIDTH, BATCH, 2), NULL), 0);
	join = ps_row_join_create(
		&(ps_row_join_options){
			.sources = sources, .count = SOURCES, .batch = BATCH, .threads = 2},
		&arena, &joint);
	for (int i = 0; i < 2; i++)
		calls[i] = (struct call){.source = &joint, .id = (uint64_t)(7 + 4 * i), .rc = -1};
	assert_int_equal(pthread_create(&thread, NULL, call_gather, &calls[0]), 0);
	call_gather(&calls[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(calls[i].rc, 0);
		assert_true(calls[i].out[0] ==
			    (float)(1000 * (calls[i].id % SOURCES) + calls[i].id / SOURCES));
	}
	ps_row_join_destroy(join);
	ps_arena_destroy(&arena);
	pthread_barrier_destroy(&meeting);
	ps_row_join_destroy(NULL);
}

static void refuse(const char *want)
{
	ps_diag diag = {{0}};

	assert_int_equal(ps_row_join_check(sources, names, SOURCES, &diag), PS_EINPUT);
	if (!strstr(diag.text, want))
		fail_msg("'%s' does not say '%s'", diag.text, want);
}

static void sources_of_other_tokens_are_refused(void **state)
{
	static const char *const said[PS_ROW_COLUMNS] = {
		"wanda: row 699 is token -5, in dense it is", "wanda: row 699 is position -5",
		"wanda: row 699 is window -5"};
	(void)state;
	for (int c = 0; c < PS_ROW_COLUMNS; c++) {
		set_up(NULL);
		memory[2].columns[c][ROWS - 1] = -5;
		refuse(said[c]);
	}
	set_up(NULL);
	sources[1].rows--;
	refuse("magnitude: has 699 rows, dense has 700");
	set_up(NULL);
	sources[1].width = 4;
	refuse("magnitude: rows of width 4, those of dense of 3");
	set_up(NULL);
	sources[0].columns &= ~(1u << PS_ROW_WINDOW_ID);
	refuse("dense: does not say the window");
	set_up(NULL);
	sources[1].columns &= ~(1u << PS_ROW_POSITION);
	refuse("magnitude: does not say the position");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_row_is_that_token_of_that_source, set_up),
		cmocka_unit_test_setup(threads_that_gather_at_once_do_not_meet_in_memory, set_up),
		cmocka_unit_test_setup(sources_of_other_tokens_are_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
