/* core/base/arena.h: the memory plan and the one allocation made from it.
 *
 * A command adds up what its parts need (ps_plan_add), checks the sum against --memory (ps_plan_check), and
 * takes all of it in one anonymous mapping (ps_arena_create). Parts are handed out by bumping a pointer and
 * freed together. Nothing in a hot loop allocates. Large pages are asked for: sums over rows from all over a matrix then
 * find them in the TLB (strips of a matrix of 38 MB: 55 ms instead of 75), and a disk takes a chunk of 1 MiB in one request
 * instead of in pieces (cold layers came at 1,533 MB/s instead of 1,126). */
#ifndef PS_CORE_BASE_ARENA_H
#define PS_CORE_BASE_ARENA_H

#include <stddef.h>

#include "core/base/error.h"

#define PS_ALIGN 64 /* bytes: every part of an arena starts on such a boundary */
#define PS_PLAN_PARTS 48

typedef struct ps_plan {
	size_t limit_bytes; /* --memory; 0: no limit */
	size_t total_bytes; /* sum of the parts, each rounded up to PS_ALIGN */
	int count;
	struct {
		const char *name; /* static text: "layer slots", "hidden states", ... */
		size_t bytes;
	} part[PS_PLAN_PARTS];
} ps_plan;

void ps_plan_add(ps_plan *plan, const char *name, size_t bytes);

/* PS_EBUDGET, naming the least budget that would do and the largest part, when the sum exceeds the limit. */
int ps_plan_check(const ps_plan *plan, ps_diag *diag) PS_MUST_USE;

typedef struct ps_arena {
	char *base;
	size_t size_bytes, used_bytes;
} ps_arena;

/* bytes of zeroed memory, as one anonymous mapping. PS_EBUDGET when the kernel refuses. */
int ps_arena_create(ps_arena *arena, size_t bytes, ps_diag *diag) PS_MUST_USE;
void ps_arena_destroy(ps_arena *arena);

/* The next bytes, aligned to PS_ALIGN, zero unless the arena was rewound. NULL when it is used up, which
 * means that a module asked for more than it said it needs (a programmer's error). */
void *ps_arena_take(ps_arena *arena, size_t bytes);

/* The parts of a module's memory, listed by one function that runs twice: without an arena it counts them for
 * the plan, with one it takes them. So the plan and the allocation cannot disagree:
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

/* Room for count items of item_bytes each, aligned and zeroed like ps_arena_take's; NULL while counting. The arena
 * must have the room: one that has not was not made with the counted bytes, and the program stops. */
void *ps_layout_part(ps_layout *layout, size_t count, size_t item_bytes);

/* Marks and rewinds: what was taken after the mark may be taken again. */
size_t ps_arena_mark(const ps_arena *arena);
void ps_arena_rewind(ps_arena *arena, size_t mark);

/* SIZE of the command line: bytes, or a number with K, M, G, KiB, MiB, GiB (all of 1,024). PS_EUSAGE otherwise. */
int ps_size_parse(const char *text, size_t *bytes, ps_diag *diag) PS_MUST_USE;

/* "1.50 GiB" into out (at least 24 bytes); returns out. */
char *ps_size_format(size_t bytes, char *out);

#endif
