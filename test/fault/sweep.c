/* sweep [OPTION...] -- COMMAND...: runs a command once for every call that can go wrong, makes that
 * call go wrong, and judges what happened.
 *
 * First the command runs twice undisturbed. Both runs must make the same files and print the same
 * JSON. Their calls are counted. Then, for N = 1, 2, ... until no call is left, it runs with a
 * fault at the N-th call (test/fault/preload.c). It is judged by these rules:
 *   - It ends with one of the exit codes that --allow names, and then says why on stderr and
 *     nothing on stdout; or with 0, and then its files and its JSON are the undisturbed ones.
 *   - It never hangs, and no signal ends it but the SIGKILL of --action kill.
 *   - What stands under a final name is what the undisturbed run put there. --part names the files
 *     that grow, such as a manifest.
 *   - The same command, run again without a fault, ends with 0 and the undisturbed files and JSON.
 *     What was found of one state of the folder holds for the runs that leave the same state.
 * The last line counts the runs. SIGINT and SIGTERM end the sweep after the current run. Exit 1 if
 * a run broke a rule or the sweep did not end, 99 if the sweep itself failed.
 *
 * options:
 *   --name TEXT      of the sweep, for the last line
 *   --preload FILE   the library
 *   --work DIR       where the command writes; emptied before each run
 *   --also DIR       a folder that is emptied before each run too, such as a user's cache
 *   --start DIR      what stands there before each run
 *   --restore FILE   an input that the fault may spoil: put back before each run
 *   --calls LIST     classes of calls, with commas: alloc write sync rename unlink mkdir create
 *                    open truncate read lock stat
 *   --action NAME    fail, fail-on, short, kill, cut, put (test/fault/fault_plan.h)
 *   --error N        errno of calls that fail
 *   --victim FILE --cut N   the file that is spoiled, and the bytes that it loses
 *   --after-open     only calls after the victim was opened, mapped and looked at count
 *   --allow LIST     exit codes besides 0, with commas
 *   --first N --last N --step N   which calls (1, all, 1); --runs N: at most so many, spread evenly
 *   --stages         a study: the calls of each step are tried from the folder that the steps
 *                    before it left (test/fault/fault_plan.h)
 *   --known FILE     states of the folder from which earlier sweeps of this command ran it again
 *   --hurry N        the program's clock runs N times as fast, so that it measures for less long
 *   --ignore PATTERN files that are not compared; --part PATTERN; --timed PATTERN: JSON files
 *   --key NAME       JSON values that are not compared, on stdout and in --timed files
 *   --trace          where the fault happened, on stderr
 *   --no-rerun       an input was spoiled, so the command cannot succeed again
 *   --plain          stdout is no JSON: not compared */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/fault/fault_plan.h"
#include "test/fault/tree.h"

#define SECONDS_MAX 120
#define MISSED_MAX 20

struct options {
	const char *name, *preload, *work, *also, *start, *restore, *known;
	uint64_t first, last, step, runs;
	bool allow[256], rerun, plain, stages;
	struct tree_patterns ignored, part, timed, keys;
	char **command;
};

struct outcome {
	int code; /* exit code, or 1000 + signal; 2000: no end */
	uint64_t json;
	size_t said; /* bytes on stdout */
	char message[400];
	struct tree tree;
};

struct sweep {
	struct options options;
	struct fault_plan *plan;
	char plan_path[PATH_MAX], kept_path[PATH_MAX], stage_path[PATH_MAX];
	struct outcome clean;
	struct tree before;
	int out, err;      /* what the program writes into */
	int start, status; /* of the server */
	uint64_t counts[256], killed, runs, bad, again, stages, all;
	uint64_t goal;   /* digest of what the undisturbed command makes and says */
	uint64_t *known; /* digests of the folders from which the command was run again */
	size_t known_count;
};

static volatile sig_atomic_t stopped;

static void give_up(const char *what)
{
	fprintf(stderr, "sweep: %s\n", what);
	exit(99);
}

/* --- one run --- */

static char *read_all(int fd, size_t *length)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char *text = calloc((size_t)end + 1, 1);

	if (!text || pread(fd, text, (size_t)end, 0) != end)
		give_up("an output cannot be read");
	*length = (size_t)end;
	return text;
}

