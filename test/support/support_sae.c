#include "test/support/support_sae.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/finite.h"
#include "core/base/rng.h"

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test set-up failed: %s\n", what);
	abort();
}

golden golden_open(const char *path)
{
	FILE *file = fopen(path, "rb");
	golden g = {0};

	require(file != NULL, path);
	fseek(file, 0, SEEK_END);
	g.size = (size_t)ftell(file);
	rewind(file);
	g.data = malloc(g.size);
	require(g.data && fread(g.data, 1, g.size, file) == g.size, path);
	fclose(file);
	return g;
}

void golden_close(golden *g)
{
	free(g->data);
	*g = (golden){0};
}

const float *golden_next(golden *g, const char *name, size_t count)
{
	char padded[16] = {0};
	uint64_t stored;
	const char *record = g->data + g->at;

	memcpy(padded, name, strlen(name));
	require(g->at + 24 <= g->size && !memcmp(record, padded, 16), name);
	memcpy(&stored, record + 16, sizeof stored);
	require(stored == count && g->at + 24 + 4 * count <= g->size, name);
	g->at += 24 + 4 * count;
	return (const float *)(record + 24);
}

void workspace_open(workspace *w, int threads, size_t bytes)
{
	*w = (workspace){0};
	require(ps_pool_create(&w->pool, threads, &w->diag) == 0, "pool");
	require(ps_arena_create(&w->arena, bytes, &w->diag) == 0, "arena");
	w->context = (ps_context){.pool = w->pool, .diag = &w->diag};
}

void workspace_close(workspace *w)
{
	ps_arena_destroy(&w->arena);
	ps_pool_destroy(w->pool);
}

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	const memory_rows *rows = self;

	(void)diag;
	for (size_t i = 0; i < count; i++) {
		memcpy(out + i * rows->width, rows->data + ids[i] * rows->width,
		       rows->width * sizeof *out);
	}
	return 0;
}

void memory_rows_open(memory_rows *rows, const float *data, size_t count, size_t width)
{
	*rows = (memory_rows){.data = data, .width = width, .list = {.count = count}};
	rows->source =
		(ps_row_source){.self = rows, .rows = count, .width = width, .gather = gather};
}

void fill_normal(float *out, size_t count, double deviation, uint64_t seed)
{
	ps_rng rng = ps_rng_make(seed, 0);

	for (size_t i = 0; i < count; i++)
		out[i] = (float)(deviation * ps_rng_normal(&rng));
}

void run_sae(const ps_sae *sae, const float *x, size_t rows, float *latents, float *x_hat)
{
	workspace w;
	ps_encoder *encoder;
	ps_codes codes;

	workspace_open(&w, 1, ps_encoder_bytes(sae, 1, rows) + ps_codes_bytes(sae, rows));
	require(!ps_encoder_create(&encoder, sae, &w.context, rows, &w.arena), "an encoder");
	require(!ps_codes_create(&codes, sae, rows, &w.arena, &w.diag), "codes");
	ps_encoder_run(encoder, x, rows, &codes);
	ps_sae_decode(sae, &w.context, &codes, x_hat);
	memset(latents, 0, rows * sae->d_sae * sizeof *latents);
	for (size_t r = 0; r < rows; r++)
		for (size_t i = codes.start[r]; i < codes.start[r + 1]; i++)
			latents[r * sae->d_sae + codes.index[i]] = codes.value[i];
	workspace_close(&w);
}

double largest_error_of_rows(const float *got, const float *want, size_t rows, size_t cols)
{
	double worst = 0;

	for (size_t r = 0; r < rows; r++) {
		double scale = 0, error = 0;

		for (size_t c = r * cols; c < (r + 1) * cols; c++) {
			scale = ps_greater(scale, fabs((double)want[c]));
			error = ps_greater(error, fabs((double)got[c] - (double)want[c]));
		}
		if (error != 0)
			worst = ps_greater(worst, error / scale);
	}
	return worst;
}
