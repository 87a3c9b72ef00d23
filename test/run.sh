#!/bin/sh
# usage: test/run.sh PROGRAM...
# Runs test programs (binaries and scripts), JOBS at a time (one per processor), each with a time
# limit of TEST_TIMEOUT seconds (900). Those that ALONE lists by name run first, one after the
# other: they measure time. Each program has temporary and cache folders of its own, so that none
# sees what another one leaves. Results are shown in the order of the arguments.
# Each program prints one line for every test in it, as cmocka does:
#   "[       OK ] NAME", "[  FAILED  ] NAME" or "[  SKIPPED ] NAME"
# A program fails if
# - it exits with another status than 0 (passed) and 77 (skipped as a whole),
# - it exits with 0 although it says that a test failed,
# - it exits with 0 without a line of a test: nothing was tested,
# - it exits with 0 before it ran as many tests as cmocka announced.
# The output of a program that fails is shown. The last line is the count of single tests:
# N passed, N failed[, N skipped]. Exit 1 if a test failed or no program was given.
passed=0 failed=0 skipped=0
box=$(mktemp -d) || exit 1
workers=

end_all() {
	[ -z "$workers" ] || kill "$workers" 2>/dev/null
	wait
	rm -rf "$box"
}
trap end_all EXIT
trap 'exit 1' HUP INT TERM

# names WORD: the tests of which the log says so.
names() {
	sed -n "s/^\[ *$1 *\] //p" "$log" | grep -v '^[0-9]* test(s)'
}

# The number of tests that cmocka announced, over all its groups.
announced() {
	sed -n 's/^\[=*\].* Running \([0-9]*\) test.*/\1/p' "$log" |
		awk '{ n += $1 } END { print n + 0 }'
}

# Sets fault to what is wrong with a program of this exit status; empty if it passed.
judge() {
	fault=
	if [ "$1" -eq 124 ]; then
		fault="no end within ${TEST_TIMEOUT:-900} s"
	elif [ "$1" -gt 128 ]; then
		fault="killed by signal $(($1 - 128))"
	elif [ "$1" -ne 0 ]; then
		fault="exit $1"
	elif [ "$bad" -gt 0 ]; then
		fault="exit 0 although tests failed"
	elif [ $((ok + skip)) -eq 0 ]; then
		fault="exit 0 without a test"
	elif [ "$(announced)" -gt $((ok + skip)) ]; then
		fault="exit 0 after $((ok + skip)) of $(announced) tests"
	fi
}

# show NUMBER PROGRAM: counts the tests of a program that has ended, and tells how it went.
show() {
	log=$box/$1/log name=${2##*/}
	read -r status seconds <"$box/$1/end"
	if [ "$status" -eq 77 ]; then
		skipped=$((skipped + 1))
		echo "skip  $name: $(tail -n 1 "$log")"
		return
	fi
	ok=$(names OK | wc -l)
	bad=$(names FAILED | sort -u | wc -l) # cmocka lists these twice
	skip=$(names SKIPPED | sort -u | wc -l)
	judge "$status"
	if [ -n "$fault" ] && [ "$bad" -eq 0 ]; then
		bad=1 # a crash, a time-out and an empty program name no test
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	if [ -z "$fault" ]; then
		echo "ok    $name ($ok tests, $seconds s)"
	else
		echo "FAIL  $name ($fault)"
		sed 's/^/      /' "$log"
	fi
}

# execute NUMBER PROGRAM: unless another worker has taken it. Its end is written as a whole.
execute() {
	mine=$box/$1
	mkdir "$mine" 2>/dev/null || return 0
	mkdir "$mine/tmp" "$mine/cache"
	started=$(date +%s)
	TMPDIR=$mine/tmp XDG_CACHE_HOME=$mine/cache timeout "${TEST_TIMEOUT:-900}" "$2" \
		>"$mine/log" 2>&1 &
	running=$!
	wait $running
	echo "$? $(($(date +%s) - started))" >"$mine/ending"
	running=
	rm -rf "$mine/tmp" "$mine/cache"
	mv "$mine/ending" "$mine/end"
}

# work WHICH PROGRAM...: one worker. WHICH is alone or beside: those that ALONE lists, or all
# others. Each one that has ended is told on stdout.
work() {
	which=$1 number=0 running=
	shift
	trap '[ -z "$running" ] || kill $running; exit 1' TERM
	for program; do
		number=$((number + 1)) how=beside
		case " ${ALONE:-} " in *" ${program##*/} "*) how=alone ;; esac
		[ $how = "$which" ] || continue
		execute $number "$program"
		echo $number
	done
}

# all PROGRAM...: starts the workers, and waits for them.
all() {
	crew=
	# shellcheck disable=SC2086 # process ids
	trap 'kill $crew 2>/dev/null; exit 1' TERM
	work alone "$@" &
	crew=$!
	wait
	crew=
	jobs=${JOBS:-$(nproc)}
	while [ "$jobs" -gt 0 ]; do
		work beside "$@" &
		crew="$crew $!"
		jobs=$((jobs - 1))
	done
	wait
}

mkfifo "$box/told" || exit 1
all "$@" >"$box/told" &
workers=$!
next=1
while read -r _; do
	while [ $next -le $# ] && [ -e "$box/$next/end" ]; do
		eval "show $next \"\${$next}\""
		next=$((next + 1))
	done
done <"$box/told"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ $next -gt $# ] && [ $# -gt 0 ]
