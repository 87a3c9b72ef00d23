#!/bin/sh
# Inputs that do not belong together are refused with both named, or taken with --force-mismatch and
# a note in the provenance. Inputs of other tools are taken, with a remark and `unverified`.
# PRUNESCOPE and SHARDINFO name other binaries.
# shellcheck disable=SC2086 # lists of options
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
models=demo/models
s=$scratch

# made ARGUMENT...: an input of the tests is made.
made() {
	run "$@"
	[ "$code" -eq 0 ] || { echo "[  FAILED  ] $*"; cat "$s/err"; exit 1; }
}

# forced NAME WHAT ARGUMENT...: taken, with a remark, and noted in the result.
forced() {
	what=$1 thing=$2
	shift 2
	run "$@" --force-mismatch
	holds "$what: forced" test "$code" -eq 0
	holds "$what: with a remark" grep -q "although their $thing differs" "$s/err"
	holds "$what: and noted" grep -q "\"what\": \"$thing\"" "$s/out"
}

# says KEY: the last result has this key.
says() {
	# shellcheck disable=SC2317 # called through the function that reports
	grep -q "\"$1\"" "$s/out"
}

make_inputs() {
	sed -n '1,120p' docs/ARCHITECTURE.md >"$s/text"
	for m in llama gemma3; do
		made tokenize $models/$m --text "$s/text" --window 32 --windows 24 -o "$s/$m.tokens"
		made cache $models/$m --tokens "$s/$m.tokens" --layer 2 --layer 3 -o "$s/$m"
		made train "$s/$m/layer-02" -o "$s/$m.sae" --d-sae 64 --k 4 --batch 64 --tokens 640
	done
	made train "$s/llama/layer-03" -o "$s/llama.sae3" --d-sae 64 --k 4 --batch 64 --tokens 640
	made prune $models/llama --method magnitude --sparsity 0.5 -o "$s/llama.mask"
	made cache $models/llama --tokens "$s/llama.tokens" --layer 2 --mask "$s/llama.mask" \
		-o "$s/llama.pruned"
	made tokenize $models/llama --text README.md --window 32 --windows 24 -o "$s/other.tokens"
	made cache $models/llama --tokens "$s/other.tokens" --layer 2 -o "$s/llama.other"
}

# --- tokens and their tokenizer ---

tokens() {
	t="--tokens $s/gemma3.tokens"
	refuses "logits: another tokenizer" 3 'gemma3.tokens.*llama.*tokenizer' logits \
		$models/llama $t -o "$none"
	refuses "cache: another tokenizer" 3 tokenizer cache $models/llama $t --layer 1 -o "$none"
	refuses "calibrate: another tokenizer" 3 tokenizer calibrate $models/llama $t -o "$none"
	refuses "prune: another tokenizer" 3 tokenizer prune $models/llama --method wanda \
		--sparsity 0.5 $t -o "$none"
	refuses "eval: another tokenizer" 3 tokenizer eval "$s/llama.sae" $models/llama $t --layer 2
	refuses "ablate: another tokenizer" 3 tokenizer ablate "$s/llama.sae" $models/llama $t \
		--layer 2
	holds "nothing is written" test ! -e "$none"
	forced "cache" tokenizer cache $models/llama $t --layer 1 -o "$s/forced"
	holds "the cache's provenance has it" grep -q mismatch "$s/forced/manifest.json"
	holds "another cache's has not" sh -c "! grep mismatch '$s/llama/layer-02/manifest.json'"
	forced "prune" tokenizer prune $models/llama --method wanda --sparsity 0.5 $t \
		-o "$s/forced.mask"
	holds "the mask's provenance has it" sh -c \
		"'$shardinfo' '$s/forced.mask' --json | grep -q mismatch"
	# A model without a tokenizer says nothing of it.
	mkdir "$s/bare"
	cp $models/llama/config.json $models/llama/model.safetensors "$s/bare"
	works "no tokenizer to compare with" cache "$s/bare" $t --layer 1 -o "$s/bare.cache"
}

