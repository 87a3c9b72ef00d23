#!/bin/sh
# usage: test/engines/check.sh [PART...]
# A study gives the same bytes whoever runs its steps: one process, several on one folder, make,
# Snakemake, Slurm, or a script that follows --emit json. Also where they are killed in the middle.
# PRUNESCOPE names another binary. PARTS are the functions below whose names are in $all.
# An engine that is not installed is skipped. Slurm's daemons are started here, with a
# configuration of their own, and stopped at the end; this needs root.
# About four minutes on two cores. `make check-engines` calls it.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
all="under_make under_snakemake under_slurm as_json_says other_kernel other_key
	processes_share taken_over"
group=
. test/engines/lib.sh
unset PRUNESCOPE # emitted files heed it as well
. test/engines/slurm.sh

clean_up() {
	[ -z "$group" ] || kill -KILL "-$group" 2>/dev/null
	stop_slurm
	rm -rf "$scratch"
}
trap clean_up EXIT

by_one_process() {
	holds "one process" "$program" study study.yaml -o one --quiet
	killed "one process" one-killed "$program" study study.yaml -o one-killed --quiet
	same "one process, killed" one-killed
}

under_make() {
	has make || { skipped under_make make; return; }
	holds "make: emitted" emit make make
	holds "make: -j2" make -f make.emitted -j2
	same make make
	holds "make: run again it does nothing" sh -c \
		"! make -f make.emitted -j2 | grep -q 'only llama'"
	rm make/runs/llama/dense/sae/seed-7/cfg.json make/figures/fvu.svg
	holds "make: outputs lost" make -f make.emitted -j2
	same "make, outputs lost" make
	holds "make: then nothing" sh -c "! make -f make.emitted -j2 | grep -q 'only llama'"
	emit make make-killed
	killed make make-killed make -f make.emitted -j2
	same "make, killed" make-killed
	rm make/runs/llama/dense/train-42.json
	emit make make
	holds "make: one step lost" make -f make.emitted -j2
	same "make, one step lost" make
	emit make make-kept --keep-caches
	holds "make: --keep-caches" make -f make.emitted -j2
	holds "which keeps them" test -e make-kept/runs/llama/dense/cache/manifest.json
	holds "and gives the same results" cmp one/results.json make-kept/results.json
}

under_snakemake() {
	has snakemake || { skipped under_snakemake snakemake; return; }
	holds "snakemake: emitted" emit snakemake snakemake
	holds "snakemake: --cores 2" snakemake -s snakemake.emitted --cores 2
	same snakemake snakemake
	holds "snakemake: run again it does nothing" sh -c \
		"snakemake -s snakemake.emitted --cores 2 2>&1 | grep -q 'Nothing to be done'"
	rm snakemake/runs/llama/dense/sae/seed-7/cfg.json snakemake/figures/fvu.svg
	holds "snakemake: outputs lost" snakemake -s snakemake.emitted --cores 2
	same "snakemake, outputs lost" snakemake
	emit snakemake snakemake-killed
	unlock="snakemake -s snakemake.emitted --unlock"
	killed snakemake snakemake-killed snakemake -s snakemake.emitted --cores 2 \
		--rerun-incomplete
	unset unlock
	same "snakemake, killed" snakemake-killed
	emit snakemake snakemake-kept --keep-caches
	holds "snakemake: --keep-caches" snakemake -s snakemake.emitted --cores 2
	holds "which keeps them" test -e snakemake-kept/runs/llama/dense/cache/manifest.json
	holds "and gives the same results" cmp one/results.json snakemake-kept/results.json
}

under_slurm() {
	for daemon in munged slurmctld slurmd; do
		has $daemon || { skipped under_slurm $daemon; return; }
	done
	[ "$(id -u)" -eq 0 ] || { echo "[  SKIPPED ] under_slurm: needs root"; return; }
	start_slurm || { failed "slurm: starts" "$(tail -n 40 slurm/slurmctld.log)"; return; }
	holds "slurm: emitted" emit slurm slurm-study
	holds "slurm: submitted" submit
	holds "slurm: the last job completes" finishes
	same slurm slurm-study
	emit slurm slurm-killed
	for at in 6 20; do
		submit
		holds "slurm: cancelled after $at of $steps steps" cancel slurm-killed "$at"
	done
	submit
	holds "slurm: submitted again it completes" finishes
	same "slurm, cancelled" slurm-killed
	sed 's/--kernel .*/--kernel other \\/' slurm.emitted >other && mv other slurm.emitted
	submit
	holds "slurm: where a step fails the rest is cancelled" cancelled_itself
	stop_slurm
}

