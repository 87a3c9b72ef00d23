/* test/real/sae_codes.c: activations and reconstructions that a saved SAE makes of rows; for
 * saelens_parity.py.
 * usage: sae_codes WEIGHTS ARCH K ROWS OUT
 *   ARCH  the architecture as in cfg.json
 *   ROWS  f32 (N, D)
 *   OUT   f32 (N, F) activations, then (N, D) reconstructions
 * It reads the SAE without tools/train/sae_folder.c. saelens_parity.py also runs `eval`, so that
 * reader is compared as well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"
#include "sae/sae.h"

enum { BATCH = 64 };

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "sae_codes: %s\n", what);
	exit(1);
}

static ps_sae_arch arch_of(const char *name)
{
	static const char *const names[] = {"topk", "jumprelu", "standard", "gated"};

	for (int arch = 0; arch < 4; arch++)
		if (!strcmp(name, names[arch]))
			return (ps_sae_arch)arch;
	check(false, "which architecture?");
	return PS_SAE_TOPK;
}

static void load(const ps_safetensors *file, const char *name, float *out, size_t count)
{
	const ps_tensor_info *tensor = ps_safetensors_find(file, name);

	if (!out)
		return;
	check(tensor && tensor->bytes == count * sizeof *out, name);
	memcpy(out, ps_safetensors_data(file, tensor), tensor->bytes);
}

static void load_sae(const ps_safetensors *file, ps_sae *sae)
{
	const size_t f = sae->d_sae, d = sae->d_in;
	float *turned = malloc(f * d * sizeof *turned);

	load(file, "W_enc", turned, f * d);
	for (size_t j = 0; j < f; j++)
		for (size_t i = 0; i < d; i++)
			sae->enc[j * d + i] = turned[i * f + j];
	free(turned);
	load(file, "W_dec", sae->dec, f * d);
	load(file, "b_dec", sae->b_dec, d);
	load(file, sae->arch == PS_SAE_GATED ? "b_gate" : "b_enc", sae->b_enc, f);
	load(file, "threshold", sae->threshold, f);
	load(file, "r_mag", sae->r_mag, f);
	load(file, "b_mag", sae->b_mag, f);
}

int main(int argc, char **argv)
{
	ps_diag diag = {{0}};
	ps_context context = {.diag = &diag};
	ps_safetensors file;
	ps_encoder *encoder;
	ps_arena arena;
	ps_codes codes;
	ps_sae sae;
	FILE *in, *out;
	float *x, *x_hat, *dense, *all_hat = NULL;
	size_t rows, total = 0;
	const ps_tensor_info *dec;

	check(argc == 6, "usage: sae_codes WEIGHTS ARCH K ROWS OUT");
	check(!ps_safetensors_open(&file, &ps_sys_linux, argv[1], &diag), diag.text);
	dec = ps_safetensors_find(&file, "W_dec");
	check(dec && dec->rank == 2, "no W_dec");
	check(!ps_pool_create(&context.pool, 2, &diag) &&
		      !ps_arena_create(&arena, (size_t)1 << 30, &diag),
	      diag.text);
	check(!ps_sae_create(&sae, arch_of(argv[2]), (size_t)dec->shape[1], (size_t)dec->shape[0],
			     (size_t)atol(argv[3]), &arena, &diag),
	      diag.text);
	load_sae(&file, &sae);
	check(!ps_encoder_create(&encoder, &sae, &context, BATCH, &arena) &&
		      !ps_codes_create(&codes, &sae, BATCH, &arena, &diag),
	      diag.text);
	in = fopen(argv[4], "rb");
	out = fopen(argv[5], "wb");
	check(in && out, "cannot open the rows or the output");
	x = malloc(BATCH * sae.d_in * sizeof *x);
	x_hat = malloc(BATCH * sae.d_in * sizeof *x_hat);
	dense = malloc(sae.d_sae * sizeof *dense);
	while ((rows = fread(x, sae.d_in * sizeof *x, BATCH, in)) > 0) {
		ps_encoder_run(encoder, x, rows, &codes);
		ps_sae_decode(&sae, &context, &codes, x_hat);
		all_hat = realloc(all_hat, (total + rows) * sae.d_in * sizeof *all_hat);
		memcpy(all_hat + total * sae.d_in, x_hat, rows * sae.d_in * sizeof *x_hat);
		total += rows;
		for (size_t r = 0; r < rows; r++) {
			memset(dense, 0, sae.d_sae * sizeof *dense);
			for (size_t i = codes.start[r]; i < codes.start[r + 1]; i++)
				dense[codes.index[i]] = codes.value[i];
			check(fwrite(dense, sizeof *dense, sae.d_sae, out) == sae.d_sae,
			      "cannot write");
		}
	}
	check(fwrite(all_hat, sae.d_in * sizeof *all_hat, total, out) == total && !fclose(out),
	      "cannot write");
	return 0;
}
