/* The command lines of the study and its report. */
#include "tools/cli/cli.h"
#include "tools/study/study.h"

static int main_study(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_study_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "DIR  study folder"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "steps, bytes, memory and time; nothing is done"},
		{"--disk", PS_OPTION_SIZE, &args.disk_bytes,
		 "SIZE  most that caches may take at a time (two of them); more: more are made in "
		 "one pass"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 "take what there is where a text has fewer tokens than the study asks for"},
		{"--keep-caches", PS_OPTION_FLAG, &args.keep_caches,
		 "keep activation caches after their last use"},
		{"--only", PS_OPTION_TEXT, &args.only,
		 "STEP  one step, whose inputs must be there: llama/dense/ppl, assemble, report"},
		{"--emit", PS_OPTION_TEXT, &args.emit,
		 "make|snakemake|slurm|json  print the steps for another engine"},
		{"--kernel", PS_OPTION_TEXT, &args.kernel,
		 "NAME  fail unless this matrix kernel is in use (emitted files say it)"},
		{"--verify", PS_OPTION_FLAG, &args.verify,
		 "read all that finished steps have made, also where its state is as before"},
		{"--clean", PS_OPTION_FLAG, &args.clean,
		 "remove what no step owns any more; with --dry-run only name it"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.file = positional.item[0];
	args.force = cli->force;
	return rc ? rc : ps_run_study(&cli->session, &args, result);
}

static int main_report(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_report_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {{NULL, 0, NULL, NULL}};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.folder = positional.item[0];
	args.replace = cli->force;
	return rc ? rc : ps_run_report(&cli->session, &args, result);
}

const ps_command ps_commands_study[] = {
	{"study", "STUDY.yaml -o DIR [--dry-run]", "the whole study, to its report", main_study,
	 NULL},
	{"report", "DIR", "tables, figures and report.html of a study", main_report, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
