/* shardinfo: what our files, or any safetensors files and folders, hold, and whether they are
 * whole. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/json_memory.h"
#include "core/base/version.h"
#include "io/file.h"
#include "io/map_guard.h"
#include "tools/args/complete.h"
#include "tools/args/help.h"
#include "tools/args/man.h"
#include "tools/shard_json.h"
#include "tools/shard_report.h"

/* --- a file that shrinks while it is read --- */

static void say(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

	(void)ignored;
}

/* Makes only calls that a signal handler may make. */
static void on_bus_error(int signal_number, siginfo_t *info, void *unused)
{
	const char *path = ps_map_guard_find(info->si_addr);

	(void)signal_number, (void)unused;
	say("shardinfo: ");
	say(path ? path : "a mapped file");
	say(": shrank or became unreadable while it was read\n");
	_exit(3);
}

/* --- text --- */

/* Names come from files. No character in them may control the terminal. */
static void put_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void put_value(const char *key, const json_t *value)
{
	char *text = json_is_string(value) ? NULL
					   : ps_shard_text(value, JSON_COMPACT | JSON_ENCODE_ANY |
									  JSON_REAL_PRECISION(9));

	printf("  %-14s ", key);
	put_text(text ? text : json_string_value(value));
	putchar('\n');
	free(text);
}

static void put_members(const json_t *object, const char *skip)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value)
		if (strcmp(key, "kind") && strcmp(key, "version") && strcmp(key, skip))
			put_value(key, value);
}

static void put_tensors(const json_t *tensors)
{
	size_t i, widest = 6;
	json_t *tensor;

	json_array_foreach (tensors, i, tensor) {
		size_t length = json_string_length(json_object_get(tensor, "name"));

		widest = length > widest ? length : widest;
	}
	json_array_foreach (tensors, i, tensor) {
		const char *name = json_string_value(json_object_get(tensor, "name"));
		const json_t *sparsity = json_object_get(tensor, "sparsity");
		char *shape = ps_shard_text(json_object_get(tensor, "shape"), 0);

		printf("  ");
		put_text(name);
		printf("%*s  %-5s %s", (int)(widest - strlen(name)), "",
		       json_string_value(json_object_get(tensor, "dtype")), shape);
		if (sparsity)
			printf("  sparsity %.4f", json_real_value(sparsity));
		putchar('\n');
		free(shape);
	}
}

static void put_problems(const json_t *entry)
{
	size_t i;
	json_t *problem;

	json_array_foreach (json_object_get(entry, "problems"), i, problem) {
		const json_t *block = json_object_get(problem, "block");

		printf("  CORRUPT        ");
		if (block && json_integer_value(block) >= 0)
			printf("block %" JSON_INTEGER_FORMAT " at offset %" JSON_INTEGER_FORMAT
			       ": ",
			       json_integer_value(block),
			       json_integer_value(json_object_get(problem, "offset")));
		put_text(json_string_value(json_object_get(problem, "what")));
		putchar('\n');
	}
}

static void put_entry(const json_t *entry)
{
	const json_t *bytes = json_object_get(entry, "bytes"),
		     *complete = json_object_get(entry, "complete");
	char size[24];

	put_text(json_string_value(json_object_get(entry, "path")));
	putchar('\n');
	put_value("kind", json_object_get(entry, "kind"));
	if (bytes)
		printf("  %-14s %s\n", "size",
		       ps_size_format((size_t)json_integer_value(bytes), size));
	if (complete)
		printf("  %-14s %s\n", "complete",
		       json_is_true(complete) ? "yes"
					      : "no: the command that began it continues it");
	if (json_object_get(entry, "provenance"))
		put_value("provenance", json_object_get(entry, "provenance"));
	/* The metadata of a mask repeats every tensor. */
	put_members(json_object_get(entry, "metadata"), "tensors");
	put_members(json_object_get(entry, "statistics"), "");
	if (json_object_get(entry, "checksums"))
		put_value("checksums", json_object_get(entry, "checksums"));
	put_tensors(json_object_get(entry, "tensors"));
	put_problems(entry);
}

static void put_report(const json_t *report)
{
	static const char *const lists[] = {"folders", "files"};

	for (size_t l = 0; l < 2; l++) {
		size_t i;
		json_t *entry;

		json_array_foreach (json_object_get(report, lists[l]), i, entry)
			put_entry(entry);
	}
}

/* --- the command --- */

static const char about[] =
	"Shows what safetensors and GGUF files, and folders of them, hold: kind, tensors, "
	"provenance, statistics. Folders with a manifest.json are checked against it. The files of "
	"other tools "
	"are shown too.",
		  exit_text[] =
			  "0 all is well, 2 usage, 3 something is missing, invalid or corrupt.";
