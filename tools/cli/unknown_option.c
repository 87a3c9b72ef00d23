#include "tools/cli/unknown_option.h"

#include <stdio.h>
#include <string.h>

#include "core/base/number.h"
#include "tools/run/nearest.h"

#define OWNERS_SIZE 160

/* --- options of other commands --- */

struct owners {
	const char *option;
	char *out; /* "eval, ablate" */
	size_t size;
};

static void name_owner(const ps_page *page, void *visitor)
{
	const struct owners *o = visitor;
	const ps_options own = {.tables = page->tables, .count = 1};

	if (ps_options_find(&own, o->option, strlen(o->option)))
		snprintf(o->out + strlen(o->out), o->size - strlen(o->out), "%s%s",
			 o->out[0] ? ", " : "", page->name);
}

/* One command after the other; each says what its options are. */
static void visit_all(const ps_command_group *groups,
		      void (*visit)(const ps_page *page, void *visitor), void *visitor)
{
	for (const ps_command_group *g = groups; g->title; g++)
		for (const ps_command *c = g->commands; c->name; c++)
			ps_cli_describe(c, visit, visitor);
}

/* Writes the names of the commands that have an option into out. "": none has. */
static void name_owners(const ps_command_group *groups, const char *option, char out[OWNERS_SIZE])
{
	struct owners o = {option, out, OWNERS_SIZE};

	out[0] = 0;
	visit_all(groups, name_owner, &o);
}

struct guess {
	const char *word;
	const char *best; /* borrowed from the commands' tables; NULL: none yet */
};

static void guess_of_page(const ps_page *page, void *visitor)
{
	const ps_options own = {.tables = page->tables, .count = 1};
	struct guess *guess = visitor;
	const char *names[] = {guess->best, ps_options_nearest(&own, guess->word), NULL};

	if (names[1])
		guess->best = names[0] ? ps_nearest_name(guess->word, names) : names[1];
}

/* --- options of other programs --- */

#define NO_GPU "there is no GPU in this program; it computes with --threads"
#define PRECISION "--precision chooses the arithmetic: f32, bf16 or int16"
#define THREADS "--threads says how many threads compute"
#define SHOWN "progress is shown unless --quiet is given"
#define QUIET "--quiet leaves out progress and remarks"
#define FORCE "--force replaces what stands in an output's place"
#define MODEL "the model stands by itself, without an option"
#define LOCAL "texts are local files, given with --text; nothing is downloaded"
#define WINDOW "--window is the length of a window in ids (tokenize, ppl)"
#define LATENTS "train has --d-sae, the number of latents, or --expansion"
#define HOOK "--layer L is the residual stream after layer L, blocks.L.hook_resid_post"
#define HUB "the Hugging Face cache is where HF_HUB_CACHE or HF_HOME/hub says"
#define STEPS "train has --tokens; steps are tokens divided by --batch"
#define SHARE "prune has --sparsity, the share of the weights to drop"
#define PENALTY                                                                                    \
	"train has --sparsity, the coefficient of the penalty; of topk --k says how many latents " \
	"are active"
#define STUDY "the study's file stands by itself, without an option"
#define AGAIN "the same command again goes on where it was interrupted"

typedef struct foreign {
	const char *name, *say;
} foreign;

/* How a program runs. Every command has these options. */
static const foreign of_running[] = {
	{"--device", NO_GPU},
	{"--gpu", NO_GPU},
	{"--gpus", NO_GPU},
	{"--cuda", NO_GPU},
	{"--torch-dtype", PRECISION},
	{"--half", PRECISION},
	{"--fp16", PRECISION},
	{"--fp32", PRECISION},
	{"--bf16", PRECISION},
	{"--f16", PRECISION},
	{"--f32", PRECISION},
	{"--int16", PRECISION},
	{"--dtype", PRECISION " (cache has --dtype, for the numbers that it stores)"},
	{"--workers", THREADS},
	{"--num-workers", THREADS},
	{"--jobs", THREADS},
	{"-j", THREADS},
	{"-t", THREADS},
	{"--verbose", SHOWN},
	{"-v", SHOWN},
	{"--progress", SHOWN},
	{"-q", QUIET},
	{"--silent", QUIET},
	{"--no-progress", QUIET},
	{"-f", FORCE},
	{"-y", FORCE},
	{"--yes", FORCE},
	{"--overwrite", FORCE},
	{"--resume", AGAIN},
	{"--continue", AGAIN},
	{"--cache-dir", HUB},
	{"--config", STUDY},
	{"--study", STUDY},
	{NULL, NULL},
};

