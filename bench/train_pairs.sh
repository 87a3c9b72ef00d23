#!/bin/sh
# SAE training beside PyTorch libraries, taking turns (PRUNESCOPE_BENCH_PAIRS), so that both see the same machine: rows of the part
# train_pairs, a line for each program and turn, the ratio's median by the clock and by the processors' time. Seconds and the
# processors' seconds are a step's (the median, the least); peak memory is the process's, rows included.
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

# PROGRAM: a line of its rate, a step's processor time in ms and its peak memory in $work/line becomes a row.
keep() {
	IFS=$tab read -r rate cpu_ms peak <$work/line
	cpu_seconds=$(calc "$cpu_ms / 1000")
	row "$what" f32 "$threads" "$1" - - "$turn" "$batch" "$(calc "$batch / $rate")" "$rate" tokens/s - "$peak" - -
}

# D F PEER
measure() {
	what="train D=$1 F=$2 k=$k batch=$batch"
	: >$work/ratios
	: >$work/cpu_ratios
	for turn in $(seq "$PRUNESCOPE_BENCH_PAIRS"); do
		watched build/bench/bench_train "$1" "$2" "$k" "$batch" "$threads" "$steps"
		table tokens_per_s cpu_ms peak_mib <$work/out >$work/line
		keep prunescope
		ours=$rate our_cpu=$cpu_seconds
		watched "$python" bench/train_torch.py "$3" "$1" "$2" "$k" "$batch" "$steps" "$threads"
		{
			echo "$header"
			tail -n 1 $work/out
		} | table tokens_per_s cpu_ms peak_mib >$work/line
		keep "$3"
		{ calc "$ours / $rate" 3 && echo; } >>$work/ratios
		{ calc "$cpu_seconds / $our_cpu" 3 && echo; } >>$work/cpu_ratios
	done
	row "$what" f32 "$threads" "ratio to $3" - - median - - "$(median <$work/ratios)" x - - - -
	row "$what" f32 "$threads" "ratio to $3 by CPU time" - - median - - "$(median <$work/cpu_ratios)" x - - - -
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