# --- SAEs and what they meet ---

saes() {
	t="--tokens $s/llama.tokens"
	refuses "eval: another layer's cache" 3 'llama.sae .*layer-03.*layer' eval "$s/llama.sae" \
		--cache "$s/llama/layer-03"
	cp -R "$s/llama/layer-03" "$s/lost"
	rm "$s/lost/manifest.json"
	refuses "eval: another layer's cache that has lost its manifest" 3 \
		'llama.sae .*lost.*layer' eval "$s/llama.sae" --cache "$s/lost"
	refuses "eval: another model's cache" 3 'llama.sae .*gemma3.*model' eval "$s/llama.sae" \
		--cache "$s/gemma3/layer-02"
	refuses "eval: another layer of the model" 3 'after layer 2.*after layer 3' \
		eval "$s/llama.sae" $models/llama $t --layer 3
	refuses "eval: another model" 3 model eval "$s/llama.sae" $models/gemma3 \
		--tokens "$s/gemma3.tokens" --layer 2
	refuses "ablate: another layer" 3 layer ablate "$s/llama.sae" $models/llama $t --layer 1
	refuses "compare: two layers" 3 'after layer 2.*after layer 3' compare "$s/llama.sae" \
		"$s/llama.sae3"
	refuses "compare: two models" 3 model compare "$s/llama.sae" "$s/gemma3.sae"
	refuses "seeds: two layers" 3 layer seeds "$s/llama.sae" "$s/llama.sae3"
	refuses "transfer: another layer" 3 layer transfer "$s/llama.sae3" \
		--cache "$s/llama/layer-02" --cache "$s/llama.pruned"
	refuses "transfer: caches of two layers" 3 layer transfer "$s/llama.sae" \
		--cache "$s/llama/layer-02" --cache "$s/llama/layer-03"
	refuses "transfer: caches of other tokens" 3 tokens transfer "$s/llama.sae" \
		--cache "$s/llama/layer-02" --cache "$s/llama.other"
	refuses "train: caches of two layers" 3 layer train "$s/llama/layer-02" \
		--with "$s/llama/layer-03" -o "$none" --d-sae 64 --k 4
	refuses "survival: a pruned SAE of another layer" 3 layer survival --dense "$s/llama.sae" \
		--pruned "$s/llama.sae3" --cache "$s/llama/layer-02"
	refuses "survival: another layer's cache" 3 layer survival --dense "$s/llama.sae" \
		--pruned "$s/llama.sae" --cache "$s/llama/layer-03"
	works "another mask is what a study is about" transfer "$s/llama.sae" \
		--cache "$s/llama/layer-02" --cache "$s/llama.pruned"
	holds "all of ours: nothing is unverified" sh -c "! grep -q unverified '$s/out'"
	works "eval where it belongs" eval "$s/llama.sae" $models/llama $t --layer 2
	made export $models/llama --mask "$s/llama.mask" -o "$s/exported"
	made cache "$s/exported" $t --layer 2 -o "$s/exported.cache"
	works "an exported checkpoint is one of the model" transfer "$s/llama.sae" \
		--cache "$s/llama/layer-02" --cache "$s/exported.cache"
	works "eval in an exported checkpoint" eval "$s/llama.sae" "$s/exported" $t --layer 2
	made train "$s/exported.cache" -o "$s/exported.sae" --d-sae 64 --k 4 --batch 64 --tokens 640
	works "and so is an SAE of its activations" compare "$s/llama.sae" "$s/exported.sae"
	forced "eval" layer eval "$s/llama.sae" --cache "$s/llama/layer-03"
	forced "compare" layer compare "$s/llama.sae" "$s/llama.sae3"
	forced "train" layer train "$s/llama/layer-02" --with "$s/llama/layer-03" \
		-o "$s/forced.sae" --d-sae 64 --k 4 --batch 64 --tokens 640
	holds "the SAE's provenance has it" grep -q mismatch "$s/forced.sae/manifest.json"
}

