/* sae/layout.h: the buffers of sae's modules, on core's one list of parts (ps_layout).
 *
 * A module lists its buffers in one function, ps_..._lay_out. It runs twice: with
 * ps_sae_layout_count it adds up the bytes, with ps_sae_layout_in it takes the buffers from an
 * arena. A module that stands on others calls their functions with the same layout. */
#ifndef PS_SAE_LAYOUT_H
#define PS_SAE_LAYOUT_H

#include "core/base/arena.h"
#include "core/base/progress.h"

typedef struct ps_sae_layout {
	ps_layout parts;           /* counts or takes */
	const ps_context *context; /* for the modules that keep it; NULL while counting */
	int threads;               /* of the pool that will run the modules */
} ps_sae_layout;

/* A layout that counts, for modules that `threads` threads will run. */
ps_sae_layout ps_sae_layout_count(int threads);

/* A layout that takes from the arena, which must have the room (ps_sae_layout_room). context is
 * borrowed; its pool may be NULL for modules that need no threads. */
ps_sae_layout ps_sae_layout_in(ps_arena *arena, const ps_context *context);

/* PS_EBUDGET, naming `what`, unless the layout's arena has so many bytes left. */
int ps_sae_layout_room(const ps_sae_layout *layout, size_t bytes, const char *what) PS_MUST_USE;

/* count elements of `size` bytes each. NULL while counting. */
void *ps_sae_part(ps_sae_layout *layout, size_t count, size_t size);
/* The same, filled with zeros. */
void *ps_sae_zeros(ps_sae_layout *layout, size_t count, size_t size);
/* (rows, columns) f32. NULL while counting. */
float *ps_sae_floats(ps_sae_layout *layout, size_t rows, size_t columns);

/* The module's own struct, of so many bytes. While counting it is stand_in, which the caller has on
 * its stack: the shapes in it are then valid, its buffers are NULL. */
void *ps_sae_own(ps_sae_layout *layout, void *stand_in, size_t bytes);

#endif
