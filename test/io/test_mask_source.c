/* io/mask_source and its modules: one mask in every form of test/fixtures/masks gives the same
 * bits; what is no mask, or is damaged, is refused by name. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/bitmask_checkpoint.h"
#include "io/checkpoint.h"
#include "io/folder.h"
#include "io/mask_tensors.h"
#include "io/mask_zeros.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_checkpoint.h"

#define MASKS "test/fixtures/masks/"
#define MODEL "test/fixtures/checkpoint/f32"

enum { MATRICES = 14, BITS_BYTES = 1032, ROOM = 1 << 17 };

static char folder[256], path[512];
static ps_checkpoint *checkpoint;
static const ps_model_config *config;
static uint8_t right[BITS_BYTES], bits[1 << 14];
static uint8_t file[ROOM]; /* the file of the running test */
static size_t file_bytes;

/* All bits of a source, so many rows at a time, matrix after matrix. */
static int read_all(const ps_mask_source *source, size_t block, uint8_t *out, size_t *bytes,
		    ps_diag *diag)
{
	int rc = 0;

	*bytes = 0;
	for (size_t i = 0; i < source->count && !rc; i++) {
		const ps_edit_matrix *m = &source->matrices[i];
		const size_t row_bytes = ps_bitmap_row_bytes(m->cols);

		for (size_t first = 0; first < m->rows && !rc; first += block) {
			const size_t rows = block < m->rows - first ? block : m->rows - first;

			assert_true(*bytes + rows * row_bytes <= sizeof bits);
			rc = source->read(source->self, i, first, rows, out + *bytes, diag);
			*bytes += rows * row_bytes;
		}
	}
	return rc;
}

static int set_up(void **state)
{
	ps_mask_source source;
	size_t bytes;

	(void)state;
	ck_make_folder(folder, sizeof folder);
	setenv("XDG_CACHE_HOME", folder, 1);
	if (ps_checkpoint_open(&checkpoint, &ps_sys_linux, MODEL, NULL))
		return -1;
	config = ps_checkpoint_config(checkpoint);
	if (ps_mask_tensors_open(&source, &ps_sys_linux, MASKS "bits.safetensors", PS_MASK_BITS_LSB,
				 config, NULL) ||
	    read_all(&source, 1000, bits, &bytes, NULL) || bytes != BITS_BYTES)
		return -1;
	memcpy(right, bits, sizeof right);
	ps_mask_source_close(&source);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ps_checkpoint_close(checkpoint);
	ck_remove_folder(folder);
	return 0;
}

/* --- the same bits --- */

static void check_bits(ps_mask_source *source, const char *name)
{
	static const size_t blocks[] = {1, 7, 1000};
	ps_diag diag = {{0}};
	size_t bytes;

	assert_int_equal(source->count, MATRICES);
	assert_string_equal(source->matrices[0].name, "model.layers.0.self_attn.q_proj.weight");
	assert_string_equal(source->matrices[13].name, "model.layers.1.mlp.down_proj.weight");
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		if (read_all(source, blocks[i], bits, &bytes, &diag))
			fail_msg("%s: %s", name, diag.text);
		assert_int_equal(bytes, BITS_BYTES);
		if (memcmp(bits, right, sizeof right) != 0)
			fail_msg("%s: other bits", name);
	}
	ps_mask_source_close(source);
}

