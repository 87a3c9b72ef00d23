/* test/support/support_npz.h: writes NumPy archives (npz) in memory, sound or not. */
#ifndef PS_TEST_SUPPORT_SUPPORT_NPZ_H
#define PS_TEST_SUPPORT_SUPPORT_NPZ_H

#include <stddef.h>
#include <stdint.h>

/* A member of the archive. */
struct npz_entry {
	char name[64]; /* "W_enc.npy" */
	const uint8_t *bytes;
	size_t length;
};

/* Writes the npy file of an array of f32 into out (max bytes): a header with this dictionary, then
 * count numbers. Returns its length; 0: out is too small. */
size_t npz_array(const char *dictionary, const float *values, size_t count, uint8_t *out,
		 size_t max);

/* Writes a zip archive of stored entries into out (max bytes). Returns its length; 0: out is too
 * small. */
size_t npz_write(const struct npz_entry *entries, size_t count, uint8_t *out, size_t max);

/* Finds the stored entries of an archive: their bytes lie in it. Returns how many, at most max; 0
 * also for an archive that is not understood. */
size_t npz_entries(const uint8_t *archive, size_t length, struct npz_entry *entries, size_t max);

#endif
