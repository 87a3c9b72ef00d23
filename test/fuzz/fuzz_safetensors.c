/* test/fuzz/fuzz_safetensors.c: any bytes as a safetensors file. It is opened, every tensor is
 * read, and checksums are verified. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void ignore(void *context, const char *path, long block, uint64_t offset, const char *what)
{
	(void)context;
	(void)path;
	(void)block;
	(void)offset;
	(void)what;
}

/* Reads all that the header promises, so that a range beyond the mapping is noticed. */
static void read_tensors(const ps_safetensors *file)
{
	volatile char sum = 0;

	for (size_t i = 0; i < file->count; i++) {
		const char *data = ps_safetensors_data(file, &file->tensors[i]);

		for (uint64_t b = 0; b < file->tensors[i].bytes; b++)
			sum = (char)(sum + data[b]);
		if (ps_safetensors_find(file, file->tensors[i].name) != &file->tensors[i])
			__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	ps_safetensors file = {.fd = -1};
	ps_diag diag = {0};
	char path[64];
	bool verified;

	if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
		__builtin_trap();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (!ps_safetensors_open(&file, &ps_sys_linux, path, &diag)) {
		read_tensors(&file);
		if (ps_safetensors_verify(&file, ignore, NULL, &verified, &diag) && !diag.text[0])
			__builtin_trap();
		ps_safetensors_close(&file);
	} else if (!diag.text[0]) {
		__builtin_trap();
	}
	close(fd);
	return 0;
}
