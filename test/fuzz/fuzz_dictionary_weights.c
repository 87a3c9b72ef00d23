/* test/fuzz/fuzz_dictionary_weights.c: takes any bytes for the weights of dictionaries whose
 * configuration is sound: of sparsify, Llama Scope, Gemma Scope 2. */
#include "test/fuzz/support_dictionary.h"
#include "test/fuzz/support_fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	support_dictionaries_make();
	support_dictionaries_weights(bytes, length);
	support_dictionaries_load();
	return 0;
}
