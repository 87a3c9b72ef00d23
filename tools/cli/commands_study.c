/* The command lines of the study and its report. */
#include "tools/cli/cli.h"
#include "tools/study/study.h"

static int main_study(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_study_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"STUDY.yaml", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.file,
		 .help = "the study: models, texts, methods, seeds (prunescope help study-file)"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "DIR",
		 .help = "the study's folder"},
		PS_OPTION_TITLE("What is done"),
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 .help = "list steps with reasons, expected time, memory and disk; do nothing"},
		{"--only", PS_OPTION_TEXT, &args.only, "STEP",
		 .help = "one step, whose inputs must be there: llama/dense/ppl, assemble, "
			 "report"},
		{"--emit", PS_OPTION_WORD, &args.emit, "make|snakemake|slurm|json",
		 .help = "print the steps for another engine; do nothing"},
		{"--kernel", PS_OPTION_TEXT, &args.kernel, "NAME",
		 .help = "fail unless this matrix kernel is in use (emitted files say it)"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 .help = "take what there is where a text has fewer tokens than the study asks "
			 "for"},
		PS_OPTION_TITLE("Disk and checks"),
		{"--disk", PS_OPTION_SIZE, &args.disk_bytes, "SIZE",
		 .help = "most that caches may take at a time; with more, more of them are made "
			 "in one pass",
		 .usual = "two caches"},
		{"--keep-caches", PS_OPTION_FLAG, &args.keep_caches,
		 .help = "keep activation caches after their last use"},
		{"--verify", PS_OPTION_FLAG, &args.verify,
		 .help = "read all that finished steps have made, also where its state is as "
			 "before"},
		{"--clean", PS_OPTION_FLAG, &args.clean,
		 .help = "remove what no step owns any more; with --dry-run only name it"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.force = cli->force;
	if (!rc && cli->seed)
		ps_session_say(&cli->session,
			       "--seed changes nothing in a study: its seeds are the key `seeds` "
			       "of the study's file");
	return rc ? rc : ps_run_study(&cli->session, &args, result);
}

static int main_report(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_report_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"DIR", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.folder,
		 .help = "the folder of a finished study"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.replace = cli->force;
	return rc ? rc : ps_run_report(&cli->session, &args, result);
}

const ps_command ps_commands_study[] = {
	{.name = "study",
	 .usage = "STUDY.yaml -o DIR [OPTION ...]",
	 .summary = "a whole study, to its report",
	 .text = "Does a whole study: prunes, caches, trains, compares, and writes results.json, "
		 "tables, figures and report.html. It is a graph of steps; each is one command "
		 "with files in and files out. What is done is not done again: after an "
		 "interruption or a change of the file the same command does what is left.",
	 .examples =
		 (const ps_example[]){
			 {"prunescope study study.yaml -o out --dry-run",
			  "What is to do, why, and how long it takes."},
			 {"prunescope study study.yaml -o out", "Do it, or go on."},
			 {"prunescope study study.yaml -o out --only llama/wanda-0.5/mask",
			  "One step of it."},
			 {"prunescope study study.yaml -o out --emit make >study.mk",
			  "The same steps for make; `make -f study.mk -j 2` does them."},
			 {NULL, NULL}},
	 .settings = "what a study does are keys of its file (prunescope help study-file)",
	 .main = main_study},
	{.name = "report",
	 .usage = "DIR [OPTION ...]",
	 .summary = "tables, figures and report.html of a study",
	 .text = "Writes tables, figures and report.html of a study from its results.json. study "
		 "does this at its end; use it after an update of the program, or once gnuplot is "
		 "installed.",
	 .examples = (const ps_example[]){{"prunescope report out",
					   "Tables, figures and the page again."},
					  {NULL, NULL}},
	 .main = main_report},
	{.name = NULL},
};
