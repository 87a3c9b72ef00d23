/* test/fuzz/fuzz_tokens.c: takes any bytes for a file of token ids. */
#include "io/token_file.h"
#include "test/fuzz/support_fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("tokens.safetensors", bytes, length);
	ps_token_file tokens = {0};
	ps_diag diag = {0};
	volatile int32_t sum = 0;
	int rc = ps_token_file_open(&tokens, &ps_sys_linux, path, &diag);

	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	for (size_t i = 0; i < tokens.windows * tokens.window; i++)
		sum = sum ^ tokens.ids[i];
	ps_token_file_close(&tokens);
	return 0;
}
