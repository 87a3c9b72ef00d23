#!/bin/sh
# test/run.sh counts and fails as it should: checked with planted programs that pass, fail, are
# empty, crash, hang, stop early or skip.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/checks.sh
mkdir "$scratch/tmp"

# plant NAME: a program with the body on standard input
plant() {
	{
		echo '#!/bin/sh'
		cat
	} >"$scratch/$1"
	chmod +x "$scratch/$1"
}

# expect WHAT STATUS LINE PROGRAM...: the runner's exit status and last line for these programs
expect() {
	what=$1 status=$2 line=$3
	shift 3
	programs=
	for program; do
		programs="$programs $scratch/$program"
	done
	# shellcheck disable=SC2086 # a list of programs
	TEST_TIMEOUT=${limit:-60} TMPDIR=$scratch/tmp sh test/run.sh $programs >"$scratch/out" 2>&1
	got=$?
	last=$(tail -n 1 "$scratch/out")
	if [ $got -eq "$status" ] && [ "$last" = "$line" ]; then
		passed "$what"
	else
		failed "$what" "exit $got and '$last', expected exit $status and '$line'"
	fi
}

# says WHAT PATTERN: the last run printed a line like this
says() {
	holds "$1" grep -q -e "$2" "$scratch/out"
}

plant passing <<'END'
echo "[==========] Running 2 test(s)."
echo "[       OK ] one"
echo "[       OK ] two"
echo "[  PASSED  ] 2 test(s)."
END
plant script <<'END'
echo "[       OK ] the same bytes"
echo "[       OK ] the same bytes"
echo "[       OK ] another"
END
plant failing <<'END'
echo "[==========] Running 3 test(s)."
echo "[       OK ] one"
echo "[  FAILED  ] two"
echo "[  FAILED  ] three"
echo "[  FAILED  ] 2 test(s), listed below:"
echo "[  FAILED  ] two"
echo "[  FAILED  ] three"
exit 2
END
plant lying <<'END'
echo "[       OK ] one"
echo "[  FAILED  ] two"
END
plant empty </dev/null
plant talking <<'END'
echo "nothing was tested"
END
plant early <<'END'
echo "[==========] Running 2 test(s)."
echo "[       OK ] one"
END
plant crashing <<'END'
echo "[       OK ] one"
kill -SEGV $$
END
plant hanging <<'END'
echo left >"$TMPDIR/left"
exec sleep 300
END
# Each of a pair opens the pipe only when the other one does.
mkfifo "$scratch/pipe"
plant meets <<END
echo there >"$scratch/pipe" && echo "[       OK ] the other one runs at the same time"
END
plant meets-again <<END
read -r word <"$scratch/pipe" && echo "[       OK ] and so does this one"
END
plant folders <<'END'
[ -d "$TMPDIR" ] && [ -d "$XDG_CACHE_HOME" ] && [ -z "$(ls -A "$TMPDIR" "$XDG_CACHE_HOME" |
	grep -v :)" ] && echo left >"$TMPDIR/left" && echo left >"$XDG_CACHE_HOME/left" &&
	echo "[       OK ] both are there and empty"
END
plant first <<END
[ ! -e "$scratch/ran" ] && echo "[       OK ] nothing ran before"
END
plant other <<END
: >"$scratch/ran"
echo "[       OK ] something ran"
END
plant skipping <<'END'
echo "no such device"
exit 77
END
plant partly <<'END'
echo "[==========] Running 2 test(s)."
echo "[       OK ] one"
echo "[  SKIPPED ] two"
echo "[  PASSED  ] 1 test(s)."
echo "[  SKIPPED ] 1 test(s), listed below:"
echo "[  SKIPPED ] two"
END

expect "passing tests are counted" 0 "5 passed, 0 failed" passing script
expect "failed tests are counted once" 1 "1 passed, 2 failed" failing
says "the output of a failed program is shown" '^      \[  FAILED  \] three$'
expect "one failure among others fails the run" 1 "6 passed, 2 failed" passing failing script
expect "exit 0 after a failed test is a failure" 1 "1 passed, 1 failed" lying
expect "an empty program is a failure" 1 "0 passed, 1 failed" empty
says "of which the reason is told" '^FAIL  empty (exit 0 without a test)$'
expect "output without a test is a failure" 1 "0 passed, 1 failed" talking
expect "ending before the last test is a failure" 1 "1 passed, 1 failed" early
expect "a crash is a failure" 1 "1 passed, 1 failed" crashing
says "of which the signal is told" '^FAIL  crashing (killed by signal 11)$'
limit=1
expect "a program that hangs is a failure" 1 "0 passed, 1 failed" hanging
limit=
says "of which the limit is told" '^FAIL  hanging (no end within 1 s)$'
holds "and nothing of it is left" test -z "$(ls -A "$scratch/tmp")"
expect "a program that is not there is a failure" 1 "0 passed, 1 failed" absent
expect "a skipped program is counted" 0 "2 passed, 0 failed, 1 skipped" skipping passing
says "with its reason" '^skip  skipping: no such device$'
expect "skipped tests are counted" 0 "1 passed, 0 failed, 1 skipped" partly
export JOBS=1
expect "every program has folders of its own" 0 "2 passed, 0 failed" folders folders
export JOBS=2
expect "two programs run side by side" 0 "2 passed, 0 failed" meets meets-again
export ALONE=first
expect "what must run alone runs first" 0 "4 passed, 0 failed" other first passing
holds "and results are in the order of the programs" test \
	"$(sed -n 's/^ok    \([a-z]*\).*/\1/p' "$scratch/out" | tr '\n' ' ')" = \
	"other first passing "
unset JOBS ALONE
expect "no program at all is a failure" 1 "0 passed, 0 failed"
conclude test_run.sh
