#!/bin/sh
# Flips single bits in every kind of file that the program writes, FLIPS (300) in each, at random.
# For every flip:
# - `shardinfo --verify` must find it (exit 3);
# - a command that reads the file must refuse it (exit 3), or give the result that it gives with
#   the whole file.
# Also swaps files of the same size between folders. PRUNESCOPE and SHARDINFO name other binaries.
# Takes about a quarter of an hour; test/tools/test_flips.sh is the quick form.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$PWD/${PRUNESCOPE:-prunescope}
shardinfo=$PWD/${SHARDINFO:-tools/shardinfo}
flips=${FLIPS:-300}
llama=demo/models/llama
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
. test/support/checks.sh

# made ARGUMENT...: a command of the set-up, which must succeed.
made() {
	"$program" "$@" --quiet --json >"$scratch/out" 2>"$scratch/err" && return
	failed "set-up: $*" "$(head -n 3 "$scratch/err")"
	exit 1
}

# flip FILE BYTE BIT
flip() {
	byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %o $((byte ^ (1 << $3))))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# places FILE: FLIPS lines of a byte and a bit. A third of them lie in the first 4,096 bytes, where
# our headers are.
places() {
	awk -v size="$(wc -c <"$1")" -v flips="$flips" 'BEGIN {
		srand(size)
		for (i = 0; i < flips; i++) {
			within = i % 3 || size < 4096 ? size : 4096
			print int(rand() * within), int(rand() * 8)
		}
	}'
}

# consume ARGUMENT...: runs the reader; sets status, and $scratch/out without what depends on time.
consume() {
	rm -rf "$scratch/none"*
	"$program" "$@" --quiet --json >"$scratch/raw" 2>"$scratch/err"
	status=$?
	sed 's/"\(seconds\|tokens_per_s\)": [^,}]*//g' "$scratch/raw" >"$scratch/out"
	[ -f "$scratch/none" ] && cat "$scratch/none" >>"$scratch/out"
}

# judge NAME WHERE ARGUMENT...: the reader must not give another result.
judge() {
	name=$1 where=$2
	shift 2
	consume "$@"
	[ $status -eq 3 ] && return
	if [ $status -eq 0 ]; then
		cmp -s "$scratch/out" "$scratch/right" && return
		failed "$name" "$where: exit 0 with another result of: $*"
	else
		failed "$name" "$where: exit $status of: $*: $(head -n 1 "$scratch/err")"
	fi
	return 1
}

