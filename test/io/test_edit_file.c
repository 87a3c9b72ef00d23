/* io/edit_file and io/edit_writer: masks and roundings of this model are found and handed out with
 * its weights, other files are refused, and what is written reads back. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/artefact.h"
#include "io/checkpoint.h"
#include "io/edit_writer.h"
#include "test/support/support_checkpoint.h"

static const uint64_t model_digest = 0x0123456789abcdefu, other_digest = 0x0123456789abcdf0u;
#define GATE "model.layers.1.mlp.gate_proj.weight" /* [10, 8] */
#define DOWN "model.layers.0.mlp.down_proj.weight" /* [8, 10]: six bits of padding a row */

static char folder[256];
static ps_checkpoint *checkpoint;
static const ps_model_config *config;
static const uint8_t gate_bits[10] = {0xff, 0x01, 0x80, 0x55, 0xaa, 0x00, 0xf0, 0x0f, 0x3c, 0xc3};
static const uint8_t down_bits[16] = {0xff, 0x03, 0x01, 0x02, 0x00, 0x00, 0x10, 0x01,
				      0xff, 0x03, 0xff, 0x03, 0xff, 0x03, 0xff, 0x03};

static int set_up(void **state)
{
	ck_model model;

	(void)state;
	ck_make_folder(folder, sizeof folder);
	ck_llama(&model);
	ck_write_llama(folder, &model);
	if (ps_checkpoint_open(&checkpoint, &ps_sys_linux, folder, NULL))
		return -1;
	config = ps_checkpoint_config(checkpoint);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ps_checkpoint_close(checkpoint);
	ck_remove_folder(folder);
	return 0;
}

static ck_tensor *add_bits(ck_model *model, const char *name, size_t rows, size_t row_bytes,
			   const uint8_t *bits)
{
	ck_tensor *tensor = ck_add(model, name, "U8", 2, rows, row_bytes);

	tensor->data = bits;
	return tensor;
}

static void good_mask(ck_model *model)
{
	memset(model, 0, sizeof *model);
	add_bits(model, GATE, 10, 1, gate_bits);
	add_bits(model, DOWN, 8, 2, down_bits);
}

static int open_mask(const ck_model *model, ps_edit_file *mask, ps_diag *diag)
{
	ck_model named = *model;
	char path[512];

	for (int i = 0; i < named.count; i++)
		strcpy(named.tensors[i].file, "mask.safetensors");
	ck_write_file(folder, "mask.safetensors", &named);
	snprintf(path, sizeof path, "%s/mask.safetensors", folder);
	return ps_edit_file_open(mask, &ps_sys_linux, path, config, &model_digest, diag);
}

static void refuse(const ck_model *model, const char *want)
{
	ps_edit_file mask;
	ps_diag diag = {0};
	int rc = open_mask(model, &mask, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, "mask.safetensors") || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
}

static void finds_the_bits_of_a_projection(void **state)
{
	ps_edit_file mask;
	uint64_t digest;
	ck_model model;

	(void)state;
	good_mask(&model);
	assert_int_equal(open_mask(&model, &mask, NULL), 0);
	assert_false(mask.rounds);
	assert_memory_equal(ps_edit_file_find(&mask, 0, PS_DOWN).keep, down_bits, sizeof down_bits);
	assert_memory_equal(ps_edit_file_find(&mask, 1, PS_GATE).keep, gate_bits, sizeof gate_bits);
	assert_null(ps_edit_file_find(&mask, 0, PS_GATE).keep);
	digest = mask.digest;
	ps_edit_file_close(&mask);
	assert_int_equal(open_mask(&model, &mask, NULL), 0);
	assert_true(mask.digest == digest);
	ps_edit_file_close(&mask);
	model.tensors[0].data = down_bits;
	assert_int_equal(open_mask(&model, &mask, NULL), 0);
	assert_true(mask.digest != digest);
	ps_edit_file_close(&mask);
}

static void understands_the_prefixes_of_checkpoints(void **state)
{
	ps_edit_file mask;
	ck_model model;

	(void)state;
	memset(&model, 0, sizeof model);
	add_bits(&model, "language_model." GATE, 10, 1, gate_bits);
	assert_int_equal(open_mask(&model, &mask, NULL), 0);
	assert_memory_equal(ps_edit_file_find(&mask, 1, PS_GATE).keep, gate_bits, sizeof gate_bits);
	ps_edit_file_close(&mask);
	add_bits(&model, GATE, 10, 1, gate_bits);
	refuse(&model, "another mask too");
}

