#include "io/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/base/thread.h"
#include "io/shard_index.h"

struct ps_reader {
	ps_read_engine engine;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	ps_read_job *first; /* of the queue */
	atomic_bool stop;
};

static ps_read_job *next_job(void *self, bool wait)
{
	ps_reader *reader = self;
	ps_read_job *job = NULL;

	pthread_mutex_lock(&reader->lock);
	while (wait && !reader->first && !atomic_load(&reader->stop))
		pthread_cond_wait(&reader->work, &reader->lock);
	if (reader->first && !atomic_load(&reader->stop)) {
		job = reader->first;
		reader->first = job->next;
	}
	pthread_mutex_unlock(&reader->lock);
	return job;
}

static void finish_job(void *self, ps_read_job *job)
{
	ps_reader *reader = self;

	pthread_mutex_lock(&reader->lock);
	job->state = PS_JOB_DONE;
	pthread_cond_broadcast(&reader->done);
	pthread_mutex_unlock(&reader->lock);
}

static void *serve(void *argument)
{
	ps_reader *reader = argument;
	const ps_read_feed feed = {
		.context = reader, .next = next_job, .finish = finish_job, .stop = &reader->stop};

	reader->engine.serve(reader->engine.self, &feed);
	return NULL;
}

int ps_reader_create(ps_reader **out, ps_read_engine engine)
{
	ps_reader *reader = calloc(1, sizeof *reader);
	int rc = -ENOMEM;

	if (!reader)
		goto out;
	reader->engine = engine;
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->work, NULL);
	pthread_cond_init(&reader->done, NULL);
	rc = ps_thread_start(&reader->thread, serve, reader);
out:
	if (rc) {
		engine.destroy(engine.self);
		free(reader);
		return rc;
	}
	*out = reader;
	return 0;
}

void ps_reader_destroy(ps_reader *reader)
{
	if (!reader)
		return;
	pthread_mutex_lock(&reader->lock);
	atomic_store(&reader->stop, true);
	pthread_cond_signal(&reader->work);
	pthread_mutex_unlock(&reader->lock);
	pthread_join(reader->thread, NULL);
	reader->engine.destroy(reader->engine.self);
	pthread_cond_destroy(&reader->done);
	pthread_cond_destroy(&reader->work);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
}

void ps_reader_submit(ps_reader *reader, ps_read_job *job, ps_read_turn turn)
{
	ps_read_job **place = &reader->first;

	job->at = job->asked = 0;
	job->in_flight = 0;
	job->failure = (ps_read_failure){0};
	pthread_mutex_lock(&reader->lock);
	while (turn == PS_READ_LAST && *place)
		place = &(*place)->next;
	job->next = *place;
	*place = job;
	job->state = PS_JOB_QUEUED;
	pthread_cond_signal(&reader->work);
	pthread_mutex_unlock(&reader->lock);
}

bool ps_reader_is_done(ps_reader *reader, ps_read_job *job)
{
	bool done;

	pthread_mutex_lock(&reader->lock);
	done = job->state == PS_JOB_DONE;
	pthread_mutex_unlock(&reader->lock);
	return done;
}

static int report(const ps_read_job *job, ps_diag *diag)
{
	const ps_read_failure *failure = &job->failure;
	const ps_read *read = &job->reads[failure->read];
	const char *path = read->file->path,
		   *tensor = ps_shard_tensor_at(read->file, failure->offset);

	if (failure->error == -ENODATA)
		return ps_fail(diag, PS_EINPUT, "%s: tensor %s: the file ends at offset %" PRIu64,
			       path, tensor, failure->offset);
	return ps_fail_input(diag, -failure->error, "%s: tensor %s: cannot read at offset %" PRIu64,
			     path, tensor, failure->offset);
}

int ps_reader_wait(ps_reader *reader, ps_read_job *job, ps_diag *diag)
{
	pthread_mutex_lock(&reader->lock);
	while (job->state != PS_JOB_DONE)
		pthread_cond_wait(&reader->done, &reader->lock);
	job->state = PS_JOB_IDLE;
	pthread_mutex_unlock(&reader->lock);
	return job->failure.error ? report(job, diag) : 0;
}