static void tensors_of_every_type(void **state)
{
	static const struct {
		const char *name;
		ps_mask_coding coding;
		bool model; /* it takes a model to read it */
	} files[] = {
		{"bool.safetensors", PS_MASK_VALUES, false},
		{"u8.safetensors", PS_MASK_VALUES, false},
		{"i64.safetensors", PS_MASK_VALUES, false},
		{"f16.safetensors", PS_MASK_VALUES, false},
		{"bf16.safetensors", PS_MASK_VALUES, false},
		{"f32.safetensors", PS_MASK_VALUES, false},
		{"f64.safetensors", PS_MASK_VALUES, false},
		{"values.npz", PS_MASK_VALUES, false},
		{"bits.safetensors", PS_MASK_BITS_LSB, true},
		{"maskllm.npz", PS_MASK_BITS_MSB, true},
		{"msb.npz", PS_MASK_BITS_MSB, true},
		{"lsb.npz", PS_MASK_BITS_LSB, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		for (int model = files[i].model; model < 2; model++) {
			ps_diag diag = {{0}};
			ps_mask_source source;

			snprintf(path, sizeof path, MASKS "%s", files[i].name);
			if (ps_mask_tensors_open(&source, &ps_sys_linux, path, files[i].coding,
						 model ? config : NULL, &diag))
				fail_msg("%s", diag.text);
			assert_false(source.verified);
			check_bits(&source, files[i].name);
		}
}

static void packed_bits_need_a_model(void **state)
{
	ps_diag diag = {{0}};
	ps_mask_source source;

	(void)state;
	assert_int_equal(ps_mask_tensors_open(&source, &ps_sys_linux, MASKS "msb.npz",
					      PS_MASK_BITS_MSB, NULL, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, "name the model (--model)"));
}

/* In the other order they are other bits, or padding is set. */
static void the_order_of_bits_matters(void **state)
{
	ps_mask_source source;
	ps_diag diag = {{0}};
	size_t bytes;

	(void)state;
	assert_int_equal(ps_mask_tensors_open(&source, &ps_sys_linux, MASKS "msb.npz",
					      PS_MASK_BITS_LSB, config, NULL),
			 0);
	assert_int_equal(read_all(&source, 1000, bits, &bytes, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "padding bits are set at byte of the array"));
	ps_mask_source_close(&source);
}

static void zeros_of_a_checkpoint(void **state)
{
	ps_mask_source source;
	size_t bytes, at = 0;

	(void)state;
	assert_int_equal(ps_mask_zeros_open(&source, checkpoint, 7, NULL), 0);
	assert_int_equal(read_all(&source, 5, bits, &bytes, NULL), 0);
	assert_int_equal(bytes, BITS_BYTES);
	for (size_t i = 0; i < MATRICES; i++) {
		const ps_edit_matrix *m = &source.matrices[i];
		ps_weight w;

		assert_int_equal(ps_checkpoint_projection(checkpoint, (int)i / PS_PROJECTIONS,
							  (ps_projection)(i % PS_PROJECTIONS), &w,
							  NULL),
				 0);
		for (size_t r = 0; r < m->rows; r++, at += ps_bitmap_row_bytes(m->cols))
			for (size_t c = 0; c < m->cols; c++) {
				float value;

				memcpy(&value, (const char *)w.data + 4 * (r * m->cols + c), 4);
				assert_int_equal(ps_bitmap_kept(bits + at, c), value != 0);
			}
	}
	ps_mask_source_close(&source);
}

static void a_checkpoint_of_compressed_tensors(void **state)
{
	ps_mask_source source;
	ps_diag diag = {{0}};
	bool is;

	(void)state;
	assert_int_equal(ps_bitmask_checkpoint_is(&ps_sys_linux, MASKS "bitmask", &is, NULL), 0);
	assert_true(is);
	assert_int_equal(ps_bitmask_checkpoint_is(&ps_sys_linux, MODEL, &is, NULL), 0);
	assert_false(is);
	for (int model = 0; model < 2; model++) {
		if (ps_bitmask_checkpoint_open(&source, &ps_sys_linux, MASKS "bitmask",
					       model ? config : NULL, NULL, &diag))
			fail_msg("%s", diag.text);
		check_bits(&source, "bitmask");
	}
}

/* --- what is wrong --- */

static void load(const char *name)
{
	char from[300];
	FILE *in;

	snprintf(from, sizeof from, MASKS "%s", name);
	in = fopen(from, "rb");
	assert_non_null(in);
	file_bytes = fread(file, 1, sizeof file, in);
	assert_in_range(file_bytes, 1, sizeof file - 1);
	fclose(in);
}

static void write_file(const char *name)
{
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	(void)remove(path);
	out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(file, 1, file_bytes, out), file_bytes);
	assert_int_equal(fclose(out), 0);
}

/* Replaces a text of the header by another one of its length. */
static void put_text(const char *old, const char *new)
{
	uint8_t *at = memmem(file, file_bytes, old, strlen(old));

	assert_non_null(at);
	assert_int_equal(strlen(old), strlen(new));
	memcpy(at, new, strlen(new));
}

/* Opens and reads the file that was written; it must be refused with this text. */
static void refused(ps_mask_coding coding, const ps_model_config *of, const char *text)
{
	ps_diag diag = {{0}};
	ps_mask_source source;
	size_t bytes;
	int rc = ps_mask_tensors_open(&source, &ps_sys_linux, path, coding, of, &diag);

	if (!rc) {
		rc = read_all(&source, 3, bits, &bytes, &diag);
		ps_mask_source_close(&source);
	}
	assert_int_equal(rc, PS_EINPUT);
	if (!strstr(diag.text, text))
		fail_msg("'%s' is expected: %s", text, diag.text);
}

static void other_numbers_than_0_and_1(void **state)
{
	static const char *const names[] = {"bool", "u8", "f16", "f32", "f64", "i64"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char name[32];

		snprintf(name, sizeof name, "%s.safetensors", names[i]);
		load(name);
		file[file_bytes - 1] = 5; /* of the last number */
		write_file("values.safetensors");
		refused(PS_MASK_VALUES, NULL, "another number than 0 and 1 at row 7, column 23");
	}
	load("f32.safetensors");
	file[file_bytes - 1] = 0x80; /* -0, or -1 */
	file[file_bytes - 2] = 0;
	write_file("values.safetensors");
	{
		ps_mask_source source;
		size_t bytes;

		assert_int_equal(ps_mask_tensors_open(&source, &ps_sys_linux, path, PS_MASK_VALUES,
						      NULL, NULL),
				 0);
		assert_int_equal(read_all(&source, 9, bits, &bytes, NULL), 0);
		ps_mask_source_close(&source);
	}
}

static void names_and_shapes(void **state)
{
	ps_model_config other = *config;

	(void)state;
	load("u8.safetensors");
	put_text("layers.1.self_attn.v_proj", "layers.1.self_attn.w_proj");
	write_file("name.safetensors");
	refused(PS_MASK_VALUES, NULL, "w_proj.weight_mask is no projection of a decoder layer");
	load("u8.safetensors");
	put_text("layers.1.self_attn.v_proj", "layers.1.self_attn.k_proj");
	write_file("twice.safetensors");
	refused(PS_MASK_VALUES, NULL, "duplicate object key");
	load("u8.safetensors");
	put_text("model.layers.1.self_attn.v_proj.weight_mask",
		 "model.layers.0.self_attn.v_proj.weight.mask");
	write_file("two.safetensors");
	refused(PS_MASK_VALUES, NULL, "two masks of model.layers.0.self_attn.v_proj.weight");
	load("u8.safetensors");
	write_file("whole.safetensors");
	other.mlp_width++;
	refused(PS_MASK_VALUES, &other, "down_proj.weight_mask is U8 of rank 2 [24, 30]");
	other = *config;
	other.layers = 1;
	refused(PS_MASK_VALUES, &other, "is no projection of this model");
	refused(PS_MASK_BITS_LSB, config, "packed bits of [24, 30] is expected");
	load("i64.safetensors");
	write_file("long.safetensors");
	refused(PS_MASK_BITS_LSB, config, "U8 bits");
	load("bits.safetensors");
	file[file_bytes - 1] = 0xff;
	write_file("padding.safetensors");
	refused(PS_MASK_VALUES, NULL, "are these packed bits (--bits)?");
}

static void files_of_ours_of_another_kind(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "test/fixtures/saelens/rows/shard.safetensors");
	refused(PS_MASK_VALUES, NULL, "activations is no projection");
	snprintf(path, sizeof path, "%s/nothing.safetensors", folder);
	refused(PS_MASK_VALUES, NULL, "No such file");
}

