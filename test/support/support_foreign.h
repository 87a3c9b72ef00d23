/* test/support/support_foreign.h: files as another tool would have written them, made from ours. */
#ifndef PS_TEST_SUPPORT_SUPPORT_FOREIGN_H
#define PS_TEST_SUPPORT_SUPPORT_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

/* Blanks __metadata__ in the header of a safetensors file: provenance and checksums are gone. */
void ps_test_make_foreign(const char *path);

/* Writes bytes into a file, which keeps its length. */
void ps_test_write_at(const char *path, uint64_t offset, const void *bytes, size_t count);

#endif
