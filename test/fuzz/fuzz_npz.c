/* test/fuzz/fuzz_npz.c: takes any bytes for params.npz of a Gemma Scope dictionary: the zip
 * archive, the npy headers, the arrays. */
#include <stdlib.h>
#include <string.h>

#include "test/fuzz/support_fuzz.h"
#include "test/support/support_npz.h"
#include "tools/train/sae_folder.h"

enum { ENTRIES_MAX = 8, LOAD_BYTES_MAX = 1 << 22 };

static const char *const pieces[] = {
	"'descr'",
	"'fortran_order'",
	"'shape'",
	"'<f4'",
	"'<f8'",
	"'<f2'",
	"'>f4'",
	"'|O'",
	"True",
	"False",
	"(8, 32)",
	"(32, 8)",
	"(32,)",
	"(8,)",
	"()",
	"(1, 1)",
	"(0,)",
	"(65536, 65536)",
	"{",
	"}",
	", ",
	": ",
	"(4294967296, 4294967296)",
	"\n",
};

static const char *const names[] = {
	"W_enc.npy",          "W_dec.npy",     "b_enc.npy", "b_dec.npy", "w_enc.npy", "w_dec.npy",
	"scaling_factor.npy", "threshold.npy", "x.npy",     "x",         ".npy"};

static unsigned draw(unsigned *state, unsigned below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

/* Writes a piece of a header over a place of it. The length stays. */
static void write_piece(uint8_t *bytes, size_t length, unsigned *state)
{
	const char *piece = pieces[draw(state, sizeof pieces / sizeof *pieces)];
	const size_t header = length < 128 ? length : 128, size = strlen(piece);

	if (header > 10 + size)
		memcpy(bytes + 10 + draw(state, (unsigned)(header - 9 - size)), piece, size);
}

/* Changes one entry, or which entries there are. Returns how many there are then. */
static size_t change(struct npz_entry *entries, size_t count, uint8_t *room, size_t max,
		     unsigned *state)
{
	struct npz_entry *entry = &entries[draw(state, (unsigned)count)];

	switch (draw(state, 8)) {
	case 0: /* one less */
		*entry = entries[count - 1];
		return count - (count > 1);
	case 1: /* one more */
		if (count < ENTRIES_MAX)
			entries[count++] = *entry;
		return count;
	case 2:
		strcpy(entry->name, names[draw(state, sizeof names / sizeof *names)]);
		return count;
	default:
		break;
	}
	if (!entry->length || entry->length > max)
		return count;
	memcpy(room, entry->bytes, entry->length);
	if (draw(state, 3))
		write_piece(room, entry->length, state);
	else
		entry->length = LLVMFuzzerMutate(room, entry->length, max);
	entry->bytes = room;
	return count;
}

/* Most often the archive stays sound, so that what lies in it is reached. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	unsigned state = seed ^ 0x9e3779b9u;
	struct npz_entry entries[ENTRIES_MAX];
	size_t count = draw(&state, 4) ? npz_entries(bytes, length, entries, ENTRIES_MAX) : 0,
	       written;
	uint8_t *room, *out;

	if (!count)
		return LLVMFuzzerMutate(bytes, length, max);
	room = malloc(max);
	out = malloc(max);
	if (!room || !out)
		abort();
	count = change(entries, count, room, max, &state);
	written = npz_write(entries, count, out, max);
	if (written)
		memcpy(bytes, out, written);
	free(room);
	free(out);
	return written ? written : length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char folder[256];
	ps_sae_folder sae;
	ps_sae shape;
	ps_diag diag = {0};
	size_t need;
	int rc;

	support_fuzz_file("layer_1/params.npz", bytes, length);
	snprintf(folder, sizeof folder, "%s/layer_1", support_fuzz_folder());
	rc = ps_sae_folder_measure(folder, &shape, &need, &diag);
	support_fuzz_check(rc, &diag);
	if (rc || need > LOAD_BYTES_MAX)
		return 0;
	rc = ps_sae_folder_load(&sae, folder, &diag);
	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	if (sae.sae.d_in != shape.d_in || sae.sae.d_sae != shape.d_sae || !sae.foreign)
		__builtin_trap();
	ps_sae_folder_close(&sae);
	return 0;
}
