#!/bin/sh
# Kills a training run (SIGKILL) at twenty random moments of its work and resumes it each time. It
# must end with the bytes of a run that was left alone, its log included except for the rates. The
# runs that are killed have less memory than the cache has bytes: they sort its rows on disk.
# PRUNESCOPE names another binary, KILLS another number of kills, SEED other moments.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
kills=${KILLS:-20} seed=${SEED:-1}
name="a training run killed $kills times ends as one left alone"

give_up() {
	failed "$name" "$1"
	exit 1
}

# train FOLDER [OPTION...]: call it in a subshell. The subshell becomes the program, so its process
# id can be killed.
train() {
	folder=$1
	shift
	exec "$program" train "$scratch/cache" -o "$folder" "$@" --d-sae 384 --k 16 --batch 256 \
		--tokens 61440 --save-every 0.05 --hold-out 512 --log "$folder-log" --quiet --json \
		>/dev/null 2>"$scratch/err"
}

# digest FOLDER: of all its files, and of the log without the columns that depend on time: the
# rates, and what is measured when a state is saved.
digest() {
	(cd "$1" && sha256sum ./* && cut -d, -f1-7 "$1-log.csv" | sha256sum)
}

ids=$scratch/text
head -c 60000 README.md CONTRIBUTING.md docs/*.md 2>/dev/null >"$ids"
"$program" tokenize demo/models/llama --text "$ids" -o "$scratch/tokens" --window 64 --quiet \
	>/dev/null 2>"$scratch/err" || give_up "$(cat "$scratch/err")"
"$program" cache demo/models/llama --tokens "$scratch/tokens" --layer 2 -o "$scratch/cache" \
	--quiet >/dev/null 2>"$scratch/err" || give_up "$(cat "$scratch/err")"
train "$scratch/whole" &
labour $! || give_up "$(cat "$scratch/err")"
expected=$(digest "$scratch/whole")
cut -d, -f9 "$scratch/whole-log.csv" | grep -q '^0\.[0-9]' ||
	give_up 'the log holds no measure of the rows held out'

(train "$scratch/none" --memory 1) && give_up 'a budget of 1 byte is enough'
least=$(sed -n 's/.*would do is .*(\([0-9]*\) bytes).*/\1/p' "$scratch/err")
train_cut() {
	train "$scratch/cut" --memory $((least + 6000000))
}

killed=0 runs=0
while [ "$killed" -lt "$kills" ]; do
	train_cut &
	pid=$!
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	strike KILL $((seed % 1000 * whole / 5000)) "$pid"
	wait "$pid" 2>/dev/null
	[ $? -ne 137 ] || killed=$((killed + 1))
	if [ -f "$scratch/cut/manifest.json" ] &&
		grep -q '"complete": *true' "$scratch/cut/manifest.json"; then
		# A run that was killed at its very end leaves its state to the next one.
		(train_cut) || give_up "$(cat "$scratch/err")"
		[ "$(digest "$scratch/cut")" = "$expected" ] ||
			give_up "after $killed kills a finished run differs"
		rm -rf "$scratch/cut" "$scratch"/cut-log.*
		runs=$((runs + 1))
	fi
done
(train_cut) || give_up "$(cat "$scratch/err")"
[ "$(digest "$scratch/cut")" = "$expected" ] || give_up "the last run differs"
cp "$scratch/cut/cfg.json" "$scratch/cut/checkpoint.safetensors"
(train_cut) || give_up "$(cat "$scratch/err")"
[ "$(digest "$scratch/cut")" = "$expected" ] ||
	give_up "a state that a finished run left is not removed"
passed "$name (uninterrupted: $whole ticks of work; $((runs + 1)) runs finished)"
