# What the scripts that time forward passes share: how many windows, a pass of ours, one of theirs.
# They source it after lib.sh.
# shellcheck shell=sh disable=SC2034,SC2154 # lib.sh sets what is used here; callers use the rest

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

# has_bf16: whether this CPU has instructions for bf16, and may use them
has_bf16() {
	[ "${PRUNESCOPE_MATMUL:-}" != avx2 ] && grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo
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

# ours MODEL TOKENS LAYER PRECISION: sets rate
ours() {
	again="rm -rf $work/cache"
	$again
	watched "$PRUNESCOPE" cache "$1" --tokens "$2" --layer "$3" --dtype bf16 --precision "$4" \
		--threads "$threads" --quiet --json -o "$work/cache"
	tokens=$(json_number rows)
	rate=$(calc "$tokens / $seconds" 1)
}

# theirs PYTHON SCRIPT ARGUMENT...: sets rate, and result to the difference or the loss
theirs() {
	again=
	watched "$@"
	read -r tokens seconds cpu_seconds result <"$work/out"
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
