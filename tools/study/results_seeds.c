#include "tools/study/results_seeds.h"

#include <math.h>

#include "analysis/over_seeds.h"
#include "tools/run/lists.h"

#define CONFIDENCE 0.95

/* The value that a record has under the schema's own key. */
static json_t *value_of(const json_t *record, ps_results_key key)
{
	return json_object_get(record, ps_results_field_of(key)->name);
}

static json_t *or_null(json_t *value)
{
	return value ? json_incref(value) : json_null();
}

/* --- numbers of records --- */

/* What a mean over seeds needs of an interval over windows. */
static ps_interval read_interval(const json_t *o)
{
	return (ps_interval){.estimate = ps_results_number(o, PS_AT(INTERVAL_ESTIMATE)),
			     .error = ps_results_number(o, PS_AT(INTERVAL_ERROR)),
			     .n = (size_t)json_integer_value(value_of(o, PS_KEY_INTERVAL_N)),
			     .unit = PS_UNIT_WINDOWS,
			     .kind = PS_KIND_T};
}

static void put_interval(ps_making *m, json_t *o, ps_results_key key, const ps_condition_records *c)
{
	ps_interval seed[PS_LIST_MAX], mean;

	/* One seed's interval stays as it is. */
	if (c->transfers < 2) {
		ps_put(m, o, key, or_null(c->transfers ? value_of(c->transfer[0], key) : NULL));
		return;
	}
	for (size_t i = 0; i < c->transfers; i++)
		seed[i] = read_interval(value_of(c->transfer[i], key));
	ps_over_seeds((ps_of_seeds){seed, sizeof *seed, c->transfers},
		      &(ps_interval_law){.confidence = CONFIDENCE}, &mean);
	ps_put(m, o, key, ps_results_interval_json(m, &mean));
}

static void put_mean(ps_making *m, json_t *o, ps_results_key key, const ps_condition_records *c)
{
	double sum = 0;

	for (size_t i = 0; i < c->transfers; i++)
		sum += ps_json_number(value_of(c->transfer[i], key));
	ps_put(m, o, key, ps_number_json(c->transfers ? sum / (double)c->transfers : (double)NAN));
}

static void put_sum(ps_making *m, json_t *o, ps_results_key key, const ps_condition_records *c)
{
	json_int_t sum = 0;

	for (size_t i = 0; i < c->transfers; i++)
		sum += json_integer_value(value_of(c->transfer[i], key));
	ps_put(m, o, key, c->transfers ? json_integer(sum) : json_null());
}

/* --- the lists --- */

static json_t *transfer_of_seed(ps_making *m, const json_t *record, int64_t seed)
{
	static const ps_results_key keys[] = {
		PS_KEY_TRANSFER_SEED_JACCARD, PS_KEY_TRANSFER_SEED_JACCARD_INTERVAL,
		PS_KEY_TRANSFER_SEED_FVU, PS_KEY_TRANSFER_SEED_FVU_CHANGE_INTERVAL,
		PS_KEY_TRANSFER_SEED_L0};
	json_t *o = json_object();

	ps_put(m, o, PS_KEY_TRANSFER_SEED_SEED, json_integer(seed));
	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
		ps_put(m, o, keys[k], or_null(value_of(record, keys[k])));
	return o;
}

void ps_results_put_transfer(ps_making *m, json_t *o, const ps_condition_records *c)
{
	static const ps_results_key means[] = {PS_KEY_CONDITION_JACCARD, PS_KEY_CONDITION_FVU,
					       PS_KEY_CONDITION_L0, PS_KEY_CONDITION_COSINE,
					       PS_KEY_CONDITION_JACCARD_CHANCE},
				    intervals[] = {PS_KEY_CONDITION_JACCARD_INTERVAL,
						   PS_KEY_CONDITION_FVU_INTERVAL,
						   PS_KEY_CONDITION_FVU_CHANGE_INTERVAL};
	json_t *list = json_array();

	for (size_t k = 0; k < sizeof means / sizeof *means; k++)
		put_mean(m, o, means[k], c);
	for (size_t k = 0; k < sizeof intervals / sizeof *intervals; k++)
		put_interval(m, o, intervals[k], c);
	put_sum(m, o, PS_KEY_CONDITION_JACCARD_EMPTY_ROWS, c);
	for (size_t i = 0; i < c->transfers; i++)
		ps_append(m, list, transfer_of_seed(m, c->transfer[i], m->in->file->seeds[i]));
	ps_put(m, o, PS_KEY_CONDITION_TRANSFER, list);
}

json_t *ps_results_splices(ps_making *m, const ps_condition_records *c)
{
	static const ps_results_key keys[] = {
		PS_KEY_SPLICE_SEED_CE_SAE, PS_KEY_SPLICE_SEED_CE_RECOVERED, PS_KEY_SPLICE_SEED_KL};
	json_t *list = json_array();

	for (size_t i = 0; i < c->splices; i++) {
		json_t *o = json_object();

		ps_put(m, o, PS_KEY_SPLICE_SEED_SEED, json_integer(m->in->file->seeds[i]));
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
			ps_put(m, o, keys[k], or_null(value_of(c->splice[i], keys[k])));
		ps_append(m, list, o);
	}
	return list;
}

static void name_seeds(ps_making *m, const json_t *list, ps_results_key key)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		ps_put(m, json_array_get(list, i), key, json_integer(m->in->file->seeds[i]));
}

void ps_results_name_seeds(ps_making *m, json_t *o)
{
	name_seeds(m, ps_results_at(o, PS_AT(CONDITION_FRAGILITY, FRAGILITY_BY_SEED)),
		   PS_KEY_FRAGILITY_SEED_SEED);
	name_seeds(m, ps_results_at(o, PS_AT(CONDITION_ABLATION, ABLATION_BY_SEED)),
		   PS_KEY_ABLATION_SEED_SEED);
}
