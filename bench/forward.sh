#!/bin/sh
# Compares whole commands with transformers, in turns (A B A B):
# - `prunescope cache` of the last layer into a bf16 cache, with the forward passes of
#   bench/forward_torch.py on the same windows of 512 tokens,
# - `prunescope ppl` with the perplexity of bench/forward_torch.py. Our rate is tokens by the wall
#   time of the whole command: start, streaming, packing and writing are included. Their rate is
#   tokens by the time of their forward passes: import and loading are left out. Their activations
#   must agree with the rows that we wrote. Run it from the repository's root, after `make
#   bench-programs`. Variables: bench/lib.sh.
#   bench/forward.sh [SHAPE...]
# Without SHAPE: two layers of llama-135m and gemma3-270m, or with BENCH_FULL=1 the whole of
# llama-135m, gemma3-270m, gemma3-1b and llama-1b.
set -eu
. bench/lib.sh

# windows_of SHAPE: the number of windows. A run takes about a minute on two slow cores; small
# models get 16,384 tokens.
windows_of() {
	if [ "$BENCH_FULL" != 1 ]; then
		echo 16
		return
	fi
	case $1 in
	gemma3-1b | llama-1b) echo "${PRUNESCOPE_BENCH_WINDOWS:-8}" ;;
	*) echo "${PRUNESCOPE_BENCH_WINDOWS:-32}" ;;
	esac
}

has_bf16() {
	grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo
}

# torch_windows_of SHAPE PRECISION: windows for torch, whose rate does not depend on the number of
# batches of 8 windows. Small models get two batches, large ones get one. Without bf16 instructions
# torch is very slow in bf16, and gets 8 and 2 windows.
torch_windows_of() {
	windows=16
	case $1 in
	*-1b) windows=8 ;;
	esac
	if [ "$2" = bf16 ] && ! has_bf16; then
		windows=$((windows == 16 ? 8 : 2))
	fi
	echo $windows
}

# ppl_tokens_of PRECISION: tokens of a perplexity, in windows of 1,024 at stride 512. Where torch is
# very slow, they are one window.
ppl_tokens_of() {
	if [ "$1" = bf16 ] && ! has_bf16; then
		echo 1024
	else
		echo 4096
	fi
}

# ours MODEL TOKENS LAYER PRECISION: sets rate
ours() {
	again="rm -rf $work/cache"
	$again
	watched "$PRUNESCOPE" cache "$1" --tokens "$2" --layer "$3" --dtype bf16 --precision "$4" \
		--threads "$threads" --quiet --json -o $work/cache
	tokens=$(json_number rows)
	rate=$(calc "$tokens / $seconds" 1)
}

# theirs MODE ARGUMENT...: sets rate, and result to the difference or the loss
theirs() {
	again=
	watched "$PRUNESCOPE_BENCH_PYTHON" bench/forward_torch.py "$@"
	read -r tokens seconds cpu_seconds result <$work/out
	rate=$(calc "$tokens / $seconds" 1)
}

# check_difference PRECISION DIFFERENCE WHAT: the relative L2 difference of a row. A bf16 cache
# rounds by up to 1/256. In bf16 arithmetic both sides are off by some percent.
check_difference() {
	limit=0.004
	[ "$1" = f32 ] || limit=0.2
	awk -v d="$2" -v limit=$limit 'BEGIN { exit !(d + 0 < limit) }' ||
		die "$3 in $1: a row differs from transformers' by $2"
}

# note_pair OUR-RATE OUR-TOKENS OUR-CPU: the pair's ratios, ours by what `theirs` set. One is of
# rates, the other of tokens by seconds of processor time, which other programs disturb less.
note_pair() {
	calc "$1 / $rate" 3 >>$work/ratios
	calc "$2 / $3 * $cpu_seconds / $tokens" 3 >>$work/cpu_ratios
	echo >>$work/ratios
	echo >>$work/cpu_ratios
}

ratio_rows() { # WHAT PRECISION
	[ -s $work/ratios ] || return 0
	row "$1" "$2" "$threads" ratio warm - median - - "$(median <$work/ratios)" x - - - -
	row "$1" "$2" "$threads" "ratio by CPU time" warm - median - - \
		"$(median <$work/cpu_ratios)" x - - - -
}

