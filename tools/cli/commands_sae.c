/* The command lines of the commands on trained SAEs. */
#include "tools/cli/cli.h"

static int main_eval(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_eval_args args = {.layer = -1};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--cache", PS_OPTION_TEXT, &args.cache,
		 "CACHE  rows to reconstruct; or a MODEL with --tokens"},
		{"--last", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.last,
		 "N  only the cache's last N rows that count"},
		{"--tokens", PS_OPTION_TEXT, &args.tokens, "T  windows of ids"},
		{"--layer", PS_OPTION_INT | PS_OPTION_NATURAL, &args.layer,
		 "L  where the SAE is spliced in"},
		{"--mask", PS_OPTION_TEXT, &args.mask,
		 "M  prune with this mask, or round (rounding file)"},
		{"--changed-from", PS_OPTION_TEXT, &args.changed_from, ps_changed_from_help},
		{"--windows", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.windows,
		 "N  only the first N windows"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 "take what there is if there are fewer than --windows or --last"},
		{"--keep-special", PS_OPTION_FLAG, &args.keep_special,
		 "BOS, EOS and PAD count too"},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache,
		 "CACHE  estimate from these rows what normalize_activations lacks"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "with a MODEL: the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 2, &positional);

	if (rc)
		return rc;
	args.sae = positional.item[0];
	args.model = positional.count > 1 ? positional.item[1] : NULL;
	if (!args.cache == !args.model)
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "either --cache or a MODEL is wanted");
	if (args.model && (!args.tokens || args.layer < 0))
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "with a MODEL, --tokens and --layer are wanted");
	if (args.last < 0 || (args.last && !args.cache))
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--last is a number of rows of --cache");
	if (args.cache && (args.tokens || args.mask || args.changed_from || args.layer >= 0 ||
			   args.windows || args.dry_run))
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--tokens, --layer, --mask, --changed-from, --windows and --dry-run "
			       "go with a MODEL, not with --cache");
	return ps_run_eval(&cli->session, &args, result);
}

static int main_compare(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_compare_args args = {.tau = 0.7};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--tau", PS_OPTION_REAL, &args.tau, "X  least cosine of a survivor (0.7)"},
		{"-o", PS_OPTION_TEXT, &args.out,
		 "MATCHING.safetensors  each latent's nearest and partner; as JSON if it ends in "
		 ".json"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 2, 2, &positional);

	args.a = positional.item[0];
	args.b = positional.item[1];
	args.seed = (uint64_t)cli->seed;
	args.replace = cli->force;
	return rc ? rc : ps_run_compare(&cli->session, &args, result);
}

static int main_convert(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_convert_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--to", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.to,
		 "saelens|sparsify|gemma-scope  the form of the output"},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache,
		 "CACHE  estimate from these rows what normalize_activations lacks"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "OUT"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.in = positional.item[0];
	args.replace = cli->force;
	return rc ? rc : ps_run_convert(&cli->session, &args, result);
}

const ps_command ps_commands_sae[] = {
	{"eval", "SAE (--cache CACHE | MODEL --tokens T --layer L)", "reconstruction, spliced loss",
	 main_eval, NULL},
	{"compare", "SAE_A SAE_B", "survival of A's features in B", main_compare, NULL},
	{"convert", "IN -o OUT --to saelens|sparsify|gemma-scope",
	 "SAEs of other tools to ours and back", main_convert, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
