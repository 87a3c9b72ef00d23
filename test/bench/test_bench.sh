#!/bin/sh
# Checks what the benchmarks rely on:
# - A synthetic checkpoint has the same bytes for any number of threads, and prunescope reads it.
# - watch_command reports time, memory and exit status.
# - The scripts read CSV tables and take medians correctly, and print results as a table.
# MAKE_CHECKPOINT, WATCH_COMMAND and PRUNESCOPE name other binaries.
# shellcheck disable=SC2317 # holds calls the functions
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
make_checkpoint=${MAKE_CHECKPOINT:-build/bench/make_checkpoint}
watch_command=${WATCH_COMMAND:-build/bench/watch_command}

same_files() {
	cmp "$1/model.safetensors" "$2/model.safetensors" && cmp "$1/config.json" "$2/config.json"
}

computes() {
	"$program" cache "$scratch/one" --tokens "$scratch/tokens.safetensors" --layer 0 --quiet \
		--json -o "$scratch/cache" | grep -q '"rows": 64'
}

other_seed_differs() {
	"$make_checkpoint" llama-135m "$scratch/other" --layers 1 --seed 8 &&
		! cmp -s "$scratch/one/model.safetensors" "$scratch/other/model.safetensors"
}

refuses() {
	"$make_checkpoint" "$@" 2>/dev/null
	[ $? -eq 2 ]
}

# The published file of Gemma 3 270M has 536,223,056 bytes: 26,704 of header, the others are data.
listed_bytes() {
	"$make_checkpoint" --shapes |
		grep -q '^gemma3-270m,google/gemma-3-270m,18,640,262144,536196352,'
}

# shellcheck disable=SC2016 # the inner shell's own variables
watched() {
	"$watch_command" -r "$scratch/watched" -s "$scratch/series" -i 10 \
		sh -c 'x=$(head -c 30000000 /dev/zero | tr "\0" x); sleep 0.3; exit ${x:+7}'
	[ $? -eq 7 ] || return 1
	read -r seconds user system rss anonymous read others status <"$scratch/watched"
	echo "$seconds $user $system $rss $anonymous $read $others $status"
	[ "$status" = 7 ] &&
		awk -v s="$seconds" -v r="$rss" -v a="$anonymous" -v o="$others" 'BEGIN {
			exit !(s > 0.3 && s < 30 && a > 25 && a <= r + 1 && o >= 0 && o <= 1.05)
		}' && [ "$(wc -l <"$scratch/series")" -gt 10 ]
}

reads_tables() {
	# shellcheck disable=SC1091 # the repository's own
	. bench/lib.sh
	read_rows=$(printf '# x\nname,kernel,rate\na,"b, c",3\n' | table rate kernel missing)
	[ "$read_rows" = "3	b; c	-" ] &&
		[ "$(printf '10\n9\n1e1\n8\n' | median)" = 9.5 ]
}

prints_tables() {
	cat >"$scratch/results.csv" <<ROWS
part,what,precision,program,backend,state,seconds,rate,unit,share,peak_rss_mib
stream,a pass,f32,prunescope,uring (direct),cold,2.5,12,tokens/s,,30
kernels,ceiling,,,,,,1234.5,GFLOP/s,0.256,
kernels long,x,,,,,1,,,,
ROWS
	sh bench/table.sh "$scratch/results.csv" >"$scratch/all"
	sh bench/table.sh "$scratch/results.csv" kernels >"$scratch/kernels"
	cat "$scratch/all"
	[ "$(wc -l <"$scratch/all")" -eq 4 ] && [ "$(wc -l <"$scratch/kernels")" -eq 3 ] &&
		grep -qx 'stream *a pass *f32 *prunescope uring *cold *2.5 *12 tokens/s *- *30' \
			"$scratch/all" &&
		grep -qx 'kernels  *ceiling  *-  *-  *-  *-  *1234.5 GFLOP/s  *26 %  *-' \
			"$scratch/all" &&
		[ "$(awk '{ print length }' "$scratch/all" | sort -u | wc -l)" -eq 1 ]
}

for tool in "$make_checkpoint" "$watch_command"; do
	[ -x "$tool" ] || {
		echo "$tool is not built"
		exit 77
	}
done
holds "a checkpoint and its tokens are made" "$make_checkpoint" llama-135m "$scratch/one" \
	--layers 1 --threads 1 --seed 7 --tokens "$scratch/tokens.safetensors" --windows 2 \
	--window 32
holds "another" "$make_checkpoint" llama-135m "$scratch/two" --layers 1 --threads 2 --seed 7
holds "one and two threads make the same bytes" same_files "$scratch/one" "$scratch/two"
holds "another seed makes others" other_seed_differs
holds "prunescope computes with it" computes
holds "shapes are the published ones" listed_bytes
holds "an unknown shape is refused" refuses gpt2 "$scratch/three"
holds "more layers than the model has are refused" refuses llama-135m "$scratch/three" --layers 31
holds "tokens without their count are refused" refuses llama-135m --tokens "$scratch/three"
holds "a command's time, memory and status are told" watched
holds "tables are read by their headers, medians taken" reads_tables
holds "results are printed as a table" prints_tables
conclude test_bench.sh
