/* The command lines of the study and its report. */
#include "tools/cmd/commands.h"

static int main_study(ps_session *s, int argc, char **argv, json_t **result)
{
	ps_study_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "DIR  study folder"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run, "steps, bytes, memory and time; nothing is done"},
		{"--disk", PS_OPTION_SIZE, &args.disk_bytes, "SIZE  most that caches may take at a time (two of them); more: more are made in one pass"},
		{"--keep-caches", PS_OPTION_FLAG, &args.keep_caches, "keep activation caches after their last use"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_command_begin(s, argc, argv, table, 1, 1, &positional);

	args.file = positional.item[0];
	return rc ? rc : ps_run_study(s, &args, result);
}

static int main_report(ps_session *s, int argc, char **argv, json_t **result)
{
	ps_report_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {{NULL, 0, NULL, NULL}};
	int rc = ps_command_begin(s, argc, argv, table, 1, 1, &positional);

	args.folder = positional.item[0];
	return rc ? rc : ps_run_report(s, &args, result);
}

const ps_command ps_commands_study[] = {
	{"study", "STUDY.yaml -o DIR [--dry-run]", "the whole study, to its report", main_study},
	{"report", "DIR", "tables, figures and report.html of a study", main_report},
	{NULL, NULL, NULL, NULL},
};
