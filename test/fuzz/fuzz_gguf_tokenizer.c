/* test/fuzz/fuzz_gguf_tokenizer.c: takes any bytes for a GGUF file whose metadata are a tokenizer.
 * Ids must be within the vocabulary; a refusal must have a message. */
#include <string.h>

#include "io/gguf_tokenizer.h"
#include "test/fuzz/support_fuzz.h"

static int check_id(void *context, int32_t id)
{
	if (id < 0 || id >= ps_tokenizer_vocab(context))
		__builtin_trap();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const char text[] = " It's  a t\xc3\xa9st:\n\n12345 aaaaaaa     "
				   "\xe4\xb8\xad\xf0\x9f\x99\x82<bos><s>\t\r\n the of and ";
	const char *path = support_fuzz_file("m.gguf", bytes, length);
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {0};
	uint64_t digest;
	ps_gguf gguf;
	bool there;
	int rc = ps_gguf_open(&gguf, &ps_sys_linux, path, &diag);

	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	if (ps_gguf_tokenizer_digest(&gguf, &there, &digest, &diag))
		__builtin_trap();
	rc = ps_gguf_tokenizer(&gguf, &tokenizer, &diag);
	support_fuzz_check(rc, &diag);
	if (!rc) {
		rc = ps_tokenizer_encode(tokenizer, text, strlen(text), check_id, tokenizer, &diag);
		support_fuzz_check(rc, &diag);
		rc = ps_gguf_check_tokenizer(&gguf, tokenizer, "tokenizer.json", &diag);
		support_fuzz_check(rc, &diag);
		ps_tokenizer_destroy(tokenizer);
	}
	ps_gguf_close(&gguf);
	return 0;
}
