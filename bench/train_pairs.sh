#!/bin/sh
# Compares SAE training with PyTorch libraries. The programs take turns (PRUNESCOPE_BENCH_PAIRS),
# so that both see the same machine. Writes a row for each program and turn, and the median ratios
# by the clock and by processor time. Seconds are the median of a step, seconds of processor time
# the least; peak memory is that of the process, rows included.
#   bench/train_pairs.sh          after `make bench-programs`
# Variables: bench/lib.sh, and
#   PRUNESCOPE_BENCH_PYTHON   a Python with torch and the libraries (without it nothing is measured)
#   PRUNESCOPE_BENCH_PEERS    which of them: sparsify saelens dictionary_learning (sparsify)
#   PRUNESCOPE_BENCH_SHAPES   "D F, ..." (640 5120, 1152 9216, 1152 16384)
#   PRUNESCOPE_BENCH_STEPS    timed steps of a run (8)
set -eu
. bench/lib.sh

tab=$(printf '\t')
python=${PRUNESCOPE_BENCH_PYTHON:-}
steps=${PRUNESCOPE_BENCH_STEPS:-8} k=64 batch=4096
header=library,d_in,d_sae,k,batch,threads,steps,tokens_per_s,best_tokens_per_s,cpu_ms,peak_mib

# keep PROGRAM: makes a row of $work/line, which holds the program's rate, a step's processor time
# in ms and the peak memory.
keep() {
	IFS=$tab read -r rate cpu_ms peak <$work/line
	cpu_seconds=$(calc "$cpu_ms / 1000")
	row "$what" f32 "$threads" "$1" - - "$turn" "$batch" "$(calc "$batch / $rate")" "$rate" \
		tokens/s - "$peak" - -
}

# measure D F PEER
measure() {
	what="train D=$1 F=$2 k=$k batch=$batch"
	: >$work/ratios
	: >$work/cpu_ratios
	for turn in $(seq "$PRUNESCOPE_BENCH_PAIRS"); do
		watched build/bench/bench_train "$1" "$2" "$k" "$batch" "$threads" "$steps"
		table tokens_per_s cpu_ms peak_mib <$work/out >$work/line
		keep prunescope
		ours=$rate our_cpu=$cpu_seconds
		watched "$python" bench/train_torch.py "$3" "$1" "$2" "$k" "$batch" "$steps" \
			"$threads"
		{
			echo "$header"
			tail -n 1 $work/out
		} | table tokens_per_s cpu_ms peak_mib >$work/line
		keep "$3"
		{ calc "$ours / $rate" 3 && echo; } >>$work/ratios
		{ calc "$cpu_seconds / $our_cpu" 3 && echo; } >>$work/cpu_ratios
	done
	row "$what" f32 "$threads" "ratio to $3" - - median - - "$(median <$work/ratios)" x - - - -
	row "$what" f32 "$threads" "ratio to $3 by CPU time" - - median - - \
		"$(median <$work/cpu_ratios)" x - - - -
}

begin_part train_pairs
[ -n "$python" ] || {
	say "PRUNESCOPE_BENCH_PYTHON names no Python: nothing to compare with"
	exit 0
}
echo "${PRUNESCOPE_BENCH_SHAPES:-640 5120, 1152 9216, 1152 16384}" | tr ',' '\n' >$work/shapes
while read -r d f <&3; do
	for peer in ${PRUNESCOPE_BENCH_PEERS:-sparsify}; do
		measure "$d" "$f" "$peer"
	done
done 3<$work/shapes
