#!/bin/sh
# Runs bench_ceiling, bench_matmul and bench_train, and makes rows of the results of what they
# print. Run it from the repository's root, after `make bench-programs`. Variables: bench/lib.sh.
set -eu
. bench/lib.sh

tab=$(printf '\t')

ceilings() {
	watched build/bench/bench_ceiling "$threads"
	table ceiling seconds rate unit <$work/out |
		while IFS=$tab read -r name seconds rate unit; do
			row "$name" - "$threads" "ceiling" - - 1 - "$seconds" "$rate" "$unit" \
				- - - -
		done
}

kernels() {
	watched build/bench/bench_matmul "$threads"
	table bench kernel shape seconds gflops share_of_ceiling <$work/out |
		while IFS=$tab read -r name kernel shape seconds rate share; do
			[ "$name" != ceiling ] || continue
			row "$name $shape" - "$threads" "$kernel" - - 1 - "$seconds" "$rate" \
				GFLOP/s "$share" - - -
		done
}

training() { # D F K BATCH STEPS
	watched build/bench/bench_train "$1" "$2" "$3" "$4" "$threads" "$5"
	table tokens_per_s <$work/out | while IFS=$tab read -r rate; do
		row "train D=$1 F=$2 k=$3 batch=$4" f32 "$threads" prunescope - - 1 - - "$rate" \
			tokens/s - "$rss" "$anonymous" -
	done
}

begin_part kernels
ceilings
kernels
training 640 5120 64 4096 5
