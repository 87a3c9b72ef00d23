#include "tools/cmd/ablation_record.h"

#include <math.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/checked.h"
#include "core/base/json_text.h"
#include "io/file.h"
#include "io/sealed_json.h"
#include "tools/run/belonging.h"

#define RECORD_BYTES_MAX ((size_t)256 << 20)

static const json_t *list(const ps_ablation_record *r, const char *key)
{
	return json_object_get(r->result, key);
}

static bool is_numbers(const json_t *value, size_t count)
{
	size_t i;
	json_t *number;

	if (!json_is_array(value) || json_array_size(value) != count)
		return false;
	json_array_foreach (value, i, number)
		if (!json_is_number(number))
			return false;
	return true;
}

static int refuse(const ps_ablation_record *r, const char *key, const char *wanted, ps_diag *diag)
{
	return ps_fail(diag, PS_EINPUT, "%s: %s must be %s: not a result of ablate", r->path, key,
		       wanted);
}

static int check_latents(const ps_ablation_record *r, size_t d_sae, ps_diag *diag)
{
	size_t i;
	json_t *latent;

	json_array_foreach (list(r, "latent"), i, latent) {
		if (!json_is_integer(latent))
			return refuse(r, "latent", "whole numbers", diag);
		if (json_integer_value(latent) < 0 || (uint64_t)json_integer_value(latent) >= d_sae)
			return ps_fail(diag, PS_EINPUT,
				       "%s: latent %lld, the dense SAE has 0 to %zu: it belongs to "
				       "another SAE",
				       r->path, (long long)json_integer_value(latent), d_sae - 1);
	}
	return 0;
}

/* A list for each latent, with a number for each window. */
static int check_rows(const ps_ablation_record *r, const char *key, ps_diag *diag)
{
	size_t i;
	json_t *row;

	if (!json_is_array(list(r, key)) || json_array_size(list(r, key)) != r->latents)
		return refuse(r, key, "a list for each latent", diag);
	json_array_foreach (list(r, key), i, row)
		if (!is_numbers(row, r->windows))
			return refuse(r, key, "a number for each window", diag);
	return 0;
}

static int check(const ps_ablation_record *r, size_t d_sae, ps_diag *diag)
{
	int rc;

	if (!json_is_array(list(r, "latent")))
		return refuse(r, "latent", "a list", diag);
	if (!json_is_integer(list(r, "windows")) || json_integer_value(list(r, "windows")) < 0)
		return refuse(r, "windows", "a whole number", diag);
	if (!json_is_number(list(r, "window_tokens")))
		return refuse(r, "window_tokens", "a number", diag);
	if (!is_numbers(list(r, "effect"), r->latents))
		return refuse(r, "effect", "a number for each latent", diag);
	if (!is_numbers(list(r, "rate"), r->latents))
		return refuse(r, "rate", "a number for each latent", diag);
	rc = check_rows(r, "window_change", diag);
	if (!rc)
		rc = check_rows(r, "window_firings", diag);
	return rc ? rc : check_latents(r, d_sae, diag);
}

int ps_ablation_record_take(ps_ablation_record *r, json_t *value, const char *path, size_t d_sae,
			    ps_diag *diag)
{
	json_t *inner = json_object_get(value, "result");
	int rc;

	*r = (ps_ablation_record){.result = json_incref(inner ? inner : value), .path = path};
	r->latents = json_array_size(list(r, "latent"));
	r->windows = (size_t)json_integer_value(list(r, "windows"));
	rc = check(r, d_sae, diag);
	if (rc)
		ps_ablation_record_close(r);
	return rc;
}

int ps_ablation_record_open(ps_ablation_record *r, const char *path, size_t d_sae, ps_diag *diag)
{
	json_t *value = NULL;
	char *text = NULL;
	size_t length;
	int rc = ps_file_read(&ps_sys_linux, path, RECORD_BYTES_MAX, &text, &length, diag);

	*r = (ps_ablation_record){0};
	if (!rc)
		rc = ps_json_parse(text, length, path, &value, diag);
	/* A record of a study has both keys. One flipped bit cannot make a bare result of it. */
	if (!rc && (json_object_get(value, PS_SEAL) || json_object_get(value, "kernel")))
		rc = ps_json_unseal(value, text, path, diag);
	free(text);
	if (!rc)
		rc = ps_ablation_record_take(r, value, path, d_sae, diag);
	json_decref(value);
	return rc;
}

int ps_ablation_record_check(const ps_ablation_record *r, ps_session *s, const ps_ablation_use *use)
{
	const char *sae = json_string_value(list(r, "sae_digest")),
		   *mask = json_string_value(list(r, "mask_digest"));
	char digest[PS_DIGEST_TEXT];
	int rc = 0;

	if (!sae || !mask)
		return ps_session_unverified(s, r->path);
	ps_digest_format(use->digest, digest);
	if (strcmp(sae, digest))
		rc = ps_session_mismatch(s, &(ps_mismatch){"SAE", r->path, sae, use->sae, digest});
	if (!rc && *mask && *use->mask && strcmp(mask, use->mask))
		rc = ps_session_mismatch(
			s, &(ps_mismatch){"mask", r->path, mask, use->model, use->mask});
	return rc;
}

