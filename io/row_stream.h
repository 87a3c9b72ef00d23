/* io/row_stream.h: rows of the token embedding and of the output head, and the final norm, through
 * a reader.
 *
 * Embedding rows are gathered 64 at a time; an id that occurs several times among them is read
 * once. The head passes through two halves of PS_HEAD_ROWS_MAX rows: while one half is used, the
 * next block of rows is read into the other. */
#ifndef PS_IO_ROW_STREAM_H
#define PS_IO_ROW_STREAM_H

#include "core/base/arena.h"
#include "io/model_map.h"
#include "io/reader.h"

typedef struct ps_row_stream ps_row_stream;

/* Arena bytes: whole blocks of PS_READ_ALIGNMENT. */
size_t ps_row_stream_bytes(const ps_model_map *map, const ps_model_config *config);

/* Makes the buffers in the arena, whose next part must start on a block boundary. All arguments
 * must outlive the stream. */
int ps_row_stream_create(ps_row_stream **stream, const ps_model_map *map,
			 const ps_model_config *config, ps_reader *reader, ps_arena *arena,
			 ps_diag *diag) PS_MUST_USE;
/* Destroy the reader first: it may still write into the buffers. NULL is allowed. */
void ps_row_stream_destroy(ps_row_stream *stream);

/* embedding_rows of ps_weight_source (core/model/weights.h). */
int ps_row_stream_embedding(ps_row_stream *stream, const int32_t *ids, size_t count, float *out,
			    ps_diag *diag) PS_MUST_USE;
/* head_rows of ps_weight_source: the view is valid until the next call. */
int ps_row_stream_head(ps_row_stream *stream, size_t first, size_t rows, ps_weight *out,
		       ps_diag *diag) PS_MUST_USE;
/* final_norm of ps_weight_source. */
int ps_row_stream_final_norm(ps_row_stream *stream, float *out, ps_diag *diag) PS_MUST_USE;

/* Checks a caller's range of head rows: PS_EFAILED if they do not exist, or are too many at a
 * time. */
int ps_head_rows_check(const ps_model_config *config, size_t first, size_t rows,
		       ps_diag *diag) PS_MUST_USE;

/* Bytes of one row of a matrix in its file. */
static inline size_t ps_located_row_bytes(const ps_located *matrix)
{
	return (size_t)(matrix->info->bytes / matrix->info->shape[0]);
}

#endif
