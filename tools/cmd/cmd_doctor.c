/* doctor: what this machine has, what it lacks, and what the lack costs. Every check is a function
 * below. Nothing is left behind. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/number.h"
#include "core/base/pool.h"
#include "io/digest_memory.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/probe_disk.h"
#include "tools/run/memory_limits.h"
#include "tools/run/version.h"
#include "tools/train/gnuplot.h"

#define FREE_LEAST ((uint64_t)1 << 30)   /* bytes: caches of small studies take as much */
#define MEMORY_LEAST ((size_t)128 << 20) /* bytes: small models need less */
#define FILES_LEAST 1024
#define READ_LEAST 200e6 /* bytes a second: slower disks, and not the processor, set the pace */

enum state { OK, SLOWER, MISSING, STATES };
static const char *const state_names[STATES] = {"ok", "slower", "missing"};

struct doctor {
	ps_session *session;
	const char *folder;
	bool folder_given;
	json_t *checks;
	size_t counts[STATES];
	char missing[160]; /* their names: "folder, gnuplot" */
	ps_disk_probe disk;
};

/* Adds a check. costs: what follows from it; NULL: nothing. found: what there is. */
static int PS_PRINTF(5, 6) add(struct doctor *d, const char *name, enum state state,
			       const char *costs, const char *found, ...)
{
	char text[512];
	va_list args;

	va_start(args, found);
	vsnprintf(text, sizeof text, found, args);
	va_end(args);
	if (state == MISSING)
		snprintf(d->missing + strlen(d->missing), sizeof d->missing - strlen(d->missing),
			 "%s%s", *d->missing ? ", " : "", name);
	d->counts[state]++;
	if (json_array_append_new(d->checks,
				  json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "state",
					    state_names[state], "found", text, "costs", costs)))
		return ps_fail(&d->session->diag, PS_EBUDGET, "no memory for the result");
	return 0;
}

/* --- processor --- */

/* The value of the first line of /proc/cpuinfo that begins with key; "": there is none. */
static void read_cpuinfo(const char *key, char *out, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char *line = NULL;
	size_t room = 0;

	out[0] = 0;
	while (file && !*out && getline(&line, &room, file) >= 0) {
		const char *value = strchr(line, ':');

		if (!value || strncmp(line, key, strlen(key)) != 0)
			continue;
		value += 1 + strspn(value + 1, " ");
		ps_text_show(value, strcspn(value, "\n"), out, size);
	}
	free(line);
	if (file)
		fclose(file);
}

/* Writes those of the vector extensions that the kernels use and the processor has. */
static void list_features(char *out, size_t size)
{
	snprintf(out, size, "none that kernels use");
#if defined(__x86_64__)
#define ADD(name)                                                                                  \
	if (__builtin_cpu_supports(name))                                                          \
	snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? " " : "", name)
	out[0] = 0;
	ADD("avx2");
	ADD("fma");
	ADD("avx512f");
	ADD("avx512bw");
	ADD("avx512bf16");
	ADD("avx512vnni");
#undef ADD
	if (!*out)
		snprintf(out, size, "none that kernels use");
#elif defined(__aarch64__)
	snprintf(out, size, "asimd");
#endif
}

static int check_processor(struct doctor *d)
{
	char model[PS_SHOWN], features[128], all[32] = "";
	const long online = sysconf(_SC_NPROCESSORS_ONLN);
	const int processors = ps_pool_processors();

	if (online > processors)
		snprintf(all, sizeof all, "of %ld ", online);
	read_cpuinfo("model name", model, sizeof model);
	list_features(features, sizeof features);
	return add(d, "processor", OK, NULL, "%s, %d %sprocessors, vectors: %s",
		   *model ? model : "unknown", processors, all, features);
}

/* One check a precision. */
static int check_kernels(struct doctor *d)
{
	const char *wish = getenv("PRUNESCOPE_MATMUL");
	int rc = 0;

	for (ps_precision p = PS_PRECISION_F32; p < PS_PRECISIONS && !rc; p++) {
		const ps_kernel kernel = ps_kernel_choose(p);
		const bool ref = !strncmp(kernel.name, "ref", 3);
		char name[32];

		snprintf(name, sizeof name, "kernel, %s", ps_precision_name(p));
		rc = add(d, name, ref ? SLOWER : OK,
			 ref ? "products of matrices take many times as long" : NULL, "%s%s%s",
			 kernel.name, wish ? ", with PRUNESCOPE_MATMUL=" : "", wish ? wish : "");
	}
	return rc;
}

/* --- memory and limits --- */

