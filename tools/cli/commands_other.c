/* The command line of `doctor`. */
#include <stdio.h>

#include "tools/args/help.h"
#include "tools/cli/cli.h"

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static void print_doctor(const json_t *result)
{
	const long long missing = json_integer_value(json_object_get(result, "missing")),
			slower = json_integer_value(json_object_get(result, "slower"));
	const json_t *check;
	size_t i;

	json_array_foreach (json_object_get(result, "checks"), i, check) {
		const size_t column =
			(size_t)printf("%-7s  %-18s  ", text(check, "state"), text(check, "name"));

		ps_help_wrap(stdout, text(check, "found"), column, column);
		if (*text(check, "costs"))
			ps_help_wrap(stdout, text(check, "costs"), 0, column);
	}
	printf("\n%lld missing, %lld slower than it could be\n", missing, slower);
}

static int main_doctor(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_doctor_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"DIR", PS_OPTION_ARGUMENT, &args.folder,
		 .help = "folder in which outputs will stand", .usual = "where you are"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	return rc ? rc : ps_run_doctor(&cli->session, &args, result);
}

const ps_command ps_commands_other[] = {
	{.name = "doctor",
	 .usage = "[DIR] [OPTION ...]",
	 .summary = "what this machine has and lacks",
	 .text = "Looks at the processor and the matrix kernels that are chosen for it, memory and "
		 "limits, how files are read, the disk (a file of 16 MiB without a name is written "
		 "and read), free space, and gnuplot. Each line says what was found, and what it "
		 "costs if it is not as it should be: slower, or missing.\n\n"
		 "The exit status is 1 if something is missing. What only makes work slower is not "
		 "counted.",
	 .examples =
		 (const ps_example[]){
			 {"prunescope doctor", "This machine, and the folder where you are."},
			 {"prunescope doctor /scratch --json", "Another disk, for a script."},
			 {NULL, NULL}},
	 .main = main_doctor,
	 .print = print_doctor},
	{.name = NULL},
};
