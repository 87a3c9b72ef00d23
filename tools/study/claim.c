/* How the files of claims come and go.
 *
 * Under the guard: create (O_EXCL), read, judge, unlink. Without it: the heartbeat, which
 * opens a file, sees that it is its own by its text, and touches what it opened: a file that
 * replaced it in between is never touched. */
#include "tools/study/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/json_memory.h"
#include "io/file.h"
#include "io/folder.h"
#include "tools/run/signals.h"

#define GUARD ".guard"
#define FLAT_BYTES_MAX                                                                             \
	200 /* of a step's name as a file; the rest is left for what file systems append */
#define FLAT_PREFIX_BYTES 180 /* of a longer one */
#define ATTEMPTS 100

struct claim {
	struct claim *next;
	char step[PS_CLAIM_STEP_BYTES];
	char *path, *text; /* of its file */
	bool lost;
};

struct ps_claims {
	pthread_mutex_t lock; /* of the list */
	pthread_cond_t wake;
	pthread_t thread;
	bool ending;
	char *folder, *guard_path;
	ps_process self;
	struct claim *first;
	struct claim *left; /* given back, but their files could not be removed */
};

struct guard {
	int fd;
	bool locked; /* false: this file system has no locks */
};

/* What a claim's file says. */
struct lock_file {
	char text[PS_CLAIM_BYTES_MAX];
	struct timespec touched;
	bool valid; /* the text could be read, and process and holder are filled in */
	ps_process process;
	ps_claim_holder holder;
};

/* A step's id as the name of a file, one to one: '/' becomes '+'; what is not a letter, digit,
 * '.', '_' or '-' becomes %XX, and so does a leading '.'. A long one is cut and ends in "%-"
 * and its digest. */
static void flat_name(const char *step, char out[FLAT_BYTES_MAX + 1])
{
	char all[3 * PS_CLAIM_STEP_BYTES], digest[PS_DIGEST_TEXT];
	size_t used = 0;

	for (const char *c = step; *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' ||
			     (*c == '.' && c != step);

		if (plain || *c == '/')
			all[used++] = *c == '/' ? '+' : *c;
		else
			used += (size_t)sprintf(all + used, "%%%02X", (unsigned char)*c);
	}
	all[used] = 0;
	if (used <= FLAT_BYTES_MAX)
		memcpy(out, all, used + 1);
	else
		snprintf(out, FLAT_BYTES_MAX + 1, "%.*s%%-%s", FLAT_PREFIX_BYTES, all,
			 ps_digest_format(ps_digest_of(step, strlen(step)), digest));
}

static char *lock_text(const ps_process *self, const char *step)
{
	json_t *value = json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:I}", "host", self->host, "pid",
				  (json_int_t)self->pid, "process_start", (json_int_t)self->start,
				  "pid_namespace", (json_int_t)self->pid_namespace, "boot",
				  self->boot, "step", step, "since", (json_int_t)time(NULL));
	char *text = value ? ps_json_text(value, JSON_SORT_KEYS) : NULL;

	json_decref(value);
	return text;
}

static void parse_lock(struct lock_file *lock)
{
	json_error_t error;
	json_t *value = ps_json_load(lock->text, strlen(lock->text), &error);
	const char *host, *boot, *step;
	json_int_t pid, start, space, since;

	lock->valid = !json_unpack(value, "{s:s, s:I, s:I, s:I, s:s, s:s, s:I}", "host", &host,
				   "pid", &pid, "process_start", &start, "pid_namespace", &space,
				   "boot", &boot, "step", &step, "since", &since);
	if (lock->valid) {
		lock->process = (ps_process){
			.pid = pid, .start = (uint64_t)start, .pid_namespace = (uint64_t)space};
		snprintf(lock->process.host, sizeof lock->process.host, "%s", host);
		snprintf(lock->process.boot, sizeof lock->process.boot, "%s", boot);
		lock->holder = (ps_claim_holder){.pid = (long)pid, .since = (time_t)since};
		snprintf(lock->holder.host, sizeof lock->holder.host, "%s", host);
		snprintf(lock->holder.step, sizeof lock->holder.step, "%s", step);
	}
	json_decref(value);
}

