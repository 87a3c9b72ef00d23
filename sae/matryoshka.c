#include "sae/matryoshka.h"

#include <string.h>

#include "core/base/checked.h"
#include "sae/room.h"

size_t ps_matryoshka_bytes(const ps_sae *listed, const ps_train_options *o, size_t rows)
{
	ps_plan plan = {0};

	ps_plan_add(&plan, "nested levels", sizeof(ps_matryoshka));
	for (size_t l = 0; l < o->matryoshka_levels; l++)
		ps_plan_add(&plan, "gradients of a level", ps_branch_bytes(listed, rows));
	return plan.total_bytes;
}

int ps_matryoshka_create(ps_matryoshka **out, const ps_sae *listed, const ps_train_options *o,
			 size_t rows, const ps_context *context, ps_arena *arena)
{
	ps_matryoshka *m;
	int code = ps_room_check(arena, ps_matryoshka_bytes(listed, o, rows), "nested levels",
				 context->diag);

	if (code < 0)
		return code;
	m = ps_arena_take(arena, sizeof *m);
	*m = (ps_matryoshka){.levels = o->matryoshka_levels};
	memcpy(m->width, o->matryoshka_width, sizeof m->width);
	*out = m;
	for (size_t l = 0; l < m->levels && code >= 0; l++)
		code = ps_branch_create(&m->branch[l], listed, rows, context, arena);
	return code;
}

/* The entries of latents below width: every row's first ones. */
static void take_below(const ps_codes *codes, size_t width, ps_codes *out)
{
	size_t count = 0;

	out->rows = codes->rows;
	for (size_t r = 0; r < codes->rows; r++) {
		out->start[r] = count;
		for (size_t i = codes->start[r]; i < codes->start[r + 1] && codes->index[i] < width;
		     i++) {
			out->index[count] = codes->index[i];
			out->value[count++] = codes->value[i];
		}
	}
	out->start[codes->rows] = count;
}

double ps_matryoshka_backward(ps_matryoshka *m, const ps_codes *codes, const ps_sae *sae,
			      const float *x, float scale)
{
	double loss = 0;

	for (size_t l = 0; l < m->levels; l++) {
		take_below(codes, m->width[l], &m->branch[l].codes);
		ps_branch_backward(&m->branch[l], sae->dec, sae->d_in, x, -1, scale);
		loss += ps_branch_loss(&m->branch[l]);
	}
	return loss;
}
