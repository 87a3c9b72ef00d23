#include "sae/layout.h"

#include <string.h>

#include "core/base/checked.h"

ps_sae_layout ps_sae_layout_count(int threads)
{
	return (ps_sae_layout){.threads = threads};
}

ps_sae_layout ps_sae_layout_in(ps_arena *arena, const ps_context *context)
{
	return (ps_sae_layout){.parts = {.arena = arena},
			       .context = context,
			       .threads = context->pool ? ps_pool_threads(context->pool) : 0};
}

int ps_sae_layout_room(const ps_sae_layout *layout, size_t bytes, const char *what)
{
	const ps_arena *arena = layout->parts.arena;

	if (bytes <= arena->size_bytes - arena->used_bytes)
		return 0;
	return ps_fail(layout->context->diag, PS_EBUDGET, "no room for %s: %zu bytes", what, bytes);
}

void *ps_sae_part(ps_sae_layout *layout, size_t count, size_t size)
{
	return ps_layout_part(&layout->parts, count, size);
}

void *ps_sae_zeros(ps_sae_layout *layout, size_t count, size_t size)
{
	void *buffer = ps_sae_part(layout, count, size);

	if (buffer)
		memset(buffer, 0, count * size);
	return buffer;
}

float *ps_sae_floats(ps_sae_layout *layout, size_t rows, size_t columns)
{
	size_t count = SIZE_MAX;

	(void)ps_size_mul(rows, columns, &count);
	return ps_sae_part(layout, count, sizeof(float));
}

void *ps_sae_own(ps_sae_layout *layout, void *stand_in, size_t bytes)
{
	void *taken = ps_sae_part(layout, 1, bytes);

	return taken ? taken : stand_in;
}
