#include "core/base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

uint64_t ps_digest_of(const void *data, size_t bytes)
{
	return XXH3_64bits(data, bytes);
}

ps_digest *ps_digest_create(void)
{
	XXH3_state_t *state = XXH3_createState();

	if (state)
		XXH3_64bits_reset(state);
	return (ps_digest *)state;
}

void ps_digest_clear(ps_digest *digest)
{
	XXH3_64bits_reset((XXH3_state_t *)digest);
}

void ps_digest_add(ps_digest *digest, const void *data, size_t bytes)
{
	XXH3_64bits_update((XXH3_state_t *)digest, data, bytes);
}

uint64_t ps_digest_value(const ps_digest *digest)
{
	return XXH3_64bits_digest((const XXH3_state_t *)digest);
}

void ps_digest_destroy(ps_digest *digest)
{
	XXH3_freeState((XXH3_state_t *)digest);
}

char *ps_digest_format(uint64_t value, char out[PS_DIGEST_TEXT])
{
	snprintf(out, PS_DIGEST_TEXT, "%016" PRIx64, value);
	return out;
}