bench_model() { # SHAPE PRECISION
	layers=
	[ "$BENCH_FULL" = 1 ] || layers=2
	model=$(model_path "$1" $layers)
	tokens_file=$(token_path "$1" "$(windows_of "$1")")
	last=$((${layers:-$(shape_field "$1" layers)} - 1))
	what=$1${layers:+ $layers layers}
	: >$work/ratios
	: >$work/cpu_ratios
	for run in $(seq "$PRUNESCOPE_BENCH_PAIRS"); do
		warm "$model"
		ours "$model" "$tokens_file" $last "$2"
		row "$what" "$2" "$threads" prunescope warm "$(json_text backend)" "$run" \
			"$tokens" "$seconds" "$rate" tokens/s - "$rss" "$anonymous" "$read"
		[ -n "${PRUNESCOPE_BENCH_PYTHON:-}" ] || continue
		mine=$rate mine_tokens=$tokens mine_cpu=$cpu_seconds
		theirs forward "$model" "$tokens_file" "$2" "$threads" \
			"$(torch_windows_of "$1" "$2")" $work/cache
		check_difference "$2" "$result" "$what"
		row "$what" "$2" "$threads" "$torch" warm - "$run" "$tokens" "$seconds" "$rate" \
			tokens/s - "$rss" "$anonymous" "$read"
		note_pair "$mine" "$mine_tokens" "$mine_cpu"
	done
	ratio_rows "$what" "$2"
}

# Perplexity needs a tokenizer, and so a real model. Windows of 1,024 at stride 512.
bench_ppl() { # PRECISION
	model=$PRUNESCOPE_BENCH_REAL
	most=$(ppl_tokens_of "$1")
	text=${PRUNESCOPE_BENCH_TEXT:-build/text/jargon-heldout.txt}
	[ -f "$text" ] || sh demo/get-text.sh >&2
	: >$work/ratios
	: >$work/cpu_ratios
	for run in $(seq "$PRUNESCOPE_BENCH_PAIRS"); do
		warm "$model"
		again=
		watched "$PRUNESCOPE" ppl "$model" --text "$text" --window 1024 --stride 512 \
			--max-tokens "$most" --precision "$1" --threads "$threads" --quiet --json
		tokens=$(json_number tokens)
		mine=$(calc "$tokens / $seconds" 1) mine_tokens=$tokens mine_cpu=$cpu_seconds
		nll=$(json_number nll)
		row "ppl gemma3-270m" "$1" "$threads" prunescope warm "$(json_text backend)" \
			"$run" "$tokens" "$seconds" "$mine" tokens/s - "$rss" "$anonymous" "$read"
		[ -n "${PRUNESCOPE_BENCH_PYTHON:-}" ] || continue
		theirs ppl "$model" "$text" "$1" "$threads" 1024 512 "$most"
		awk -v a="$nll" -v b="$result" -v p="$1" 'BEGIN {
			d = a - b
			exit !((d < 0 ? -d : d) < (p == "f32" ? 1e-4 : 0.03))
		}' || die "perplexity in $1: $nll nats against transformers' $result"
		row "ppl gemma3-270m" "$1" "$threads" "$torch" warm - "$run" "$tokens" "$seconds" \
			"$rate" tokens/s - "$rss" "$anonymous" "$read"
		note_pair "$mine" "$mine_tokens" "$mine_cpu"
	done
	ratio_rows "ppl gemma3-270m" "$1"
}

shapes="llama-135m gemma3-270m"
[ "$BENCH_FULL" != 1 ] || shapes="llama-135m gemma3-270m gemma3-1b llama-1b"
[ $# = 0 ] || shapes=$*
begin_part forward
if [ -n "${PRUNESCOPE_BENCH_PYTHON:-}" ]; then
	torch=$("$PRUNESCOPE_BENCH_PYTHON" bench/forward_torch.py version) ||
		die "$PRUNESCOPE_BENCH_PYTHON lacks torch or transformers"
else
	say "PRUNESCOPE_BENCH_PYTHON is not set: prunescope alone"
fi
for precision in $(precisions); do
	for shape in $shapes; do
		bench_model "$shape" "$precision"
	done
	if [ -n "${PRUNESCOPE_BENCH_REAL:-}" ]; then
		bench_ppl "$precision"
	elif [ "$BENCH_FULL" = 1 ]; then
		say "PRUNESCOPE_BENCH_REAL is not set: no perplexity"
	fi
done
rm -rf $work/cache
