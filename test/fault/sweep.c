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
 *   --preload FILE   the library; damage to files needs none
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
 *   --flips N        no call goes wrong; one bit of the victim is flipped before each of N runs
 *   --remove         the victim is removed before one run
 *   --noticed        the victim must not pass for whole: an exit code, or another result on stdout
 *                    beside the undisturbed files, which were made anew
 *   --no-rerun       an input was spoiled, so the command cannot succeed again
 *   --plain          stdout is no JSON: not compared */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test/fault/runner.h"
#include "test/fault/tree.h"

#define MISSED_MAX 20

struct options {
	const char *name, *work, *also, *start, *restore, *known;
	uint64_t first, last, step, runs, flips;
	bool allow[256], rerun, plain, stages, remove, noticed;
	struct tree_patterns ignored, part, timed, keys;
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
	struct runner runner;
	struct fault_plan *plan; /* the runner's */
	char kept_path[PATH_MAX], stage_path[PATH_MAX];
	struct outcome clean;
	struct tree before;
	uint64_t counts[256], killed, runs, bad, again, stages, all;
	uint64_t goal;   /* digest of what the undisturbed command makes and says */
	uint64_t *known; /* digests of the folders from which the command was run again */
	size_t known_count;
};

static volatile sig_atomic_t stopped;

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "sweep: %s\n", what);
	exit(99);
}

/* --- one run --- */

static struct outcome run(const struct sweep *s, bool served)
{
	const struct options *o = &s->options;
	struct outcome r = {0};
	char *text;
	size_t length;

	r.code = runner_run(&s->runner, served && s->runner.preload);
	text = runner_read(s->runner.out, &r.said);
	r.json = o->plain ? 0 : json_digest(text, r.said, &o->keys);
	free(text);
	text = runner_read(s->runner.err, &length);
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

static void add_pattern(struct tree_patterns *patterns, const char *pattern)
{
	if (patterns->count == sizeof patterns->item / sizeof *patterns->item)
		give_up("too many patterns");
	patterns->item[patterns->count++] = pattern;
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
	else if (!r->code && (r->json == s->clean.json) == o->noticed)
		return report(s, at, r, o->noticed ? "not noticed" : "another result on stdout",
			      NULL),
		       false;
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

/* --- damage --- */

/* Flips bit `bit` of the victim's byte `place`. */
static void flip(const char *victim, off_t place, unsigned bit)
{
	int fd = open(victim, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	if (fd < 0 || pread(fd, &byte, 1, place) != 1)
		give_up(victim);
	byte ^= (unsigned char)(1U << bit);
	if (pwrite(fd, &byte, 1, place) != 1)
		give_up(victim);
	close(fd);
}

static void try_damage(struct sweep *s, uint64_t at)
{
	struct outcome r = run(s, true);

	s->runs++;
	judge(s, at, &r);
	tree_free(&r.tree);
}

/* A third of the bits lie in the first 4,096 bytes, where our headers are. What stands in --work
 * was put back before each run; what stands elsewhere is put back here. */
static void run_flips(struct sweep *s)
{
	const char *victim = s->plan->victim;
	const bool inside = !strncmp(victim, s->options.work, strlen(s->options.work));
	struct stat st;
	uint64_t random;

	reset(s, 0);
	if (stat(victim, &st) || !st.st_size)
		give_up(victim);
	if (inside)
		add_pattern(&s->options.part, victim + strlen(s->options.work) + 1);
	random = (uint64_t)st.st_size;
	for (uint64_t at = 1; at <= s->options.flips && !stopped; at++) {
		const off_t size = at % 3 || st.st_size < 4096 ? st.st_size : 4096;
		off_t place;
		unsigned bit;

		random = random * 6364136223846793005 + 1442695040888963407;
		place = (off_t)((random >> 20) % (uint64_t)size);
		bit = random >> 61;
		reset(s, 0);
		snprintf(s->plan->call, sizeof s->plan->call, "byte %lld bit %u", (long long)place,
			 bit);
		flip(victim, place, bit);
		try_damage(s, at);
		if (!inside)
			flip(victim, place, bit);
	}
	s->all = s->options.flips;
}

static void run_removal(struct sweep *s)
{
	reset(s, 0);
	if (unlink(s->plan->victim))
		give_up(s->plan->victim);
	try_damage(s, 1);
	s->all = 1;
}

static void run_all(struct sweep *s)
{
	const struct options *o = &s->options;

	if (o->flips || o->remove) {
		if (o->flips)
			run_flips(s);
		else
			run_removal(s);
		return;
	}
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
	const struct options *o = &s->options;
	const char *kind = o->flips ? "flips" : o->remove ? "removals" : "calls";

	printf("    %s: %llu of about %llu %s, %llu bad;", o->name, (unsigned long long)s->runs,
	       (unsigned long long)s->all, kind, (unsigned long long)s->bad);
	for (int i = 0; i < 256; i++)
		if (s->counts[i])
			printf(" exit %d: %llu", i, (unsigned long long)s->counts[i]);
	if (s->killed)
		printf(" killed: %llu", (unsigned long long)s->killed);
	printf("; run again: %llu", (unsigned long long)s->again);
	if (o->stages)
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

/* True if the option is a name, a path or a pattern. */
static bool take_text(struct sweep *s, const char *key, const char *value)
{
	struct options *o = &s->options;
	const struct {
		const char *key;
		const char **place;
		struct tree_patterns *patterns;
	} table[] = {
		{"--name", &o->name, NULL},       {"--preload", &s->runner.preload, NULL},
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

	if (take_text(s, key, value))
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
	else if (!strcmp(key, "--flips"))
		o->flips = strtoull(value, NULL, 10);
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
		else if (!strcmp(argv[i], "--noticed"))
			o->noticed = true;
		else if (!strcmp(argv[i], "--remove"))
			o->remove = true;
		else if (!strcmp(argv[i], "--stages"))
			o->stages = true;
		else if (!strcmp(argv[i], "--after-open"))
			s->plan->after_open = 1;
		else if (!strcmp(argv[i], "--trace"))
			s->plan->trace = 1;
		else if (i + 1 < argc)
			take_value(s, argv[i], argv[i + 1]), i++;
	}
	s->runner.command = argv + i + 1;
	/* A kill, or an unlink that fails, leaves temporary files. The next run removes them. */
	if (s->plan->classes != FAULT_ALLOC)
		add_pattern(&o->part, ".*.ps-partial");
	if (i + 1 >= argc || !o->work || !o->step ||
	    !(o->flips || o->remove || (s->plan->classes && s->runner.preload)))
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

int main(int argc, char **argv)
{
	static struct sweep s;
	const struct rlimit no_core = {0, 0};

	runner_open(&s.runner);
	s.plan = s.runner.plan;
	setrlimit(RLIMIT_CORE, &no_core);
	take_signals();
	parse(&s, argc, argv);
	if (s.runner.preload)
		runner_load(&s.runner);
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
	runner_close(&s.runner);
	tree_free(&s.clean.tree);
	tree_free(&s.before);
	free(s.known);
	return s.bad || stopped ? 1 : 0;
}
