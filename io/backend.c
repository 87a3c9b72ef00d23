#include "io/backend.h"

#include <stdio.h>
#include <string.h>

int ps_backend_parse(const char *name, ps_backend *backend, ps_diag *diag)
{
	static const char *const names[] = {[PS_IO_AUTO] = "auto",
					    [PS_IO_URING] = "uring",
					    [PS_IO_PREAD] = "pread",
					    [PS_IO_MMAP] = "mmap"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(name, names[i])) {
			*backend = (ps_backend)i;
			return 0;
		}
	return ps_fail(diag, PS_EUSAGE, "'%s' is not an I/O backend (auto, uring, pread or mmap)",
		       name);
}

static int choose_engine(ps_read_engine *engine, ps_backend backend, const ps_uring_options *places,
			 char *text, ps_diag *diag)
{
	char reason[64];
	int err, refusal = 0;

	if (backend != PS_IO_PREAD) {
		refusal = ps_engine_uring_create(engine, places);
		if (!refusal) {
			snprintf(text, PS_BACKEND_TEXT, "%s", engine->text);
			return 0;
		}
		if (backend == PS_IO_URING)
			return ps_fail_errno(diag, -refusal, "io_uring cannot be set up");
	}
	err = ps_engine_pread_create(engine, places->sys);
	if (err)
		return ps_fail_errno(diag, -err, "the reader cannot be set up");
	if (refusal)
		snprintf(text, PS_BACKEND_TEXT, "%s (io_uring: %s)", engine->text,
			 strerror_r(-refusal, reason, sizeof reason));
	else
		snprintf(text, PS_BACKEND_TEXT, "%s", engine->text);
	return 0;
}

int ps_backend_reader(ps_reader **reader, ps_backend backend, const ps_uring_options *places,
		      char *text, ps_diag *diag)
{
	ps_read_engine engine;
	int err = choose_engine(&engine, backend, places, text, diag);

	if (err)
		return err;
	err = ps_reader_create(reader, engine);
	return err ? ps_fail_errno(diag, -err, "the reader thread cannot be started") : 0;
}
