#!/bin/sh
# Several masks from one command, and several models in one pass, as users call them: each result is
# the one that its own command gives. PRUNESCOPE names another binary.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
llama=demo/models/llama
text=$scratch/text

awk -v seed=1 -v bytes=20000 -f test/fixtures/cli/text.awk >"$text"
works "tokenize" tokenize $llama --text "$text" --window 64 --windows 12 -o "$scratch/tokens"

# --- masks ---

works "six masks" prune $llama --method magnitude --method wanda --sparsity 0.2 50% 0.7 \
	--tokens "$scratch/tokens" -o "$scratch/masks" --json
holds "they are told one by one" test "$(value sparsity_achieved | wc -l)" = 6
for sparsity in 0.2 0.5 0.7; do
	works "magnitude $sparsity alone" prune $llama --method magnitude --sparsity $sparsity \
		-o "$scratch/alone-m-$sparsity"
	holds "magnitude $sparsity: the same file" cmp "$scratch/alone-m-$sparsity" \
		"$scratch/masks/magnitude-$sparsity.safetensors"
	works "wanda $sparsity alone" prune $llama --method wanda --sparsity $sparsity \
		--tokens "$scratch/tokens" -o "$scratch/alone-w-$sparsity"
	holds "wanda $sparsity: the same file" cmp "$scratch/alone-w-$sparsity" \
		"$scratch/masks/wanda-$sparsity.safetensors"
done

# What is there already is left alone; the others are made.
rm "$scratch/masks/wanda-0.5.safetensors"
# shellcheck disable=SC2012 # our own names
ls -i "$scratch/masks" >"$scratch/before"
works "the missing one" prune $llama --method wanda --sparsity 0.2 0.5 0.7 \
	--tokens "$scratch/tokens" -o "$scratch/masks"
holds "it has its bits" cmp "$scratch/alone-w-0.5" "$scratch/masks/wanda-0.5.safetensors"
# shellcheck disable=SC2010,SC2012 # our own names
ls -i "$scratch/masks" | grep -v wanda-0.5 >"$scratch/after"
holds "the others are untouched" cmp "$scratch/before" "$scratch/after"

for precision in bf16 int16; do
	works "$precision, two sparsities" prune $llama --method wanda --sparsity 0.3 0.6 \
		--tokens "$scratch/tokens" --precision $precision -o "$scratch/$precision"
	works "$precision, one" prune $llama --method wanda --sparsity 0.6 \
		--tokens "$scratch/tokens" --precision $precision -o "$scratch/$precision-alone"
	holds "$precision: the same file" cmp "$scratch/$precision-alone" \
		"$scratch/$precision/wanda-0.6.safetensors"
done

refuses "a sparsity twice" 2 "--sparsity 0.3 is given twice" prune $llama --method magnitude \
	--sparsity 0.3 30% -o "$none"
refuses "a method twice" 2 "--method wanda is given twice" prune $llama --method wanda \
	--method wanda --sparsity 0.3 --tokens "$scratch/tokens" -o "$none"
refuses "several random masks" 2 "several sparsities go with" prune $llama --method random \
	--sparsity 0.3 0.4 -o "$none"
refuses "an unknown method" 2 "must be magnitude, wanda, random or rtn" prune $llama \
	--method sparsegpt --sparsity 0.3 -o "$none"
works "a dry run of two" prune $llama --method magnitude --sparsity 0.3 0.4 -o "$none" \
	--dry-run
holds "makes nothing" test ! -e "$none"

# --- a mask that is assumed below ---

works "its own mask assumed" prune $llama --method wanda --sparsity 0.5 \
	--tokens "$scratch/tokens" --assume "$scratch/alone-w-0.5" -o "$scratch/assumed"
holds "gives the same bits" test "$(tail -c 1000 "$scratch/assumed" | cksum)" = \
	"$(tail -c 1000 "$scratch/alone-w-0.5" | cksum)"
works "another one" prune $llama --method wanda --sparsity 0.5 \
	--tokens "$scratch/tokens" --assume "$scratch/alone-m-0.7" -o "$scratch/assumed-other"
holds "gives others" test "$(tail -c 1000 "$scratch/assumed-other" | cksum)" != \
	"$(tail -c 1000 "$scratch/alone-w-0.5" | cksum)"
refuses "assumed by magnitude" 2 "--assume goes with --method wanda" prune $llama \
	--method magnitude --sparsity 0.5 --assume "$scratch/alone-w-0.5" -o "$none"

# --- perplexities ---

set -- ppl $llama --text "$text" --window 64 --max-tokens 1500
works "three models" "$@" --mask dense --mask "$scratch/alone-m-0.5" --mask "$scratch/alone-w-0.7"
value ppl >"$scratch/three"
"$program" "$@" --mask dense --mask "$scratch/alone-m-0.5" >"$scratch/out" 2>"$scratch/err"
holds "a table of them" test $? -eq 0
holds "has a line each" grep -q "^$scratch/alone-m-0.5 " "$scratch/out"
: >"$scratch/each"
for mask in dense "$scratch/alone-m-0.5" "$scratch/alone-w-0.7"; do
	works "$(basename "$mask") alone" "$@" --mask "$mask"
	value ppl >>"$scratch/each"
done
holds "three models: the same perplexities" cmp "$scratch/three" "$scratch/each"
holds "and they are three" test "$(sort -u "$scratch/each" | wc -l)" = 3

# The weights are read once for all: three models read little more than one.
read_bytes() {
	run "$@" --dry-run
	value read_bytes
}
one=$(read_bytes "$@")
three=$(read_bytes "$@" --mask dense --mask "$scratch/alone-m-0.5" --mask "$scratch/alone-w-0.7")
holds "three models: weights are read once" test "$three" -lt $((one * 3 / 2))
conclude test_sweeps.sh