/* Reads the file and when it was touched last: its open descriptor, or -errno. Opening asks
 * NFS servers anew. */
static int open_lock(const char *path, int flags, struct lock_file *lock)
{
	int fd = TEMP_FAILURE_RETRY(open(path, flags | O_CLOEXEC | O_NOFOLLOW));
	struct stat st;
	ssize_t length;

	*lock = (struct lock_file){.valid = false};
	if (fd < 0)
		return -errno;
	length = TEMP_FAILURE_RETRY(pread(fd, lock->text, sizeof lock->text - 1, 0));
	if (length < 0 || fstat(fd, &st)) {
		int err = errno;

		close(fd);
		return -err;
	}
	lock->touched = st.st_mtim;
	return fd;
}

/* *there false: another process has removed it meanwhile. PS_EINPUT: it cannot be read. */
static int read_lock(const char *path, struct lock_file *lock, bool *there, ps_diag *diag)
{
	int fd = open_lock(path, O_RDONLY, lock);

	*there = fd != -ENOENT;
	if (!*there)
		return 0;
	if (fd < 0)
		return ps_fail_input(diag, -fd, "%s", path);
	close(fd);
	parse_lock(lock);
	/* What no memory was there for must not pass for half a file. */
	return lock->valid ? 0 : ps_json_memory_check(diag);
}

/* 0 once the lock is held, or cannot be had on this file system; PS_EINTERRUPTED. */
static int lock_guard(struct guard *guard)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	while (fcntl(guard->fd, F_OFD_SETLKW, &whole)) {
		if (errno != EINTR)
			return 0;
		if (ps_stop_requested())
			return PS_EINTERRUPTED;
	}
	guard->locked = true;
	return 0;
}

static bool is_named(int fd, const char *path)
{
	struct stat mine, named;

	return !fstat(fd, &mine) && !stat(path, &named) && mine.st_ino == named.st_ino &&
	       mine.st_dev == named.st_dev;
}

static void leave_guard(const struct guard *guard)
{
	close(guard->fd);
}

/* Waits for the guard. The last process to close removes it and the folder: a lock on a file
 * that lost its name excludes nobody, so both are then made anew. */
static int enter_guard(const ps_claims *claims, struct guard *guard, ps_diag *diag)
{
	int rc;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		*guard = (struct guard){
			.fd = TEMP_FAILURE_RETRY(
				open(claims->guard_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666))};
		if (guard->fd < 0 && errno == ENOENT) {
			rc = ps_folder_make(&ps_sys_linux, claims->folder, diag);
			if (rc)
				return rc;
			continue;
		}
		if (guard->fd < 0)
			return ps_fail_errno(diag, errno, "%s", claims->guard_path);
		rc = lock_guard(guard);
		if (!rc && (!guard->locked || is_named(guard->fd, claims->guard_path)))
			return 0;
		leave_guard(guard);
		if (rc)
			return ps_fail(diag, rc, "interrupted");
	}
	return ps_fail(diag, PS_EOUTPUT, "%s: does not stay where it is made", claims->guard_path);
}

/* Seconds since the lock was touched, by the clock of its file system. */
static int lock_age(const struct guard *guard, const struct lock_file *lock, double *age)
{
	struct stat now;

	if (futimens(guard->fd, NULL) || fstat(guard->fd, &now))
		return -errno;
	*age = (double)(now.st_mtim.tv_sec - lock->touched.tv_sec) +
	       1e-9 * (double)(now.st_mtim.tv_nsec - lock->touched.tv_nsec);
	return 0;
}

