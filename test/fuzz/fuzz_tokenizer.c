/* test/fuzz/fuzz_tokenizer.c: takes any bytes for a tokenizer.json and a text. The last zero byte
 * separates them; without one the text has every kind of character. Ids must be within the
 * vocabulary; a refusal must have a message. The texts of tokens are UTF-8 without control
 * characters. */
#include <string.h>

#include "core/base/utf8.h"
#include "core/tokenizer/tokenizer.h"
#include "test/fuzz/support_fuzz.h"

static int check_id(void *context, int32_t id)
{
	if (id < 0 || id >= ps_tokenizer_vocab(context))
		__builtin_trap();
	return 0;
}

static void check_texts(const ps_tokenizer *tokenizer)
{
	ps_token_texts texts = {0};
	ps_diag diag = {0};

	if (ps_tokenizer_texts(tokenizer, &texts, &diag))
		__builtin_trap();
	for (int32_t id = 0; id < texts.count; id++) {
		const char *text = ps_token_texts_get(&texts, id);

		if (text && ps_utf8_invalid(text, strlen(text)) < strlen(text))
			__builtin_trap();
		for (; text && *text; text++)
			if ((unsigned char)*text < ' ' || *text == 0x7F)
				__builtin_trap();
	}
	ps_token_texts_free(&texts);
}

/* The JSON before the last zero byte is mutated as JSON, the text behind it as bytes. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	const uint8_t *zero = length ? memrchr(bytes, 0, length) : NULL;
	const size_t json = zero ? (size_t)(zero - bytes) : length, rest = length - json;
	uint8_t text[256];
	size_t changed;

	if (rest > sizeof text || (zero && seed % 4 == 0))
		return LLVMFuzzerMutate(bytes, length, max);
	memcpy(text, bytes + json, rest);
	changed = support_mutate_json(bytes, json, max - rest, seed);
	memcpy(bytes + changed, text, rest);
	return changed + rest;
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
	int rc = ps_tokenizer_create(&tokenizer, json, json_length, "fuzz", &diag);

	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	rc = ps_tokenizer_encode(tokenizer, text, text_length, check_id, tokenizer, &diag);
	support_fuzz_check(rc, &diag);
	if (ps_tokenizer_vocab(tokenizer) < 1 << 16)
		check_texts(tokenizer);
	ps_tokenizer_destroy(tokenizer);
	return 0;
}
