/* test/support/support_prune.h: the golden models of test/fixtures/prune in memory, and a sink that collects masks. */
#ifndef PS_TEST_SUPPORT_SUPPORT_PRUNE_H
#define PS_TEST_SUPPORT_SUPPORT_PRUNE_H

#include "prune/magnitude.h"

typedef struct prune_fixture {
	unsigned char *bytes; /* the file, writable: tests may spoil a weight */
	size_t size_bytes;
	ps_model_config config;
} prune_fixture;

/* Masks in the order the sink saw them. wrong: calls out of order, set padding bits, or a wrong count. */
typedef struct mask_set {
	uint8_t *bytes;
	size_t used_bytes, capacity_bytes;
	uint64_t dropped[64], total[64];
	int calls, wrong;
} mask_set;

void prune_fixture_load(prune_fixture *fixture, const char *path);
void prune_fixture_free(prune_fixture *fixture);

/* The record of that name, as a matrix; fails the test when there is none. data stays writable. */
ps_weight prune_fixture_find(const prune_fixture *fixture, const char *name);
ps_weight prune_fixture_find_at(const prune_fixture *fixture, const char *prefix, int layer,
				int index);

ps_weight_lookup prune_fixture_lookup(prune_fixture *fixture);

/* Options of variant v; returns whether it is Wanda's. */
bool prune_fixture_variant(const prune_fixture *fixture, size_t v, ps_prune_options *options);
size_t prune_fixture_variants(const prune_fixture *fixture);

int mask_set_collect(void *set, int layer, ps_projection projection, const ps_bitmap *mask,
		     uint64_t dropped);
void mask_set_free(mask_set *set);

/* Number of bits in which the set differs from the golden mask of variant v (UINT64_MAX: another size). */
uint64_t mask_set_differing(const mask_set *set, const prune_fixture *fixture, size_t v);

#endif
