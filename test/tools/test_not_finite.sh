#!/bin/sh
# Numbers that are not numbers: every command says where they are, and none hands them on.
# - One inf or NaN in a weight of every kind: exit 3; file, tensor, row and column are named.
# - Finite weights that overflow on the way: exit 1; layer, window and position are named, and ppl
#   prints null and the number of windows.
# - NaN in statistics, in rows of a cache and in an SAE that other tools wrote: exit 3.
# - A full standard output: exit 4.
# PRUNESCOPE and SHARDINFO name other binaries. Needs neither Python nor a network.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
source=demo/models/llama
model=$scratch/model
weights=$model/model.safetensors

# run STATUS PATTERN NAME ARGUMENT...: prunescope must exit so and say so on stderr.
run() {
	status=$1 pattern=$2 name=$3
	shift 3
	timeout 120 "$program" "$@" --json >"$scratch/out" 2>"$scratch/err"
	code=$?
	if [ $code -ne "$status" ]; then
		failed "$name" "exit $code, not $status, of: $*"
	elif [ -n "$pattern" ] && ! grep -q -- "$pattern" "$scratch/err"; then
		failed "$name" "the message does not say: $pattern"
	else
		passed "$name"
	fi
}

header_bytes() {
	od -An -tu8 -N 8 "$1" | tr -d ' '
}

header() {
	tail -c +9 "$1" | head -c "$(header_bytes "$1")"
}

# offset FILE TENSOR: where its data begin.
offset() {
	begin=$(header "$1" |
		sed 's/.*"'"$2"'": *{[^}]*"data_offsets": *\[ *\([0-9]*\).*/\1/')
	echo $((8 + $(header_bytes "$1") + begin))
}

