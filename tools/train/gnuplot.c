#include "tools/train/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/checked.h"

extern char **environ;

/* LOOK_MS: between two looks at whether the user asked to stop, and whether gnuplot still runs.
 * NOT_FOUND: POSIX's exit status of a child that found no program. */
enum { LOOK_MS = 100, COMPLAINT_BYTES = 2048, SHOWN = 400, NOT_FOUND = 127 };

/* A running gnuplot: the ends of its pipes that are ours, -1 once closed. */
struct drawing {
	const ps_context *context;
	pid_t pid;
	int in, out, errors;
	const char *script;
	size_t left; /* bytes of the script */
	char *text;  /* (capacity) */
	size_t length, capacity;
	char complaint[COMPLAINT_BYTES];
	size_t complained;
	int status;
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- start --- */

/* Signals are as in a fresh process. The group of its own lets all be ended that it started. */
static int make_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int rc = posix_spawnattr_init(attributes);

	if (rc)
		return rc;
	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawnattr_setsigmask(attributes, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attributes, &all);
	if (!rc)
		rc = posix_spawnattr_setpgroup(attributes, 0);
	if (!rc)
		rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
								  POSIX_SPAWN_SETSIGDEF |
								  POSIX_SPAWN_SETPGROUP);
	if (rc)
		posix_spawnattr_destroy(attributes);
	return rc;
}

