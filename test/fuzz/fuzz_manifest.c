/* test/fuzz/fuzz_manifest.c: takes any bytes for the manifest of a folder, once as they are and
 * once with their checksum made right, and begins work in that folder. */
#include <string.h>
#include <unistd.h>

#include "io/folder.h"
#include "test/fuzz/support_fuzz.h"

static void begin_work(const char *folder)
{
	json_t *provenance = json_pack("{s:s}", "command", "fuzz");
	const ps_folder_spec spec = {
		.path = folder, .kind = "activations", .provenance = provenance};
	ps_folder *open = NULL;
	ps_diag diag = {0};
	bool done;
	int rc = ps_folder_begin(&open, &ps_sys_linux, &spec, &done, &diag);

	support_fuzz_check(rc, &diag);
	if (!rc &&
	    done != (bool)json_is_true(json_object_get(ps_folder_manifest(open), "complete")))
		__builtin_trap();
	ps_folder_close(open);
	json_decref(provenance);
}

static void read_manifest(const char *folder)
{
	json_t *manifest = NULL;
	ps_diag diag = {0};
	int rc = ps_folder_read_manifest(&ps_sys_linux, folder, &manifest, &diag);

	support_fuzz_check(rc, &diag);
	json_decref(manifest);
	if (!rc)
		begin_work(folder);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t sealed[1 << 16];

	support_fuzz_file(PS_MANIFEST, bytes, length);
	read_manifest(support_fuzz_folder());
	length = support_seal_json(bytes, length, sealed, sizeof sealed);
	if (!length)
		return 0;
	support_fuzz_file(PS_MANIFEST, sealed, length);
	read_manifest(support_fuzz_folder());
	return 0;
}