# put FILE OFFSET BYTES: BYTES as printf takes them.
put() {
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# foreign FILE: blanks the metadata of one of our files, as if another tool had written it.
foreign() {
	bytes=$(header_bytes "$1")
	header "$1" | sed 's/"__metadata__":{"[^"]*":"\(\\.\|[^"\\]\)*"},//' >"$scratch/header"
	{
		cat "$scratch/header"
		printf "%$((bytes - $(wc -c <"$scratch/header")))s" ''
	} | dd of="$1" bs=1 seek=8 conv=notrunc 2>/dev/null
}

fresh_model() {
	rm -rf "$model"
	mkdir "$model"
	cp "$source/config.json" "$source/tokenizer.json" "$source/model.safetensors" "$model"
}

# Models are bf16, little-endian.
nan='\300\177' inf='\200\177' minus_inf='\200\377' large='\141\177'

make_inputs() {
	awk -v seed=1 -v bytes=6000 -f test/fixtures/cli/text.awk >"$scratch/text"
	fresh_model
	run 0 '' "tokens of the finite model" tokenize "$model" --text "$scratch/text" \
		-o "$scratch/tokens" --window 32 --windows 16 --bos window
	run 0 '' "a cache of it" cache "$model" --tokens "$scratch/tokens" --layer 2 \
		-o "$scratch/cache"
	run 0 '' "an SAE of it" train "$scratch/cache" -o "$scratch/sae" --d-sae 256 --k 8 \
		--batch 128 --tokens 512
	run 0 '' "statistics of it" calibrate "$model" --tokens "$scratch/tokens" \
		-o "$scratch/stats"
	run 0 '' "a mask of it" prune "$model" --method magnitude --sparsity 0.1 \
		-o "$scratch/foreign-mask"
	foreign "$scratch/foreign-mask"
}

# every_command STATUS PATTERN NAME: all commands that compute the whole model.
every_command() {
	run "$1" "$2" "$3: logits" logits "$model" --tokens "$scratch/tokens" -o "$scratch/none"
	run "$1" "$2" "$3: eval" eval "$scratch/sae" "$model" --tokens "$scratch/tokens" --layer 2 \
		--force-mismatch --windows 4
	run "$1" "$2" "$3: ablate" ablate "$scratch/sae" "$model" --tokens "$scratch/tokens" \
		--layer 2 --force-mismatch --windows 2 --features 2
	run "$1" "$2" "$3: calibrate" calibrate "$model" --tokens "$scratch/tokens" \
		-o "$scratch/none"
	run "$1" "$2" "$3: cache" cache "$model" --tokens "$scratch/tokens" --layer 5 \
		-o "$scratch/none-cache"
	rm -rf "$scratch/none-cache"
	run "$1" "$2" "$3: prune by wanda" prune "$model" --method wanda --sparsity 0.5 \
		--tokens "$scratch/tokens" -o "$scratch/none"
	if [ -e "$scratch/none" ]; then failed "$3: nothing is left behind"; fi
}

weights_are_named() {
	layer=model.layers.3
	for place in "self_attn.q_proj 5 7 $nan" "self_attn.k_proj 1 127 $inf" \
		"self_attn.v_proj 63 0 $minus_inf" "self_attn.o_proj 2 64 $nan" \
		"mlp.gate_proj 383 127 $inf" "mlp.up_proj 0 1 $nan" "mlp.down_proj 127 383 $inf" \
		"input_layernorm 0 3 $inf" "post_attention_layernorm 0 127 $nan"; do
		# shellcheck disable=SC2086 # the words of the place
		set -- $place
		cols=128
		case $1 in mlp.down_proj) cols=384 ;; esac
		fresh_model
		at=$(offset "$weights" "$layer.$1.weight")
		put "$weights" $((at + 2 * ($2 * cols + $3))) "$4"
		said="model.safetensors: tensor $layer.$1.weight .* row $2, column $3 "
		run 3 "$said" "$1: ppl" ppl "$model" --text "$scratch/text"
		case $1 in
		mlp.up_proj)
			every_command 3 "$said\|$layer.$1.weight: the weight at row $2" "$1"
			run 3 "$layer.$1.weight: the weight at row $2, column $3 " \
				"$1: prune by magnitude" prune "$model" --method magnitude \
				--sparsity 0.5 -o "$scratch/none"
			run 3 "$said" "$1: export" export "$model" \
				--mask "$scratch/foreign-mask" -o "$scratch/none-export"
			rm -rf "$scratch/none-export"
			run 3 "$said" "$1: ppl, mapped" ppl "$model" --text "$scratch/text" \
				--io mmap
			for p in bf16 int16; do
				run 3 "$said" "$1: ppl in $p" ppl "$model" --text "$scratch/text" \
					--precision $p
			done
			;;
		esac
	done
	fresh_model
	put "$weights" $(($(offset "$weights" model.norm.weight) + 2 * 9)) "$inf"
	run 3 'tensor model.norm.weight .* row 0, column 9 ' "final norm: ppl" ppl "$model" \
		--text "$scratch/text"
	run 0 '' "final norm: cache does not read it" cache "$model" --tokens "$scratch/tokens" \
		--layer 0 -o "$scratch/unread"
	fresh_model
	put "$weights" $(($(offset "$weights" model.embed_tokens.weight) + 2 * (2046 * 128 + 4))) \
		"$nan"
	for io in pread mmap; do
		run 3 'tensor model.embed_tokens.weight .* row 2046, column 4 ' \
			"embedding: cache, $io" cache "$model" --tokens "$scratch/tokens" \
			--layer 0 -o "$scratch/none-cache" --io $io
		rm -rf "$scratch/none-cache"
	done
}

# The gain before the MLP of layer 3 is large but finite: the products overflow.
overflow_is_named() {
	fresh_model
	at=$(offset "$weights" model.layers.3.post_attention_layernorm.weight)
	i=0
	while [ $i -lt 128 ]; do
		put "$weights" $((at + 2 * i)) "$large"
		i=$((i + 1))
	done
	every_command 1 'layer 3\|window 0, position 0: the loss of the model overflows' overflow
	run 1 'layer 3, window 0, position 0: the hidden state overflows' "overflow: place" \
		logits "$model" --tokens "$scratch/tokens" -o "$scratch/none"
	run 1 'the model overflows' "overflow: ppl" ppl "$model" --text "$scratch/text" \
		--window 32 --stride 16 --max-tokens 64
	for key in '"ppl": null' '"nll": null' '"windows_not_finite": 3' '"windows": 3'; do
		if grep -q "$key" "$scratch/out"; then
			passed "overflow: ppl says $key"
		else
			failed "overflow: ppl says $key" "$(cat "$scratch/out")"
		fi
	done
}

