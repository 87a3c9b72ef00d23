#!/bin/sh
# Compares the precisions of the forward pass: `prunescope cache` of the last layer with f32 and
# with each other precision takes turns, so that both see the same machine. Writes a row for each
# run, and the median ratios by the clock and by processor time. Run it from the repository's root,
# after `make bench-programs`.
#   bench/precisions.sh [SHAPE...]
# Without SHAPE: gemma3-270m and gemma3-1b; without BENCH_FULL=1 two layers of each.
# PRUNESCOPE_MATMUL chooses the kernels, as always: PRUNESCOPE_MATMUL=avx2 shows what a CPU with
# AVX2 alone gains. Variables: bench/lib.sh, and
#   PRUNESCOPE_BENCH_OTHERS    precisions beside f32 (bf16 int16)
set -eu
. bench/lib.sh

kernels=${PRUNESCOPE_MATMUL:-best}

# pass PRECISION: a run, and its row. Sets seconds and cpu_seconds.
pass() {
	again="rm -rf $work/cache"
	$again
	watched "$PRUNESCOPE" cache "$model" --tokens "$tokens_file" --layer "$last" --dtype bf16 \
		--precision "$1" --threads "$threads" --quiet --json -o $work/cache
	tokens=$(json_number rows)
	row "$what" "$1" "$threads" "prunescope; $kernels kernels" warm - "$turn" "$tokens" \
		"$seconds" "$(calc "$tokens / $seconds" 1)" tokens/s - "$rss" "$anonymous" "$read"
}

compare() { # SHAPE
	layers=
	[ "$BENCH_FULL" = 1 ] || layers=2
	model=$(model_path "$1" $layers)
	tokens_file=$(token_path "$1" 8)
	last=$((${layers:-$(shape_field "$1" layers)} - 1))
	what=$1${layers:+ $layers layers}
	warm "$model"
	for other in ${PRUNESCOPE_BENCH_OTHERS:-bf16 int16}; do
		: >$work/ratios
		: >$work/cpu_ratios
		for turn in $(seq "$PRUNESCOPE_BENCH_PAIRS"); do
			pass f32
			f32=$seconds f32_cpu=$cpu_seconds
			pass "$other"
			{ calc "$f32 / $seconds" 3 && echo; } >>$work/ratios
			{ calc "$f32_cpu / $cpu_seconds" 3 && echo; } >>$work/cpu_ratios
		done
		row "$what" "$other" "$threads" "ratio to f32; $kernels kernels" warm - median - - \
			"$(median <$work/ratios)" x - - - -
		row "$what" "$other" "$threads" "ratio to f32 by CPU time; $kernels kernels" warm \
			- median - - "$(median <$work/cpu_ratios)" x - - - -
	done
}

begin_part "precisions $kernels"
[ $# -gt 0 ] || set -- gemma3-270m gemma3-1b
for shape; do
	compare "$shape"
done
