# What the parts of check.sh share. Sourced; $root and $steps are set.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by check.sh
. test/support/program.sh

# skipped PART PROGRAM: the part needs the program, which is not installed.
skipped() {
	echo "[  SKIPPED ] $1: $2 is not installed"
}

# has PROGRAM
has() {
	command -v "$1" >/dev/null
}

make_texts() {
	awk -v seed=1 -v bytes=30000 -f "$root/test/fixtures/cli/text.awk" >"$scratch/text"
	awk -v seed=2 -v bytes=12000 -f "$root/test/fixtures/cli/text.awk" >"$scratch/held-out"
	awk -v seed=3 -v bytes=600000 -f "$root/test/fixtures/cli/text.awk" >"$scratch/long"
}

# write_study FILE: one model, two sparsities, both methods, controls: about three seconds of work.
write_study() {
	cat >"$1" <<STUDY
name: a small study
models:
  - {name: llama, path: $root/demo/models/llama, layer: 2}
checkpoints: [{name: kin, path: $root/demo/models/llama}]
text: [$scratch/text, $scratch/held-out]
methods: [magnitude, wanda]
sparsities: [0.3, 0.5]
seeds: [7, 42]
window: 64
calibration_tokens: 1024
train_tokens: 8000
ppl: {text: $scratch/held-out, window: 64, stride: 32, max_tokens: 400}
sae: {d_sae: 192, k: 8, batch: 128}
controls: {random: false}
splice: {windows: 8}
ablation: {features: 10, windows: 4}
bootstrap: {samples: 100}
STUDY
}

# count_steps FILE: how many steps the study has.
count_steps() {
	"$program" study "$1" -o counted --dry-run --json 2>/dev/null |
		sed -n 's/.*"steps": \([0-9]*\).*/\1/p'
}

# emit ENGINE FOLDER [OPTION...]: the small study's graph for an engine, into
# $scratch/ENGINE.emitted.
emit() {
	engine=$1 folder=$2
	shift 2
	"$program" study study.yaml -o "$folder" --threads 1 --memory 400M --emit "$engine" "$@" \
		>"$engine.emitted" 2>said
}

# records FOLDER: how many records its steps have written.
records() {
	find "$1/runs" -name "*.json" ! -name cards.json ! -path "*/sae/*" ! -path "*/cache/*" \
		2>/dev/null | wc -l
}

# same NAME FOLDER: every file that one process made is there with the same bytes, nothing else
# is, caches are gone and so are locks. What steps took (times.jsonl) may differ.
same() {
	holds "$1: the same results.json" cmp one/results.json "$2/results.json"
	holds "$1: the same tables" diff -r one/tables "$2/tables"
	holds "$1: the same records, masks and SAEs" diff -rq one/runs "$2/runs"
	holds "$1: the same report" cmp one/report.html "$2/report.html"
	holds "$1: no caches are left" test -z "$(find "$2" -name 'cache*')"
	holds "$1: no locks are left" test ! -e "$2/locks"
}

# start COMMAND...: in the background, as a process group of its own; its number is $group.
start() {
	setsid "$@" >>started 2>&1 &
	group=$!
}

# strike FOLDER RECORDS: kills the group (SIGKILL) once the folder has so many records.
strike() {
	while kill -0 "$group" 2>/dev/null && [ "$(records "$1")" -lt "$2" ]; do sleep 0.02; done
	kill -KILL "-$group" || return 1
	wait "$group" 2>/dev/null
	[ "$(records "$1")" -ge "$2" ] && [ ! -e "$1/results.json" ]
}

# killed NAME FOLDER COMMAND...: the command, killed three times in the middle, finishes at last.
# Before each start but the first, $unlock is run if it is set.
killed() {
	what=$1 folder=$2
	shift 2
	: >started
	for at in 6 16 28; do
		start "$@"
		holds "$what: killed after $at of $steps steps" strike "$folder" "$at"
		[ -z "${unlock:-}" ] || $unlock >/dev/null 2>&1
	done
	holds "$what: the same command finishes" "$@"
}
