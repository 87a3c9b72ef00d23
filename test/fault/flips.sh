#!/bin/sh
# usage: test/fault/flips.sh [PART...]     parts: files caches saes exported half studies
#                                  removals
# Flips single bits in every kind of file that the program writes, FLIPS (300) in each, at random.
# For every flip:
# - `shardinfo --verify` must find it (exit 3). Files of a study that have no checksum of their own
#   must be found by `study --verify`.
# - A command that reads the file must refuse it (exit 3), or give the result that it gives with
#   the whole file.
# Also swaps files of the same size between folders, and removes each output of a finished study.
# test/tools/test_flips.sh is the quick form.
cd "$(dirname "$0")/../.." || exit 1
damage_only=yes
# shellcheck source=test/fault/lib.sh
. test/fault/lib.sh
methods=wanda
make_artefacts
flips=${FLIPS:-300}

# found FILE VERIFIED: shardinfo finds each flip in FILE. VERIFIED: what it looks at.
found() {
	# shellcheck disable=SC2086 # an option and its value, or nothing
	expects "shardinfo --verify finds flips in ${1#"$d/"}" "$tools/sweep" --name "${1#"$d/"}" \
		$preload --work "$work" --flips "$flips" --victim "$1" \
		--plain --noticed --allow 3 -- "$shardinfo" --verify "$2"
}

# used CASE FILE: no flip in FILE changes the result of the command.
used() {
	expects "$1 takes no flipped bit of ${2#"$d/"}" sweep "$1" --flips "$flips" --victim "$2" \
		--no-rerun --allow 3
}

# swapped FILE BY CASE VERIFIED: another file in the place of FILE is refused.
swapped() {
	cp "$1" "$scratch/kept"
	cmp -s "$1" "$2" && return
	cp "$2" "$1"
	choose "$3"
	# shellcheck disable=SC2086 # a list of arguments without blanks
	if "$shardinfo" --verify "$4" >/dev/null 2>&1; [ $? -eq 3 ] && {
		"$program" $command >/dev/null 2>"$scratch/err"
		[ $? -eq 3 ]
	}; then
		passed "$3 refuses ${2#"$d/"} in the place of ${1#"$d/"}"
	else
		failed "$3 refuses ${2#"$d/"} in the place of ${1#"$d/"}"
	fi
	mv "$scratch/kept" "$1"
}

files() {
	run logits "$m" --tokens "$d/t" -o "$d/logits"
	run transfer "$d/sae/seed-1" --cache "$d/dense" --cache "$d/pruned" -o "$d/transfer"
	run compare "$d/sae/seed-1" "$d/psae/seed-1" -o "$d/matching.safetensors"
	run compare "$d/sae/seed-1" "$d/psae/seed-1" -o "$d/matching.json"
	run features "$d/sae/seed-1" --cache "$d/dense" --cache "$d/pruned" --head "$m" \
		-o "$d/features" --cards "$d/cards.json"
	for file in t mask rounding stats logits transfer matching.safetensors matching.json \
		features cards.json; do
		found "$d/$file" "$d/$file"
	done
	used logits "$d/t"
	used logits "$d/mask"
	used rounded "$d/rounding"
	used stats "$d/stats"
}

caches() {
	for part in shard-00000.safetensors manifest.json; do
		found "$d/dense/$part" "$d/dense"
		used eval "$d/dense/$part"
		used topk "$d/dense/$part"
		swapped "$d/dense/$part" "$d/pruned/$part" eval "$d/dense"
	done
}