# The commands of --emit json as shell words, a line a step. The scratch folder's paths have no
# characters that awk would have to decode.
commands() {
	awk '/^   "command": \[/ { on = 1; line = ""; next }
		on && /^   \]/ { print line; on = 0 }
		on { sub(/^ */, ""); sub(/,$/, ""); line = line " " $0 }' "$1"
}

run_commands() {
	commands json.emitted >steps.sh
	[ "$(wc -l <steps.sh)" -eq "$steps" ] || return 1
	sh -e steps.sh
}

as_json_says() {
	holds "json: emitted" emit json json
	holds "json: every command in order" run_commands
	same json json
	emit json json
	holds "json: then every step is done" test "$steps" -eq \
		"$(grep -c '"done": true' json.emitted)"
}

# refuses NAME PATTERN COMMAND...: exit 1 and a message.
refuses() {
	refused=$1 pattern=$2
	shift 2
	"$@" >told 2>&1
	code=$?
	holds "$refused: exit 1 (was $code)" test $code -eq 1
	holds "and the message says so" grep -q "$pattern" told
}

other_kernel() {
	other='another, f32 (1x1)'
	refuses "a step for another matrix kernel" "for the matrix kernel '$other'" \
		"$program" study study.yaml -o none --only llama/dense/tokens --kernel "$other"
	holds "and nothing is made" test ! -e none
	PRUNESCOPE_MATMUL=ref
	export PRUNESCOPE_MATMUL
	holds "one process with the reference kernel" "$program" study study.yaml -o ref --quiet
	emit make ref-make
	emit json ref-json
	unset PRUNESCOPE_MATMUL
	has make || { skipped other_kernel make; return; }
	holds "make: the emitted file pins the kernel" make -f make.emitted -j2
	holds "make: the same results as one process with it" cmp ref/results.json \
		ref-make/results.json
	# shellcheck disable=SC2046 # words of a command
	! cmp -s ref/results.json one/results.json || return
	refuses "json: where the environment is not as it says" "takes '" \
		sh -c "$(commands json.emitted | head -n 1)"
}

# The study changes: k of its SAEs. What is not of the new study is made again, nothing else.
other_key() {
	sed 's/k: 8/k: 4/' study.yaml >changed.yaml
	holds "one process, k changed" "$program" study changed.yaml -o changed --quiet
	for engine in make snakemake; do
		has $engine || { skipped other_key $engine; continue; }
		rm -rf "key"
		cp -r one key
		mv study.yaml old.yaml
		cp changed.yaml study.yaml
		emit "$engine" key --force
		case $engine in
		make) set -- make -f make.emitted -j2 ;;
		*) set -- snakemake -s snakemake.emitted --cores 2 ;;
		esac
		touch before
		holds "$engine: k changed" "$@"
		holds "$engine: the same results" cmp changed/results.json key/results.json
		holds "$engine: masks are not made again" test -z \
			"$(find key -name 'mask.*' -newer before)"
		holds "$engine: no caches are left" test -z "$(find key -name 'cache*')"
		mv old.yaml study.yaml
	done
}

# A study of two models, of 20 to 60 s of one thread's work.
write_long_study() {
	write_study "$1"
	sed -i "s|^text:.*|text: [$scratch/long]|; s/^train_tokens.*/train_tokens: 60000/
		s/max_tokens: 400/max_tokens: 2000/; s/d_sae: 192, k: 8/d_sae: 768, k: 16/
		s|^text|  - {name: gemma3, path: $root/demo/models/gemma3, layer: 2}\n&|" "$1"
}

# watch PROCESS: until it ends; prints the seconds that it took, less those in which it could have
# run but other programs had the processors. On an idle machine that is the time by the clock.
watch() {
	started=$(date +%s%N)
	echo 0 >"waited.$1"
	while read -r _ waited _ 2>/dev/null <"/proc/$1/schedstat" && kill -0 "$1" 2>/dev/null; do
		echo "$waited" >"waited.$1"
		sleep 0.1
	done
	awk -v ns=$(($(date +%s%N) - started)) '{ print (ns - $1) / 1e9 }' "waited.$1"
}

