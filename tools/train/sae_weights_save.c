#include "tools/train/sae_weights_save.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "io/artefact.h"
#include "io/npz_writer.h"

#define TRANSPOSE_ROWS ((size_t)64) /* rows of a transposed matrix made at a time */

enum { VECTORS_MAX = 5, TENSORS_MAX = 2 + VECTORS_MAX };

/* A vector of the SAE and its name in the file. */
struct vector {
	const char *name;
	const float *values;
	size_t count;
};

static size_t list_vectors(const ps_sae *sae, const ps_sae_tensors *names,
			   struct vector out[VECTORS_MAX])
{
	const struct vector all[VECTORS_MAX] = {{names->b_dec, sae->b_dec, sae->d_in},
						{names->b_enc, sae->b_enc, sae->d_sae},
						{names->threshold, sae->threshold, sae->d_sae},
						{names->r_mag, sae->r_mag, sae->d_sae},
						{names->b_mag, sae->b_mag, sae->d_sae}};
	size_t count = 0;

	for (size_t i = 0; i < VECTORS_MAX; i++)
		if (all[i].name && all[i].values)
			out[count++] = all[i];
	return count;
}

/* --- the file --- */

/* One of the two is open. */
struct sink {
	ps_artefact *artefact;
	ps_npz_writer *npz;
	ps_diag *diag;
};

static bool ends_in_npz(const char *path)
{
	const size_t length = strlen(path);

	return length > 4 && !strcmp(path + length - 4, ".npz");
}

static int open_sink(struct sink *sink, const char *path, const json_t *extra,
		     const ps_tensor_decl *decls, size_t count)
{
	if (ends_in_npz(path))
		return ps_npz_writer_create(&sink->npz, &ps_sys_linux, path, decls, count,
					    sink->diag);
	return ps_artefact_create(&sink->artefact, &ps_sys_linux,
				  &(ps_artefact_spec){.path = path,
						      .kind = "sae",
						      .extra = extra,
						      .tensors = decls,
						      .count = count},
				  sink->diag);
}

static int put(const struct sink *sink, const float *values, size_t count)
{
	const size_t bytes = count * sizeof *values;

	return sink->npz ? ps_npz_writer_write(sink->npz, values, bytes, sink->diag)
			 : ps_artefact_write(sink->artefact, values, bytes, sink->diag);
}

static int close_sink(const struct sink *sink, int rc)
{
	if (rc) {
		ps_artefact_abort(sink->artefact);
		ps_npz_writer_abort(sink->npz);
		return rc;
	}
	return sink->npz ? ps_npz_writer_commit(sink->npz, sink->diag)
			 : ps_artefact_commit(sink->artefact, sink->diag);
}

/* --- its contents --- */

/* (F, D) in memory; (D, F) in the file. */
static int put_transposed(const struct sink *sink, const ps_sae *sae, const float *matrix)
{
	const size_t d_in = sae->d_in, d_sae = sae->d_sae;
	float *rows = malloc(TRANSPOSE_ROWS * d_sae * sizeof *rows);
	int rc = rows ? 0
		      : ps_fail(sink->diag, PS_EBUDGET, "no memory for %zu rows of W_enc",
				TRANSPOSE_ROWS);

	for (size_t first = 0; first < d_in && !rc; first += TRANSPOSE_ROWS) {
		const size_t count = ps_min_size(TRANSPOSE_ROWS, d_in - first);

		for (size_t f = 0; f < d_sae; f++)
			for (size_t d = 0; d < count; d++)
				rows[d * d_sae + f] = matrix[f * d_in + first + d];
		rc = put(sink, rows, count * d_sae);
	}
	free(rows);
	return rc;
}

static int put_matrix(const struct sink *sink, const ps_sae *sae, const float *matrix,
		      bool by_latent)
{
	return by_latent ? put(sink, matrix, sae->d_sae * sae->d_in)
			 : put_transposed(sink, sae, matrix);
}

static int check_finite(const char *path, const struct vector *v, const char *why, ps_diag *diag)
{
	if (ps_all_finite(v->values, v->count))
		return 0;
	return ps_fail(diag, PS_EFAILED,
		       "%s: tensor %s would hold a number that is not finite at element %zu: %s",
		       path, v->name, ps_first_not_finite(v->values, v->count), why);
}

static ps_tensor_decl declare_matrix(const ps_sae *sae, const char *name, bool by_latent)
{
	return (ps_tensor_decl){
		name,
		PS_F32,
		2,
		{by_latent ? sae->d_sae : sae->d_in, by_latent ? sae->d_in : sae->d_sae}};
}

int ps_sae_weights_save(const char *path, const ps_sae *sae, const ps_sae_tensors *names,
			const json_t *extra, const char *why, ps_diag *diag)
{
	const size_t matrix = sae->d_sae * sae->d_in;
	const struct vector matrices[2] = {{"W_enc (transposed)", sae->enc, matrix},
					   {names->dec, sae->dec, matrix}};
	ps_tensor_decl decls[TENSORS_MAX] = {declare_matrix(sae, names->enc, names->enc_by_latent),
					     declare_matrix(sae, names->dec, names->dec_by_latent)};
	struct vector vectors[VECTORS_MAX];
	const size_t count = list_vectors(sae, names, vectors);
	struct sink sink = {.diag = diag};
	int rc = check_finite(path, &matrices[0], why, diag);

	if (!rc)
		rc = check_finite(path, &matrices[1], why, diag);
	for (size_t i = 0; i < count && !rc; i++) {
		decls[2 + i] = (ps_tensor_decl){vectors[i].name, PS_F32, 1, {vectors[i].count}};
		rc = check_finite(path, &vectors[i], why, diag);
	}
	if (!rc)
		rc = open_sink(&sink, path, extra, decls, 2 + count);
	if (rc)
		return rc;
	rc = put_matrix(&sink, sae, sae->enc, names->enc_by_latent);
	if (!rc)
		rc = put_matrix(&sink, sae, sae->dec, names->dec_by_latent);
	for (size_t i = 0; i < count && !rc; i++)
		rc = put(&sink, vectors[i].values, vectors[i].count);
	return close_sink(&sink, rc);
}

size_t ps_sae_weights_save_bytes(const ps_sae *sae)
{
	return TRANSPOSE_ROWS * sae->d_sae * sizeof(float) +
	       ps_max_size(PS_BLOCK_BYTES, PS_NPZ_WRITER_BYTES);
}