# --- the roles of the dense and the pruned model ---

# remarks NAME ARGUMENT...: taken, with a remark on the mask, which is noted.
remarks() {
	what=$1
	shift
	run "$@"
	holds "$what: taken" test "$code" -eq 0
	holds "$what: with a remark" grep -q "although their mask differs" "$s/err"
	holds "$what: and noted" grep -q '"what": "mask"' "$s/out"
}

# silent NAME ARGUMENT...: taken without a word on masks.
silent() {
	works "$@"
	holds "$1: nothing is said of a mask" sh -c \
		"! grep -q '\"what\": \"mask\"' '$s/out' && ! grep -q mask '$s/err'"
}

roles() {
	t="--tokens $s/llama.tokens" m=$models/llama dense="--cache $s/llama/layer-02"
	made prune $m --method magnitude --sparsity 0.3 -o "$s/other.mask"
	made cache $m $t --layer 2 --mask "$s/other.mask" -o "$s/other.pruned"
	made train "$s/llama.pruned" -o "$s/pruned.sae" --d-sae 64 --k 4 --batch 64 --tokens 640 \
		--seed 1
	made train "$s/llama/layer-02" -o "$s/second.sae" --d-sae 64 --k 4 --batch 64 --tokens 640 \
		--seed 1
	made train "$s/other.pruned" -o "$s/other.sae" --d-sae 64 --k 4 --batch 64 --tokens 640
	holds "the SAE of a pruned model names the mask" grep -q '"mask_digest": "[0-9a-f]\{16\}"' \
		"$s/pruned.sae/cfg.json"
	holds "that of the dense model says so" grep -q '"mask_digest": "none"' \
		"$s/llama.sae/cfg.json"
	refuses "transfer: the caches swapped" 3 'llama.sae .*llama.pruned .*mask' transfer \
		"$s/llama.sae" --cache "$s/llama.pruned" $dense
	forced "transfer: the caches swapped" mask transfer "$s/llama.sae" \
		--cache "$s/llama.pruned" $dense -o "$s/swapped"
	holds "the file's provenance has it" sh -c "'$shardinfo' '$s/swapped' | grep -q mismatch"
	refuses "transfer: a pruned model's SAE" 3 mask transfer "$s/pruned.sae" $dense \
		--cache "$s/llama.pruned"
	refuses "transfer: all of it swapped" 3 'the first cache, the dense one' transfer \
		"$s/pruned.sae" --cache "$s/llama.pruned" $dense
	silent "transfer: to itself" transfer "$s/llama.sae" $dense $dense
	made cache $m $t --layer 2 --dtype bf16 -o "$s/rounded"
	remarks "transfer: two dense caches" transfer "$s/llama.sae" $dense --cache "$s/rounded"
	refuses "survival: a pruned model's cache" 3 'llama.sae .*llama.pruned .*mask' survival \
		--dense "$s/llama.sae" --pruned "$s/pruned.sae" --cache "$s/llama.pruned"
	forced "survival: a pruned model's cache" mask survival --dense "$s/llama.sae" \
		--pruned "$s/pruned.sae" --cache "$s/llama.pruned"
	refuses "survival: the SAEs swapped" 3 'a dense SAE' survival --dense "$s/pruned.sae" \
		--pruned "$s/llama.sae" $dense
	refuses "survival: SAEs of two masks as one condition" 3 'other.sae .*pruned.sae .*mask' \
		survival --dense "$s/llama.sae" --dense "$s/second.sae" --pruned "$s/pruned.sae" \
		--pruned "$s/other.sae" $dense
	remarks "survival: a dense SAE as the pruned one" survival --dense "$s/llama.sae" \
		--pruned "$s/second.sae" $dense
	silent "survival: in itself" survival --dense "$s/llama.sae" --pruned "$s/llama.sae" $dense
	refuses "seeds: SAEs of two models" 3 mask seeds "$s/llama.sae" "$s/pruned.sae"
	remarks "eval: a pruned model's SAE on the dense one's rows" eval "$s/pruned.sae" $dense
	remarks "eval: on another mask's" eval "$s/pruned.sae" --cache "$s/other.pruned"
	remarks "eval: in the dense model" eval "$s/pruned.sae" $m $t --layer 2
	remarks "ablate: in another mask's model" ablate "$s/pruned.sae" $m $t --layer 2 \
		--mask "$s/other.mask" --features 2 --windows 2
	silent "eval: where it belongs" eval "$s/pruned.sae" $m $t --layer 2 --mask "$s/llama.mask"
	silent "eval: the dense model's SAE in a pruned one" eval "$s/llama.sae" $m $t --layer 2 \
		--mask "$s/llama.mask"
	silent "survival as a study has it" survival --dense "$s/llama.sae" \
		--pruned "$s/pruned.sae" $dense
	silent "compare takes any" compare "$s/llama.sae" "$s/pruned.sae"
	silent "eval: in what export made with the mask" eval "$s/pruned.sae" "$s/exported" $t \
		--layer 2
	silent "its cache" eval "$s/pruned.sae" --cache "$s/exported.cache"
	refuses "transfer: what export made in the dense one's place" 3 mask transfer \
		"$s/llama.sae" --cache "$s/exported.cache" $dense
	cp -r "$s/llama.pruned" "$s/old"
	rm "$s/old/manifest.json"
	refuses "a cache that has lost its manifest still says it" 3 mask transfer "$s/llama.sae" \
		--cache "$s/old" $dense
}