static void hands_the_bits_out_with_the_weights(void **state)
{
	static const ps_backend backends[] = {PS_IO_AUTO, PS_IO_PREAD, PS_IO_MMAP};
	ps_edit_file mask;
	ck_model model;

	(void)state;
	good_mask(&model);
	assert_int_equal(open_mask(&model, &mask, NULL), 0);
	for (int b = 0; b < 3; b++)
		for (int masked = 0; masked < 2; masked++) {
			ps_layer_weights weights;
			ps_weight_source source;
			ps_arena arena;
			const ps_stream_options options = {.backend = backends[b],
							   .layer_slots = 1 + masked,
							   .mask = masked ? &mask : NULL};

			assert_int_equal(
				ps_arena_create(&arena,
						ps_checkpoint_stream_bytes(checkpoint, &options),
						NULL),
				0);
			assert_int_equal(
				ps_checkpoint_stream(checkpoint, &options, &arena, &source, NULL),
				0);
			for (int layer = 0; layer < 2; layer++) {
				assert_int_equal(source.acquire_layer(source.self, layer,
								      !layer ? 1 : -1, &weights,
								      NULL),
						 0);
				assert_int_equal(ck_count_wrong_in_layer(&weights, config, layer),
						 0);
				for (int p = 0; p < (int)PS_PROJECTIONS; p++)
					assert_ptr_equal(
						weights.projection[p].edit.keep,
						masked ? ps_edit_file_find(&mask, layer,
									   (ps_projection)p)
								 .keep
						       : NULL);
				source.release_layer(source.self, layer);
			}
			ps_arena_destroy(&arena);
		}
	ps_edit_file_close(&mask);
}

static void refuses_masks_of_other_shapes(void **state)
{
	static const struct {
		const char *name, *dtype, *want;
		int rank;
		size_t rows, cols;
	} cases[] = {
		{"model.layers.1.mlp.down_proj.weight", "U8",
		 "is U8 [8, 10], one value for each weight", 2, 8, 10},
		{"model.layers.0.mlp.gate_proj.weight", "BOOL",
		 "one value for each weight; a mask has one bit", 2, 10, 8},
		{"model.layers.2.mlp.up_proj.weight", "U8", "belongs to another model", 2, 10, 1},
		{"model.layers.-1.mlp.up_proj.weight", "U8", "belongs to another model", 2, 10, 1},
		{"model.layers.00.mlp.up_proj.weight", "U8", "belongs to another model", 2, 10, 1},
		{"model.layers.0.input_layernorm.weight", "U8", "belongs to another model", 2, 1,
		 1},
		{"model.embed_tokens.weight", "U8", "belongs to another model", 2, 16, 1},
		{"activations", "F32", "belongs to another model", 2, 16, 1},
		{"model.layers.0.mlp.up_proj.weight", "U8", "U8 [10, 1] is expected", 2, 11, 1},
		{"model.layers.0.mlp.up_proj.weight", "U8", "U8 [10, 1] is expected", 2, 10, 2},
		{"model.layers.0.mlp.up_proj.weight", "U8", "U8 [10, 1] is expected", 1, 0, 10},
		{"model.layers.0.mlp.up_proj.weight", "BOOL", "U8 [10, 1] is expected", 2, 10, 1},
		{"model.layers.0.mlp.up_proj.weight", "F32", "U8 [10, 1] is expected", 2, 10, 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_model model;

		good_mask(&model);
		ck_add(&model, cases[i].name, cases[i].dtype, cases[i].rank, cases[i].rows,
		       cases[i].cols);
		refuse(&model, cases[i].want);
		refuse(&model, cases[i].name);
	}
}

static void refuses_padding_that_is_set(void **state)
{
	uint8_t bits[16];
	ck_model model;

	(void)state;
	for (int row = 0; row < 8; row++)
		for (int bit = 2; bit < 8; bit++) {
			memcpy(bits, down_bits, sizeof bits);
			bits[2 * row + 1] |= (uint8_t)(1u << bit);
			good_mask(&model);
			model.tensors[1].data = bits;
			refuse(&model, DOWN ": padding bits are set at offset");
		}
}

static void refuses_metadata_that_does_not_fit(void **state)
{
	static const struct {
		const char *metadata, *want;
	} cases[] = {
		{"{\\\"kind\\\":\\\"tokens\\\"}", "is not a mask (kind tokens)"},
		{"{\\\"kind\\\":3}", "is not a mask"},
		{"{\\\"provenance\\\":{\\\"inputs\\\":{\\\"model\\\":\\\"0123456789abcdee\\\"}}}",
		 "belongs to another model"},
		{"{\\\"provenance\\\":{\\\"inputs\\\":{\\\"model\\\":7}}}",
		 "belongs to another model"},
		{"{\\\"tensors\\\":{\\\"" DOWN "\\\":{\\\"rows\\\":8,\\\"cols\\\":9}}}", DOWN},
		{"{\\\"tensors\\\":{\\\"" DOWN "\\\":{\\\"rows\\\":7,\\\"cols\\\":10}}}",
		 "belongs to another model"},
		{"{\\\"tensors\\\":{\\\"" DOWN "\\\":{\\\"rows\\\":8}}}", DOWN},
		{"{\\\"tensors\\\":{\\\"" DOWN "\\\":\\\"8x10\\\"}}", DOWN},
	};
	char metadata[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_model model;

		good_mask(&model);
		snprintf(metadata, sizeof metadata, "{\"prunescope\":\"%s\"}", cases[i].metadata);
		model.metadata = metadata;
		refuse(&model, cases[i].want);
	}
}

/* A mask as this program writes it, into path. */
static void write_artefact(char *path, size_t size)
{
	const ps_tensor_decl tensors[] = {
		{.name = DOWN, .dtype = PS_U8, .rank = 2, .shape = {8, 2}},
		{.name = GATE, .dtype = PS_U8, .rank = 2, .shape = {10, 1}}};
	json_t *extra = json_loads(
		"{\"provenance\": {\"inputs\": {\"model\": \"0123456789abcdef\"}},"
		" \"tensors\": {\"" DOWN
		"\": {\"rows\": 8, \"cols\": 10, \"requested\": 0.5, \"achieved\": 0.5}}}",
		0, NULL);
	ps_artefact *artefact;

	snprintf(path, size, "%s/mask.safetensors", folder);
	assert_non_null(extra);
	assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "mask",
								.extra = extra,
								.tensors = tensors,
								.count = 2},
					    NULL),
			 0);
	assert_int_equal(ps_artefact_write(artefact, down_bits, sizeof down_bits, NULL), 0);
	assert_int_equal(ps_artefact_write(artefact, gate_bits, sizeof gate_bits, NULL), 0);
	assert_int_equal(ps_artefact_commit(artefact, NULL), 0);
	json_decref(extra);
}