static void become(const struct sweep *s, bool served)
{
	dup2(s->out, STDOUT_FILENO);
	dup2(s->err, STDERR_FILENO);
	if (served) {
		setenv(FAULT_PLAN_VARIABLE, s->plan_path, 1);
		setenv("LD_PRELOAD", s->options.preload, 1);
		setenv("LD_BIND_NOW", "1", 1);
	}
	execvp(s->options.command[0], s->options.command);
	_exit(99);
}

/* Loads the program, up to its main (test/fault/fault_plan.h). */
static void start_server(struct sweep *s)
{
	int start[2], status[2];
	pid_t pid;

	if (pipe2(start, O_CLOEXEC) || pipe2(status, O_CLOEXEC) || (pid = fork()) < 0)
		give_up("no process");
	if (!pid) {
		dup2(start[0], FAULT_START_FD);
		dup2(status[1], FAULT_STATUS_FD);
		become(s, true);
	}
	close(start[0]);
	close(status[1]);
	s->start = start[1];
	s->status = status[0];
}

static int code_of(int status)
{
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_directly(const struct sweep *s)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		become(s, false);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		give_up("no process");
	return code_of(status);
}

static int run_served(const struct sweep *s)
{
	struct pollfd end = {s->status, POLLIN, 0};
	bool late = false;
	int status;

	if (write(s->start, "", 1) != 1)
		give_up("the program cannot be loaded");
	/* Signals that stop the sweep interrupt poll. */
	for (time_t limit = time(NULL) + SECONDS_MAX; poll(&end, 1, 1000) < 1;)
		if (!late && time(NULL) >= limit) {
			kill(s->plan->pid, SIGKILL);
			late = true;
		}
	if (read(s->status, &status, sizeof status) != sizeof status)
		give_up("the program cannot be loaded");
	return late ? 2000 : code_of(status);
}

static void empty_output(int fd)
{
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		give_up("an output cannot be emptied");
}

static struct outcome run(const struct sweep *s, bool served)
{
	const struct options *o = &s->options;
	struct outcome r = {0};
	char *text;
	size_t length;

	empty_output(s->out);
	empty_output(s->err);
	r.code = served ? run_served(s) : run_directly(s);
	text = read_all(s->out, &r.said);
	r.json = o->plain ? 0 : json_digest(text, r.said, &o->keys);
	free(text);
	text = read_all(s->err, &length);
	/* The last words: progress and remarks come before them. */
	snprintf(r.message, sizeof r.message, "%s",
		 length < sizeof r.message ? text : text + length - sizeof r.message + 1);
	if (s->plan->trace && s->plan->at)
		fputs(text, stderr);
	free(text);
	r.tree = tree_read(o->work, &o->ignored, &o->timed, &o->keys);
	return r;
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	ssize_t got;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (in < 0 || out < 0)
		give_up(from);
	while ((got = read(in, bytes, sizeof bytes)) > 0)
		if (write(out, bytes, (size_t)got) != got)
			give_up(to);
	close(in);
	close(out);
}

static void reset(struct sweep *s, uint64_t at)
{
	tree_reset(s->options.work, s->options.start);
	if (s->options.also)
		tree_reset(s->options.also, NULL);
	if (s->options.restore)
		copy_file(s->kept_path, s->options.restore);
	s->plan->at = at;
	s->plan->count = 0;
	s->plan->stage = FAULT_STAGE_STARTING;
	s->plan->fired = s->plan->opened = 0;
	memset(s->plan->call, 0, sizeof s->plan->call);
}

/* --- judging --- */

static void report(struct sweep *s, uint64_t at, const struct outcome *r, const char *what,
		   const char *path)
{
	char *line = strtok((char *)r->message, "\n"), *last = line;

	while ((line = strtok(NULL, "\n")))
		last = line;
	s->bad++;
	printf("    %s: call %llu (%s): %s%s%s; exit %d: %s\n", s->options.name,
	       (unsigned long long)at, s->plan->call, what, path ? " " : "", path ? path : "",
	       r->code, last ? last : "(no message)");
	fflush(stdout);
}