# --- what ablate measured, and of which SAE ---

ablated() {
	made ablate "$@" --tokens "$s/llama.tokens" --layer 2 --features 4 --windows 4
}

ablations() {
	m=$models/llama dense="--cache $s/llama/layer-02"
	set -- survival --dense "$s/llama.sae" --pruned "$s/pruned.sae" $dense --ablation
	ablated "$s/llama.sae" $m
	cp "$s/out" "$s/own.json"
	silent "survival: the SAE's own ablation" "$@" "$s/own.json"
	ablated "$s/second.sae" $m
	cp "$s/out" "$s/second.json"
	refuses "survival: the ablation of another SAE" 3 'second.json.*llama.sae.*SAE' "$@" \
		"$s/second.json"
	forced "survival: the ablation of another SAE" SAE "$@" "$s/second.json"
	ablated "$s/llama.sae" $m --mask "$s/llama.mask"
	cp "$s/out" "$s/pruned.json"
	refuses "survival: an ablation in a pruned model" 3 'pruned.json.*dense model.*mask' "$@" \
		"$s/pruned.json"
	sed 's/"sae_digest"/"said"/' "$s/own.json" >"$s/old.json"
	unverified "survival: an ablation that does not say it" old.json "$@" "$s/old.json"
	set -- features "$s/llama.sae" $dense --cache "$s/llama.pruned" -o "$s/latents"
	silent "features: both ablations" "$@" --ablation "$s/own.json" \
		--pruned-ablation "$s/pruned.json"
	rm "$s/latents"
	refuses "features: both swapped" 3 'pruned.json.*dense model.*mask' "$@" \
		--ablation "$s/pruned.json" --pruned-ablation "$s/own.json"
	refuses "features: one of another SAE" 3 'second.json.*llama.sae.*SAE' "$@" \
		--ablation "$s/second.json"
}

# --- hooks that other tools name ---

# hooked NAME MODEL: an SAE of llama's width that says it is from there.
hooked() {
	rm -rf "$s/hooked"
	mkdir "$s/hooked"
	cp "$s/llama.sae/sae_weights.safetensors" "$s/hooked"
	cat >"$s/hooked/cfg.json" <<-END
	{"architecture": "topk", "k": 4, "d_in": 128, "d_sae": 64, "metadata":
	 {"sae_lens_version": "6.5.0", "model_name": "$2", "hook_name": "$1"}}
	END
}