static int judge(const ps_claims *claims, const struct guard *guard, const struct lock_file *lock,
		 bool *stale)
{
	double age = 0;
	int rc = 0;

	if (!lock->valid && guard->locked) {
		/* Files are written under the guard: who wrote half of one is dead. */
		*stale = true;
	} else if (lock->valid && ps_process_is_near(&lock->process, &claims->self)) {
		*stale = !ps_process_is_alive(&lock->process);
	} else {
		rc = lock_age(guard, lock, &age);
		*stale = age > PS_CLAIM_STALE_SECONDS;
	}
	return rc;
}

/* 0, -EEXIST: another process has it, or -errno; then there is no file of ours. */
static int create_lock(const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = TEMP_FAILURE_RETRY(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)), rc;

	if (fd < 0)
		return -errno;
	rc = ps_sys_pwrite_full(&ps_sys_linux, fd, text, length, 0);
	/* Some file systems say only now that the disk is full. */
	if (close(fd) && !rc)
		rc = -errno;
	if (rc)
		unlink(path);
	return rc;
}

/* Creates the claim's file, in place of a stale one if there is one. The guard is held. */
static int take_lock(const ps_claims *claims, const struct guard *guard, const struct claim *claim,
		     bool *taken, ps_claim_holder *holder, ps_diag *diag)
{
	struct lock_file lock;
	bool there, stale = false;
	int rc;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		rc = create_lock(claim->path, claim->text);
		*taken = !rc;
		if (!rc)
			return 0;
		if (rc != -EEXIST)
			return ps_fail_errno(diag, -rc, "%s", claim->path);
		rc = read_lock(claim->path, &lock, &there, diag);
		if (rc)
			return rc;
		if (!there)
			continue;
		rc = judge(claims, guard, &lock, &stale);
		if (rc)
			return ps_fail_errno(diag, -rc, "%s", claims->guard_path);
		*holder = lock.holder;
		holder->took_over = stale;
		if (!stale)
			return 0;
		if (unlink(claim->path) && errno != ENOENT)
			return ps_fail_errno(diag, errno, "%s", claim->path);
	}
	return ps_fail_errno(diag, EEXIST, "%s", claim->path);
}

static void free_claim(struct claim *claim)
{
	if (!claim)
		return;
	free(claim->path);
	free(claim->text);
	free(claim);
}

static struct claim *new_claim(const ps_claims *claims, const char *step)
{
	struct claim *claim = calloc(1, sizeof *claim);
	char name[FLAT_BYTES_MAX + 1];

	if (!claim)
		return NULL;
	flat_name(step, name);
	snprintf(claim->step, sizeof claim->step, "%s", step);
	claim->text = lock_text(&claims->self, step);
	if (asprintf(&claim->path, "%s/%s.lock", claims->folder, name) < 0)
		claim->path = NULL;
	if (claim->text && claim->path)
		return claim;
	free_claim(claim);
	return NULL;
}

/* Looks whether the file still is this claim's; touches it if asked to. Returns -errno if it cannot
 * be read just now (a server does not answer): then the claim is neither held nor lost. Otherwise
 * claim->lost tells. The list is locked. */
static int check_claim(struct claim *claim, bool touch)
{
	struct lock_file lock;
	int fd;

	if (claim->lost)
		return 0;
	fd = open_lock(claim->path, touch ? O_RDWR : O_RDONLY, &lock);
	claim->lost = fd == -ENOENT;
	if (fd < 0)
		return claim->lost ? 0 : fd;
	claim->lost = strcmp(lock.text, claim->text);
	if (!claim->lost && touch)
		(void)futimens(fd, NULL);
	close(fd);
	return 0;
}

static bool is_surely_held(struct claim *claim)
{
	return !check_claim(claim, false) && !claim->lost;
}

static struct claim **find_claim(struct claim **first, const char *step)
{
	struct claim **at = first;

	while (*at && strcmp((*at)->step, step))
		at = &(*at)->next;
	return at;
}

/* Takes a claim again that was given back, and whose file is still there. */
static struct claim *take_back(ps_claims *claims, const char *step)
{
	struct claim **at, *claim;