static void flip(const char *path, long at, int bit)
{
	FILE *file = fopen(path, "r+b");
	int byte;

	assert_non_null(file);
	fseek(file, at, SEEK_SET);
	byte = getc(file);
	fseek(file, at, SEEK_SET);
	putc(byte ^ 1 << bit, file);
	assert_int_equal(fclose(file), 0);
}

/* Flips every bit of the data. The checksums find what padding and shape do not show. */
static void finds_any_flipped_bit_of_its_own_masks(void **state)
{
	char path[512];
	ps_edit_file mask;
	long first;

	(void)state;
	write_artefact(path, sizeof path);
	assert_int_equal(ps_edit_file_open(&mask, &ps_sys_linux, path, config, &model_digest, NULL),
			 0);
	assert_memory_equal(ps_edit_file_find(&mask, 0, PS_DOWN).keep, down_bits, sizeof down_bits);
	first = (long)mask.file.data_offset;
	ps_edit_file_close(&mask);
	for (long at = first; at < first + (long)(sizeof down_bits + sizeof gate_bits); at++)
		for (int bit = 0; bit < 8; bit++) {
			ps_diag diag = {0};

			flip(path, at, bit);
			assert_int_equal(ps_edit_file_open(&mask, &ps_sys_linux, path, config,
							   &model_digest, &diag),
					 PS_EINPUT);
			assert_non_null(strstr(diag.text, "offset"));
			flip(path, at, bit);
		}
	assert_int_equal(ps_edit_file_open(&mask, &ps_sys_linux, path, config, &other_digest, NULL),
			 PS_EINPUT);
	assert_int_equal(ps_edit_file_open(&mask, &ps_sys_linux, path, config, NULL, NULL), 0);
	ps_edit_file_close(&mask);
}

static ps_edit_writer *begin_mask(const char *path)
{
	json_t *provenance = json_pack("{s:{s:s}}", "inputs", "model", "0123456789abcdef");
	const ps_edit_spec spec = {
		.path = path, .config = config, .provenance = provenance, .sparsity = 0.5};
	ps_edit_writer *writer;

	assert_int_equal(ps_edit_writer_create(&writer, &ps_sys_linux, &spec, NULL), 0);
	json_decref(provenance);
	return writer;
}

