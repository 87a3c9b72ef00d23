#!/bin/sh
# The controls that `prune` makes, called as users do, on the demo models: random masks, rounding
# instead of pruning, the sparsity that has the perplexity of a reference.
# PRUNESCOPE and SHARDINFO name other binaries. Needs neither Python nor a network.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
llama=demo/models/llama
gemma=demo/models/gemma3

# value KEY: of the last command's JSON.
value() {
	sed -n 's/.*"'"$1"'": *"\{0,1\}\([^,"}]*\).*/\1/p' "$scratch/out"
}

# equals NAME THIS THAT: two texts, which are not empty.
equals() {
	if [ -n "$2" ] && [ "$2" = "$3" ]; then passed "$1"; else failed "$1" "'$2', not '$3'"; fi
}

# zeros FILE: how many weights of each matrix a mask drops, in the order of its metadata.
zeros() {
	head -c 65536 "$1" | tr -d '\134' | grep -ao '"dropped":[0-9]*'
}

# says FILE TEXT: whether the header holds the text, escapes aside.
says() {
	head -c 65536 "$1" | tr -d '\134' | grep -aq -- "$2"
}

random_masks() {
	for scope in row matrix; do
		reference=$scratch/reference-$scope like=$scratch/like-$scope
		works "a reference, scope $scope" prune $llama --method magnitude --sparsity 0.4 \
			--scope $scope -o "$reference"
		dropped=$(value dropped)
		works "random like it" prune $llama --method random --like "$reference" --seed 3 \
			-o "$like"
		equals "as many zeros in all" "$(value dropped)" "$dropped"
		equals "as many in each matrix" "$(zeros "$like" | cksum)" \
			"$(zeros "$reference" | cksum)"
		holds "its scope is noted" says "$like" "\"scope\":\"$scope\",\"seed\":3"
		run prune $llama --method random --like "$reference" --seed 3 --threads 1 \
			--memory 100M -o "$scratch/again"
		holds "the same bytes with one thread and little memory" cmp "$like" \
			"$scratch/again"
		run prune $llama --method random --like "$reference" --seed 4 -o "$scratch/other"
		holds "other bytes with another seed" sh -c "! cmp -s '$like' '$scratch/other'"
		rm -f "$scratch/again" "$scratch/other"
	done
	works "a reference of 2:4" prune $llama --method magnitude --nm 2:4 -o "$scratch/nm"
	works "random like 2:4" prune $llama --method random --like "$scratch/nm" -o "$scratch/rnm"
	equals "half goes" "$(value sparsity_achieved)" 0.5
	holds "its groups are noted" says "$scratch/rnm" '"nm":"2:4"'
	works "random by number" prune $llama --method random --sparsity 0.5 --seed 1 \
		-o "$scratch/half"
	equals "exactly half goes" "$(value sparsity_achieved)" 0.5
	holds "shardinfo verifies it" "$shardinfo" "$scratch/half" --verify
	works "its dry run" prune $llama --method random --like "$scratch/nm" -o "$none" \
		--dry-run
	refuses "--like with magnitude" 2 '--like goes with --method random' prune $llama \
		--method magnitude --like "$scratch/nm" --sparsity 0.5 -o "$none"
	refuses "--like and --sparsity" 2 'either --like, --sparsity or --nm' prune $llama \
		--method random --like "$scratch/nm" --sparsity 0.5 -o "$none"
	refuses "--like and --scope" 2 '--scope does not go with --like' prune $llama \
		--method random --like "$scratch/nm" --scope row -o "$none"
	refuses "a random global mask" 2 '--scope global is for magnitude only' prune $llama \
		--method random --sparsity 0.5 --scope global -o "$none"
	refuses "random with tokens" 2 'random takes no --tokens' prune $llama --method random \
		--sparsity 0.5 --tokens "$scratch/nm" -o "$none"
	refuses "a reference of another model" 3 'belongs to another model' prune \
		$gemma --method random --like "$scratch/nm" -o "$none"
	refuses "the reference as the output" 2 'reference-row' prune $llama --method random \
		--like "$scratch/reference-row" -o "$scratch/reference-row" --force
}

# data_of FILE: the bytes of the tensors, without the header.
data_of() {
	header=$(head -c 8 "$1" | od -An -tu8 | tr -d ' ')
	tail -c +$((header + 9)) "$1"
}

same_data() {
	[ "$(data_of "$1" | cksum)" = "$(data_of "$2" | cksum)" ]
}