hooks() {
	t="--tokens $s/llama.tokens"
	hooked blocks.3.hook_resid_pre demo
	works "before layer 3 is after layer 2" eval "$s/hooked" $models/llama $t --layer 2
	refuses "not after layer 3" 3 'hook_resid_pre (after layer 2)' eval "$s/hooked" \
		$models/llama $t --layer 3
	works "a cache of layer 2" eval "$s/hooked" --cache "$s/llama/layer-02"
	refuses "a cache of layer 3" 3 'layer' eval "$s/hooked" --cache "$s/llama/layer-03"
	hooked blocks.0.hook_resid_pre demo
	refuses "the embedding" 3 'blocks.0.hook_resid_pre' eval "$s/hooked" $models/llama $t \
		--layer 0
	hooked blocks.2.hook_mlp_out demo
	refuses "an MLP's output" 3 'hook_mlp_out' eval "$s/hooked" --cache "$s/llama/layer-02"
	mkdir "$s/rows"
	cp "$s/llama/layer-02/shard-00000.safetensors" "$s/rows"
	refuses "an MLP's output, and rows of no known place" 3 'hook_mlp_out' eval "$s/hooked" \
		--cache "$s/rows"
	works "an SAE of an MLP with itself" compare "$s/hooked" "$s/hooked"
	hooked model.layers.2 google/gemma-3-1b-pt
	refuses "another family, by its name" 3 'gemma3_text.*llama' eval "$s/hooked" \
		$models/llama $t --layer 2
	hooked model.layers.2 gpt2-small
	refuses "a family that is not read here" 3 'gpt2 and llama' eval "$s/hooked" \
		$models/llama $t --layer 2
	hooked model.layers.2 demo-7
	works "a name that tells nothing" eval "$s/hooked" $models/llama $t --layer 2
	hooked model.layers.2 mistral/gemma3_text/demo
	works "folders, whose names tell nothing" eval "$s/hooked" $models/llama $t --layer 2
	hooked model.layers.2 meta-llama/Llama-3.2-1B
	works "a hub id and a folder" eval "$s/hooked" $models/llama $t --layer 2
	mkdir -p "$s/hub/models--org--model/refs" "$s/hub/models--org--model/snapshots/main"
	echo main >"$s/hub/models--org--model/refs/main"
	cp $models/llama/* "$s/hub/models--org--model/snapshots/main"
	run eval "$s/hooked" org/model $t --layer 2
	HF_HUB_CACHE=$s/hub refuses "two hub ids" 3 'meta-llama/llama-3.2-1b and org/model' \
		eval "$s/hooked" org/model $t --layer 2
	hooked model.layers.2 Org/Model
	HF_HUB_CACHE=$s/hub works "the same hub id" eval "$s/hooked" org/model $t --layer 2
}

# --- masks and statistics of another model ---

# A dense SAE whose folder lacks the number that rows are multiplied by. Cosines need none.
norms() {
	mkdir "$s/scaled"
	cp "$s/llama.sae/sae_weights.safetensors" "$s/llama.sae/training.safetensors" "$s/scaled"
	sed 's/\("normalize_activations": \)"none"/\1"expected_average_only_in"/' \
		"$s/llama.sae/cfg.json" >"$s/scaled/cfg.json"
	t="--pruned $s/pruned.sae --cache $s/llama/layer-02"
	refuses "survival: a factor is lacking" 3 '--norm-cache' survival --dense "$s/scaled" $t
	works "survival: it is estimated" survival --dense "$s/scaled" $t \
		--norm-cache "$s/llama/layer-02"
	cp "$s/out" "$s/estimated"
	run survival --dense "$s/llama.sae" $t
	holds "survival: other latents fire" sh -c "! cmp -s '$s/out' '$s/estimated'"
	works "survival: of the pruned SAE none is needed" survival --dense "$s/llama.sae" \
		--pruned "$s/scaled" --cache "$s/llama/layer-02"
	run survival --dense "$s/llama.sae" $t --norm-cache "$s/llama/layer-02"
	holds "survival: one that nobody needs: exit 2" test "$code" -eq 2
}

masks() {
	cp -r $models/llama "$s/tuned"
	sed 's/"bos_token_id"/"unused": 1, &/' $models/llama/config.json >"$s/tuned/config.json"
	made calibrate $models/llama --tokens "$s/llama.tokens" -o "$s/llama.stats"
	t="--tokens $s/llama.tokens"
	refuses "a mask of another model" 3 'llama.mask' logits "$s/tuned" $t \
		--mask "$s/llama.mask" -o "$none"
	forced "a mask of another model" model logits "$s/tuned" $t --mask "$s/llama.mask" \
		-o "$s/logits"
	refuses "statistics of another model" 3 'llama.stats' prune "$s/tuned" --method wanda \
		--sparsity 0.5 --stats "$s/llama.stats" -o "$none"
	forced "statistics of another model" model prune "$s/tuned" --method wanda \
		--sparsity 0.5 --stats "$s/llama.stats" -o "$s/tuned.mask"
}

# --- checkpoints of which the user says what they were changed from ---

changed() {
	t="--tokens $s/llama.tokens" m=$models/llama dense="--cache $s/llama/layer-02"
	from="--changed-from $models/llama" c=$s/tuned
	made cache $c $t --layer 2 -o "$s/tuned.alone"
	refuses "transfer: another model's cache" 3 model transfer "$s/llama.sae" $dense \
		--cache "$s/tuned.alone"
	refuses "eval: another model" 3 model eval "$s/llama.sae" $c $t --layer 2
	refuses "ablate: another model" 3 model ablate "$s/llama.sae" $c $t --layer 2
	made cache $c $t --layer 2 $from -o "$s/tuned.cache"
	made train "$s/tuned.cache" -o "$s/tuned.sae" --d-sae 64 --k 4 --batch 64 --tokens 640
	silent "transfer: to a changed model" transfer "$s/llama.sae" $dense \
		--cache "$s/tuned.cache"
	silent "survival: in a changed model" survival --dense "$s/llama.sae" \
		--pruned "$s/tuned.sae" $dense
	silent "eval: in a changed model" eval "$s/llama.sae" $c $t --layer 2 $from
	silent "eval: its own SAE" eval "$s/tuned.sae" $c $t --layer 2 $from
	silent "ablate: in a changed model" ablate "$s/llama.sae" $c $t --layer 2 $from \
		--features 2 --windows 2
	remarks "eval: its SAE in the model as it was" eval "$s/tuned.sae" $m $t --layer 2
	refuses "transfer: a changed one as the dense model" 3 mask transfer "$s/llama.sae" \
		--cache "$s/tuned.cache" $dense
	refuses "seeds: a changed model's SAE beside the dense one's" 3 mask seeds "$s/llama.sae" \
		"$s/tuned.sae"
	refuses "another family" 3 'llama and .*gemma3 are not of the same shapes: family' cache \
		$m $t --layer 2 --changed-from $models/gemma3 -o "$none"
	cp -r $m "$s/retold"
	printf ' ' >>"$s/retold/tokenizer.json"
	refuses "another tokenizer" 3 'retold.*tokenizer' eval "$s/llama.sae" $m $t --layer 2 \
		--changed-from "$s/retold"
	run eval "$s/llama.sae" $dense $from
	holds "--changed-from with a cache: exit 2" test "$code" -eq 2
	holds "nothing is written" test ! -e "$none"
}

# --- files of other tools ---

# plain IN OUT: the same tensors without our metadata.
plain() {
	length=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
	tail -c +9 "$1" | head -c "$length" |
		LC_ALL=C sed 's/"__metadata__":{"prunescope":"\([^"\\]\|\\.\)*"},*//' >"$s/header"
	n=$(wc -c <"$s/header")
	{
		# shellcheck disable=SC2059 # the format is the two bytes
		printf "\\$(printf %03o $((n % 256)))\\$(printf %03o $((n / 256)))"
		printf '\000\000\000\000\000\000'
		cat "$s/header"
		tail -c +$((length + 9)) "$1"
	} >"$2"
}