/* Bits of a projection: another pattern for each. Returns the number of dropped weights. */
static uint64_t make_bits(uint8_t *bits, int layer, ps_projection p, size_t *rows, size_t *cols)
{
	ps_projection_shape(config, p, rows, cols);
	ps_bitmap_fill(bits, *rows, *cols);
	for (size_t i = 0; i < *rows * *cols; i++)
		if ((i + (size_t)layer) % ((size_t)p + 2) == 0)
			ps_bitmap_drop(bits + i / *cols * ps_bitmap_row_bytes(*cols), i % *cols);
	return *rows * *cols - ps_bitmap_count(bits, *rows, *cols);
}

static void a_written_mask_reads_back(void **state)
{
	char path[512];
	uint8_t bits[256];
	size_t rows, cols;
	uint64_t dropped = 0, weights = 0;
	ps_edit_writer *writer;
	ps_edit_totals totals;
	ps_edit_file mask;

	(void)state;
	snprintf(path, sizeof path, "%s/written.safetensors", folder);
	writer = begin_mask(path);
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			uint64_t gone = make_bits(bits, layer, (ps_projection)p, &rows, &cols);
			const ps_bitmap one = {.bits = bits, .rows = rows, .cols = cols};

			assert_int_equal(
				ps_edit_writer_add(writer, layer, (ps_projection)p, &one, NULL), 0);
			dropped += gone;
			weights += rows * cols;
		}
	assert_int_equal(ps_edit_writer_commit(writer, &totals, NULL), 0);
	assert_true(totals.tensors == config->layers * PS_PROJECTIONS);
	assert_true(totals.dropped == dropped && totals.weights == weights);
	assert_int_equal(ps_edit_file_open(&mask, &ps_sys_linux, path, config, &model_digest, NULL),
			 0);
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			uint64_t gone = make_bits(bits, layer, (ps_projection)p, &rows, &cols);
			const uint8_t *found =
				ps_edit_file_find(&mask, layer, (ps_projection)p).keep;
			char name[96];
			const json_t *note = json_object_get(
				json_object_get(mask.file.metadata, "tensors"),
				ps_projection_tensor(layer, (ps_projection)p, name));

			assert_memory_equal(found, bits, rows * ps_bitmap_row_bytes(cols));
			assert_int_equal(json_integer_value(json_object_get(note, "dropped")),
					 gone);
		}
	assert_int_equal(mask.file.file_bytes - mask.file.data_offset,
			 ps_edit_data_bytes(config, NULL));
	ps_edit_file_close(&mask);
}

static void masks_out_of_order_are_refused_and_leave_nothing(void **state)
{
	char path[512];
	uint8_t bits[256];
	ps_bitmap one = {.bits = bits};
	ps_edit_writer *writer;

	(void)state;
	make_bits(bits, 0, PS_K, &one.rows, &one.cols);
	snprintf(path, sizeof path, "%s/out-of-order.safetensors", folder);
	writer = begin_mask(path);
	assert_int_equal(ps_edit_writer_add(writer, 0, PS_K, &one, NULL), PS_EFAILED);
	ps_edit_writer_abort(writer);
	assert_int_equal(access(path, F_OK), -1);
}

/* Scales of a projection: another number for each. */
static size_t make_scales(float *scale, int layer, ps_projection p)
{
	const ps_rounding_rule rule = {4, 3};
	size_t rows, cols, count;

	ps_projection_shape(config, p, &rows, &cols);
	count = rows * ps_rounding_groups(&rule, cols);
	for (size_t i = 0; i < count; i++)
		scale[i] = (float)(100 * layer + 10 * (int)p + 1) + (float)i / 64;
	return count;
}

/* Writes a rounding of all projections whose first scale of layer 1's gate_proj is `special`. */
static void write_rounding(char *path, size_t size, float special)
{
	const ps_rounding_rule rule = {4, 3};
	json_t *provenance = json_pack("{s:{s:s}}", "inputs", "model", "0123456789abcdef");
	const ps_edit_spec spec = {
		.path = path, .config = config, .provenance = provenance, .rule = &rule};
	ps_edit_writer *writer;
	ps_edit_totals totals;
	float scale[64];

	snprintf(path, size, "%s/rounding.safetensors", folder);
	assert_int_equal(ps_edit_writer_create(&writer, &ps_sys_linux, &spec, NULL), 0);
	json_decref(provenance);
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			make_scales(scale, layer, (ps_projection)p);
			if (layer == 1 && p == PS_GATE)
				scale[0] = special;
			assert_int_equal(ps_edit_writer_add_scales(writer, layer, (ps_projection)p,
								   scale, NULL),
					 0);
		}
	assert_int_equal(ps_edit_writer_commit(writer, &totals, NULL), 0);
	assert_true(totals.tensors == config->layers * PS_PROJECTIONS && !totals.dropped);
}

