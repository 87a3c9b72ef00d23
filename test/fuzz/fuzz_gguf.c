/* test/fuzz/fuzz_gguf.c: takes any bytes for a GGUF file. What the header says must lie within the
 * file; every value can be read; a file that is taken for a model has a config that parses, and
 * weights that can be decoded to the last row. A refusal must have a message. */
#include <stdlib.h>
#include <string.h>

#include "io/checkpoint.h"
#include "io/gguf.h"
#include "test/fuzz/support_fuzz.h"

#define COLS_MAX 65536

static void must(bool holds)
{
	if (!holds)
		__builtin_trap();
}

static void read_values(const ps_gguf *gguf)
{
	for (size_t i = 0; i < gguf->value_count; i++) {
		const ps_gguf_value *value = &gguf->values[i];
		const char *text;
		size_t length;
		uint64_t at = 0, strings = 0;
		int64_t integer;
		double number;
		bool flag;

		must(value->offset + value->bytes <= gguf->file.file_bytes);
		(void)ps_gguf_number(gguf, value, &number);
		(void)ps_gguf_flag(gguf, value, &flag);
		if (value->count)
			(void)ps_gguf_integer_at(gguf, value, value->count - 1, &integer);
		must(!ps_gguf_integer_at(gguf, value, value->count, &integer));
		while (ps_gguf_next_string(gguf, value, &at, &text, &length))
			strings += length < gguf->file.file_bytes;
		must(value->type != PS_GGUF_STRING || strings == value->count);
	}
}

static void read_tensors(const ps_tensor_file *file)
{
	static float row[COLS_MAX];

	for (size_t i = 0; i < file->count; i++) {
		const ps_tensor_info *info = &file->tensors[i];
		const uint64_t cols = info->shape[info->rank - 1];

		must(info->offset + info->bytes <= file->file_bytes);
		must(info->bytes >= ps_dtype_bytes((ps_dtype)info->dtype, cols));
		if (cols <= COLS_MAX)
			ps_widen(ps_tensor_file_data(file, info), (ps_dtype)info->dtype, cols, row);
	}
}

static void read_weights(ps_checkpoint *checkpoint)
{
	static float row[COLS_MAX];
	const ps_model_config *config = ps_checkpoint_config(checkpoint);
	ps_diag diag = {0};
	ps_weight w;

	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
			must(!ps_checkpoint_projection(checkpoint, layer, (ps_projection)p, &w,
						       &diag));
			must(w.cols <= COLS_MAX);
			ps_weight_decode(&w, w.rows - 1, 0, w.cols, row);
			support_fuzz_check(ps_weight_check_finite(&w, &diag), &diag);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("m.gguf", bytes, length);
	ps_checkpoint *checkpoint = NULL;
	ps_diag diag = {0};
	ps_gguf gguf;
	int rc = ps_gguf_open(&gguf, &ps_sys_linux, path, &diag);

	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	read_values(&gguf);
	read_tensors(&gguf.file);
	ps_gguf_close(&gguf);
	rc = ps_checkpoint_open(&checkpoint, &ps_sys_linux, path, &diag);
	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	read_weights(checkpoint);
	ps_checkpoint_close(checkpoint);
	return 0;
}
