#!/bin/sh
# Dictionaries of other tools wherever an SAE is asked for. Those of test/fixtures/dictionaries:
# `eval` gives what SAELens or sparsify gives. An SAE of ours in the files of Gemma Scope 2: every
# command gives what it gives for the SAE itself. Layer, hook and model must be those of what it
# meets.
# PRUNESCOPE names another binary.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
fixtures=test/fixtures/dictionaries
rows=test/fixtures/saelens/rows
model=demo/models/llama
s=$scratch

value() {
	sed 's/[{,]/\n/g' "$s/out" | sed -n "s/^ *\"$1\": *\([^,}]*\).*/\1/p"
}

# near A B: the two numbers differ by at most 1e-6 of the second.
near() {
	# shellcheck disable=SC2317 # called through the function that reports
	awk "BEGIN { d = $1 - $2; e = $2; exit !(d * d <= 1e-12 * e * e) }"
}

like_their_own_tools() {
	while read -r name folder fvu l0; do
		works "$name: works" eval "$fixtures/$folder" --cache "$rows"
		holds "$name: fvu $(value fvu), its own tool $fvu" near "$(value fvu)" "$fvu"
		holds "$name: l0 $(value l0), its own tool $l0" near "$(value l0)" "$l0"
	done <"$fixtures/names.txt"
}

make_inputs() {
	sed -n '1,120p' docs/ARCHITECTURE.md >"$s/text"
	works "tokens" tokenize $model --text "$s/text" --window 32 --windows 24 -o "$s/tokens"
	works "a cache" cache $model --tokens "$s/tokens" --layer 2 -o "$s/cache"
	works "an SAE" train "$s/cache" -o "$s/sae" --arch jumprelu --d-sae 64 --tokens 20000 \
		--batch 256
	works "another SAE" train "$s/cache" -o "$s/other-sae" --arch jumprelu --d-sae 64 \
		--tokens 20000 --batch 256 --seed 1
	dictionary=$s/gemma-scope-2-1b-pt/resid_post/layer_2_width_64_l0_small
	mkdir -p "$dictionary"
	cp "$s/sae/sae_weights.safetensors" "$dictionary/params.safetensors"
	echo '{"hf_hook_point_in": "model.layers.2.output", "model_name": "tiny/llama",
		"apply_b_dec_to_input": true}' >"$dictionary/config.json"
}

# same NAME COMMAND...: the command gives the same for both, for which the link stands. What only
# our folder says (which latents are alive, where it is from and where it began, its digest) is left
# out.
same() {
	what=$1
	shift
	for sae in "$s/sae" "$dictionary"; do
		rm -f "$s/link"
		ln -s "$sae" "$s/link"
		run "$@"
		[ "$code" -eq 0 ] || break
		sed 's/, "unverified": \[[^]]*\]//; s/"mnn_survival_alive": [^,]*//
			s/"alive": [^,}]*//g' "$s/out" |
			tr ',' '\n' | grep -v 'seconds\|sae_digest\|same_start' \
			>"$s/said.${sae##*/}"
	done
	holds "$what: works" test "$code" -eq 0
	holds "$what: the same" cmp "$s/said.sae" "$s/said.${dictionary##*/}"
}

as_an_sae_of_ours() {
	same "eval of rows" eval "$s/link" --cache "$s/cache"
	same "eval in the model" eval "$s/link" $model --tokens "$s/tokens" --layer 2 --windows 4
	same transfer transfer "$s/link" --cache "$s/cache" --cache "$s/cache"
	same ablate ablate "$s/link" $model --tokens "$s/tokens" --layer 2 --features 6 --windows 2
	same compare compare "$s/link" "$s/other-sae"
	same seeds seeds "$s/link" "$s/other-sae"
	same survival survival --dense "$s/link" --pruned "$s/other-sae" --cache "$s/cache" \
		--samples 50
	works "a remark" eval "$dictionary" --cache "$s/cache"
	holds "it counts as unverified" grep -q '"unverified": \[".*layer_2_width_64' "$s/out"
	run eval "$dictionary" --cache "$s/cache" --memory 1M
	holds "a budget that is too small: exit 5" test "$code" -eq 5
}

# The place that files or the path say is compared with what the dictionary meets.
places() {
	echo '{"hf_hook_point_in": "model.layers.3.output"}' >"$dictionary/config.json"
	refuses "the folder's name says another layer" 3 'model.layers.3.output.*layer 2' \
		eval "$dictionary" --cache "$s/cache"
	mkdir -p "$s/d/layer_3_width_64"
	cp "$dictionary/params.safetensors" "$s/d/layer_3_width_64"
	refuses "another layer, by the path" 3 'layer differs.*layer 3.*layer 2' \
		eval "$s/d/layer_3_width_64" --cache "$s/cache"
	holds "the path is named as the source" \
		grep -q 'no file there says its hook: taken from the path: blocks.3' "$s/err"
	works "it is forced" eval "$s/d/layer_3_width_64" --cache "$s/cache" --force-mismatch
	mkdir -p "$s/mlp_out/layer_2"
	cp "$dictionary/params.safetensors" "$s/mlp_out/layer_2"
	refuses "another site" 3 'hook differs.*hook_mlp_out' eval "$s/mlp_out/layer_2" \
		--cache "$s/cache"
	mkdir -p "$s/gemma-scope-2-1b-pt/resid_post/layer_2_b"
	cp "$dictionary/params.safetensors" "$s/gemma-scope-2-1b-pt/resid_post/layer_2_b"
	refuses "another family" 3 'model differs, gemma3' \
		eval "$s/gemma-scope-2-1b-pt/resid_post/layer_2_b" --cache "$s/cache"
	refuses "another width" 3 'width 8' eval \
		$fixtures/sparsify-run/layers.2 --cache "$s/cache"
}

what_is_no_dictionary() {
	refuses "a run of several" 3 'name one, such as .*layers.2' eval $fixtures/sparsify-run \
		--cache "$rows"
	refuses "a repository" 3 'name one, such as .*average_l0_71' eval \
		$fixtures/gemma-scope-2b-pt-res --cache "$rows"
	mkdir -p "$s/pickle/checkpoints"
	cp $fixtures/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L3R-8x/hyperparams.json "$s/pickle"
	echo x >"$s/pickle/checkpoints/final.pt"
	refuses "a pickle in a folder" 3 'final.pt, a torch file (pickle)' eval "$s/pickle" \
		--cache "$rows"
	mkdir -p "$s/other"
	echo x >"$s/other/trainer_0.pt"
	refuses "a folder of pickles" 3 'trainer_0.pt, a torch file' eval "$s/other" --cache "$rows"
	cp $fixtures/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz "$s/x.npz"
	refuses "an npz by its name" 3 'an SAE is a folder' eval "$s/x.npz" --cache "$rows"
}

like_their_own_tools
make_inputs
as_an_sae_of_ours
places
what_is_no_dictionary
conclude test_dictionaries.sh