/* --- damaged files --- */

static void npz_cut_and_flipped(void **state)
{
	ps_mask_source source;
	size_t whole, bytes;

	(void)state;
	load("maskllm.npz");
	whole = file_bytes;
	for (size_t length = 0; length < whole; length += 37) {
		file_bytes = length;
		write_file("cut.npz");
		assert_int_equal(ps_mask_tensors_open(&source, &ps_sys_linux, path,
						      PS_MASK_BITS_MSB, config, NULL),
				 PS_EINPUT);
	}
	file_bytes = whole;
	for (size_t at = 0; at < whole; at += 11) {
		int rc;

		file[at] ^= 1;
		write_file("flipped.npz");
		rc = ps_mask_tensors_open(&source, &ps_sys_linux, path, PS_MASK_BITS_MSB, config,
					  NULL);
		if (!rc) {
			rc = read_all(&source, 1000, bits, &bytes, NULL);
			assert_true(rc || !memcmp(bits, right, sizeof right));
			ps_mask_source_close(&source);
		}
		assert_true(!rc || rc == PS_EINPUT);
		file[at] ^= 1;
	}
}

/* Writes the checkpoint with a changed file; it must be refused with this text. */
static void bitmask_refused(const char *name, const char *text)
{
	ps_diag diag = {{0}};
	ps_mask_source source;
	size_t bytes;
	char inner[300];
	int rc;

	snprintf(inner, sizeof inner, "bitmask/%s", name);
	write_file(inner);
	snprintf(path, sizeof path, "%s/bitmask", folder);
	rc = ps_bitmask_checkpoint_open(&source, &ps_sys_linux, path, config, NULL, &diag);
	if (!rc) {
		rc = read_all(&source, 3, bits, &bytes, &diag);
		ps_mask_source_close(&source);
	}
	assert_int_equal(rc, PS_EINPUT);
	if (!strstr(diag.text, text))
		fail_msg("'%s' is expected: %s", text, diag.text);
}