/* What a command does. A study has keys of its file for these. */
static const foreign of_settings[] = {
	{"--model", MODEL},
	{"--model-path", MODEL},
	{"--model-name", MODEL},
	{"-m", MODEL},
	{"--tokenizer", "the tokenizer is the model's own, its tokenizer.json"},
	{"--revision", "a hub id may name it: org/name@revision"},
	{"--dataset", LOCAL},
	{"--data", LOCAL},
	{"--seqlen", WINDOW},
	{"--seq-len", WINDOW},
	{"--seq-length", WINDOW},
	{"--max-length", WINDOW},
	{"--context-size", WINDOW},
	{"--context-length", WINDOW},
	{"--ctx-size", WINDOW},
	{"-c", WINDOW},
	{"--nsamples", "--windows of tokenize says how many windows there are"},
	{"--ratio", SHARE},
	{"--prune-ratio", SHARE},
	{"--pruning-ratio", SHARE},
	{"--sparsity-ratio", SHARE},
	{"--sparsity-type", "prune has --nm N:M, or --sparsity with --scope"},
	{"--hook", HOOK},
	{"--hook-name", HOOK},
	{"--hook-point", HOOK},
	{"--hookpoint", HOOK},
	{"--batch-size", "train has --batch, rows a step; other commands choose by --memory"},
	{"--epochs", "train has --tokens; more than the cache has rows are further epochs"},
	{"--steps", STEPS},
	{"--max-steps", STEPS},
	{"--n-steps", STEPS},
	{"--num-steps", STEPS},
	{"--iters", STEPS},
	{"--learning-rate", "train has --lr"},
	{"--l1", PENALTY},
	{"--l1-coefficient", PENALTY},
	{"--l0-coefficient", PENALTY},
	{"--sparsity-coefficient", PENALTY},
	{"--sparsity-penalty", PENALTY},
	{"--topk", "train has --k, and --arch topk"},
	{"--top-k", "train has --k, and --arch topk"},
	{"--n-latents", LATENTS},
	{"--num-latents", LATENTS},
	{"--dict-size", LATENTS},
	{"--n-features", LATENTS},
	{"--expansion-factor", LATENTS},
	{"--threshold", "compare has --tau, the least cosine of a survivor"},
	{NULL, NULL},
};

/* What to say of an option that other programs have. NULL: nothing. */
static const char *say_of(const foreign *known, const char *name)
{
	for (; known->name; known++)
		if (!strcmp(known->name, name))
			return known->say;
	return NULL;
}

static bool is_output(const char *name)
{
	static const char *const names[] = {
		"-o",         "--out",         "--output", "--out-dir",   "--output-dir",
		"--out-file", "--output-file", "--save",   "--save-path", "--save-dir"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* --- the message --- */

static int refuse_output(ps_cli *cli, const ps_options *options, const char *name)
{
	ps_diag *diag = &cli->session.diag;

	if (ps_options_find(options, "-o", 2))
		return ps_fail(diag, PS_EUSAGE, "%s: the output's name follows -o", name);
	return ps_fail(diag, PS_EUSAGE,
		       "%s: %s has no -o; its result is printed (--json: as one JSON object)", name,
		       cli->command->name);
}

static int refuse_mistyped(ps_cli *cli, const char *name)
{
	const char *const command = cli->command->name;
	ps_diag *diag = &cli->session.diag;
	struct guess guess = {name, NULL};
	char owners[OWNERS_SIZE];

	visit_all(cli->groups, guess_of_page, &guess);
	if (!guess.best || cli->command->settings)
		return ps_fail(diag, PS_EUSAGE, "unknown option %s (prunescope help %s lists them)",
			       name, command);
	name_owners(cli->groups, guess.best, owners);
	return ps_fail(diag, PS_EUSAGE,
		       "unknown option %s (the nearest is %s, which belongs to %s; prunescope help "
		       "%s lists those of %s)",
		       name, guess.best, owners, command, command);
}

/* An option of another command, or that other programs have for what the commands do. */
static int refuse_setting(ps_cli *cli, const char *name, const char *say, const char *owners)
{
	const ps_command *const command = cli->command;
	ps_diag *diag = &cli->session.diag;

	if (command->settings)
		return ps_fail(diag, PS_EUSAGE, "%s is no option of %s: %s", name, command->name,
			       command->settings);
	if (say)
		return ps_fail(diag, PS_EUSAGE, "%s: %s", name, say);
	return ps_fail(diag, PS_EUSAGE, "%s is no option of %s, it belongs to %s", name,
		       command->name, owners);
}

int ps_cli_refuse_unknown(ps_cli *cli, const ps_options *options)
{
	char owners[OWNERS_SIZE], name[PS_SHOWN], dashed[PS_SHOWN];
	ps_diag *diag = &cli->session.diag;
	const char *say, *nearest;

	ps_text_show(options->unknown, strcspn(options->unknown, "="), name, sizeof name);
	snprintf(dashed, sizeof dashed, "%s", name);
	for (char *c = dashed; *c; c++)
		*c = *c == '_' ? '-' : *c;
	if (is_output(dashed))
		return refuse_output(cli, options, name);
	say = say_of(of_running, dashed);
	if (say)
		return ps_fail(diag, PS_EUSAGE, "%s: %s", name, say);
	say = say_of(of_settings, dashed);
	name_owners(cli->groups, name, owners);
	if (say || owners[0])
		return refuse_setting(cli, name, say, owners);
	nearest = ps_options_nearest(options, name);
	if (nearest)
		return ps_fail(diag, PS_EUSAGE, "unknown option %s (the nearest is %s)", name,
			       nearest);
	return refuse_mistyped(cli, name);
}