/* True if the disturbed run kept the rules. */
static bool judge(struct sweep *s, uint64_t at, const struct outcome *r)
{
	const struct options *o = &s->options;
	const char *path = tree_difference(&r->tree, &s->clean.tree, r->code ? &o->part : NULL);

	if (r->code == 1000 + SIGKILL && s->plan->action == FAULT_KILL)
		s->killed++;
	else if (r->code >= 256 || (r->code && !o->allow[r->code]))
		return report(s, at, r, "must not end so", NULL), false;
	else if (r->code && !r->message[0])
		return report(s, at, r, "no message", NULL), false;
	else if (r->code && r->said && !o->plain)
		return report(s, at, r, "something on stdout", NULL), false;
	else if (!r->code && r->json != s->clean.json)
		return report(s, at, r, "another result on stdout", NULL), false;
	if (path)
		return report(s, at, r, "wrong file", path), false;
	if (r->code < 256)
		s->counts[r->code]++;
	return true;
}

/* True if the command was run again from the same state of the folder, and completed. */
static bool is_known(struct sweep *s, uint64_t digest)
{
	for (size_t i = 0; i < s->known_count; i++)
		if (s->known[i] == digest)
			return true;
	return false;
}

static void learn(struct sweep *s, uint64_t digest)
{
	FILE *file = s->options.known ? fopen(s->options.known, "a") : NULL;

	if (file && (fwrite(&digest, sizeof digest, 1, file) != 1 || fclose(file)))
		give_up(s->options.known);
	s->known = realloc(s->known, (s->known_count + 1) * sizeof *s->known);
	if (!s->known)
		give_up("no memory");
	s->known[s->known_count++] = digest;
}

static void read_known(struct sweep *s)
{
	const char *path = s->options.known;
	FILE *file = path ? fopen(path, "r") : NULL;
	uint64_t digest;

	s->options.known = NULL;
	while (file && fread(&digest, sizeof digest, 1, file) == 1)
		learn(s, digest);
	if (file)
		fclose(file);
	s->options.known = path;
}

static void judge_again(struct sweep *s, uint64_t at, const struct outcome *first)
{
	const uint64_t digest = tree_digest(&first->tree) ^ s->goal;
	struct outcome r;
	const char *path;

	if (!s->options.rerun || !first->code || !tree_difference(&first->tree, &s->before, NULL) ||
	    is_known(s, digest))
		return;
	s->again++;
	s->plan->at = 0;
	r = run(s, true);
	path = tree_difference(&r.tree, &s->clean.tree, NULL);
	if (r.code)
		report(s, at, &r, "run again, it fails", NULL);
	else if (path)
		report(s, at, &r, "run again, another file", path);
	else if (r.json != s->clean.json)
		report(s, at, &r, "run again, another result on stdout", NULL);
	else
		learn(s, digest);
	tree_free(&r.tree);
}

/* False if the fault did not happen: the command made fewer calls. */
static bool try_call(struct sweep *s, uint64_t at)
{
	struct outcome r;
	bool fired;

	reset(s, at);
	r = run(s, true);
	fired = s->plan->fired;
	if (fired) {
		s->runs++;
		if (judge(s, at, &r))
			judge_again(s, at, &r);
	}
	tree_free(&r.tree);
	return fired;
}

/* --- the whole --- */

/* Counts the calls of an undisturbed run. */
static void count_calls(struct sweep *s)
{
	struct outcome again;
	const char *path;

	reset(s, 0);
	again = run(s, true);
	path = tree_difference(&again.tree, &s->clean.tree, NULL);
	if (again.code)
		fputs(again.message, stderr);
	if (again.code || path || again.json != s->clean.json) {
		fprintf(stderr, "sweep: exit %d, %s\n", again.code, path ? path : "stdout");
		give_up("two undisturbed runs differ");
	}
	tree_free(&again.tree);
}

static void run_clean(struct sweep *s)
{
	reset(s, 0);
	s->clean = run(s, false);
	if (s->clean.code) {
		fputs(s->clean.message, stderr);
		give_up("the undisturbed command fails");
	}
	s->goal = tree_digest(&s->clean.tree) + s->clean.json;
}

static void look_at_start(struct sweep *s)
{
	const struct options *o = &s->options;

	tree_free(&s->before);
	reset(s, 0);
	s->before = tree_read(o->work, &o->ignored, &o->timed, &o->keys);
}