# rounds MODEL BITS GROUP: a rounding file; the model under it has the bits of the rounded
# checkpoint.
rounds() {
	model=$1 bits=$2 group=$3 m=${1##*/}
	file=$scratch/$m.int$bits-$group
	works "$m: int$bits by $group" prune "$model" --method rtn --bits "$bits" --group "$group" \
		-o "$file"
	equals "$m: its tensors" "$(value tensors) $(value bits) $(value group)" "42 $bits $group"
	works "$m: export" export "$model" --mask "$file" -o "$file.exported"
	works "$m: logits of the model under it" logits "$model" --mask "$file" \
		--tokens "$scratch/$m.tokens" -o "$file.logits"
	works "$m: logits of the exported model" logits "$file.exported" \
		--tokens "$scratch/$m.tokens" -o "$file.exported.logits"
	holds "$m: the same bits" same_data "$file.logits" "$file.exported.logits"
	holds "$m: shardinfo verifies the file" "$shardinfo" "$file" --verify
}

rounding() {
	awk -v seed=1 -v bytes=1500 -f test/fixtures/cli/text.awk >"$scratch/text"
	for model in $llama $gemma; do
		run tokenize "$model" --text "$scratch/text" --window 32 \
			-o "$scratch/${model##*/}.tokens"
	done
	rounds $llama 3 128
	rounds $gemma 4 row
	file=$scratch/llama.int3-128
	run prune $llama --method rtn --bits 3 --group 128 --threads 1 --memory 100M \
		-o "$scratch/again"
	holds "the same bytes with one thread and little memory" cmp "$file" "$scratch/again"
	works "again: nothing to do" prune $llama --method rtn --bits 3 --group 128 -o "$file"
	holds "its result is the same" grep -q '"bits_per_weight": 3.25' "$scratch/out"
	for io in pread mmap; do
		run logits $llama --mask "$file" --tokens "$scratch/llama.tokens" --io $io \
			--threads 1 -o "$scratch/logits-$io"
		holds "the same logits by $io" same_data "$file.logits" "$scratch/logits-$io"
	done
	works "caches of the dense and the rounded model" cache $llama --mask dense --mask "$file" \
		--tokens "$scratch/llama.tokens" --layer 2 -o "$scratch/caches"
	works "the exported model's cache" cache "$file.exported" --tokens "$scratch/llama.tokens" \
		--layer 2 -o "$scratch/exported-cache"
	holds "the rounded model's cache has the bits of the exported model's" same_data \
		"$scratch/caches/${file##*/}/shard-00000.safetensors" \
		"$scratch/exported-cache/shard-00000.safetensors"
	holds "the dense model's has not" sh -c "! cmp -s \
		'$scratch/caches/${file##*/}/shard-00000.safetensors' \
		'$scratch/caches/dense/shard-00000.safetensors'"
	works "its dry run" prune $llama --method rtn --bits 4 -o "$none" --dry-run
	refuses "a rounding file of another model" 3 'the rounding file belongs to another model' \
		logits $gemma --mask "$file" --tokens "$scratch/gemma3.tokens" -o "$none"
	refuses "random like a rounding file" 3 'it has no zeros' prune $llama --method random \
		--like "$file" -o "$none"
	refuses "2 bits" 2 '--bits 2: --method rtn wants 3 to 8' prune $llama --method rtn \
		--bits 2 -o "$none"
	refuses "no bits" 2 '--method rtn wants 3 to 8' prune $llama --method rtn -o "$none"
	refuses "groups of 64" 2 '--group 64: must be row or 128' prune $llama --method rtn \
		--bits 4 --group 64 -o "$none"
	refuses "rounding with a sparsity" 2 'rtn takes no --sparsity' prune $llama --method rtn \
		--bits 4 --sparsity 0.5 -o "$none"
	refuses "magnitude with bits" 2 '--bits and --group go with --method rtn' prune $llama \
		--method magnitude --sparsity 0.5 --bits 4 -o "$none"
	refuses "rounding with tokens" 2 'rtn takes no --tokens' prune $llama --method rtn \
		--bits 4 --tokens "$scratch/llama.tokens" -o "$none"
	cp "$file" "$scratch/spoilt"
	printf '\377' | dd of="$scratch/spoilt" bs=1 seek=$(($(wc -c <"$file") - 1)) conv=notrunc \
		2>/dev/null
	refuses "a flipped byte" 3 'spoilt' logits $llama --mask "$scratch/spoilt" \
		--tokens "$scratch/llama.tokens" -o "$none"
}

# English that the demo models know a little of: pruning makes them worse at it.
make_prose() {
	cat >"$scratch/prose" <<-'END'
		The farmer went to the market in the morning and sold his apples there. He had two
		sons, who lived in the town, and one daughter, who had gone across the sea. When
		the weather was good they would walk along the river and talk about the old days.
		"What will you do with the house?" asked the elder son. "I will keep it as long as
		I can," said the farmer, "and then it will be yours, if you want it." The river was
		high after the rain, and the road was long, but they did not mind it. In the
		evening they came home, made a fire, and had bread and soup at the wooden table.
	END
}

# within NAME A B TOLERANCE
within() {
	if [ -n "$2" ] && awk -v a="$2" -v b="$3" "BEGIN { exit !(a - b <= $4 && b - a <= $4) }"
	then
		passed "$1"
	else
		failed "$1" "$2 and $3 differ by more than $4"
	fi
}

matching() {
	make_prose
	on_prose="--text $scratch/prose --window 48 --stride 24 --max-tokens 150"
	# shellcheck disable=SC2086 # options
	set -- $on_prose
	half=$scratch/half-magnitude
	run prune $llama --method magnitude --sparsity 0.5 -o "$half"
	works "magnitude at the perplexity of itself" prune $llama --method magnitude \
		--match-ppl "$half" "$@" --tolerance 1e-9 -o "$scratch/itself"
	equals "it finds the sparsity at once" "$(value sparsity) $(value evaluations)" "0.5 3"
	holds "and has the bits of that mask" same_data "$scratch/itself" "$half"
	for bits in 3 4; do
		run prune $llama --method rtn --bits $bits -o "$scratch/int$bits"
	done
	for reference in half-magnitude int4; do
		matched=$scratch/matched-$reference
		works "random at the perplexity of $reference" prune $llama --method random \
			--match-ppl "$scratch/$reference" "$@" --tolerance 0.03 --seed 5 \
			-o "$matched"
		sparsity=$(value sparsity) nll=$(value nll) wanted=$(value reference_nll)
		dropped=$(value dropped)
		within "the two are within the tolerance" "$nll" "$wanted" 0.03
		run ppl $llama "$@" --mask "$scratch/$reference"
		equals "the reference's nll is that of ppl" "$(value nll)" "$wanted"
		run ppl $llama "$@" --mask "$matched"
		equals "the mask's is too" "$(value nll)" "$nll"
		run prune $llama --method random --sparsity "$sparsity" --seed 5 -o "$scratch/plain"
		holds "the mask has the bits of one of that sparsity" same_data "$matched" \
			"$scratch/plain"
		equals "and as many zeros" "$(value dropped)" "$dropped"
		rm -f "$scratch/plain"
	done
	works "again: nothing to do" prune $llama --method random --match-ppl "$scratch/int4" "$@" \
		--tolerance 0.03 --seed 5 -o "$matched"
	equals "its result is the same" "$(value sparsity) $(value nll)" "$sparsity $nll"
	works "with one thread and little memory" prune $llama --method random \
		--match-ppl "$scratch/int4" "$@" --tolerance 0.03 --seed 5 --threads 1 \
		--memory 60M -o "$scratch/again-matched"
	holds "the same bytes" cmp "$matched" "$scratch/again-matched"
	works "its dry run" prune $llama --method random --match-ppl "$scratch/int4" "$@" \
		-o "$none" --dry-run
	refuses "a reference that the dense model is worse than" 1 'pruning does not lower them' \
		prune $llama --method random --match-ppl "$scratch/int3" "$@" -o "$none"
	works "the nearest, if that will do" prune $llama --method random --nearest \
		--match-ppl "$scratch/int3" "$@" -o "$scratch/near"
	equals "is the dense model" "$(value sparsity)" 0.0
	equals "and not matched" "$(value matched)" false
	refuses "what no sparsity has" 1 'none of 20 sparsities' prune $llama --method random \
		--match-ppl "$half" --text "$scratch/prose" --window 16 --stride 16 \
		--max-tokens 16 --tolerance 1e-12 -o "$none"
	refuses "wanda" 2 '--match-ppl goes with --method magnitude or random' prune $llama \
		--method wanda --match-ppl "$half" "$@" -o "$none"
	refuses "a sparsity too" 2 'takes no --sparsity' prune $llama --method magnitude \
		--match-ppl "$half" "$@" --sparsity 0.5 -o "$none"
	refuses "no text" 2 '--match-ppl wants --text' prune $llama --method magnitude \
		--match-ppl "$half" -o "$none"
	refuses "a text alone" 2 '--text goes with --match-ppl' prune $llama --method magnitude \
		--sparsity 0.5 --text "$scratch/prose" -o "$none"
	refuses "a reference of another model" 3 'belongs to another model' prune $gemma \
		--method magnitude --match-ppl "$half" "$@" -o "$none"
}

random_masks
rounding
matching
conclude test_controls.sh