foreign_files_are_named() {
	cp "$scratch/stats" "$scratch/foreign-stats"
	foreign "$scratch/foreign-stats"
	fresh_model
	run 0 '' "foreign statistics: taken" prune "$model" --method wanda --sparsity 0.5 \
		--stats "$scratch/foreign-stats" -o "$scratch/mask"
	at=$(offset "$scratch/foreign-stats" model.layers.1.self_attn.o_proj.weight)
	put "$scratch/foreign-stats" $((at + 12)) '\000\000\300\177'
	run 3 'tensor model.layers.1.self_attn.o_proj.weight holds nan at column 3 ' \
		"statistics with NaN" prune "$model" --method wanda --sparsity 0.5 \
		--stats "$scratch/foreign-stats" -o "$scratch/none"
	mkdir "$scratch/foreign"
	cp "$scratch/cache/shard-00000.safetensors" "$scratch/foreign"
	foreign "$scratch/foreign/shard-00000.safetensors"
	run 0 '' "foreign cache: taken" eval "$scratch/sae" --cache "$scratch/foreign"
	put "$scratch/foreign/shard-00000.safetensors" \
		$(($(offset "$scratch/foreign/shard-00000.safetensors" activations) + \
			4 * (37 * 128 + 5))) '\000\000\200\177'
	said='shard-00000.safetensors: tensor activations holds inf at row 37, column 5 '
	run 3 "$said" "cache with inf: eval" eval "$scratch/sae" --cache "$scratch/foreign"
	run 3 "$said" "cache with inf: transfer" transfer "$scratch/sae" \
		--cache "$scratch/cache" --cache "$scratch/foreign"
	for io in pread mmap; do
		run 3 "$said" "cache with inf: train, $io" train "$scratch/foreign" \
			-o "$scratch/none-sae" --d-sae 256 --k 8 --batch 64 --tokens 1024 --io $io
		rm -rf "$scratch/none-sae"
	done
	cp -r "$scratch/sae" "$scratch/foreign-sae"
	rm "$scratch/foreign-sae/manifest.json"
	foreign "$scratch/foreign-sae/sae_weights.safetensors"
	put "$scratch/foreign-sae/sae_weights.safetensors" \
		$(($(offset "$scratch/foreign-sae/sae_weights.safetensors" W_dec) + 4 * 7)) \
		'\000\000\200\177'
	run 3 'tensor W_dec holds inf' "SAE with inf: eval" eval "$scratch/foreign-sae" \
		--cache "$scratch/cache"
	run 3 'tensor W_dec holds inf' "SAE with inf: compare" compare "$scratch/sae" \
		"$scratch/foreign-sae"
}

options_are_refused() {
	run 2 lr "--lr nan" train "$scratch/cache" -o "$scratch/none-sae" --lr nan
	run 2 lr "--lr inf" train "$scratch/cache" -o "$scratch/none-sae" --lr inf
	run 2 sparsity "--sparsity nan" prune "$model" --method magnitude --sparsity nan \
		-o "$scratch/none"
	run 2 tau "--tau nan" compare "$scratch/sae" "$scratch/sae" --tau nan
	run 1 'not finite' "a training that overflows says at which step" \
		train "$scratch/cache" -o "$scratch/none-sae" --d-sae 256 --k 8 --batch 128 \
		--tokens 2560 --lr 1e38
}

# full NAME COMMAND...: with a full standard output the command must exit with 4.
full() {
	name=$1
	shift
	"$@" >/dev/full 2>"$scratch/err"
	code=$?
	if [ $code -eq 4 ]; then passed "$name"; else failed "$name" "exit $code, not 4"; fi
}

a_full_output_is_told() {
	if [ ! -w /dev/full ]; then
		passed "no /dev/full here, left out"
		return
	fi
	full "full output: --help" "$program" --help
	full "full output: --version" "$program" --version
	full "full output: help of a command" "$program" ppl --help
	full "full output: a result" "$program" compare "$scratch/sae" "$scratch/sae"
	full "full output: a result as JSON" "$program" compare "$scratch/sae" "$scratch/sae" --json
	full "full output: shardinfo" "$shardinfo" "$scratch/tokens"
	full "full output: shardinfo --help" "$shardinfo" --help
	if "$program" --version >&- 2>"$scratch/err"; then
		failed "a closed output: --version" "exit 0"
	else
		passed "a closed output: --version"
	fi
}

make_inputs
weights_are_named
overflow_is_named
foreign_files_are_named
options_are_refused
a_full_output_is_told
conclude test_not_finite.sh
