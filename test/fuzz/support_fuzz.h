/* test/fuzz/support_fuzz.h: what the fuzzers share: files and folders in memory, and mutators that
 * know JSON and safetensors. */
#ifndef PS_TEST_FUZZ_SUPPORT_FUZZ_H
#define PS_TEST_FUZZ_SUPPORT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/model/config.h"

/* Libfuzzer's entry points. The second is optional. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed);
/* Libfuzzer's own mutation of bytes. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t max);

/* The folder of this process, on a file system in memory. It is made at the first call and removed
 * at exit. */
const char *support_fuzz_folder(void);
/* Writes a file into that folder, in place of an earlier one. Returns its path, valid until the
 * next call. name: a plain name, or FOLDER/NAME; the inner folder is made. */
const char *support_fuzz_file(const char *name, const void *bytes, size_t length);

/* A refusal must have a message, and the message must be one line of printable characters. Traps
 * otherwise. */
void support_fuzz_check(int rc, const ps_diag *diag);

/* The tiny model that seeds and fuzzers of masks and statistics agree on: 2 layers, width 16. */
const ps_model_config *support_fuzz_model(void);
/* The identity that its artefacts name. */
extern const uint64_t support_fuzz_digest;

/* Writes the JSON object of the text again, with its member "checksum" made right. Returns the
 * length; 0: the text is not an object, or out (max bytes) is too small. */
size_t support_seal_json(const uint8_t *text, size_t length, uint8_t *out, size_t max);

/* Mutates JSON text as JSON: replaces a value by an odd one or by another value of the text,
 * repeats or drops a piece, wraps a value. One time in four it mutates bytes. */
size_t support_mutate_json(uint8_t *bytes, size_t length, size_t max, unsigned seed);
/* Mutates a safetensors file: most often its header as JSON, with the length before it made right
 * again; else bytes. */
size_t support_mutate_safetensors(uint8_t *bytes, size_t length, size_t max, unsigned seed);

#endif
