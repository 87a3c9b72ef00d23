#!/bin/sh
# Whole commands against transformers, taking turns (A B A B): `prunescope cache` of the last layer into a bf16 cache
# (start, streaming, packing and writing included) beside the forward passes alone of bench/forward_torch.py on the
# same windows of 512; `prunescope ppl` beside its perplexity. From the repository's root, after `make bench-programs`.
#   bench/forward.sh [SHAPE...]     (BENCH_FULL=1: llama-135m gemma3-270m gemma3-1b llama-1b; else two layers of the first two)
# Our rate is tokens over the whole command's wall time, theirs tokens over their forward passes: import and loading are
# not counted against them. First their activations must agree with the rows we wrote. Variables: bench/lib.sh.
set -eu
. bench/lib.sh

# windows_of SHAPE: so many that a run takes about a minute on two slow cores; the small models get 16,384 tokens
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

# torch's rate does not depend on how many batches of 8 windows follow each other: two, one of the large models. Without
# bf16 instructions it is so slow in bf16 that two windows of those must do.
torch_windows_of() { # SHAPE PRECISION
	windows=16
	case $1 in
	*-1b) windows=8 ;;
	esac
	if [ "$2" = bf16 ] && ! has_bf16; then
		windows=$((windows == 16 ? 8 : 2))
	fi
	echo $windows
}

# ids of a perplexity: eight windows of 1,024 at stride 512; one, where torch is so slow
ppl_tokens_of() { # PRECISION
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
	watched "$PRUNESCOPE" cache "$1" --tokens "$2" --layer "$3" --dtype bf16 --precision "$4" --threads "$threads" --quiet --json \
		-o $work/cache
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

# A row's relative L2 difference: a bf16 cache rounds by up to 1/256; in bf16 arithmetic both sides are off by some percent.
check_difference() {
	limit=0.004
	[ "$1" = f32 ] || limit=0.2
	awk -v d="$2" -v limit=$limit 'BEGIN { exit !(d + 0 < limit) }' || die "$3 in $1: a row differs from transformers' by $2"
}

# A pair's ratios, ours over theirs: rates, and tokens for a second of the processors' time, which others do not slow much.
note_pair() { # OUR-RATE OUR-TOKENS OUR-CPU: against what theirs set
	calc "$1 / $rate" 3 >>$work/ratios
	calc "$2 / $3 * $cpu_seconds / $tokens" 3 >>$work/cpu_ratios
	echo >>$work/ratios
	echo >>$work/cpu_ratios
}

ratio_rows() { # WHAT PRECISION
	[ -s $work/ratios ] || return 0
	row "$1" "$2" "$threads" ratio warm - median - - "$(median <$work/ratios)" x - - - -
	row "$1" "$2" "$threads" "ratio by CPU time" warm - median - - "$(median <$work/cpu_ratios)" x - - - -
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
		row "$what" "$2" "$threads" prunescope warm "$(json_text backend)" "$run" "$tokens" "$seconds" "$rate" tokens/s - "$rss" \
			"$anonymous" "$read"
		[ -n "${PRUNESCOPE_BENCH_PYTHON:-}" ] || continue
		mine=$rate mine_tokens=$tokens mine_cpu=$cpu_seconds
		theirs forward "$model" "$tokens_file" "$2" "$threads" "$(torch_windows_of "$1" "$2")" $work/cache
		check_difference "$2" "$result" "$what"
		row "$what" "$2" "$threads" "$torch" warm - "$run" "$tokens" "$seconds" "$rate" tokens/s - "$rss" "$anonymous" "$read"
		note_pair "$mine" "$mine_tokens" "$mine_cpu"
	done
	ratio_rows "$what" "$2"
}

# Perplexity needs a tokenizer, so a real model: windows of 1,024 at stride 512.
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
		watched "$PRUNESCOPE" ppl "$model" --text "$text" --window 1024 --stride 512 --max-tokens "$most" --precision "$1" \
			--threads "$threads" --quiet --json
		tokens=$(json_number tokens)
		mine=$(calc "$tokens / $seconds" 1) mine_tokens=$tokens mine_cpu=$cpu_seconds nll=$(json_number nll)
		row "ppl gemma3-270m" "$1" "$threads" prunescope warm "$(json_text backend)" "$run" "$tokens" "$seconds" "$mine" tokens/s - \
			"$rss" "$anonymous" "$read"
		[ -n "${PRUNESCOPE_BENCH_PYTHON:-}" ] || continue
		theirs ppl "$model" "$text" "$1" "$threads" 1024 512 "$most"
		awk -v a="$nll" -v b="$result" -v p="$1" 'BEGIN { d = a - b; exit !((d < 0 ? -d : d) < (p == "f32" ? 1e-4 : 0.03)) }' ||
			die "perplexity in $1: $nll nats against transformers' $result"
		row "ppl gemma3-270m" "$1" "$threads" "$torch" warm - "$run" "$tokens" "$seconds" "$rate" tokens/s - "$rss" "$anonymous" "$read"
		note_pair "$mine" "$mine_tokens" "$mine_cpu"
	done
	ratio_rows "ppl gemma3-270m" "$1"
}

shapes="llama-135m gemma3-270m"
[ "$BENCH_FULL" != 1 ] || shapes="llama-135m gemma3-270m gemma3-1b llama-1b"
[ $# = 0 ] || shapes=$*
begin_part forward
if [ -n "${PRUNESCOPE_BENCH_PYTHON:-}" ]; then
	torch=$("$PRUNESCOPE_BENCH_PYTHON" bench/forward_torch.py version) || die "$PRUNESCOPE_BENCH_PYTHON lacks torch or transformers"
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
