/* The engine for systems that do not allow io_uring: one pread after the other. */
#include <errno.h>

#include "core/base/checked.h"
#include "io/reader.h"

/* Reads one range. *done: the bytes that have come so far. */
static int read_range(const ps_sys *sys, const ps_read *read, const atomic_bool *stop, size_t *done)
{
	int retries = 0;

	while (*done < read->bytes) {
		size_t want = ps_min_size(read->bytes - *done, PS_READ_CHUNK);
		ssize_t got = sys->pread(read->file->fd, read->buffer + *done, want,
					 (off_t)(read->offset + *done));

		if (atomic_load_explicit(stop, memory_order_relaxed))
			return -ECANCELED;
		if ((got == -EINTR || got == -EAGAIN) && ++retries < PS_READ_RETRIES)
			continue;
		if (got <= 0)
			return got ? (int)got : -ENODATA;
		*done += (size_t)got;
		retries = 0;
	}
	return 0;
}

static void read_job(const ps_sys *sys, ps_read_job *job, const atomic_bool *stop)
{
	for (size_t i = 0; i < job->count && !job->failure.error; i++) {
		size_t done = 0;
		int rc = read_range(sys, &job->reads[i], stop, &done);

		if (rc)
			job->failure = (ps_read_failure){
				.error = rc, .read = i, .offset = job->reads[i].offset + done};
	}
}

static void serve(void *self, const ps_read_feed *feed)
{
	ps_read_job *job;

	while ((job = feed->next(feed->context, true))) {
		read_job(self, job, feed->stop);
		feed->finish(feed->context, job);
	}
}

static void destroy(void *self)
{
	(void)self;
}

void ps_read_engine_create_pread(ps_read_engine *engine, const ps_sys *sys)
{
	*engine = (ps_read_engine){
		.self = (void *)sys, .serve = serve, .destroy = destroy, .text = "pread"};
}
