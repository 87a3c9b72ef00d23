/* test/fuzz/fuzz_tokenizer.c: any bytes as a tokenizer.json and a text, separated by the last zero
 * byte; without one, the text has characters of every kind. Ids lie within the vocabulary, and a
 * refusal has a message. */
#include <string.h>

#include "core/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int check_id(void *context, int32_t id)
{
	if (id < 0 || id >= ps_tokenizer_vocab(context))
		__builtin_trap();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *json = (const char *)bytes, *zero = length ? memrchr(json, 0, length) : NULL;
	const char *text = zero ? zero + 1
				: " It's  a t\xc3\xa9st:\n\n12345 "
				  "\xe4\xb8\xad\xf0\x9f\x99\x82<bos><|x|>\t\r\n ";
	size_t json_length = zero ? (size_t)(zero - json) : length;
	size_t text_length = zero ? length - json_length - 1 : strlen(text);
	ps_tokenizer *tokenizer;
	ps_diag diag = {0};

	if (ps_tokenizer_create(&tokenizer, json, json_length, "fuzz", &diag)) {
		if (!diag.text[0])
			__builtin_trap();
		return 0;
	}
	if (ps_tokenizer_encode(tokenizer, text, text_length, check_id, tokenizer, &diag) &&
	    !diag.text[0])
		__builtin_trap();
	ps_tokenizer_destroy(tokenizer);
	return 0;
}