static const ps_example examples[] = {
	{"shardinfo mask.safetensors cache", "What a mask and a cache hold."},
	{"shardinfo --verify cache sae tokens.safetensors", "Whether they are whole."},
	{NULL, NULL},
};

struct flags {
	bool verify, json, help, man, version;
	const char *completion; /* the shell's name */
};

/* -1: go on with the paths. Else the exit status. */
static int parse_flags(int argc, char **argv, struct flags *flags)
{
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"PATH ...", PS_OPTION_ARGUMENTS,
		 .help = "safetensors or GGUF files, or folders of them"},
		PS_OPTION_TITLE("What is done"),
		{"--verify", PS_OPTION_FLAG, &flags->verify,
		 .help = "read everything and check every checksum"},
		{"--json", PS_OPTION_FLAG, &flags->json, .help = "print one JSON object"},
		PS_OPTION_TITLE("About the program"),
		{"--help", PS_OPTION_FLAG, &flags->help, .help = "print this text"},
		{"-h", PS_OPTION_FLAG, &flags->help, .help = "print it too"},
		{"--man", PS_OPTION_FLAG, &flags->man, .help = "print it as a man page"},
		{"--completion", PS_OPTION_WORD, &flags->completion, .argument = "bash|zsh|fish",
		 .help = "print a script with which the shell completes"},
		{"--version", PS_OPTION_FLAG, &flags->version, .help = "print the version"},
		PS_OPTION_END,
	};
	const ps_option *const tables[] = {table};
	const ps_page page = {.section = 1,
			      .program = "shardinfo",
			      .usage = "PATH ... [OPTION ...]",
			      .summary = "what safetensors files hold, and whether they are whole",
			      .text = about,
			      .tables = tables,
			      .count = 1,
			      .examples = examples,
			      .see = "prunescope(1), prunescope-files(5)"};
	ps_options options = {.tables = tables, .count = 1};
	ps_diag diag = {{0}};
	int rc = ps_options_parse(&options, argc - 1, argv + 1, &diag);

	if (rc && options.unknown)
		fprintf(stderr, "shardinfo: unknown option %s (shardinfo --help lists them)\n",
			options.unknown);
	else if (rc)
		fprintf(stderr, "shardinfo: %s\n", diag.text);
	else if (flags->help)
		ps_help_write(stdout, &page);
	else if (flags->man)
		ps_man_write(stdout, &page, exit_text);
	else if (flags->completion)
		ps_complete_alone(stdout, ps_shell_find(flags->completion), &page);
	else if (flags->version)
		puts("shardinfo " PS_VERSION);
	else
		return -1;
	return rc ? 2 : 0;
}

/* Reports all paths. Returns whether all is well; *count: how many there are. */
static bool report_paths(json_t *report, int argc, char **argv, bool verify, size_t *count)
{
	bool good = true, options_ended = false;

	*count = 0;
	for (int i = 1; i < argc; i++) {
		if (!options_ended && !strcmp(argv[i], "--")) {
			options_ended = true;
		} else if (options_ended || argv[i][0] != '-' || !argv[i][1]) {
			good &= ps_shard_report(report, argv[i], verify);
			++*count;
		}
	}
	return good;
}

int main(int argc, char **argv)
{
	struct sigaction bus = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
	struct flags flags = {0};
	json_t *report;
	ps_diag diag = {{0}};
	bool good = true;
	size_t paths;
	int status = parse_flags(argc, argv, &flags);

	ps_json_memory_watch();
	report = ps_shard_made(json_object());
	if (status >= 0)
		goto out;
	sigaction(SIGBUS, &bus, NULL);
	good = report_paths(report, argc, argv, flags.verify, &paths);
	ps_shard_check_memory(0);
	if (!paths) {
		fputs("shardinfo: PATH is missing (usage: shardinfo PATH ... [OPTION ...])\n",
		      stderr);
		status = 2;
		goto out;
	}
	if (ps_map_guard_check(&diag)) {
		fprintf(stderr, "shardinfo: %s\n", diag.text);
		status = 3;
		goto out;
	}
	if (flags.json) {
		char *text = ps_shard_text(report, JSON_INDENT(2));

		puts(text);
		free(text);
	} else {
		put_report(report);
	}
	status = good ? 0 : 3;
	if (!good && !flags.json)
		fputs("shardinfo: not all is well: see CORRUPT above\n", stderr);
out:
	json_decref(report);
	if (ps_stdout_close(&diag) && (!status || status == 3)) {
		fprintf(stderr, "shardinfo: %s\n", diag.text);
		status = 4;
	}
	return status;
}
