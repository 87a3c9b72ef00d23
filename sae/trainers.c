#include "sae/trainers.h"

#include <string.h>

#include "core/base/checked.h"
#include "sae/start.h"
#include "sae/step.h"
#include "sae/trainer.h"

bool ps_trainers_agree(const ps_train_options *a, const ps_train_options *b)
{
	return a->batch == b->batch && a->tokens == b->tokens && a->sequential == b->sequential &&
	       (a->sequential || a->data_seed == b->data_seed);
}

/* --- memory --- */

/* trainers (count) is NULL while counting. */
static void lay_out(ps_sae_layout *layout, const ps_train_options *options, size_t count,
		    const ps_row_source *source, const ps_row_list *rows, ps_trainer **trainers)
{
	ps_feed *feed = ps_feed_lay_out(layout, source, rows, ps_train_batch_rows(options), count);

	for (size_t i = 0; i < count; i++) {
		ps_trainer *trainer = ps_trainer_lay_out(layout, &options[i], source->width);

		if (!trainers)
			continue;
		trainers[i] = trainer;
		trainer->feed = feed;
	}
}

size_t ps_trainers_bytes(size_t d_in, const ps_train_options *options, size_t count, int threads)
{
	const ps_row_source source = {.width = d_in};
	ps_sae_layout layout = ps_sae_layout_count(threads);

	for (size_t i = 0; i < count; i++)
		if (!ps_trainer_fits(d_in, &options[i]))
			return SIZE_MAX;
	lay_out(&layout, options, count, &source, NULL, NULL);
	return layout.parts.bytes;
}

/* --- creation, steps --- */

static int check(const ps_train_options *options, size_t count, const ps_row_source *source,
		 const ps_row_list *rows, ps_diag *diag)
{
	for (size_t i = 0; i < count; i++) {
		int rc = ps_train_options_check(&options[i], source->width, diag);

		if (rc)
			return rc;
		if (!ps_trainers_agree(&options[0], &options[i]))
			return ps_fail(diag, PS_EFAILED, "SAEs side by side want the same batches");
	}
	if (!rows->count)
		return ps_fail(diag, PS_EINPUT, "there are no rows to train on");
	return 0;
}

int ps_trainers_create(ps_trainer **trainers, const ps_train_options *options, size_t count,
		       const ps_row_source *source, const ps_row_list *rows,
		       const ps_context *context, ps_arena *arena)
{
	ps_sae_layout layout = ps_sae_layout_in(arena, context);
	int rc = check(options, count, source, rows, context->diag);

	if (!rc)
		rc = ps_sae_layout_room(
			&layout, ps_trainers_bytes(source->width, options, count, layout.threads),
			"training");
	if (rc)
		return rc;
	lay_out(&layout, options, count, source, rows, trainers);
	for (size_t i = 0; i < count && !rc; i++)
		rc = ps_start_values(trainers[i], i ? trainers[0] : NULL);
	return rc;
}

int ps_trainer_restart(ps_trainer *t)
{
	return ps_start_values(t, NULL);
}

uint64_t ps_trainer_done(const ps_trainer *t)
{
	return *t->step;
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
	const ps_trainer *first = trainers[0];
	const uint64_t step = ps_trainers_done(trainers, count);
	int rc;

	memset(out, 0, count * sizeof *out);
	if (step >= first->steps)
		return ps_fail(first->context->diag, PS_EFAILED, "all %llu training steps are done",
			       (unsigned long long)first->steps);
	rc = ps_feed_load(first->feed, &first->options, step, first->steps, first->context);
	for (size_t i = 0; i < count && !rc; i++)
		if (*trainers[i]->step == step)
			rc = ps_step_take(trainers[i], &out[i]);
	return rc;
}