static int check_memory(struct doctor *d)
{
	const ps_memory_limits limits = ps_memory_limits_read("");
	const size_t budget = ps_memory_default();
	const bool little = budget < MEMORY_LEAST;
	char available[24], cgroup[24], process[24], usual[24];

	return add(d, "memory", little ? MISSING : OK,
		   little ? "most commands end with exit status 5" : NULL,
		   "%s available, %s%s%s%s; --memory is %s where it is not given",
		   ps_size_format(limits.available, available),
		   limits.cgroup ? "limit of the cgroup " : "no limit of a cgroup",
		   limits.cgroup ? ps_size_format(limits.cgroup, cgroup) : "",
		   limits.process ? ", limit of the process (ulimit -v, -d) " : "",
		   limits.process ? ps_size_format(limits.process, process) : "",
		   ps_size_format(budget, usual));
}

static int check_proc(struct doctor *d)
{
	if (!access("/proc/self/stat", R_OK))
		return 0;
	return add(d, "proc", SLOWER,
		   "a study takes over the step of a killed process late, and the "
		   "default of --memory counts no page that the cache would give back",
		   "/proc is not mounted");
}

static int check_files(struct doctor *d)
{
	struct rlimit limit = {0};
	const bool few = !getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_max < FILES_LEAST;

	return add(d, "open files", few ? MISSING : OK,
		   few ? "each shard of an open cache or checkpoint takes one; raise ulimit -Hn"
		       : NULL,
		   "at most %llu", (unsigned long long)limit.rlim_max);
}

/* --- how files are read --- */

static int check_uring(struct doctor *d)
{
	const char *text = d->disk.backend, *why = strstr(text, "(io_uring: ");
	const size_t length = why ? strcspn(why + 11, ")") : 0;
	const char *costs = "weights are read one request at a time; containers refuse io_uring "
			    "unless their seccomp profile allows it";

	if (!why)
		return add(d, "io_uring", OK, NULL, "allowed");
	if (strstr(why, "allocate"))
		costs = "weights are read one request at a time; raise ulimit -l";
	else if (strstr(why, "open files"))
		costs = "weights are read one request at a time; raise ulimit -n";
	return add(d, "io_uring", SLOWER, costs, "refused: %.*s", (int)length, why + 11);
}

static int check_direct(struct doctor *d)
{
	const char *text = d->disk.backend, *buffered = strstr(text, "buffered: ");

	if (!strncmp(text, "pread", 5))
		return add(d, "O_DIRECT", OK, NULL, "not used without io_uring");
	if (!buffered)
		return add(d, "O_DIRECT", OK, NULL, "files are read past the page cache");
	return add(d, "O_DIRECT", SLOWER, "weights go through the page cache, and push others out",
		   "refused here: %.*s", (int)strcspn(buffered + 10, ",)"), buffered + 10);
}

static int check_memlock(struct doctor *d)
{
	const char *refused = strstr(d->disk.backend, "buffers not registered: ");
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
	char size[24] = "no limit";

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		ps_size_format((size_t)limit.rlim_cur, size);
	if (!refused)
		return add(d, "memlock", OK, NULL, "%s", size);
	return add(d, "memlock", SLOWER, "each read pins its pages anew; raise ulimit -l",
		   "%s: buffers cannot be registered", size);
}

/* --- the disk --- */

static int check_rates(struct doctor *d)
{
	const bool slow = d->disk.read_rate<READ_LEAST, written = d->disk.write_rate> 0;
	char write[48] = "not measured";

	if (written)
		snprintf(write, sizeof write, "%.0f MB/s", d->disk.write_rate / 1e6);
	return add(d, "disk", slow ? SLOWER : OK,
		   slow ? "a pass that streams a model's weights waits for them" : NULL,
		   "reads %.0f MB/s%s, writes %s", d->disk.read_rate / 1e6,
		   written ? "" : " (the program's own file)", write);
}

