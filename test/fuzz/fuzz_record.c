/* test/fuzz/fuzz_record.c: takes any bytes for the record of a study's step, once as they are and
 * once with their checksum made right. A Git LFS pointer alone is an error: any other record that
 * is not whole is damaged. */
#include <stdbool.h>
#include <string.h>

#include "test/fuzz/support_fuzz.h"
#include "tools/study/record.h"

static bool is_pointer(const uint8_t *bytes, size_t length)
{
	static const char first_line[] = "version https://git-lfs.github.com/spec/";

	return length >= sizeof first_line - 1 && !memcmp(bytes, first_line, sizeof first_line - 1);
}

static void read_record(const uint8_t *bytes, size_t length)
{
	ps_record record;
	ps_record_state state;
	const int rc = ps_record_read(&record, support_fuzz_file("step.json", bytes, length),
				      &state, NULL);

	if (rc ? rc != PS_EINPUT || !is_pointer(bytes, length) : state == PS_RECORD_NONE)
		__builtin_trap();
	if (!rc && state == PS_RECORD_WHOLE && (!record.inputs || !record.kernel))
		__builtin_trap();
	ps_record_close(&record);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t sealed[1 << 16];

	read_record(bytes, length);
	length = support_seal_json(bytes, length, sealed, sizeof sealed);
	if (length)
		read_record(sealed, length);
	return 0;
}
