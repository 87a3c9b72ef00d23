#!/bin/sh
# Compares the precisions of the forward pass with the programs that a user would run instead. All
# take turns, so that all see the same machine:
# - `prunescope cache` of the last layer into a bf16 cache, in f32, int16 and bf16,
# - the forward passes of transformers in f32, and in bf16 where the CPU has instructions for it,
# - the prefill of ik_llama.cpp in BF16 and Q8_0.
# Each peer is optional. Writes a row for each run, and for each pair of ours and a peer's the
# median of the turns' ratios, by the clock and by processor time. What is timed of each program is
# the same as in bench/forward.sh. Run it from the repository's root, after `make bench-programs`.
#   bench/peers.sh [SHAPE...]
# Without SHAPE: two layers of llama-135m and gemma3-270m, or with BENCH_FULL=1 the whole of
# llama-135m, gemma3-270m, gemma3-1b and llama-1b.
# PRUNESCOPE_MATMUL=avx2 shows what a CPU with AVX2 alone gains: f32 then has BLIS's kernel, as
# such a CPU chooses it, and transformers is kept to AVX2 too. (ik_llama.cpp has the instructions
# that its package was compiled with.)
# Variables: bench/lib.sh, and
#   PRUNESCOPE_BENCH_IK      a Python with ik-llama-cpp-python, gguf, numpy, torch and safetensors
#   PRUNESCOPE_BENCH_BEFORE  another build of prunescope, which also takes its turn, in f32
#   PRUNESCOPE_BENCH_PROGRAMS  which take turns, in this order (all that can): now:f32 now:int16
#                            now:bf16 before:f32 torch:f32 torch:bf16 ik:bf16 ik:q8_0. The rows
#                            of torch are compared with those of the last one before it
set -eu
. bench/lib.sh
. bench/passes.sh

kernels=${PRUNESCOPE_MATMUL:-best}
[ "$kernels" != avx2 ] || export ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
now=$PRUNESCOPE

# Each of the programs is a word PROGRAM:PRECISION.
if [ -z "${PRUNESCOPE_BENCH_PROGRAMS:-}" ]; then
	all="now:f32 now:int16 now:bf16"
	[ -z "${PRUNESCOPE_BENCH_BEFORE:-}" ] || all="$all before:f32"
	if [ -n "${PRUNESCOPE_BENCH_PYTHON:-}" ]; then
		all="$all torch:f32"
		! has_bf16 || all="$all torch:bf16"
	fi
	[ -z "${PRUNESCOPE_BENCH_IK:-}" ] || all="$all ik:bf16 ik:q8_0"
	PRUNESCOPE_BENCH_PROGRAMS=$all
fi

# gguf_path PRECISION: prints the path of the model's GGUF file, and makes it if it is not there.
gguf_path() {
	path=$PRUNESCOPE_BENCH_DIR/$what-$1.gguf
	if [ ! -f "$path" ]; then
		say "making $path"
		"$PRUNESCOPE_BENCH_IK" bench/make_gguf.py "$model" "$1" "$path.new" >&2 ||
			die "cannot make $path"
		mv "$path.new" "$path"
	fi
	echo "$path"
}

# name_of PROGRAM:PRECISION: as it stands in the results
name_of() {
	case $1 in
	now:*) echo "prunescope; $kernels kernels" ;;
	before:*) echo "prunescope $(basename "$PRUNESCOPE_BENCH_BEFORE")" ;;
	torch:*) echo "transformers" ;;
	ik:*) echo "ik_llama.cpp" ;;
	esac
}

# turn PROGRAM:PRECISION: a run, its row, and a line of rates for the ratios
turn() {
	precision=${1#*:}
	case $1 in
	now:* | before:*)
		PRUNESCOPE=$now
		[ "${1%:*}" = now ] || PRUNESCOPE=$PRUNESCOPE_BENCH_BEFORE
		[ "$kernels $precision" != "avx2 f32" ] || export PRUNESCOPE_MATMUL=blis
		ours "$model" "$tokens_file" $last "$precision"
		[ "$kernels" != avx2 ] || export PRUNESCOPE_MATMUL=avx2
		;;
	torch:*)
		theirs "$PRUNESCOPE_BENCH_PYTHON" bench/forward_torch.py forward "$model" \
			"$tokens_file" "$precision" "$threads" \
			"$(torch_windows_of "$shape" "$precision")" $work/cache
		check_difference bf16 "$result" "$what"
		;;
	ik:*)
		theirs "$PRUNESCOPE_BENCH_IK" bench/forward_ik.py forward \
			"$(gguf_path "$precision")" "$tokens_file" "$threads" \
			"$(torch_windows_of "$shape" f32)"
		;;
	esac
	row "$what" "$precision" "$threads" "$(name_of "$1")" warm - "$run" "$tokens" "$seconds" \
		"$rate" tokens/s - "$rss" "$anonymous" "$read"
	echo "$rate $(calc "$tokens / $cpu_seconds" 1)" >>"$work/rates-$1"
}

# ratio OURS PEER: the median ratios of the turns
ratio() {
	for by in 1 2; do
		label="$(name_of "$1") over $(name_of "$2") ${2#*:}"
		[ $by = 1 ] || label="$label by CPU time"
		row "$what" "${1#*:}" "$threads" "$label" warm - median - - "$(paste -d ' ' \
			"$work/rates-$1" "$work/rates-$2" |
			awk -v by=$by '{ printf "%.3f\n", $by / $(by + 2) }' | median)" \
			x - - - -
	done
}

compare() { # SHAPE
	layers=
	[ "$BENCH_FULL" = 1 ] || layers=2
	shape=$1
	model=$(model_path "$1" $layers)
	tokens_file=$(token_path "$1" "$(windows_of "$1")")
	last=$((${layers:-$(shape_field "$1" layers)} - 1))
	what=$1${layers:+ $layers layers}
	rm -f $work/rates-*
	for run in $(seq "$PRUNESCOPE_BENCH_PAIRS"); do
		warm "$model"
		for program in $PRUNESCOPE_BENCH_PROGRAMS; do
			turn "$program"
		done
	done
	for program in $PRUNESCOPE_BENCH_PROGRAMS; do
		[ "${program%:*}" = now ] || continue
		for peer in $PRUNESCOPE_BENCH_PROGRAMS; do
			[ "$peer" != now:f32 ] && [ "${peer%:*}" = now ] ||
				[ "$peer" = "$program" ] || ratio "$program" "$peer"
		done
	done
}

begin_part "peers $kernels"
if [ $# = 0 ]; then
	set -- llama-135m gemma3-270m
	[ "$BENCH_FULL" != 1 ] || set -- "$@" gemma3-1b llama-1b
fi
for shape; do
	compare "$shape"
done