# work FOLDER PROCESSES: so many processes with one thread each do the long study; prints the
# seconds of the one that took longest.
work() {
	for _ in $(seq "$2"); do
		"$program" study long.yaml -o "$1" --threads 1 --quiet >/dev/null 2>&1 &
		watch $! >"seconds.$!" &
	done
	wait
	sort -n seconds.* | tail -n 1
	rm -f seconds.* waited.*
}

# Three tries, the best of which counts.
processes_share() {
	write_long_study long.yaml
	best=9
	for try in 1 2 3; do
		rm -rf alone together
		alone=$(work alone 1)
		together=$(work together 2)
		ratio=$(awk -v a="$alone" -v t="$together" 'BEGIN { printf "%.3f", t / a }')
		echo "    try $try: one process $alone s, two on one folder $together s: $ratio"
		best=$(awk -v a="$best" -v b="$ratio" 'BEGIN { print a < b ? a : b }')
		awk -v b="$best" 'BEGIN { exit !(b < 0.75) }' && break
	done
	holds "two processes: the same results" cmp alone/results.json together/results.json
	holds "two processes: the same tables" diff -r alone/tables together/tables
	holds "two processes: the same records, masks and SAEs" diff -rq alone/runs together/runs
	holds "two processes: no caches are left" test -z "$(find together -name 'cache*')"
	holds "two processes take $best of one's time, less than 0.75" \
		awk -v b="$best" 'BEGIN { exit !(b < 0.75) }'
}

locks() {
	find "$1/locks" -name '*.lock' 2>/dev/null
}

# killed_holding FOLDER: kills the started process while it holds a step.
killed_holding() {
	while kill -0 "$group" 2>/dev/null; do
		if [ "$(records "$1")" -ge 12 ] && [ -n "$(locks "$1")" ]; then
			kill -KILL "-$group"
			wait "$group" 2>/dev/null
			[ -z "$(locks "$1")" ] || return 0
			start "$program" study study.yaml -o "$1" --quiet
		fi
	done
	return 1
}

# fake_lock HOST STEP: the claim of a process elsewhere.
fake_lock() {
	mkdir -p fake/locks
	printf '{"boot": "none", "host": "%s", "pid": 4711, "pid_namespace": 1, %s' "$1" \
		"\"process_start\": 1, \"since\": 1, \"step\": \"$2\"}" \
		>"fake/locks/$(echo "$2" | tr / +).lock"
}

says_it_waits() {
	grep -q 'waiting for llama/dense/tokens, which process 4711 on elsewhere' started
}

# The fake study's process says that it waits; then it is interrupted.
waits() {
	: >started
	start "$program" study study.yaml -o fake --json
	for _ in $(seq 500); do
		says_it_waits && break
		sleep 0.1
	done
	kill -INT "$group"
	wait "$group"
	[ $? -eq 130 ] && says_it_waits
}

taken_over() {
	start "$program" study study.yaml -o left --quiet
	holds "a process is killed while it holds a step" killed_holding left
	"$program" study study.yaml -o left --json >/dev/null 2>told
	holds "the next one takes the step over" grep -q 'taken over from process' told
	same "taken over" left
	start "$program" study study.yaml -o beside --quiet
	first=$group
	start "$program" study study.yaml -o beside
	second=$group group=$first
	holds "one of two is killed" strike beside 12
	group=$second
	holds "the other finishes" wait "$second"
	same "one of two killed" beside
	fake_lock elsewhere llama/dense/tokens
	touch -d '60 seconds ago' fake/locks/*.lock
	holds "a step that a process elsewhere holds is waited for" waits
	fake_lock elsewhere llama/dense/tokens
	touch -d '150 seconds ago' fake/locks/*.lock
	"$program" study study.yaml -o fake --json >/dev/null 2>told
	holds "until its heartbeat is two minutes old" \
		grep -q 'taken over from process 4711 on elsewhere' told
	same "taken over from elsewhere" fake
}

make_texts
cd "$scratch" || exit 1
write_study study.yaml
steps=$(count_steps study.yaml)
by_one_process
[ $# -eq 0 ] || all=$*
for part in $all; do
	$part
done
conclude check.sh
