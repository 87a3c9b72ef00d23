/* test/fuzz/fuzz_config.c: any bytes as a config.json. The parser refuses them with a message, or
 * gives a shape within its ranges. */
#include "core/model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static ps_model_config config;
	ps_diag diag = {0};

	if (ps_config_parse((const char *)bytes, length, "fuzz", &config, &diag)) {
		if (!diag.text[0])
			__builtin_trap();
		return 0;
	}
	if (!config.layers || config.layers > PS_LAYERS_MAX || !config.width || !config.kv_heads ||
	    config.heads % config.kv_heads || config.eos_count < 0 || config.eos_count > 8)
		__builtin_trap();
	(void)ps_config_is_special(&config, 1);
	return 0;
}