# survives NAME FILE VERIFIED [ARGUMENT...]: flips in FILE; VERIFIED: what shardinfo looks at;
# ARGUMENT...: the reader.
survives() {
	name=$1 file=$2 verified=$3 found=0 bad=0
	shift 3
	if [ $# -gt 0 ]; then
		consume "$@"
		[ $status -eq 0 ] || failed "$name" "exit $status before any flip: $*"
		cp "$scratch/out" "$scratch/right"
	fi
	places "$file" >"$scratch/places"
	while read -r byte_at bit; do
		flip "$file" "$byte_at" "$bit"
		"$shardinfo" --verify "$verified" >/dev/null 2>&1
		[ $? -eq 3 ] && found=$((found + 1))
		if [ $# -gt 0 ]; then
			judge "$name" "bit $bit of byte $byte_at" "$@" || bad=$((bad + 1))
		fi
		flip "$file" "$byte_at" "$bit"
	done <"$scratch/places"
	if [ $found -ne "$flips" ]; then
		failed "$name" "shardinfo --verify found $found of $flips"
	elif [ $bad -eq 0 ]; then
		passed "$name: $flips of $flips found"
	fi
}

# refused NAME VERIFIED ARGUMENT...: shardinfo and the reader must exit with 3.
refused() {
	name=$1 verified=$2
	shift 2
	"$shardinfo" --verify "$verified" >/dev/null 2>&1
	verify=$?
	consume "$@"
	if [ $verify -eq 3 ] && [ $status -eq 3 ]; then
		passed "$name"
	else
		failed "$name" "shardinfo exits with $verify, prunescope with $status"
	fi
}

set_up() {
	awk -v seed=1 -v bytes=20000 -f test/fixtures/cli/text.awk >"$scratch/text"
	awk -v seed=2 -v bytes=3000 -f test/fixtures/cli/text.awk >"$scratch/short"
	made tokenize $llama --text "$scratch/text" --window 64 -o "$scratch/tokens"
	made tokenize $llama --text "$scratch/short" --window 64 --windows 4 -o "$scratch/few"
	made calibrate $llama --tokens "$scratch/few" -o "$scratch/stats"
	made prune $llama --method magnitude --sparsity 0.5 -o "$scratch/mask"
	made logits $llama --tokens "$scratch/few" -o "$scratch/logits"
	made cache $llama --tokens "$scratch/tokens" --layer 1 -o "$scratch/cache"
	made cache $llama --tokens "$scratch/tokens" --layer 2 -o "$scratch/other-cache"
	made export $llama --mask "$scratch/mask" -o "$scratch/exported"
	for seed in 1 2; do
		made train "$scratch/cache" -o "$scratch/sae-$seed" --d-sae 64 --k 8 --batch 128 \
			--tokens 2048 --seed $seed
	done
}

files_of_one_kind() {
	set -- --tokens "$scratch/few" -o "$scratch/none"
	survives tokens "$scratch/few" "$scratch/few" logits $llama "$@"
	survives mask "$scratch/mask" "$scratch/mask" logits $llama --mask "$scratch/mask" "$@"
	survives statistics "$scratch/stats" "$scratch/stats" prune $llama --method wanda \
		--sparsity 0.5 --calibration dense --stats "$scratch/stats" -o "$scratch/none"
	survives logits "$scratch/logits" "$scratch/logits"
}

caches() {
	set -- eval "$scratch/sae-1" --cache "$scratch/cache"
	for part in shard-00000.safetensors manifest.json; do
		survives "cache: $part" "$scratch/cache/$part" "$scratch/cache" "$@"
	done
	cp "$scratch/cache/shard-00000.safetensors" "$scratch/kept"
	cp "$scratch/other-cache/shard-00000.safetensors" "$scratch/cache"
	refused "cache: a shard of another layer" "$scratch/cache" "$@"
	mv "$scratch/kept" "$scratch/cache/shard-00000.safetensors"
}

saes() {
	set -- compare "$scratch/sae-1" "$scratch/sae-2"
	for part in sae_weights.safetensors training.safetensors cfg.json manifest.json; do
		own=$scratch/sae-1/$part another=$scratch/sae-2/$part
		survives "SAE: $part" "$own" "$scratch/sae-1" "$@"
		cp "$own" "$scratch/kept"
		cp "$another" "$own"
		cmp -s "$scratch/kept" "$own" ||
			refused "SAE: $part of another SAE" "$scratch/sae-1" "$@"
		mv "$scratch/kept" "$own"
	done
}

exported_checkpoints() {
	survives "exported: tokenizer.json" "$scratch/exported/tokenizer.json" "$scratch/exported" \
		tokenize "$scratch/exported" --text "$scratch/short" --window 64 -o "$scratch/none"
	set -- logits "$scratch/exported" --tokens "$scratch/few" -o "$scratch/none"
	for part in model.safetensors config.json manifest.json; do
		survives "exported: $part" "$scratch/exported/$part" "$scratch/exported" "$@"
	done
}

# A half-trained SAE. A damaged state is not used: training starts anew, to the same SAE.
half_trained() {
	set -- train "$scratch/cache" --d-sae 64 --k 8 --batch 128 --seed 5
	made "$@" --tokens 60000 -o "$scratch/whole"
	"$program" "$@" --tokens 60000 -o "$scratch/half" --quiet >"$scratch/out" 2>"$scratch/err" &
	strike INT 5 $!
	wait $!
	[ -f "$scratch/half/checkpoint.safetensors" ] || {
		failed "half-trained SAE" "training ended before it was interrupted"
		return
	}
	survives "half-trained SAE: state" "$scratch/half/checkpoint.safetensors" "$scratch/half"
	flip "$scratch/half/checkpoint.safetensors" 5000 3
	made "$@" --tokens 60000 -o "$scratch/half"
	if cmp -s "$scratch/half/sae_weights.safetensors" "$scratch/whole/sae_weights.safetensors"
	then
		passed "half-trained SAE: a damaged state leads to the same SAE"
	else
		failed "half-trained SAE" "a damaged state leads to another SAE"
	fi
	flip "$scratch/half/manifest.json" 30 1
	refused "half-trained SAE: a damaged manifest" "$scratch/half" "$@" --tokens 60000 \
		-o "$scratch/half"
	made "$@" --tokens 60000 -o "$scratch/half" --force
	if cmp -s "$scratch/half/sae_weights.safetensors" "$scratch/whole/sae_weights.safetensors"
	then
		passed "half-trained SAE: --force begins anew"
	else
		failed "half-trained SAE" "--force leads to another SAE"
	fi
}

# What a finished study keeps: records, results.json, and the outputs of its steps.
studies() {
	cat >"$scratch/study.yaml" <<STUDY
name: flips
models:
  - {name: llama, path: $llama, layer: 1}
text: [$scratch/text, $scratch/short]
methods: [magnitude]
sparsities: [0.5]
seeds: [7]
window: 64
calibration_tokens: 256
train_tokens: 4000
ppl: {text: $scratch/short, window: 64, stride: 64, max_tokens: 200}
sae: {d_sae: 64, k: 8, batch: 128}
controls: {retrain: false}
splice: {windows: 2}
ablation: {features: 4, windows: 2}
bootstrap: {samples: 100}
STUDY
	study=$scratch/study
	made study "$scratch/study.yaml" -o "$study"
	survives "study: results.json" "$study/results.json" "$study" report "$study"
	for part in dense/ppl.json magnitude-0.5/transfer.json; do
		[ -f "$study/runs/llama/$part" ] &&
			survives "study: $part" "$study/runs/llama/$part" "$study"
	done
}

set_up
files_of_one_kind
caches
saes
exported_checkpoints
half_trained
studies
conclude flips.sh
