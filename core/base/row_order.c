#include "core/base/row_order.h"

#include "core/base/rng.h"

static uint64_t epoch_seed(const ps_row_order *order, uint64_t epoch)
{
	ps_rng rng = ps_rng_make(order->seed, epoch);

	return ps_rng_u64(&rng);
}

void ps_row_order_get(const ps_row_order *order, uint64_t first, size_t count, uint64_t *ids)
{
	const uint64_t rows = order->rows->count, together = ps_row_list_together(order->rows);
	uint64_t epoch = first / rows, place = first % rows, seed = epoch_seed(order, epoch);

	for (size_t i = 0; i < count; i++) {
		const uint64_t run = place / together,
			       at = order->sequential ? run
						      : ps_permute(run, rows / together, seed);

		ids[i] = ps_row_list_at(order->rows, at * together + place % together);
		if (++place == rows) {
			place = 0;
			seed = epoch_seed(order, ++epoch);
		}
	}
}

uint64_t ps_row_order_place(const ps_row_order *order, uint64_t epoch, uint64_t i)
{
	const uint64_t rows = order->rows->count, together = ps_row_list_together(order->rows),
		       run = i / together,
		       at = order->sequential ? run
					      : ps_permute_back(run, rows / together,
								epoch_seed(order, epoch));

	return epoch * rows + at * together + i % together;
}
