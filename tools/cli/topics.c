/* The topics of the manual: what stands in files. */
#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/pages.h"
#include "tools/study/study_keys.h"

enum { KEYS_MAX = 128, HELP_TEXT = 400 };

/* --- the study file --- */

static const char study_text[] =
	"A study is one YAML file, which `prunescope study` reads. Paths in it are relative to the "
	"folder in which the program is started.\n\n"
	"It is read strictly: unknown and repeated keys, anchors, aliases and tags are errors that "
	"name line, column and key. Numbers are numbers as a whole: 512e3, 600k, 2.5M and 1_000 "
	"are understood (k is 1,000). Shares may be written with %. Booleans are true and false.";

static const ps_example study_examples[] = {
	{"models: [{name: llama, path: ./llama, layer: 6}]\n"
	 "text: [wiki.txt]\n"
	 "methods: [magnitude, wanda]\n"
	 "sparsities: [0.3, 0.5]\n"
	 "seeds: [7, 42]\n"
	 "calibration_tokens: 32768\n"
	 "train_tokens: 2M\n"
	 "ppl: {text: wiki.valid.txt}",
	 "The least that a study needs:"},
	{NULL, NULL},
};

struct key_texts {
	char name[64], help[HELP_TEXT];
};

/* "token ids in a window: a whole number, 1 to 1048576". What goes without saying is left out. */
static void describe_key(const ps_study_key *key, struct key_texts *texts)
{
	char wants[200];

	ps_study_key_name(key, texts->name, sizeof texts->name);
	ps_study_key_wants(key, false, wants, sizeof wants);
	if ((key->type == PS_STUDY_TEXT && !key->items_max) || key->type == PS_STUDY_MAP)
		wants[0] = 0;
	snprintf(texts->help, HELP_TEXT, "%s%s%s", key->help, *wants ? ": " : "", wants);
}

static void visit_study(void (*visit)(const ps_page *page, void *visitor), void *visitor)
{
	struct key_texts texts[KEYS_MAX];
	ps_option rows[KEYS_MAX + 2];
	const ps_option *const tables[] = {rows};
	const ps_page page = {.section = 5,
			      .program = "prunescope",
			      .name = "study-file",
			      .summary = "the file that describes a study",
			      .text = study_text,
			      .tables = tables,
			      .count = 1,
			      .examples = study_examples,
			      .see = "prunescope-study(1), prunescope-files(5)"};
	size_t n = 0;

	rows[n++] = PS_OPTION_TITLE("Keys");
	for (size_t i = 0; i < ps_study_key_count && i < KEYS_MAX; i++) {
		const ps_study_key *key = &ps_study_keys[i];

		describe_key(key, &texts[i]);
		rows[n++] = (ps_option){.name = texts[i].name,
					.kind = PS_OPTION_ARGUMENT |
						(key->wanted && !key->usual ? PS_OPTION_WANTED : 0),
					.help = texts[i].help,
					.usual = key->usual};
	}
	rows[n] = PS_OPTION_END;
	visit(&page, visitor);
}

/* --- the files that are written --- */

#define TENSOR(tensor, what)                                                                       \
	{                                                                                          \
		.name = (tensor), .kind = PS_OPTION_ARGUMENT, .help = (what)                       \
	}

static const char files_text[] =
	"Tensors stand in safetensors files, which any safetensors reader opens: little-endian, "
	"wider dtypes first, data from a multiple of 4,096 bytes on. The string `prunescope` of "
	"their metadata is a JSON object with the kind of the file, what it was made from "
	"(provenance), and checksums (XXH3 of 64 bits): of each block of data, and of all bytes "
	"before the data, with the checksum's own digits as zeros. `shardinfo --verify` checks "
	"them.\n\n"
	"A folder has a manifest.json, with the sizes and checksums of its files. Files and "
	"folders of other tools that hold the tensors below, without that metadata, are read too; "
	"they count as unverified. A model may be a .gguf file, and an SAE one of sparsify, Gemma "
	"Scope or Llama Scope.\n\n"
	"FORMATS.md in the documentation says more, with lines of Python for each.";

