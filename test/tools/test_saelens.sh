#!/bin/sh
# SAE folders as SAELens 2 to 6 wrote them (test/fixtures/saelens): `eval` gives what SAELens gives,
# and refused what SAELens cannot load, with the reason. PRUNESCOPE names another binary.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
fixtures=test/fixtures/saelens

# near A B BOUND: the two numbers differ by at most so much of the second.
near() {
	# shellcheck disable=SC2317 # called through the function that reports
	awk "BEGIN { d = $1 - $2; e = $2; exit !(d * d <= $3 * $3 * e * e) }"
}

# refused NAME PATTERN: the last command exited with 3 and a message that matches.
refused() {
	holds "$1: exit 3" test "$code" -eq 3
	holds "$1: says why" grep -q -e "$2" "$scratch/err"
}

# What the message must name where SAELens fails.
reason() {
	case $1 in
	v5-unused-scaling) echo finetuning_scaling_factor ;;
	v5-tanh) echo tanh-relu ;;
	v6-threshold) echo 'tensor threshold' ;;
	v6-float-k) echo 'k is 4.0' ;;
	*) echo "architecture ${1#v6-}" ;;
	esac
}

like_saelens() {
	while read -r sae fvu l0; do
		bound=2e-5
		# SAELens rounds rows and results to bfloat16 as well.
		[ "$sae" = v6-standard-bf16 ] && bound=2e-2
		run eval "$fixtures/$sae" --cache "$fixtures/rows"
		# An activation function that SAELens 6 passes over is refused.
		if [ "$fvu" = refused ] || [ "$sae" = v5-tanh ]; then
			refused "$sae" "$(reason "$sae")"
			continue
		fi
		holds "$sae: works" test "$code" -eq 0
		holds "$sae: fvu $(value fvu), SAELens $fvu" near "$(value fvu)" "$fvu" $bound
		holds "$sae: l0 $(value l0), SAELens $l0" near "$(value l0)" "$l0" $bound
	done <"$fixtures/expect.txt"
}

# A checkpoint without the number that rows are multiplied by.
an_estimated_norm() {
	cp -r "$fixtures/v6-checkpoint" "$scratch/sae"
	rm "$scratch/sae/activation_scaler.json"
	run eval "$scratch/sae" --cache "$fixtures/rows"
	refused "no factor" 'expected_average_only_in.*--norm-cache'
	run eval "$scratch/sae" --cache "$fixtures/rows" --norm-cache "$fixtures/rows"
	holds "the factor is estimated" test "$code" -eq 0
	# sqrt(D) over the mean norm of the rows, as SAELens' ActivationScaler has it.
	estimated=$(value fvu)
	echo "{\"scaling_factor\": $(cat "$fixtures/factor.txt")}" \
		>"$scratch/sae/activation_scaler.json"
	run eval "$scratch/sae" --cache "$fixtures/rows"
	holds "as SAELens estimates it: $estimated, $(value fvu)" near "$estimated" \
		"$(value fvu)" 1e-6
	run eval "$scratch/sae" --cache "$fixtures/rows" --norm-cache "$fixtures/rows"
	holds "an estimate that nobody needs: exit 2" test "$code" -eq 2
	rm "$scratch/sae/activation_scaler.json"
	run compare "$scratch/sae" "$fixtures/v6-topk"
	holds "cosines do not need it" test "$code" -eq 0
}

# names NAME PATTERN FILE...: a folder of these files is refused by its format's name.
names() {
	what=$1 pattern=$2
	shift 2
	rm -rf "$scratch/other"
	mkdir -p "$scratch/other"
	for file; do
		mkdir -p "$scratch/other/$(dirname "$file")"
		echo '{}' >"$scratch/other/$file"
	done
	run eval "$scratch/other" --cache "$fixtures/rows"
	refused "$what" "$pattern"
}

other_formats() {
	names "a run of sparsify" 'name one, such as .*layers.10' config.json layers.10/cfg.json \
		layers.10/sae.safetensors layers.3/cfg.json layers.3/sae.safetensors
	names dictionary_learning dictionary_learning ae.pt config.json
	names "a model" 'a model' config.json model.safetensors
	names "an activation cache" 'activation cache' manifest.json shard-00000.safetensors
	names "several SAEs" 'name one, such as .*seed-1' seed-1/cfg.json \
		seed-1/sae_weights.safetensors seed-2/cfg.json
	names "an empty folder" 'cfg.json: No such file' nothing
	run eval "$fixtures/rows/shard.safetensors" --cache "$fixtures/rows"
	refused "a single file" 'an SAE is a folder'
	cp "$fixtures/expect.txt" "$scratch/sae.pt"
	run eval "$scratch/sae.pt" --cache "$fixtures/rows"
	refused "a torch file" 'torch'
}

like_saelens
an_estimated_norm
other_formats
conclude test_saelens.sh
