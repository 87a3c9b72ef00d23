#include "io/backend.h"

#include <errno.h>
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

/* text (PS_BACKEND_TEXT bytes) receives what is used, and why not what was asked for. */
static int choose_engine(ps_read_engine *engine, ps_backend backend, const ps_uring_options *places,
			 char *text, ps_diag *diag)
{
	char reason[64];
	int refusal = 0;

	if (backend != PS_IO_PREAD) {
		refusal = ps_read_engine_create_uring(engine, places);
		if (!refusal) {
			snprintf(text, PS_BACKEND_TEXT, "%s", engine->text);
			return 0;
		}
		/* ENOMEM: since Linux 6.13 the ring itself counts against RLIMIT_MEMLOCK. */
		if (backend == PS_IO_URING && refusal != -ENOMEM)
			return ps_fail_errno(diag, -refusal, "io_uring cannot be set up");
	}
	ps_read_engine_create_pread(engine, places->sys);
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
	int rc = choose_engine(&engine, backend, places, text, diag);

	if (rc)
		return rc;
	rc = ps_reader_create(reader, engine);
	if (rc == -ENOMEM)
		return ps_fail(diag, PS_EBUDGET, "no memory for a reader");
	return rc ? ps_fail_errno(diag, -rc, "the reader thread cannot be started") : 0;
}
