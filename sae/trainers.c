#include "sae/trainers.h"

#include <string.h>

#include "core/base/checked.h"
#include "sae/batch.h"
#include "sae/room.h"
#include "sae/trainer.h"

bool ps_trainers_agree(const ps_train_options *a, const ps_train_options *b)
{
	return a->batch == b->batch && a->tokens == b->tokens && a->sequential == b->sequential &&
	       (a->sequential || a->data_seed == b->data_seed);
}

static size_t raw_bytes(size_t d_in, const ps_train_options *o)
{
	return ps_round_up(ps_train_batch_rows(o) * d_in * sizeof(float), PS_ALIGN);
}

size_t ps_trainers_bytes(size_t d_in, const ps_train_options *options, size_t count, int threads)
{
	size_t total = count > 1 ? raw_bytes(d_in, options) : 0;

	for (size_t i = 0; i < count; i++) {
		const size_t bytes = ps_trainer_bytes(d_in, &options[i], threads);

		if (bytes == SIZE_MAX ||
		    !ps_size_add(total, bytes - (i ? ps_trainer_lent_bytes(d_in, &options[i]) : 0),
				 &total))
			return SIZE_MAX;
	}
	return total;
}

int ps_trainers_create(ps_trainer **trainers, const ps_train_options *options, size_t count,
		       const ps_row_source *source, const ps_row_list *rows,
		       const ps_context *context, ps_arena *arena)
{
	int code = 0;

	for (size_t i = 0; i < count && code >= 0; i++) {
		if (!ps_trainers_agree(&options[0], &options[i]))
			return ps_fail(context->diag, PS_EFAILED,
				       "SAEs side by side want the same batches");
		code = ps_trainer_make(&trainers[i], &options[i], source, rows, context, arena,
				       i ? trainers[0] : NULL);
		if (i || code < 0 || count == 1)
			continue;
		code = ps_room_check(arena, raw_bytes(source->width, options), "a batch",
				     context->diag);
		if (code >= 0)
			trainers[0]->batch =
				ps_arena_take(arena, raw_bytes(source->width, options));
	}
	return code;
}

uint64_t ps_trainers_done(ps_trainer *const *trainers, size_t count)
{
	uint64_t least = *trainers[0]->step;

	for (size_t i = 1; i < count; i++)
		least = *trainers[i]->step < least ? *trainers[i]->step : least;
	return least;
}

int ps_trainers_step(ps_trainer *const *trainers, size_t count, ps_train_step *out)
{
	ps_trainer *first = trainers[0];
	const uint64_t step = ps_trainers_done(trainers, count);
	int code;

	memset(out, 0, count * sizeof *out);
	if (step >= first->steps)
		return ps_fail(first->context->diag, PS_EFAILED, "all %llu training steps are done",
			       (unsigned long long)first->steps);
	code = ps_batch_load(&first->options, first->source, first->rows, step, first->steps,
			     &first->announced, first->ids, first->batch, first->context);
	for (size_t i = 0; i < count && code >= 0; i++)
		if (*trainers[i]->step == step)
			code = ps_trainer_take_step(trainers[i], &out[i]);
	return code;
}
