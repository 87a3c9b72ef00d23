/* test/fuzz/support_dictionary.h: folders of the dictionaries whose weights are a safetensors file:
 * sparsify, Llama Scope, Gemma Scope 2. */
#ifndef PS_TEST_FUZZ_SUPPORT_DICTIONARY_H
#define PS_TEST_FUZZ_SUPPORT_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

/* Makes a folder of each format in support_fuzz_folder, from test/fixtures/dictionaries. Once. */
void support_dictionaries_make(void);
/* Writes the bytes in place of the configuration, or of the weights, of each. */
void support_dictionaries_config(const uint8_t *bytes, size_t length);
void support_dictionaries_weights(const uint8_t *bytes, size_t length);
/* Measures each and loads it. A refusal must have a message; what is loaded must have the shape
 * that was measured. Traps otherwise. */
void support_dictionaries_load(void);

#endif
