/* sae/room.h: one check before a module takes its parts from an arena, in place of one per part. */
#ifndef PS_SAE_ROOM_H
#define PS_SAE_ROOM_H

#include "core/base/arena.h"

static inline int ps_room_check(const ps_arena *arena, size_t bytes, const char *what,
				ps_diag *diag)
{
	if (bytes <= arena->size_bytes - arena->used_bytes)
		return 0;
	return ps_fail(diag, PS_EBUDGET, "no room for %s: %zu bytes", what, bytes);
}

#endif
