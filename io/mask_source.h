/* io/mask_source.h: masks of other tools, and of ours, matrix by matrix and block of rows by block
 * of rows, in the one layout of core/base/bitmap.h.
 *
 *   module               source
 *   mask_tensors.h       tensors of a .safetensors or .npz file: 0/1 values, or packed bits
 *   mask_zeros.h         the zeros of a checkpoint's projections
 *   bitmask_checkpoint.h a checkpoint whose weights are compressed as `sparse-bitmask`
 * A source holds one block of rows in memory. What it reads is checked; wrong is PS_EINPUT, naming
 * file, tensor and offset. */
#ifndef PS_IO_MASK_SOURCE_H
#define PS_IO_MASK_SOURCE_H

#include "io/edit_writer.h"
#include "io/safetensors.h"

/* The raw bytes of a block of rows are at most so many, or one row. */
#define PS_MASK_BLOCK_BYTES ((size_t)1 << 20)

typedef struct ps_mask_source {
	ps_edit_matrix *matrices; /* (count), in the model's order; owned */
	size_t count;
	size_t bytes;        /* of memory that the source holds for a block */
	bool verified;       /* a file of ours, whose checksums are right */
	uint64_t digest;     /* of all that it reads */
	const json_t *about; /* of a file of ours: what holds its provenance; borrowed, or NULL */
	void *self;
	/* bits (rows, ceil(cols / 8)) = rows [first, first + rows) of a matrix. The rows of a
	 * matrix are asked for in order, from 0. */
	int (*read)(void *self, size_t matrix, size_t first, size_t rows, uint8_t *bits,
		    ps_diag *diag);
	void (*close)(void *self);
} ps_mask_source;

/* Frees a source. One that is all zero, or failed to open, is allowed. */
void ps_mask_source_close(ps_mask_source *source);

/* Rows of a block of a matrix whose raw rows have so many bytes. */
size_t ps_mask_block_rows(size_t row_bytes);

/* A tensor that stands for a mask. */
typedef struct ps_mask_entry {
	ps_edit_matrix matrix;
	size_t order; /* in the model: layer times PS_PROJECTIONS, and the projection */
	size_t index; /* in the file */
} ps_mask_entry;

/* Which projection a tensor of this name masks. Taken off the name first: ".mask" or "_mask" at its
 * end. ".weight" may be missing. config NULL: a layer of any number. Sets order and matrix.name,
 * and with a config the shape, which is 0 otherwise. PS_EINPUT naming path and tensor: no
 * projection. */
int ps_mask_entry_parse(ps_mask_entry *entry, const char *path, const char *name,
			const ps_model_config *config, ps_diag *diag) PS_MUST_USE;
/* Sorts entries by their order and copies their matrices to the source. PS_EINPUT: two of a
 * matrix, or none at all. */
int ps_mask_source_list(ps_mask_source *source, const char *path, ps_mask_entry *entries,
			size_t count, ps_diag *diag) PS_MUST_USE;

#endif