static const ps_option files_rows[] = {
	PS_OPTION_TITLE("Tokens (tokenize)"),
	TENSOR("tokens", "I32 [windows, window]: token ids"),
	PS_OPTION_TITLE("Mask (prune)"),
	TENSOR("model.layers.L.NAME.weight",
	       "U8 [rows, ceil(columns / 8)], a tensor for each pruned weight, under its own name. "
	       "Bit c % 8 of byte c / 8, counted from the least significant one, is set where the "
	       "weight is kept: numpy.unpackbits(..., axis=1, bitorder='little')[:, :columns]. "
	       "The columns stand in the metadata"),
	PS_OPTION_TITLE("Rounding (prune --method rtn)"),
	TENSOR("model.layers.L.NAME.weight",
	       "F32 [rows, groups]: scales; bits and the columns of a group stand in the metadata"),
	PS_OPTION_TITLE("Statistics (calibrate)"),
	TENSOR("model.layers.L.NAME.weight",
	       "F32 [columns]: mean over the tokens of the square of the projection's input"),
	PS_OPTION_TITLE("Logits (logits)"),
	TENSOR("logits", "F32 [windows, window, vocabulary]"),
	PS_OPTION_TITLE(
		"Activation cache (cache): a folder of shards shard-00000.safetensors, ..."),
	TENSOR("activations", "F32 or BF16 [rows, width]: the residual stream, a row a token"),
	TENSOR("token_ids", "I32 [rows]"),
	TENSOR("positions", "I32 [rows]: in the window, from 0, BOS counted"),
	TENSOR("window_ids", "I32 [rows]: the window's number in the tokens file"),
	PS_OPTION_TITLE("SAE (train): a folder that SAELens 6 reads and writes"),
	TENSOR("sae_weights.safetensors",
	       "F32: W_enc [width, latents], W_dec [latents, width], b_enc [latents], b_dec "
	       "[width]; threshold [latents] of jumprelu; gated has r_mag, b_gate, b_mag"),
	TENSOR("cfg.json", "architecture (batchtopk is saved as jumprelu), d_in, d_sae, k, ..."),
	PS_OPTION_TITLE("Matching (compare -o), a row a latent of A"),
	TENSOR("nearest, nearest_cosine", "I32, F32: the latent of B with the largest cosine"),
	TENSOR("partner, partner_cosine", "I32, F32: its partner in the assignment; -1: none"),
	TENSOR("mutual", "U8: 1 if it is also the nearest of its nearest"),
	PS_OPTION_TITLE("Latents on two models (transfer -o), a row a latent"),
	TENSOR("rows_dense, rows_pruned, rows_both", "I64: rows on which it fires"),
	TENSOR("sum_dense, sum_pruned", "F64: its activations, summed"),
	PS_OPTION_TITLE("Features (features -o), a row a latent"),
	TENSOR("class", "U8: its place in the metadata's class_names"),
	TENSOR("rate_dense, rate_pruned, mean_dense, mean_pruned, pearson, jaccard, ...",
	       "F64; --csv writes the same columns as text"),
	TENSOR("context_window, context_position, context_token, context_value, ...",
	       "where it is most active, of both models"),
	PS_OPTION_TITLE("Study (study): a folder"),
	TENSOR("results.json, tables/*.csv", "all numbers of the report"),
	TENSOR("report.html, figures/*.svg", "the report; it needs no network and no scripts"),
	TENSOR("runs/MODEL/CONDITION/STEP.json",
	       "the record of a step: its inputs, its key, its result, its files' digests"),
	PS_OPTION_END,
};

static void visit_files(void (*visit)(const ps_page *page, void *visitor), void *visitor)
{
	const ps_option *const tables[] = {files_rows};
	const ps_page page = {.section = 5,
			      .program = "prunescope",
			      .name = "files",
			      .summary = "the files that prunescope writes and reads",
			      .text = files_text,
			      .tables = tables,
			      .count = 1,
			      .see = "prunescope(1), shardinfo(1), prunescope-study-file(5)"};

	visit(&page, visitor);
}

const ps_topic ps_topics[] = {
	{"study-file", "the keys of a study file", visit_study},
	{"files", "the layout of files", visit_files},
	{NULL, NULL, NULL},
};
