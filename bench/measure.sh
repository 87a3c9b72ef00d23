#!/bin/sh
# The full measurement session: builds, measures the parts that are named (all if none is), and
# draws the pictures of docs/PERFORMANCE.md. Run it from the repository's root.
#   bench/measure.sh [PART...]
# Parts: kernels forward peers stream memory train_pairs train_memory plot
# - It ends with a table of these parts (bench/table.sh).
# - Each part replaces its own rows in bench/results/MACHINE.csv. With BENCH_FULL=0 it measures the
#   small shapes of `make bench` and writes to build/bench/results/MACHINE.csv.
# - On two cores, with bf16 and torch, forward takes about 15 minutes, peers with all of them 40,
#   and the others together 15.
# - memory and train_memory need root.
# - Checkpoints of 10 GB are made under PRUNESCOPE_BENCH_DIR.
# Variables: bench/lib.sh.
set -eu
: "${BENCH_FULL:=1}"
export BENCH_FULL
make --no-print-directory -s -j"$(getconf _NPROCESSORS_ONLN)" bench-programs
[ $# -gt 0 ] || set -- kernels forward peers stream memory train_pairs train_memory plot
for part; do
	case $part in
	kernels | forward | peers | stream | memory) ;;
	train_pairs | train_memory | plot) ;;
	*)
		echo "measure.sh: no part is called $part" >&2
		exit 2
		;;
	esac
	echo "# $part" >&2
	if [ "${part%memory}" != "$part" ] && [ ! -w /sys/fs/cgroup ]; then
		echo "measure.sh: $part is left out: a cgroup needs root" >&2
		continue
	fi
	sh "bench/$part.sh"
done
. bench/lib.sh
[ ! -f "$results" ] || {
	sh bench/table.sh "$results" "$@"
	echo "All columns: $results"
}