/* Returns 0 or an errno. */
static int spawn(struct drawing *d, const int ends[3])
{
	/* -d: without the user's or the machine's settings. */
	static char *const arguments[] = {"gnuplot", "-d", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc = make_attributes(&attributes);

	if (rc)
		return rc;
	rc = posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd < 3 && !rc; fd++)
		rc = posix_spawn_file_actions_adddup2(&actions, ends[fd], fd);
	if (!rc)
		rc = posix_spawnp(&d->pid, arguments[0], &actions, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* Makes a pipe above the standard descriptors, whichever of these are open. theirs, ours: which of
 * its ends is whose (0: the one that is read). */
static int make_pipe(int *theirs, int *ours, int read_end_is_theirs)
{
	int ends[2], moved[2];

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	for (int i = 0; i < 2; i++) {
		moved[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
		close(ends[i]);
	}
	*theirs = moved[!read_end_is_theirs];
	*ours = moved[read_end_is_theirs];
	if (*theirs < 0 || *ours < 0)
		return EMFILE;
	return fcntl(*ours, F_SETFL, O_NONBLOCK) ? errno : 0;
}

/* Returns 0 or an errno. */
static int start(struct drawing *d)
{
	int ends[3] = {-1, -1, -1};
	int rc = make_pipe(&ends[0], &d->in, 1);

	if (!rc)
		rc = make_pipe(&ends[1], &d->out, 0);
	if (!rc)
		rc = make_pipe(&ends[2], &d->errors, 0);
	if (!rc)
		rc = spawn(d, ends);
	for (int i = 0; i < 3; i++)
		close_end(&ends[i]);
	return rc;
}

/* --- the pipes --- */

static int grow(struct drawing *d)
{
	size_t capacity = d->capacity ? 2 * d->capacity : (size_t)1 << 16;
	char *text;

	if (d->length + 1 < d->capacity)
		return 0;
	if (d->length >= PS_DRAWING_BYTES_MAX)
		return ps_fail(d->context->diag, PS_EFAILED, "it draws more than %zu MiB",
			       PS_DRAWING_BYTES_MAX >> 20);
	text = realloc(d->text, capacity);
	if (!text)
		return ps_fail(d->context->diag, PS_EBUDGET, "no memory for a drawing");
	d->text = text;
	d->capacity = capacity;
	return 0;
}

static int write_script(struct drawing *d)
{
	ssize_t put = write(d->in, d->script, d->left);

	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* gnuplot may end before it has read all of the script: its status tells why. */
	if (put >= 0) {
		d->script += put;
		d->left -= (size_t)put;
	}
	if (put < 0 || !d->left)
		close_end(&d->in);
	return 0;
}

static int read_drawing(struct drawing *d)
{
	int rc = grow(d);
	ssize_t got;

	if (rc)
		return rc;
	got = read(d->out, d->text + d->length, d->capacity - d->length - 1);
	if (got > 0)
		d->length += (size_t)got;
	else if (!got || (errno != EAGAIN && errno != EINTR))
		close_end(&d->out);
	return 0;
}

/* Keeps the beginning of what it complains of, and reads on so that it does not wait. */
static int read_complaint(struct drawing *d)
{
	char text[COMPLAINT_BYTES];
	ssize_t got = read(d->errors, text, sizeof text);

	if (got > 0) {
		size_t kept = ps_min_size((size_t)got, sizeof d->complaint - 1 - d->complained);

		memcpy(d->complaint + d->complained, text, kept);
		d->complained += kept;
	} else if (!got || (errno != EAGAIN && errno != EINTR)) {
		close_end(&d->errors);
	}
	return 0;
}

/* Moves what the pipes can take or give, waiting for at most so many milliseconds. *moved: there
 * was something. */
static int move(struct drawing *d, int wait_ms, bool *moved)
{
	struct pollfd fds[] = {{d->in, POLLOUT, 0}, {d->out, POLLIN, 0}, {d->errors, POLLIN, 0}};
	int (*const serve[])(struct drawing *) = {write_script, read_drawing, read_complaint};
	int rc = 0;

	*moved = poll(fds, 3, wait_ms) > 0;
	for (int i = 0; i < 3 && *moved && !rc; i++)
		if (fds[i].revents)
			rc = serve[i](d);
	return rc;
}

/* It stays a zombie, so that its group's number is not used again before stop. */
static bool has_ended(const struct drawing *d)
{
	siginfo_t info = {.si_pid = 0};

	return !waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

/* Serves the pipes until gnuplot has ended and both outputs are read. Somebody whom gnuplot started
 * may hold them open: then what is there is read, and no more is waited for. */
static int serve(struct drawing *d)
{
	bool moved;
	int rc = 0;

	while (!rc) {
		const bool ended = has_ended(d), open = d->out >= 0 || d->errors >= 0;

		if (ended && !open)
			break;
		rc = move(d, ended || !open ? 0 : LOOK_MS, &moved);
		if (!rc)
			rc = ps_progress_check(d->context);
		if (ended && !moved)
			break;
		if (!open && !rc)
			usleep(1000);
	}
	return rc;
}

/* --- end --- */

/* Ends gnuplot and whom it started, and waits for it. */
static void stop(struct drawing *d)
{
	kill(-d->pid, SIGKILL);
	while (waitpid(d->pid, &d->status, 0) < 0 && errno == EINTR)
		;
	close_end(&d->in);
	close_end(&d->out);
	close_end(&d->errors);
}

/* One line of what gnuplot said. */
static void shorten(char *text)
{
	size_t length = 0;

	for (const char *c = text; *c && length < SHOWN; c++) {
		const bool space = (unsigned char)*c <= ' ' || *c == 0x7f;

		if (space && (!length || text[length - 1] == ' '))
			continue;
		text[length++] = space ? ' ' : *c;
	}
	text[length] = 0;
}

static int judge(struct drawing *d)
{
	ps_diag *diag = d->context->diag;

	d->complaint[d->complained] = 0;
	shorten(d->complaint);
	if (WIFSIGNALED(d->status))
		return ps_fail(diag, PS_EFAILED, "it was ended by signal %d (%s) %s",
			       WTERMSIG(d->status), strsignal(WTERMSIG(d->status)), d->complaint);
	/* Where vfork is a fork (qemu-user), posix_spawn's child ends so if it found no program. */
	if (WEXITSTATUS(d->status) == NOT_FOUND && !d->complained)
		return PS_GNUPLOT_MISSING;
	if (WEXITSTATUS(d->status))
		return ps_fail(diag, PS_EFAILED, "exit status %d: %s", WEXITSTATUS(d->status),
			       d->complained ? d->complaint : "it says nothing");
	if (!d->length)
		return ps_fail(diag, PS_EFAILED, "it drew nothing: %s",
			       d->complained ? d->complaint : "and says nothing");
	return 0;
}

/* Puts "gnuplot: " before the message of a failure. */
static int blame(ps_diag *diag, int rc)
{
	const ps_diag said = *diag;

	if (rc != PS_EFAILED)
		return rc;
	diag->text[0] = 0;
	return ps_fail(diag, rc, "gnuplot: %s", said.text);
}

int ps_gnuplot_draw(const char *script, size_t bytes, const ps_context *context, char **drawing,
		    size_t *length)
{
	struct drawing d = {.context = context,
			    .in = -1,
			    .out = -1,
			    .errors = -1,
			    .script = script,
			    .left = bytes};
	int rc = start(&d);

	if (rc) {
		close_end(&d.in);
		close_end(&d.out);
		close_end(&d.errors);
		return rc == ENOENT ? PS_GNUPLOT_MISSING
				    : ps_fail_errno(context->diag, rc, "gnuplot cannot be run");
	}
	rc = serve(&d);
	stop(&d);
	if (!rc)
		rc = judge(&d);
	if (rc) {
		free(d.text);
		return blame(context->diag, rc);
	}
	d.text[d.length] = 0;
	*drawing = d.text;
	*length = d.length;
	return 0;
}
