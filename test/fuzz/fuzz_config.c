/* test/fuzz/fuzz_config.c: takes any bytes for a config.json. It must be refused with a message, or
 * give a shape within its ranges. */
#include "core/model/config.h"
#include "test/fuzz/support_fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static ps_model_config config;
	ps_diag diag = {0};
	int rc = ps_config_parse((const char *)bytes, length, "fuzz", &config, &diag);

	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	if (!config.layers || config.layers > PS_LAYERS_MAX || !config.width || !config.kv_heads ||
	    config.heads % config.kv_heads || config.eos_count < 0 || config.eos_count > 8)
		__builtin_trap();
	(void)ps_config_is_special(&config, 1);
	return 0;
}
