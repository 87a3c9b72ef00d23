#include "core/base/arena.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/checked.h"
#include "core/base/number.h"

/* bytes rounded up to PS_ALIGN; on overflow, the largest multiple of it. */
static size_t align_bytes(size_t bytes)
{
	size_t rounded;

	if (!ps_size_add(bytes, PS_ALIGN - 1, &rounded))
		rounded = SIZE_MAX;
	return rounded - rounded % PS_ALIGN;
}

/* a + b, SIZE_MAX on overflow. */
static size_t add_bytes(size_t a, size_t b)
{
	size_t sum = SIZE_MAX;

	(void)ps_size_add(a, b, &sum);
	return sum;
}

void ps_plan_add(ps_plan *plan, const char *name, size_t bytes)
{
	const size_t rounded = align_bytes(bytes);

	plan->total_bytes = add_bytes(plan->total_bytes, rounded);
	if (plan->count < PS_PLAN_PARTS_MAX) {
		plan->part[plan->count].name = name;
		plan->part[plan->count++].bytes = rounded;
	}
}

int ps_plan_check(const ps_plan *plan, ps_diag *diag)
{
	char least[24], limit[24], part[24];
	int largest = 0;

	if (!plan->limit_bytes || plan->total_bytes <= plan->limit_bytes)
		return 0;
	for (int i = 1; i < plan->count; i++)
		if (plan->part[i].bytes > plan->part[largest].bytes)
			largest = i;
	return ps_fail(diag, PS_EBUDGET,
		       "memory budget too small: --memory is %s (%zu bytes), the least that would "
		       "do is %s (%zu bytes); "
		       "the largest part is %s with %s",
		       ps_size_format(plan->limit_bytes, limit), plan->limit_bytes,
		       ps_size_format_up(plan->total_bytes, least), plan->total_bytes,
		       plan->part[largest].name, ps_size_format(plan->part[largest].bytes, part));
}

int ps_arena_create(ps_arena *arena, size_t bytes, ps_diag *diag)
{
	size_t size = ps_round_up(ps_max_size(bytes, PS_ALIGN), 4096);
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return ps_fail(diag, PS_EBUDGET, "cannot get %zu bytes of memory: %s", size,
			       strerror(errno));
	(void)madvise(base, size,
		      MADV_HUGEPAGE); /* advice only: a kernel without large pages refuses it */
	*arena = (ps_arena){.base = base, .size_bytes = size};
	return 0;
}

void ps_arena_destroy(ps_arena *arena)
{
	if (arena->base)
		munmap(arena->base, arena->size_bytes);
	*arena = (ps_arena){0};
}

void *ps_arena_take(ps_arena *arena, size_t bytes)
{
	const size_t rounded = align_bytes(bytes);
	char *part;

	if (rounded < bytes || rounded > arena->size_bytes - arena->used_bytes)
		return NULL;
	part = arena->base + arena->used_bytes;
	arena->used_bytes += rounded;
	return part;
}

void *ps_layout_part(ps_layout *layout, size_t count, size_t item_bytes)
{
	size_t bytes = SIZE_MAX;
	void *part;

	(void)ps_size_mul(count, item_bytes, &bytes);
	layout->bytes = add_bytes(layout->bytes, align_bytes(bytes));
	if (!layout->arena)
		return NULL;
	part = ps_arena_take(layout->arena, bytes);
	assert(part);
	return part;
}

size_t ps_arena_mark(const ps_arena *arena)
{
	return arena->used_bytes;
}

void ps_arena_rewind(ps_arena *arena, size_t mark)
{
	arena->used_bytes = mark;
}

int ps_size_parse(const char *text, size_t *bytes, ps_diag *diag)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {{"", 1},         {"K", 0x1p10},   {"M", 0x1p20},  {"G", 0x1p30},
		     {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
	char shown[PS_SHOWN];
	double value = 0;
	const size_t digits = ps_number_prefix(text, strlen(text), &value);

	for (size_t i = 0; i < sizeof units / sizeof *units && digits; i++) {
		const double size = value * units[i].factor;

		if (strcmp(text + digits, units[i].suffix))
			continue;
		if (!(size >= 1 && size < 0x1p62))
			break;
		*bytes = (size_t)size;
		return 0;
	}
	return ps_fail(diag, PS_EUSAGE,
		       "'%s' is not a size (at least 1 byte, or a number with K, M, G, KiB, MiB or "
		       "GiB)",
		       ps_text_show(text, strlen(text), shown, sizeof shown));
}

static char *format_size(size_t bytes, bool up, char *out)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	int u = 0;

	while (value >= 1024 && u < 4) {
		value /= 1024;
		u++;
	}
	if (up)
		value = ceil(value * 100) / 100;
	snprintf(out, 24, u ? "%.2f %s" : "%.0f %s", value, unit[u]);
	return out;
}

char *ps_size_format(size_t bytes, char *out)
{
	return format_size(bytes, false, out);
}

char *ps_size_format_up(size_t bytes, char *out)
{
	return format_size(bytes, true, out);
}
