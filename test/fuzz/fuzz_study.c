/* test/fuzz/fuzz_study.c: takes any bytes for a study file. */
#include "test/fuzz/support_fuzz.h"
#include "tools/study/study_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("study.yaml", bytes, length);
	ps_study_file *file = NULL;
	ps_diag diag = {0};
	int rc = ps_study_file_load(&file, path, &diag);

	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	if (!file->models_count || file->window < 2 || file->train_tokens < 1 || file->sae.k < 1)
		__builtin_trap();
	ps_study_file_free(file);
	return 0;
}
