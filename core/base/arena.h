/* core/base/arena.h: the memory plan of a command, and the one allocation that it makes.
 *
 * A command works in three steps:
 *   1. ps_plan_add for each of its parts, then ps_plan_check: does the sum fit into --memory?
 *   2. ps_arena_create: all of it in one anonymous mapping.
 *   3. Each part is handed out by moving a pointer (ps_arena_take, ps_layout_part); all are freed
 *      together.
 * Nothing in a hot loop allocates.
 *
 * The mapping asks for large pages, for two reasons:
 *   - Sums over rows from all over a matrix find their pages in the TLB (strips of a 38 MB matrix
 *     take 55 ms, not 75).
 *   - A disk takes a chunk of 1 MiB in one request, not in pieces (cold layers are read at 1,533
 *     MB/s, not 1,126). */
#ifndef PS_CORE_BASE_ARENA_H
#define PS_CORE_BASE_ARENA_H

#include <stddef.h>

#include "core/base/error.h"

#define PS_ALIGN 64          /* bytes: every part of an arena starts on such a boundary */
#define PS_PLAN_PARTS_MAX 48 /* named parts of a plan; more are added up without a name */

typedef struct ps_plan {
	size_t limit_bytes; /* --memory; 0: no limit */
	size_t total_bytes; /* sum of the parts, each rounded up to PS_ALIGN */
	int count;          /* of the named parts */
	struct {
		const char *name; /* static text: "layer slots", "hidden states", ... */
		size_t bytes;
	} part[PS_PLAN_PARTS_MAX];
} ps_plan;

/* Adds one part. A sum that would exceed SIZE_MAX stays at SIZE_MAX. */
void ps_plan_add(ps_plan *plan, const char *name, size_t bytes);

/* PS_EBUDGET if the sum exceeds the limit. The message names the least budget that would do and the
 * largest part. */
int ps_plan_check(const ps_plan *plan, ps_diag *diag) PS_MUST_USE;

typedef struct ps_arena {
	char *base;
	size_t size_bytes, used_bytes;
} ps_arena;

/* Maps `bytes` of zeroed memory. PS_EBUDGET if the kernel refuses. */
int ps_arena_create(ps_arena *arena, size_t bytes, ps_diag *diag) PS_MUST_USE;

/* Unmaps the memory; an arena of zeros is left alone. */
void ps_arena_destroy(ps_arena *arena);

/* The next `bytes`, aligned to PS_ALIGN, zero unless the arena was rewound. NULL if the arena is
 * used up: a module then takes more than it planned, a programmer's error. */
void *ps_arena_take(ps_arena *arena, size_t bytes);

/* The parts of a module's memory, listed by one function that runs twice: without an arena it
 * counts them for the plan, with one it takes them. So the plan and the allocation cannot disagree:
 *
 *   static size_t lay_out(struct work *work, size_t rows, ps_arena *arena)
 *   {
 *           ps_layout layout = {.arena = arena};
 *
 *           work->ids = ps_layout_part(&layout, rows, sizeof *work->ids);
 *           work->sums = ps_layout_part(&layout, rows, sizeof *work->sums);
 *           return layout.bytes;
 *   } */
typedef struct ps_layout {
	ps_arena *arena; /* NULL: the parts are counted, not taken */
	size_t bytes; /* of the parts so far, each rounded up to PS_ALIGN; SIZE_MAX on overflow */
} ps_layout;

/* Room for count items of item_bytes each, aligned and zeroed as by ps_arena_take; NULL while
 * counting. Aborts if the arena lacks the room: it was then not made with the counted bytes. */
void *ps_layout_part(ps_layout *layout, size_t count, size_t item_bytes);

/* How much is taken so far, for ps_arena_rewind. */
size_t ps_arena_mark(const ps_arena *arena);

/* Gives back what was taken after the mark; its next user finds old contents in it. */
void ps_arena_rewind(ps_arena *arena, size_t mark);

/* Reads SIZE of the command line: bytes, or a number with K, M, G, KiB, MiB or GiB (powers of
 * 1,024). PS_EUSAGE for anything else. */
int ps_size_parse(const char *text, size_t *bytes, ps_diag *diag) PS_MUST_USE;

/* Writes a size as "1.50 GiB" into out (at least 24 bytes) and returns out. */
char *ps_size_format(size_t bytes, char *out);

/* As ps_size_format, for a size that is the least that would do: rounded up, so that what is shown
 * is enough. */
char *ps_size_format_up(size_t bytes, char *out);

#endif