# unverified NAME PATH ARGUMENT...: taken, with one remark, and listed.
unverified() {
	what=$1 path=$2
	shift 2
	run "$@"
	holds "$what of another tool" test "$code" -eq 0
	holds "$what: one remark" test "$(grep -c "$path.*unverified" "$s/err")" -eq 1
	holds "$what: listed" grep -q "\"unverified\": \[[^]]*$path\"" "$s/out"
}

foreign() {
	mkdir "$s/f" "$s/f/cache" "$s/f/pruned" "$s/f/sae"
	plain "$s/llama.tokens" "$s/f/tokens"
	plain "$s/llama.mask" "$s/f/mask"
	plain "$s/llama.stats" "$s/f/stats"
	plain "$s/llama/layer-02/shard-00000.safetensors" "$s/f/cache/a.safetensors"
	plain "$s/llama.pruned/shard-00000.safetensors" "$s/f/pruned/a.safetensors"
	plain "$s/llama.sae/sae_weights.safetensors" "$s/f/sae/sae_weights.safetensors"
	cp "$s/llama.sae/cfg.json" "$s/f/sae"
	m=$models/llama t="--tokens $s/llama.tokens"
	unverified "logits: tokens" f/tokens logits $m --tokens "$s/f/tokens" -o "$s/l1"
	unverified "logits: a mask" f/mask logits $m $t --mask "$s/f/mask" -o "$s/l2"
	unverified "cache: a mask" f/mask cache $m $t --layer 1 --mask "$s/f/mask" -o "$s/l3"
	unverified "calibrate: tokens" f/tokens calibrate $m --tokens "$s/f/tokens" -o "$s/l4"
	unverified "prune: statistics" f/stats prune $m --method wanda --sparsity 0.5 \
		--stats "$s/f/stats" -o "$s/l5"
	unverified "prune: tokens" f/tokens prune $m --method wanda --sparsity 0.5 \
		--tokens "$s/f/tokens" -o "$s/l6"
	unverified "ppl: a mask" f/mask ppl $m --text "$s/text" --window 64 --stride 32 \
		--mask "$s/f/mask"
	unverified "export: a mask" f/mask export $m --mask "$s/f/mask" -o "$s/l7"
	unverified "train: a cache" f/cache train "$s/f/cache" -o "$s/l8" --d-sae 64 --k 4 \
		--batch 64 --tokens 640
	unverified "eval: a cache" f/cache eval "$s/llama.sae" --cache "$s/f/cache"
	unverified "eval: an SAE" f/sae eval "$s/f/sae" --cache "$s/llama/layer-02"
	unverified "eval: an SAE in a model" f/sae eval "$s/f/sae" $m $t --layer 2
	unverified "eval: tokens" f/tokens eval "$s/llama.sae" $m --tokens "$s/f/tokens" --layer 2
	unverified "ablate: an SAE" f/sae ablate "$s/f/sae" $m $t --layer 2 --features 2 \
		--windows 2
	unverified "compare: an SAE" f/sae compare "$s/llama.sae" "$s/f/sae"
	unverified "seeds: an SAE" f/sae seeds "$s/llama.sae" "$s/f/sae"
	unverified "transfer: the dense cache" f/cache transfer "$s/llama.sae" \
		--cache "$s/f/cache" --cache "$s/llama.pruned"
	unverified "transfer: the pruned cache" f/pruned transfer "$s/llama.sae" \
		--cache "$s/llama/layer-02" --cache "$s/f/pruned"
	unverified "survival: a cache" f/cache survival --dense "$s/llama.sae" \
		--pruned "$s/llama.sae" --cache "$s/f/cache"
	unverified "survival: a pruned SAE" f/sae survival --dense "$s/llama.sae" \
		--pruned "$s/f/sae" --cache "$s/llama/layer-02"
}

make_inputs
tokens
saes
roles
ablations
hooks
norms
masks
changed
foreign
conclude test_belonging.sh