	pthread_mutex_lock(&claims->lock);
	at = find_claim(&claims->left, step);
	claim = *at;
	if (claim && is_surely_held(claim)) {
		*at = claim->next;
		claim->next = claims->first;
		claims->first = claim;
	} else {
		claim = NULL;
	}
	pthread_mutex_unlock(&claims->lock);
	return claim;
}

int ps_claim_take(ps_claims *claims, const char *step, bool *taken, ps_claim_holder *holder,
		  ps_diag *diag)
{
	struct claim *claim;
	struct guard guard;
	int rc;

	*taken = false;
	*holder = (ps_claim_holder){.pid = 0};
	if (!*step || strlen(step) >= PS_CLAIM_STEP_BYTES)
		return ps_fail(diag, PS_EUSAGE, "'%s': a step's id has 1 to %d bytes", step,
			       PS_CLAIM_STEP_BYTES - 1);
	*taken = take_back(claims, step);
	if (*taken)
		return 0;
	claim = new_claim(claims, step);
	if (!claim)
		return ps_fail(diag, PS_EBUDGET, "no memory for the claim of %s", step);
	rc = enter_guard(claims, &guard, diag);
	if (!rc) {
		rc = take_lock(claims, &guard, claim, taken, holder, diag);
		leave_guard(&guard);
	}
	if (rc || !*taken) {
		free_claim(claim);
		return rc;
	}
	pthread_mutex_lock(&claims->lock);
	claim->next = claims->first;
	claims->first = claim;
	pthread_mutex_unlock(&claims->lock);
	return 0;
}

int ps_claim_held(ps_claims *claims, const char *step, bool *held, ps_diag *diag)
{
	struct claim *claim;
	int rc;

	pthread_mutex_lock(&claims->lock);
	claim = *find_claim(&claims->first, step);
	rc = claim ? check_claim(claim, false) : 0;
	*held = claim && !rc && !claim->lost;
	if (rc)
		rc = ps_fail_input(diag, -rc, "%s", claim->path);
	pthread_mutex_unlock(&claims->lock);
	return rc;
}

/* Removes the claim's file. False if it may be there still: it could not be read or removed. */
static bool remove_lock(const ps_claims *claims, struct claim *claim)
{
	struct guard guard;
	bool gone;

	/* Asked first without the guard, so that a folder that is gone is not made again. */
	if (!is_surely_held(claim))
		return claim->lost;
	if (enter_guard(claims, &guard, NULL))
		return false;
	if (is_surely_held(claim))
		gone = !unlink(claim->path) || errno == ENOENT;
	else
		gone = claim->lost;
	leave_guard(&guard);
	return gone;
}

void ps_claim_release(ps_claims *claims, const char *step)
{
	struct claim **at, *claim;

	pthread_mutex_lock(&claims->lock);
	at = find_claim(&claims->first, step);
	claim = *at;
	if (claim)
		*at = claim->next;
	pthread_mutex_unlock(&claims->lock);
	if (claim && !remove_lock(claims, claim)) {
		pthread_mutex_lock(&claims->lock);
		claim->next = claims->left;
		claims->left = claim;
		pthread_mutex_unlock(&claims->lock);
		return;
	}
	free_claim(claim);
}

static void *beat(void *self)
{
	ps_claims *claims = self;
	double next = ps_clock();

	pthread_mutex_lock(&claims->lock);
	while (!claims->ending) {
		struct timespec until;

		if (ps_clock() >= next) {
			for (struct claim *c = claims->first; c; c = c->next)
				(void)check_claim(c, true);
			next = ps_clock() + PS_CLAIM_BEAT_SECONDS;
		}
		until = (struct timespec){(time_t)next,
					  (long)(1e9 * (next - (double)(time_t)next))};
		pthread_cond_timedwait(&claims->wake, &claims->lock, &until);
	}
	pthread_mutex_unlock(&claims->lock);
	return NULL;
}

