#!/bin/sh
# usage: test/run.sh PROGRAM...
# Runs test programs (binaries and scripts) one after the other, each with a time limit of
# TEST_TIMEOUT seconds (400). Each program prints one line for every test in it, as cmocka does:
#   "[       OK ] NAME", "[  FAILED  ] NAME" or "[  SKIPPED ] NAME"
# A program fails if
# - it exits with another status than 0 (passed) and 77 (skipped as a whole),
# - it exits with 0 although it says that a test failed,
# - it exits with 0 without a line of a test: nothing was tested,
# - it exits with 0 before it ran as many tests as cmocka announced.
# The output of a program that fails is shown. The last line is the count of single tests:
# N passed, N failed[, N skipped]. Exit 1 if a test failed or no program was given.
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

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
		fault="no end within ${TEST_TIMEOUT:-400} s"
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

for program in "$@"; do
	name=${program##*/}
	started=$(date +%s)
	timeout "${TEST_TIMEOUT:-400}" "$program" >"$log" 2>&1
	status=$?
	if [ $status -eq 77 ]; then
		skipped=$((skipped + 1))
		echo "skip  $name: $(tail -n 1 "$log")"
		continue
	fi
	ok=$(names OK | wc -l)
	bad=$(names FAILED | sort -u | wc -l) # cmocka lists these twice
	skip=$(names SKIPPED | sort -u | wc -l)
	judge $status
	if [ -n "$fault" ] && [ "$bad" -eq 0 ]; then
		bad=1 # a crash, a time-out and an empty program name no test
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	if [ -z "$fault" ]; then
		echo "ok    $name ($ok tests, $(($(date +%s) - started)) s)"
	else
		echo "FAIL  $name ($fault)"
		sed 's/^/      /' "$log"
	fi
done
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ $# -gt 0 ]
