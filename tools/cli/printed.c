#include "tools/cli/printed.h"

#define TITLE PS_OPTION_TITLE("What it prints (with --json an object of these and others)")
#define VALUE(key, what)                                                                           \
	{                                                                                          \
		.name = (key), .kind = PS_OPTION_ARGUMENT, .help = (what)                          \
	}
#define INTERVAL "; a 95 % interval stands in brackets"

const ps_option ps_printed_ppl[] = {
	TITLE,
	VALUE("ppl", "perplexity: exp of nll"),
	VALUE("nll", "mean loss of the ids that are scored, in nats"),
	VALUE("tokens", "how many ids are scored"),
	VALUE("windows", "in how many windows"),
	VALUE("backend", "how the weights were read"),
	PS_OPTION_END,
};

const ps_option ps_printed_prune[] = {
	TITLE,
	VALUE("sparsity_achieved", "dropped / weights"),
	VALUE("tensors", "how many weight matrices the mask has"),
	VALUE("weights", "how many weights these have"),
	VALUE("dropped", "how many of them go"),
	PS_OPTION_END,
};

const ps_option ps_printed_train[] = {
	TITLE,
	VALUE("fvu", "of a last pass over at most 65,536 rows: the reconstruction's error as a "
		     "share of the rows' variance; 0 is perfect"),
	VALUE("l0", "mean number of active latents a row"),
	VALUE("dead_fraction", "share of latents that fire on none of these rows"),
	VALUE("seconds, tokens_per_s", "what training took; rows trained a second"),
	PS_OPTION_END,
};

const ps_option ps_printed_eval[] = {
	TITLE,
	VALUE("rows", "how many are measured"),
	VALUE("fvu", "the reconstruction's error as a share of the rows' variance; 0 is perfect, "
		     "and it may exceed 1"),
	VALUE("explained_variance", "1 - fvu"),
	VALUE("explained_variance_legacy",
	      "the mean over rows, as SAELens had it before 6; undefined with a MODEL"),
	VALUE("explained_variance_centred", "without the error that all rows share"),
	VALUE("l0", "mean number of active latents a row"),
	VALUE("dead_fraction", "share of latents that fire on none of these rows"),
	VALUE("cosine", "of a row and its reconstruction, mean"),
	VALUE("norm_ratio", "norm of the reconstruction divided by the row's, mean"),
	VALUE("relative_bias", "below 1: the reconstruction is too short"),
	VALUE("ce_clean, ce_sae, ce_zero", "loss in nats a predicted token: of the model as it is, "
					   "with the reconstruction, with "
					   "zeros"),
	VALUE("ce_recovered",
	      "(ce_zero - ce_sae) / (ce_zero - ce_clean); 1: the reconstruction costs nothing"),
	VALUE("kl", "KL divergence of the next tokens' distributions, in nats, mean"),
	VALUE("predicted", "how many tokens are predicted"),
	PS_OPTION_END,
};

const ps_option ps_printed_compare[] = {
	TITLE,
	VALUE("mnn_survival", "share of A's latents that survive: each is the nearest of its "
			      "nearest in B, with a cosine of at least --tau"),
	VALUE("mnn_survival_alive", "the same share of A's latents that fired in training"),
	VALUE("mmcs", "mean over A's latents of the largest cosine in B"),
	VALUE("mmcs_null", "mmcs against random rows: what chance gives"),
	VALUE("hungarian_cosine", "mean cosine of the best one-to-one assignment"),
	VALUE("pw_mcc", "the same of cosines without their signs"),
	VALUE("shared_fraction", "share of pairs on which the assignments of decoders and of "
				 "encoders agree, both cosines being at least tau"),
	VALUE("tau", "least cosine of a survivor"),
	VALUE("same_start", "whether both were trained from one seed; then a part of the "
			    "agreement is the start's"),
	PS_OPTION_END,
};

const ps_option ps_printed_transfer[] = {
	TITLE,
	VALUE("rows, windows", "how many are measured"),
	VALUE("rows left out", "where no latent fires in either model"),
	VALUE("jaccard", "latents active on a token's rows of both models, divided by those active "
			 "on one of them, mean; 1: always the same" INTERVAL),
	VALUE("jaccard by chance", "the same of rows of different tokens"),
	VALUE("cosine", "of the two models' rows of a token, mean"),
	VALUE("fvu_dense, fvu", "error of reconstructing the dense and the pruned model's rows, as "
				"a share of the variance of each"),
	VALUE("fvu_change", "fvu - fvu_dense"),
	VALUE("l0_dense, l0", "mean number of active latents a row"),
	VALUE("l0_change", "l0 - l0_dense"),
	PS_OPTION_END,
};

const ps_option ps_printed_ablate[] = {
	TITLE,
	VALUE("latents", "how many are ablated"),
	VALUE("rates_from", "where their firing was counted: in the windows or in --cache"),
	VALUE("mean_effect", "mean over them of the change of the loss, in nats a token; above 0: "
			     "the model predicts worse without it"),
	VALUE("windows, window_tokens", "how many windows, and predicted tokens in each"),
	VALUE("sae_digest, mask_digest", "of what is ablated, and of the model's mask"),
	PS_OPTION_END,
};

const ps_option ps_printed_seeds[] = {
	TITLE,
	VALUE("A and B", "a pair of SAEs, counted from 0"),
	VALUE("survival", "share of A's latents that survive in B, as in compare"),
	VALUE("hungarian_cosine, pw_mcc, shared_fraction, mmcs", "as in compare"),
	VALUE("random rows", "mmcs against random rows: what chance gives"),
	VALUE("mean over pairs", "with a 95 % interval; with fewer than 16 SAEs with the least and "
				 "the largest of the pairs"),
	PS_OPTION_END,
};

const ps_option ps_printed_survival[] = {
	TITLE,
	VALUE("survival at tau T", "share of the dense SAEs' latents that survive, as in compare, "
				   "with a cosine of at least T, mean over seeds"),
	VALUE("other seeds", "the same in pruned SAEs of other seeds: what is left without a "
			     "common start"),
	VALUE("start", "the same between a pruned SAE and what its own training started from"),
	VALUE("quintile", "survival of the fifth of the latents that fires most rarely, and so on"),
	VALUE("difference", "the rarest fifth less the most frequent one: below 0, rare features "
			    "survive less" INTERVAL
			    ", over latents and windows (_latents, _clusters: one of them)"),
	VALUE("less_control", "difference, less that of --control; near 0: training again alone "
			      "does the same"),
	VALUE("rho_quintiles, rho_latents", "Spearman's correlation of firing and survival"),
	VALUE("AUC NAME", "how well NAME, known from the dense model, tells survivors from others: "
			  "0.5 not at all, 1 always"),
	VALUE("mean effect", "with --ablation: change of the loss without a survivor, and without "
			     "a lost latent, in nats a token"),
	PS_OPTION_END,
};
