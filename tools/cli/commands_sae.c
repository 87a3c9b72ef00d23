/* The command lines of the commands on trained SAEs. */
#include "tools/cli/cli.h"
#include "tools/cli/printed.h"

static int main_eval(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_eval_args args = {.layer = -1};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"SAE", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.sae, .help = ps_help_sae},
		{"MODEL", PS_OPTION_ARGUMENT, &args.model,
		 .help = "into which the SAE is spliced, with --tokens and --layer; or --cache"},
		{"--keep-special", PS_OPTION_FLAG, &args.keep_special,
		 .help = ps_help_keep_special},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache, "CACHE",
		 .help = ps_help_norm_cache},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 .help = "take what there is if there are fewer than --windows or --last"},
		PS_OPTION_TITLE("On a cache"),
		{"--cache", PS_OPTION_TEXT, &args.cache, "CACHE", .help = "rows to reconstruct"},
		{"--last", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.last, "N",
		 .help = "only the last N rows that count", .usual = "all of them"},
		PS_OPTION_TITLE("In a model"),
		{"--tokens", PS_OPTION_TEXT, &args.tokens, "FILE", .help = ps_help_tokens},
		{"--layer", PS_OPTION_INT | PS_OPTION_NATURAL, &args.layer, "L",
		 .help = "after which the SAE is spliced in, counted from 0"},
		{"--mask", PS_OPTION_TEXT, &args.mask, "FILE", .help = ps_help_mask},
		{"--changed-from", PS_OPTION_TEXT, &args.changed_from, "MODEL",
		 .help = ps_help_changed_from},
		{"--windows", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.windows, "N",
		 .help = "only the first N windows", .usual = "all of them"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run, .help = ps_help_dry_run},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	if (rc)
		return rc;
	if (!args.cache == !args.model)
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "either --cache or a MODEL is wanted (usage: prunescope eval %s)",
			       cli->command->usage);
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
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"SAE_A", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.a,
		 .help = "whose latents are looked for"},
		{"SAE_B", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.b,
		 .help = "in which they are looked for"},
		{"--tau", PS_OPTION_REAL, &args.tau, "X", .help = "least cosine of a survivor"},
		{"-o", PS_OPTION_TEXT, &args.out, "FILE",
		 .help = "each latent's nearest and partner: safetensors, or JSON if it ends in "
			 ".json"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.seed = (uint64_t)cli->seed;
	args.replace = cli->force;
	return rc ? rc : ps_run_compare(&cli->session, &args, result);
}

static int main_convert(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_convert_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"IN", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.in,
		 .help = "an SAE\'s folder, a mask\'s file, a checkpoint or activations, of any "
			 "tool that is read"},
		{"--to", PS_OPTION_WANTED | PS_OPTION_WORD, &args.to,
		 "saelens|sparsify|gemma-scope|mask|torch|compressed-tensors|cache",
		 .help = "the form of the output: of an SAE the first three, of which SAELens' is "
			 "ours; of a mask ours, bool tensors, or a sparse-bitmask checkpoint; of "
			 "activations a cache"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "OUT",
		 .help = "a folder, or the file of a mask"},
		PS_OPTION_TITLE("Of an SAE"),
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache, "CACHE",
		 .help = ps_help_norm_cache},
		PS_OPTION_TITLE("Of a mask"),
		{"--model", PS_OPTION_TEXT, &args.model, "MODEL",
		 .help = "whose weights it is of: names and shapes are compared, and the output "
			 "belongs to it"},
		{"--bits", PS_OPTION_WORD, &args.bits, "lsb|msb",
		 .help = "the input is packed bits, least or most significant first"},
		{"--from-zeros", PS_OPTION_FLAG, &args.from_zeros,
		 .help = "the zeros of the checkpoint IN (a folder, or one file) are the mask"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.replace = cli->force;
	return rc ? rc : ps_run_convert(&cli->session, &args, result);
}

const ps_command ps_commands_sae[] = {
	{.name = "eval",
	 .usage = "SAE (--cache CACHE | MODEL --tokens FILE --layer L) [OPTION ...]",
	 .summary = "how well an SAE reconstructs",
	 .text = "Measures how well an SAE reconstructs: the rows of a cache, or those of a model "
		 "into which it is spliced. With a model it also tells what the splice costs: "
		 "ce_clean, ce_sae and ce_zero are the loss in nats per token with the row itself, "
		 "its reconstruction and zero in its place.",
	 .examples =
		 (const ps_example[]){
			 {"prunescope eval sae --cache cache", "On the rows of a cache."},
			 {"prunescope eval sae google/gemma-3-270m --tokens tokens.safetensors "
			  "--layer 9 --windows 100",
			  "In the model, on 100 windows."},
			 {NULL, NULL}},
	 .printed = ps_printed_eval,
	 .main = main_eval},
	{.name = "compare",
	 .usage = "SAE_A SAE_B [OPTION ...]",
	 .summary = "survival of A's features in B",
	 .text = "Says how many features of one SAE are found again in another, by the cosines of "
		 "their decoder rows. mnn_survival counts mutual nearest neighbours with a cosine "
		 "of at least --tau. It depends on where both SAEs started: two that share a seed "
		 "agree more than their activations do.",
	 .examples =
		 (const ps_example[]){
			 {"prunescope compare sae-dense sae-pruned", "Shares alone."},
			 {"prunescope compare sae-dense sae-pruned -o matching.safetensors",
			  "Each latent's partner too."},
			 {NULL, NULL}},
	 .printed = ps_printed_compare,
	 .main = main_compare},
	{.name = "convert",
	 .usage = "IN --to FORM -o OUT [OPTION ...]",
	 .summary = "SAEs, masks, activations of other tools to ours and back",
	 .text = "Writes an SAE, a mask or activations in another form: of other tools in ours, "
		 "and back.\n\n"
		 "SAEs: SAELens, sparsify, Gemma Scope, Llama Scope. A convention that the new "
		 "form lacks is folded into the weights where that changes nothing, and refused by "
		 "name where it would.\n\n"
		 "Masks: 0/1 tensors or packed bits (.safetensors, .npz), a checkpoint's zeros, a "
		 "sparse-bitmask checkpoint of compressed-tensors.\n\n"
		 "Activations: rows in a .safetensors or .npy file, of 16 or 32 bits. train and "
		 "the others read such a file as it lies, too; a cache has checksums.",
	 .examples =
		 (const ps_example[]){
			 {"prunescope convert sparsify-sae/layers.12 --to saelens -o sae",
			  "A sparsify SAE for our commands and for SAELens."},
			 {"prunescope convert jumprelu-sae --to gemma-scope -o params",
			  "A jumprelu SAE to the npz of Gemma Scope."},
			 {"prunescope convert masks.safetensors --to mask --model "
			  "google/gemma-3-270m -o mask.safetensors",
			  "0/1 tensors of torch, for --mask of our commands."},
			 {"prunescope convert pruned-model --from-zeros --to mask -o "
			  "mask-of-zeros.safetensors",
			  "A checkpoint's zeros as a mask."},
			 {"prunescope convert mask.safetensors --model google/gemma-3-270m --to "
			  "compressed-tensors -o compressed",
			  "The pruned model, stored without its zeros."},
			 {"prunescope convert activations.npy --to cache -o activations",
			  "Activations of another tool, a row a token."},
			 {NULL, NULL}},
	 .main = main_convert},
	{.name = NULL},
};