/* Tries the calls of the whole command, or of one stage. */
static void run_calls(struct sweep *s)
{
	const struct options *o = &s->options;
	const uint64_t all = s->plan->count;
	uint64_t step = o->step, runs = 0;
	int missed = 0;

	if (o->runs && all / o->runs > step)
		step = all / o->runs;
	s->all += all;
	for (uint64_t at = o->first; (!o->last || at <= o->last) && !stopped; at += step) {
		if (o->runs && runs >= o->runs)
			break;
		/* Threads and measurements of speed change the number of calls, so a call that did
		 * not happen is tried twice, and is the last one only if many others fail too. */
		if (try_call(s, at) || try_call(s, at))
			missed = 0, runs++;
		else if (++missed == MISSED_MAX || at >= all)
			break;
	}
}

/* Keeps what stands there when the next stage begins. False: this was the last one. */
static bool enter_next_stage(struct sweep *s)
{
	struct outcome r;

	reset(s, 0);
	s->plan->end_stage = 1;
	r = run(s, true);
	s->plan->end_stage = 0;
	tree_reset(s->stage_path, NULL);
	if (r.code != 1000 + SIGKILL)
		return false;
	if (!tree_difference(&r.tree, &s->before, NULL))
		give_up("a stage that does nothing");
	/* The claims of the killed process go. Taking them over is tried by --action kill. */
	tree_copy(s->options.work, s->stage_path, "locks");
	tree_free(&r.tree);
	s->options.start = s->stage_path;
	s->plan->stage_first = FAULT_STAGE_CLAIMED;
	return true;
}

static void run_all(struct sweep *s)
{
	const struct options *o = &s->options;

	s->plan->stage_first = o->stages ? FAULT_STAGE_STARTING : FAULT_STAGE_OVER;
	do {
		look_at_start(s);
		count_calls(s);
		if (!s->plan->count && !o->stages)
			give_up("the library counted no call");
		s->stages++;
		run_calls(s);
	} while (o->stages && !stopped && enter_next_stage(s));
	tree_reset(s->stage_path, NULL);
	rmdir(s->stage_path);
}

static void print_counts(const struct sweep *s)
{
	printf("    %s: %llu of about %llu calls, %llu bad;", s->options.name,
	       (unsigned long long)s->runs, (unsigned long long)s->all, (unsigned long long)s->bad);
	for (int i = 0; i < 256; i++)
		if (s->counts[i])
			printf(" exit %d: %llu", i, (unsigned long long)s->counts[i]);
	if (s->killed)
		printf(" killed: %llu", (unsigned long long)s->killed);
	printf("; run again: %llu", (unsigned long long)s->again);
	if (s->options.stages)
		printf("; stages: %llu", (unsigned long long)s->stages);
	puts(stopped ? "; stopped" : "");
}

/* --- options --- */

static uint32_t parse_classes(const char *list)
{
	static const char *const names[] = {"alloc",    "write", "sync",   "rename",
					    "unlink",   "mkdir", "create", "open",
					    "truncate", "read",  "lock",   "stat"};
	char *copy = strdup(list), *word;
	uint32_t classes = 0;

	for (word = strtok(copy, ","); word; word = strtok(NULL, ",")) {
		uint32_t found = 0;

		for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
			if (!strcmp(word, names[i]))
				found = 1U << i;
		if (!found)
			give_up(list);
		classes |= found;
	}
	free(copy);
	return classes;
}

static uint32_t parse_action(const char *name)
{
	static const char *const names[] = {"fail", "fail-on", "short", "kill", "cut", "put"};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(name, names[i]))
			return i;
	give_up(name);
	return 0;
}

static void parse_allowed(struct options *o, const char *list)
{
	for (char *end; *list; list = *end ? end + 1 : end)
		o->allow[strtoul(list, &end, 10) % 256] = true;
}

static void add_pattern(struct tree_patterns *patterns, const char *pattern)
{
	if (patterns->count == sizeof patterns->item / sizeof *patterns->item)
		give_up("too many patterns");
	patterns->item[patterns->count++] = pattern;
}

/* True if the option is a name, a path or a pattern. */
static bool take_text(struct options *o, const char *key, const char *value)
{
	const struct {
		const char *key;
		const char **place;
		struct tree_patterns *patterns;
	} table[] = {
		{"--name", &o->name, NULL},       {"--preload", &o->preload, NULL},
		{"--work", &o->work, NULL},       {"--start", &o->start, NULL},
		{"--restore", &o->restore, NULL}, {"--also", &o->also, NULL},
		{"--known", &o->known, NULL},     {"--ignore", NULL, &o->ignored},
		{"--part", NULL, &o->part},       {"--timed", NULL, &o->timed},
		{"--key", NULL, &o->keys},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strcmp(key, table[i].key))
			continue;
		if (table[i].place)
			*table[i].place = value;
		else
			add_pattern(table[i].patterns, value);
		return true;
	}
	return false;
}