saes() {
	for part in sae_weights.safetensors training.safetensors cfg.json manifest.json; do
		found "$d/sae/seed-1/$part" "$d/sae/seed-1"
		used compare "$d/sae/seed-1/$part"
		used splice "$d/sae/seed-1/$part"
		swapped "$d/sae/seed-1/$part" "$d/psae/seed-1/$part" compare "$d/sae/seed-1"
	done
	run convert "$d/sae/seed-1" -o "$d/sparsify" --to sparsify
	run convert "$d/dictionary" -o "$d/gemma-scope" --to gemma-scope
	for part in sparsify/sae.safetensors sparsify/cfg.json sparsify/manifest.json \
		gemma-scope/params.npz gemma-scope/manifest.json; do
		found "$d/$part" "$d/${part%/*}"
		used "converted-${part%/*}" "$d/$part"
	done
}

exported() {
	run export "$m" --mask "$d/mask" -o "$d/exported"
	found "$d/exported/tokenizer.json" "$d/exported"
	whole=$m m=$d/exported
	used tokenize "$d/exported/tokenizer.json"
	for part in model.safetensors config.json manifest.json; do
		found "$d/exported/$part" "$d/exported"
		used calibrate "$d/exported/$part"
	done
	m=$whole
}

# A half-trained SAE. A damaged state is not used: training starts anew, to the same SAE.
half() {
	[ -n "$preload" ] || return
	choose batchtopk
	# shellcheck disable=SC2086 # a list of arguments without blanks
	for moment in 40 30 20 10; do
		# shellcheck disable=SC2086
		"$tools/sweep" --name half $preload --work "$work" \
			--calls rename --action kill --first $moment --last $moment --plain \
			--no-rerun --part '*' -- "$program" $command >/dev/null
		[ -f "$work/out/checkpoint.safetensors" ] && break
	done
	[ -f "$work/out/checkpoint.safetensors" ] || {
		failed "training is killed while it has a state"
		return
	}
	mv "$work" "$d/half"
	mkdir "$work"
	found "$d/half/out/checkpoint.safetensors" "$d/half/out"
	expects "training goes on to the same SAE after a flip in its state" sweep batchtopk \
		--start "$d/half" --flips "$flips" --no-rerun --allow 3 \
		--victim "$work/out/checkpoint.safetensors"
	expects "a flip in a half-trained SAE's manifest is refused" sweep batchtopk \
		--start "$d/half" --flips "$flips" --no-rerun --allow 3 \
		--victim "$work/out/manifest.json"
}

# What a finished study keeps: records, results, and the outputs of its steps.
studies() {
	make_study
	for part in results.json runs/assemble.json runs/report.json runs/m/tokens.json \
		runs/m/dense/ppl.json runs/m/dense/train-1.json runs/m/wanda-0.5/transfer.json; do
		found "$d/study/$part" "$d/study"
	done
	expects "report takes no flipped bit of results.json" sweep report --flips "$flips" \
		--victim "$work/results.json" --no-rerun --allow 3
	# What tells its own damage is made anew. A digit beyond a number's precision may differ.
	for part in results.json runs/report.json runs/assemble.json runs/m/dense/ppl.json \
		runs/m/dense/train-1.json runs/m/wanda-0.5/transfer.json; do
		expects "study --verify mends flips in $part" sweep again --flips "$flips" \
			--victim "$work/$part" --no-rerun
	done
	for part in report.html tables/models.csv figures/seeds.svg \
		runs/m/wanda-0.5/mask.safetensors runs/m/dense/sae/seed-1/cfg.json \
		runs/m/wanda-0.5/cards.json runs/m/wanda-0.5/features.csv; do
		expects "study --verify finds flips in $part" sweep finished --flips "$flips" \
			--victim "$work/$part" --no-rerun --noticed --allow 3
	done
}

# Each file of a finished study.
removals() {
	make_study
	(cd "$d/study" && find . -type f ! -name times.jsonl) | sort >"$scratch/parts"
	while read -r part; do
		expects "study finds that ${part#./} is gone" sweep finished --remove \
			--victim "$work/${part#./}" --no-rerun --noticed --allow 3
	done <"$scratch/parts"
}

[ $# -gt 0 ] || set -- files caches saes exported half studies removals
for part in "$@"; do
	"$part"
done
conclude flips.sh
