/* test/fuzz/fuzz_sae_weights.c: takes any bytes for the weights of an SAE. The first byte chooses
 * its architecture. */
#include "test/fuzz/support_fuzz.h"
#include "tools/train/sae_folder.h"

static const char *const configs[] = {
	"{\"architecture\":\"topk\",\"d_in\":4,\"d_sae\":8,\"k\":2,\"dtype\":\"float32\","
	"\"metadata\":{\"sae_lens_version\":\"6.0.0\"}}",
	"{\"architecture\":\"jumprelu\",\"d_in\":4,\"d_sae\":8,\"dtype\":\"float32\","
	"\"metadata\":{\"sae_lens_version\":\"6.0.0\"}}",
	"{\"architecture\":\"standard\",\"d_in\":4,\"d_sae\":8,\"dtype\":\"float32\","
	"\"metadata\":{\"sae_lens_version\":\"6.0.0\"}}",
	"{\"architecture\":\"gated\",\"d_in\":4,\"d_sae\":8,\"dtype\":\"float32\","
	"\"metadata\":{\"sae_lens_version\":\"6.0.0\"}}",
};

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	if (length < 2 || max < 2)
		return LLVMFuzzerMutate(bytes, length, max);
	return 1 + support_mutate_safetensors(bytes + 1, length - 1, max - 1, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const size_t count = sizeof configs / sizeof *configs;
	const char *config, *end;
	ps_sae_folder sae;
	ps_diag diag = {0};
	int rc;

	if (!length)
		return 0;
	config = configs[bytes[0] % count];
	for (end = config; *end; end++)
		;
	support_fuzz_file("cfg.json", config, (size_t)(end - config));
	support_fuzz_file("sae_weights.safetensors", bytes + 1, length - 1);
	rc = ps_sae_folder_load(&sae, support_fuzz_folder(), &diag);
	support_fuzz_check(rc, &diag);
	if (!rc)
		ps_sae_folder_close(&sae);
	return 0;
}
