/* shardinfo: what our files, or any safetensors files and folders, hold, and whether they are
 * whole. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/json_memory.h"
#include "io/file.h"
#include "io/map_guard.h"
#include "tools/shard_json.h"
#include "tools/shard_report.h"

static const char usage[] =
	"usage: shardinfo PATH... [--verify] [--json]\n"
	"\n"
	"Shows what safetensors files, and folders of them, hold: kind, tensors, provenance, "
	"statistics.\n"
	"Folders with a manifest.json are checked against it.\n"
	"\n"
	"  --verify  read everything and check every checksum\n"
	"  --json    one JSON object on stdout\n"
	"  --help    this text\n"
	"\n"
	"exit: 0 all is well, 2 usage, 3 something is missing, invalid or corrupt\n";

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

struct flags {
	bool verify, json;
};

/* -1: go on with the paths from optind. Else the exit status. */
static int parse_flags(int argc, char **argv, struct flags *flags)
{
	static const struct option options[] = {{"verify", no_argument, NULL, 'v'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (option == '?') {
			fputs("shardinfo --help tells more\n", stderr);
			return 2;
		}
		flags->verify |= option == 'v';
		flags->json |= option == 'j';
	}
	if (optind < argc)
		return -1;
	fputs(usage, stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct sigaction bus = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
	struct flags flags = {0};
	json_t *report;
	ps_diag diag = {{0}};
	bool good = true;
	int status = parse_flags(argc, argv, &flags);

	ps_json_memory_watch();
	report = ps_shard_made(json_object());
	if (status >= 0)
		goto out;
	sigaction(SIGBUS, &bus, NULL);
	for (int i = optind; i < argc; i++)
		good &= ps_shard_report(report, argv[i], flags.verify);
	ps_shard_check_memory(0);
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
