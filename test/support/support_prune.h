/* test/support/support_prune.h: the golden models of test/fixtures/prune in memory, and a sink that
 * collects masks. */
#ifndef PS_TEST_SUPPORT_SUPPORT_PRUNE_H
#define PS_TEST_SUPPORT_SUPPORT_PRUNE_H

#include "prune/pruning.h"

typedef struct prune_fixture {
	unsigned char *bytes; /* the file, writable: tests may spoil a weight */
	size_t size_bytes;
	ps_model_config config;
} prune_fixture;

/* Masks in the order in which the sink received them. */
typedef struct mask_set {
	uint8_t *bytes;
	size_t used_bytes, capacity_bytes;
	uint64_t dropped[64], total[64]; /* weights of each projection */
	int calls;
	int wrong; /* calls out of order, set padding bits, or a wrong count */
} mask_set;

/* Reads a golden file into memory. */
void prune_fixture_load(prune_fixture *fixture, const char *path);
/* Frees a fixture. */
void prune_fixture_free(prune_fixture *fixture);

/* The record of that name, as a matrix. Fails the test if there is none. Its data is writable. */
ps_weight prune_fixture_find(const prune_fixture *fixture, const char *name);
/* The record PREFIXlayer.index. */
ps_weight prune_fixture_find_at(const prune_fixture *fixture, const char *prefix, int layer,
				int index);

/* The weights of the golden model. */
ps_weight_lookup prune_fixture_lookup(prune_fixture *fixture);

/* The number of variants: settings with a golden mask. */
size_t prune_fixture_variants(const prune_fixture *fixture);
/* The options of variant v. True if it is one of Wanda. */
bool prune_fixture_variant(const prune_fixture *fixture, size_t v, ps_prune_options *options);

/* A sink that adds masks to the set. */
ps_mask_sink mask_set_sink(mask_set *set);
/* Frees and empties a set. */
void mask_set_free(mask_set *set);

/* The sparsities that tests make in one go: 0 and a small one among them, and one twice. */
enum { SWEEP_COUNT = 5 };
extern const double sweep_sparsities[SWEEP_COUNT];
/* Fails the test unless masks of a sweep are those that `alone` makes of one sparsity each. */
void sweep_is_each_alone(const mask_set sweep[SWEEP_COUNT], void *context,
			 void (*alone)(void *context, double sparsity, mask_set *set));

/* The number of bits in which the set differs from the golden mask of variant v. UINT64_MAX:
 * another size. */
uint64_t mask_set_differing(const mask_set *set, const prune_fixture *fixture, size_t v);

#endif