/* The data of a tensor of the loaded file. */
static uint8_t *data_of(const char *name)
{
	uint64_t header = 0, begin;
	const char *at = memmem(file, file_bytes, name, strlen(name));

	memcpy(&header, file, 8);
	assert_non_null(at);
	at = strstr(at, "data_offsets\":[");
	begin = strtoull(at + strlen("data_offsets\":["), NULL, 10);
	return file + 8 + header + begin;
}

static void bitmasks_that_contradict_themselves(void **state)
{
	char inner[300];

	(void)state;
	snprintf(inner, sizeof inner, "%s/bitmask", folder);
	assert_int_equal(ps_folder_make(&ps_sys_linux, inner, NULL), 0);
	load("bitmask/model.safetensors");
	write_file("bitmask/model.safetensors");
	load("bitmask/config.json");
	put_text("sparse-bitmask\"", "sparse-24-bits\"");
	bitmask_refused("config.json", "format \"sparse-24-bits\" is not supported");
	load("bitmask/config.json");
	write_file("bitmask/config.json");
	load("bitmask/model.safetensors");
	data_of("layers.0.mlp.up_proj.row_offsets")[8] ^= 1;
	bitmask_refused("model.safetensors",
			"layers.0.mlp.up_proj.bitmask: row 1 does not begin where .row_offsets");
	load("bitmask/model.safetensors");
	data_of("layers.0.mlp.down_proj.bitmask")[3] |= 0x80;
	bitmask_refused("model.safetensors",
			"down_proj.bitmask: row 0 has padding bits that are set");
	load("bitmask/model.safetensors");
	data_of("layers.1.mlp.gate_proj.shape")[0] = 31;
	bitmask_refused("model.safetensors", "says [31, 24], which is not the model's shape");
	load("bitmask/model.safetensors");
	put_text("layers.1.mlp.gate_proj.compressed", "layers.1.mlp.gate_proj.kompressed");
	bitmask_refused("model.safetensors", "gate_proj.compressed is not");
}

/* --- memory --- */

static int attempt(void *context)
{
	static const struct {
		const char *name;
		ps_mask_coding coding;
	} files[] = {{"values.npz", PS_MASK_VALUES}, {"bool.safetensors", PS_MASK_VALUES}};
	int rc = 0;

	(void)context;
	for (size_t i = 0; i < 2 && !rc; i++) {
		ps_mask_source source;
		size_t bytes;

		snprintf(path, sizeof path, MASKS "%s", files[i].name);
		rc = ps_mask_tensors_open(&source, &ps_sys_linux, path, files[i].coding, config,
					  NULL);
		if (rc)
			return rc;
		rc = read_all(&source, 1000, bits, &bytes, NULL);
		ps_mask_source_close(&source);
	}
	return rc;
}

static int attempt_bitmask(void *context)
{
	ps_mask_source source;
	int rc = ps_bitmask_checkpoint_open(&source, &ps_sys_linux, MASKS "bitmask", config, NULL,
					    NULL);

	(void)context;
	if (!rc)
		ps_mask_source_close(&source);
	return rc;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	alloc_double_allow_loss(true); /* libzip */
	alloc_double_sweep(NULL, attempt, NULL);
	alloc_double_allow_loss(false);
	alloc_double_sweep(NULL, attempt_bitmask, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tensors_of_every_type),
		cmocka_unit_test(packed_bits_need_a_model),
		cmocka_unit_test(the_order_of_bits_matters),
		cmocka_unit_test(zeros_of_a_checkpoint),
		cmocka_unit_test(a_checkpoint_of_compressed_tensors),
		cmocka_unit_test(other_numbers_than_0_and_1),
		cmocka_unit_test(names_and_shapes),
		cmocka_unit_test(files_of_ours_of_another_kind),
		cmocka_unit_test(npz_cut_and_flipped),
		cmocka_unit_test(bitmasks_that_contradict_themselves),
		cmocka_unit_test(every_allocation_may_fail),
	};

	ps_json_memory_watch();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