static void take_value(struct sweep *s, const char *key, const char *value)
{
	struct options *o = &s->options;

	if (take_text(o, key, value))
		return;
	if (!strcmp(key, "--calls"))
		s->plan->classes = parse_classes(value);
	else if (!strcmp(key, "--action"))
		s->plan->action = parse_action(value);
	else if (!strcmp(key, "--error"))
		s->plan->error = atoi(value);
	else if (!strcmp(key, "--victim"))
		snprintf(s->plan->victim, sizeof s->plan->victim, "%s", value);
	else if (!strcmp(key, "--cut"))
		s->plan->cut = atoll(value);
	else if (!strcmp(key, "--allow"))
		parse_allowed(o, value);
	else if (!strcmp(key, "--hurry"))
		s->plan->hurry = atoll(value);
	else if (!strcmp(key, "--first"))
		o->first = strtoull(value, NULL, 10);
	else if (!strcmp(key, "--last"))
		o->last = strtoull(value, NULL, 10);
	else if (!strcmp(key, "--step"))
		o->step = strtoull(value, NULL, 10);
	else if (!strcmp(key, "--runs"))
		o->runs = strtoull(value, NULL, 10);
	else
		give_up(key);
}

static void parse(struct sweep *s, int argc, char **argv)
{
	struct options *o = &s->options;
	int i = 1;

	*o = (struct options){.name = "sweep", .first = 1, .step = 1, .rerun = true};
	for (; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--no-rerun"))
			o->rerun = false;
		else if (!strcmp(argv[i], "--plain"))
			o->plain = true;
		else if (!strcmp(argv[i], "--stages"))
			o->stages = true;
		else if (!strcmp(argv[i], "--after-open"))
			s->plan->after_open = 1;
		else if (!strcmp(argv[i], "--trace"))
			s->plan->trace = 1;
		else if (i + 1 < argc)
			take_value(s, argv[i], argv[i + 1]), i++;
	}
	o->command = argv + i + 1;
	/* A kill, or an unlink that fails, leaves temporary files. The next run removes them. */
	if (s->plan->classes != FAULT_ALLOC)
		add_pattern(&o->part, ".*.ps-partial");
	if (i + 1 >= argc || !o->preload || !o->work || !s->plan->classes || !o->step)
		give_up("usage: see the top of test/fault/sweep.c");
}

static void stop(int signal_number)
{
	stopped = signal_number;
}

static void take_signals(void)
{
	const struct sigaction action = {.sa_handler = stop};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* The plan is needed before the options are read. */
static void make_plan(struct sweep *s)
{
	int fd;

	snprintf(s->plan_path, sizeof s->plan_path, "%s/fault-plan-%d",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
	fd = open(s->plan_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof *s->plan))
		give_up("no plan");
	s->plan = mmap(NULL, sizeof *s->plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->plan == MAP_FAILED)
		give_up("no plan");
}

int main(int argc, char **argv)
{
	static struct sweep s;
	const struct rlimit no_core = {0, 0};

	make_plan(&s);
	setrlimit(RLIMIT_CORE, &no_core);
	take_signals();
	parse(&s, argc, argv);
	s.out = memfd_create("out", MFD_CLOEXEC);
	s.err = memfd_create("err", MFD_CLOEXEC);
	if (s.out < 0 || s.err < 0)
		give_up("no output");
	start_server(&s);
	snprintf(s.kept_path, sizeof s.kept_path, "%s.kept", s.options.work);
	snprintf(s.stage_path, sizeof s.stage_path, "%s.stage", s.options.work);
	if (s.options.restore)
		copy_file(s.options.restore, s.kept_path);
	read_known(&s);
	run_clean(&s);
	run_all(&s);
	print_counts(&s);
	if (s.options.restore)
		copy_file(s.kept_path, s.options.restore);
	unlink(s.kept_path);
	unlink(s.plan_path);
	return s.bad || stopped ? 1 : 0;
}