static void a_written_rounding_reads_back(void **state)
{
	char path[512];
	float scale[64];
	ps_edit_file edit;

	(void)state;
	make_scales(scale, 1, PS_GATE);
	write_rounding(path, sizeof path, scale[0]);
	assert_int_equal(ps_edit_file_open(&edit, &ps_sys_linux, path, config, &model_digest, NULL),
			 0);
	assert_true(edit.rounds && edit.rule.bits == 4 && edit.rule.group == 3);
	assert_string_equal(ps_edit_file_word(&edit), "rounding file");
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			const ps_edit found = ps_edit_file_find(&edit, layer, (ps_projection)p);

			assert_null(found.keep);
			assert_memory_equal(found.rounding.scale, scale,
					    sizeof *scale *
						    make_scales(scale, layer, (ps_projection)p));
			assert_int_equal(found.rounding.rule.group, 3);
		}
	assert_int_equal(edit.file.file_bytes - edit.file.data_offset,
			 ps_edit_data_bytes(config, &edit.rule));
	ps_edit_file_close(&edit);
	assert_int_equal(ps_edit_file_open(&edit, &ps_sys_linux, path, config, &other_digest, NULL),
			 PS_EINPUT);
}

static void refuses_scales_that_cannot_be(void **state)
{
	static const float bad[] = {-1, NAN, INFINITY, 3e38f}; /* 3e38 times 7 is no float */
	char path[512];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ps_edit_file edit;
		ps_diag diag = {0};

		write_rounding(path, sizeof path, bad[i]);
		assert_int_equal(
			ps_edit_file_open(&edit, &ps_sys_linux, path, config, &model_digest, &diag),
			PS_EINPUT);
		assert_non_null(strstr(diag.text, GATE ": the scale"));
	}
}

static void refuses_roundings_that_do_not_fit(void **state)
{
	static const struct {
		const char *metadata, *dtype, *want;
		size_t rows, cols;
	} cases[] = {
		{"\\\"bits\\\":4,\\\"group\\\":\\\"row\\\"", "F32", "F32 [10, 1] is expected", 10,
		 2},
		{"\\\"bits\\\":4,\\\"group\\\":\\\"row\\\"", "U8", "F32 [10, 1] is expected", 10,
		 1},
		{"\\\"bits\\\":4,\\\"group\\\":5", "F32", "the rounding file belongs", 10, 1},
		{"\\\"bits\\\":2,\\\"group\\\":5", "F32", "bits are not 3 to 8", 10, 2},
		{"\\\"bits\\\":9,\\\"group\\\":5", "F32", "bits are not 3 to 8", 10, 2},
		{"\\\"bits\\\":4", "F32", "group is neither", 10, 2},
		{"\\\"bits\\\":4,\\\"group\\\":0", "F32", "group is neither", 10, 2},
		{"\\\"bits\\\":4,\\\"group\\\":\\\"column\\\"", "F32", "group is neither", 10, 2},
	};
	char metadata[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_model model;

		memset(&model, 0, sizeof model);
		ck_add(&model, GATE, cases[i].dtype, 2, cases[i].rows, cases[i].cols);
		snprintf(metadata, sizeof metadata,
			 "{\"prunescope\":\"{\\\"kind\\\":\\\"rounding\\\",%s}\"}",
			 cases[i].metadata);
		model.metadata = metadata;
		refuse(&model, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_bits_of_a_projection),
		cmocka_unit_test(understands_the_prefixes_of_checkpoints),
		cmocka_unit_test(hands_the_bits_out_with_the_weights),
		cmocka_unit_test(refuses_masks_of_other_shapes),
		cmocka_unit_test(refuses_padding_that_is_set),
		cmocka_unit_test(refuses_metadata_that_does_not_fit),
		cmocka_unit_test(finds_any_flipped_bit_of_its_own_masks),
		cmocka_unit_test(a_written_mask_reads_back),
		cmocka_unit_test(a_written_rounding_reads_back),
		cmocka_unit_test(refuses_scales_that_cannot_be),
		cmocka_unit_test(refuses_roundings_that_do_not_fit),
		cmocka_unit_test(masks_out_of_order_are_refused_and_leave_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
