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
. bench/passes.sh

# ppl_tokens_of PRECISION: tokens of a perplexity, in windows of 1,024 at stride 512. Where torch is
# very slow, they are one window.
ppl_tokens_of() {
	if [ "$1" = bf16 ] && ! has_bf16; then
		echo 1024
	else
		echo 4096
	fi
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
		theirs "$PRUNESCOPE_BENCH_PYTHON" bench/forward_torch.py forward "$model" \
			"$tokens_file" "$2" "$threads" "$(torch_windows_of "$1" "$2")" \
			$work/cache
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
		theirs "$PRUNESCOPE_BENCH_PYTHON" bench/forward_torch.py ppl "$model" "$text" "$1" \
			"$threads" 1024 512 "$most"
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