static bool lacks_room(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

/* What follows from a folder in which no file could be made, or not one of 16 MiB. */
static const char *folder_costs(int error)
{
	if (error == EFBIG)
		return "outputs are larger; raise ulimit -f";
	return lacks_room(error) ? "outputs need more room, or must go elsewhere"
				 : "outputs must go elsewhere";
}

static int check_folder(struct doctor *d)
{
	const int error = d->disk.write_error;
	/* Where it was started says nothing about where outputs go. */
	const bool forbidden =
		error == EACCES || error == EPERM || error == EROFS || error == ENOENT;
	const bool matters = d->folder_given || !forbidden;
	char shown[PS_SHOWN], reason[64];

	ps_text_show(d->folder, strlen(d->folder), shown, sizeof shown);
	if (!error)
		return add(d, "folder", OK, NULL, "%s can be written to", shown);
	return add(d, "folder", matters ? MISSING : OK,
		   matters ? folder_costs(error)
			   : "name the folder of your outputs: prunescope doctor DIR",
		   "%s cannot be written to: %s", shown, strerror_r(error, reason, sizeof reason));
}

/* Bytes that are free in the folder. False: not known. */
static bool find_free(const struct doctor *d, uint64_t *bytes)
{
	struct statvfs st;

	if (statvfs(d->folder, &st))
		return false;
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return true;
}

/* Where nothing can be written, free space does not matter. */
static int check_free(struct doctor *d)
{
	char text[24];
	uint64_t bytes;

	if ((d->disk.write_error && !lacks_room(d->disk.write_error)) || !find_free(d, &bytes))
		return 0;
	return add(d, "free space", bytes < FREE_LEAST ? MISSING : OK,
		   bytes < FREE_LEAST ? "caches of activations do not fit; see --dry-run, and "
					"--disk of study"
				      : NULL,
		   "%s", ps_size_format((size_t)bytes, text));
}

/* Whether digests can be remembered: the nearest folder above their file can be written to. */
static int check_remembered(struct doctor *d)
{
	char path[PATH_MAX], shown[PS_SHOWN];
	char *slash;

	if (!ps_digest_memory_path(path))
		return add(d, "remembered digests", SLOWER,
			   "every run reads weights and caches through before their first use",
			   "neither XDG_CACHE_HOME nor HOME is set");
	ps_text_show(path, strlen(path), shown, sizeof shown);
	while (access(path, F_OK) && (slash = strrchr(path, '/')) && slash != path)
		*slash = 0;
	if (access(path, W_OK))
		return add(d, "remembered digests", SLOWER,
			   "every run reads weights and caches through before their first use",
			   "%s cannot be written to", shown);
	return add(d, "remembered digests", OK, NULL, "%s", shown);
}

/* --- other programs --- */

static int check_gnuplot(struct doctor *d)
{
	/* A gnuplot that cannot draw SVG fails here as it does for a report. */
	static const char script[] = "set terminal svg\nset print '-'\nprint GPVAL_VERSION\n";
	const char *const costs = "reports have tables, and no figures";
	ps_diag diag = {{0}};
	ps_context context = d->session->context;
	char *drawing = NULL;
	size_t length;
	int rc;

	context.diag = &diag;
	rc = ps_gnuplot_draw(script, sizeof script - 1, &context, &drawing, &length);
	if (rc == PS_EINTERRUPTED || rc == PS_EBUDGET)
		return ps_fail(&d->session->diag, rc, "%s", diag.text);
	if (rc == PS_GNUPLOT_MISSING)
		rc = add(d, "gnuplot", MISSING, costs, "not installed");
	else if (rc)
		rc = add(d, "gnuplot", MISSING, costs, "fails: %s", diag.text);
	else
		rc = add(d, "gnuplot", OK, NULL, "%.*s", (int)strcspn(drawing, "\n"), drawing);
	free(drawing);
	return rc;
}

/* --- the command --- */

static json_t *make_result(const struct doctor *d)
{
	uint64_t free_bytes;
	const bool known = find_free(d, &free_bytes);

	return json_pack("{s:b, s:i, s:i, s:O, s:o, s:s, s:I, s:I, s:o, s:o, s:o}", "ok",
			 !d->counts[MISSING], "missing", (int)d->counts[MISSING], "slower",
			 (int)d->counts[SLOWER], "checks", d->checks, "kernels", ps_kernels_json(),
			 "version", PS_VERSION, "threads", (json_int_t)d->session->threads,
			 "memory_bytes", (json_int_t)d->session->memory_bytes, "read_bytes_per_s",
			 ps_number_json(d->disk.read_rate), "write_bytes_per_s",
			 d->disk.write_rate > 0 ? ps_number_json(d->disk.write_rate) : json_null(),
			 "free_bytes", known ? json_integer((json_int_t)free_bytes) : json_null());
}

int ps_run_doctor(ps_session *session, const ps_doctor_args *args, json_t **result)
{
	static int (*const checks[])(struct doctor * d) = {
		check_processor, check_kernels,    check_memory,  check_proc,  check_files,
		check_uring,     check_direct,     check_memlock, check_rates, check_folder,
		check_free,      check_remembered, check_gnuplot,
	};
	struct doctor d = {.session = session,
			   .folder = args->folder ? args->folder : ".",
			   .folder_given = args->folder,
			   .checks = json_array()};
	ps_diag *diag = &session->diag;
	struct stat st;
	int rc = d.checks ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for the result");

	if (!rc && stat(d.folder, &st))
		rc = ps_fail_input(diag, errno, "%s", d.folder);
	if (!rc && !S_ISDIR(st.st_mode))
		rc = ps_fail(diag, PS_EINPUT, "%s: is no folder", d.folder);
	if (!rc)
		rc = ps_probe_disk(d.folder, &d.disk, diag);
	for (size_t i = 0; i < sizeof checks / sizeof *checks && !rc; i++)
		rc = checks[i](&d);
	if (!rc)
		rc = ps_result_set(result, make_result(&d), diag);
	if (!rc && d.counts[MISSING])
		rc = ps_fail(diag, PS_EFAILED, "not as commands need it: %s", d.missing);
	json_decref(d.checks);
	return rc;
}