void ps_ablation_record_close(ps_ablation_record *r)
{
	json_decref(r->result);
	*r = (ps_ablation_record){0};
}

struct columns {
	uint8_t *survived, *stratum;           /* (N) */
	double *cosine, *rate, *effect;        /* (N) */
	double *cluster_sum, *cluster_firings; /* (N, C) */
	double *cluster_tokens;                /* (C) */
};

/* The one list of the columns: counted for the plan, taken when they are filled. */
static size_t lay_out(const ps_ablation_record *r, ps_arena *arena, struct columns *c)
{
	const size_t n = r->latents;
	ps_layout layout = {.arena = arena};

	c->cosine = ps_layout_part(&layout, n, sizeof *c->cosine);
	c->rate = ps_layout_part(&layout, n, sizeof *c->rate);
	c->effect = ps_layout_part(&layout, n, sizeof *c->effect);
	c->cluster_sum = ps_layout_part(&layout, n * r->windows, sizeof *c->cluster_sum);
	c->cluster_firings = ps_layout_part(&layout, n * r->windows, sizeof *c->cluster_firings);
	c->cluster_tokens = ps_layout_part(&layout, r->windows, sizeof *c->cluster_tokens);
	c->survived = ps_layout_part(&layout, n, 1);
	c->stratum = ps_layout_part(&layout, n, 1);
	return layout.bytes;
}

size_t ps_ablation_record_bytes(const ps_ablation_record *r)
{
	struct columns c;

	return lay_out(r, NULL, &c);
}

static double number_at(const json_t *numbers, size_t i)
{
	return json_number_value(json_array_get(numbers, i));
}

void ps_ablation_record_latents(const ps_ablation_record *r, uint32_t *latent, double *rate)
{
	for (size_t i = 0; i < r->latents; i++) {
		latent[i] = (uint32_t)json_integer_value(json_array_get(list(r, "latent"), i));
		rate[i] = number_at(list(r, "rate"), i);
	}
}

void ps_ablation_record_columns(const ps_ablation_record *r, const ps_ablation_latents *of,
				ps_arena *arena, ps_ablation_data *data)
{
	struct columns c;

	lay_out(r, arena, &c);
	for (size_t w = 0; w < r->windows; w++)
		c.cluster_tokens[w] = json_number_value(list(r, "window_tokens"));
	for (size_t i = 0; i < r->latents; i++) {
		const json_t *changes = json_array_get(list(r, "window_change"), i),
			     *firings = json_array_get(list(r, "window_firings"), i);
		const size_t latent =
			(size_t)json_integer_value(json_array_get(list(r, "latent"), i));

		c.survived[i] = of->survived[latent];
		c.cosine[i] = of->cosine[latent];
		c.stratum[i] = of->stratum[latent];
		c.rate[i] = of->rate[latent];
		c.effect[i] = number_at(list(r, "effect"), i);
		for (size_t w = 0; w < r->windows; w++)
			c.cluster_sum[i * r->windows + w] = number_at(changes, w);
		for (size_t w = 0; w < r->windows; w++)
			c.cluster_firings[i * r->windows + w] = number_at(firings, w);
	}
	*data = (ps_ablation_data){.features = r->latents,
				   .clusters = r->windows,
				   .survived = c.survived,
				   .cosine = c.cosine,
				   .rate = c.rate,
				   .stratum = c.stratum,
				   .effect = c.effect,
				   .cluster_sum = c.cluster_sum,
				   .cluster_firings = c.cluster_firings,
				   .cluster_tokens = c.cluster_tokens};
}

void ps_ablation_record_effects(const ps_ablation_record *r, size_t d_sae, double *effects)
{
	for (size_t j = 0; j < d_sae; j++)
		effects[j] = (double)NAN;
	for (size_t i = 0; i < r->latents; i++)
		effects[json_integer_value(json_array_get(list(r, "latent"), i))] =
			number_at(list(r, "effect"), i);
}

static double sum_of(const json_t *numbers)
{
	double sum = 0;
	size_t i;
	json_t *number;

	json_array_foreach (numbers, i, number)
		sum += json_number_value(number);
	return sum;
}

void ps_ablation_record_per_firing(const ps_ablation_record *r, size_t d_sae, double *per_firing)
{
	for (size_t j = 0; j < d_sae; j++)
		per_firing[j] = (double)NAN;
	for (size_t i = 0; i < r->latents; i++) {
		const double change = sum_of(json_array_get(list(r, "window_change"), i)),
			     firings = sum_of(json_array_get(list(r, "window_firings"), i));

		if (firings > 0)
			per_firing[json_integer_value(json_array_get(list(r, "latent"), i))] =
				change / firings;
	}
}
