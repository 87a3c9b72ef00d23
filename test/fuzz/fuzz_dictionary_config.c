/* test/fuzz/fuzz_dictionary_config.c: takes any bytes for the configuration of dictionaries whose
 * weights are sound: cfg.json of sparsify, hyperparams.json of Llama Scope, config.json of Gemma
 * Scope 2. */
#include "test/fuzz/support_dictionary.h"
#include "test/fuzz/support_fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	support_dictionaries_make();
	support_dictionaries_config(bytes, length);
	support_dictionaries_load();
	return 0;
}