/* Signals go to the other threads. */
static int start_thread(ps_claims *claims, ps_diag *diag)
{
	pthread_condattr_t clock;
	sigset_t all, before;
	int err;

	pthread_mutex_init(&claims->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&claims->wake, &clock);
	pthread_condattr_destroy(&clock);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&claims->thread, NULL, beat, claims);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* EAGAIN: there is no memory for its stack, or no process is left. */
	return err ? ps_fail_errno(diag, err == EAGAIN ? ENOMEM : err,
				   "cannot start the thread of the heartbeat")
		   : 0;
}

int ps_claims_open(ps_claims **claims, const char *folder, ps_diag *diag)
{
	ps_claims *c = calloc(1, sizeof *c);
	int rc = 0;

	*claims = NULL;
	if (c)
		c->folder = strdup(folder);
	if (c && asprintf(&c->guard_path, "%s/%s", folder, GUARD) < 0)
		c->guard_path = NULL;
	if (!c || !c->folder || !c->guard_path)
		rc = ps_fail(diag, PS_EBUDGET, "no memory for the claims in %s", folder);
	if (!rc)
		rc = ps_folder_make(&ps_sys_linux, folder, diag);
	if (!rc) {
		ps_process_self(&c->self);
		rc = start_thread(c, diag);
	}
	if (!rc) {
		*claims = c;
		return 0;
	}
	if (c) {
		free(c->folder);
		free(c->guard_path);
	}
	free(c);
	return rc;
}

/* Unlinks the claim's file if it is stale. The guard is held. */
static void sweep_lock(const ps_claims *claims, const struct guard *guard, const char *name)
{
	struct lock_file lock;
	bool there, stale;
	char *path;

	if (asprintf(&path, "%s/%s", claims->folder, name) < 0)
		return;
	if (!read_lock(path, &lock, &there, NULL) && there &&
	    !judge(claims, guard, &lock, &stale) && stale)
		unlink(path);
	free(path);
}

void ps_claims_sweep(ps_claims *claims)
{
	DIR *dir = ps_sys_opendir(claims->folder);
	const struct dirent *entry;
	struct guard guard;

	if (!dir)
		return;
	if (!enter_guard(claims, &guard, NULL)) {
		while ((entry = readdir(dir)))
			if (*entry->d_name != '.')
				sweep_lock(claims, &guard, entry->d_name);
		leave_guard(&guard);
	}
	closedir(dir);
}

static bool is_empty_but_guard(const char *folder)
{
	DIR *dir = ps_sys_opendir(folder);
	const struct dirent *entry;
	bool empty = dir;

	while (empty && (entry = readdir(dir)))
		empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
			!strcmp(entry->d_name, GUARD);
	if (dir)
		closedir(dir);
	return empty;
}

/* Under the guard nobody can be about to make a claim. Who waits for the guard finds it
 * without its name. */
static void remove_folder(const ps_claims *claims)
{
	struct guard guard;

	if (!is_empty_but_guard(claims->folder) || enter_guard(claims, &guard, NULL))
		return;
	if (guard.locked && is_empty_but_guard(claims->folder))
		unlink(claims->guard_path);
	leave_guard(&guard);
	rmdir(claims->folder);
}

void ps_claims_close(ps_claims *claims)
{
	if (!claims)
		return;
	pthread_mutex_lock(&claims->lock);
	claims->ending = true;
	pthread_cond_signal(&claims->wake);
	pthread_mutex_unlock(&claims->lock);
	pthread_join(claims->thread, NULL);
	while (claims->first)
		ps_claim_release(claims, claims->first->step);
	while (claims->left) {
		struct claim *claim = claims->left;

		claims->left = claim->next;
		(void)remove_lock(claims, claim);
		free_claim(claim);
	}
	remove_folder(claims);
	pthread_cond_destroy(&claims->wake);
	pthread_mutex_destroy(&claims->lock);
	free(claims->folder);
	free(claims->guard_path);
	free(claims);
}
