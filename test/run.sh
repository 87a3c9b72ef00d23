#!/bin/sh
# Runs each test binary (or script) with a time limit; exit 0 passed, 77 skipped, anything else failed.
# Ends with one line: N passed, N failed[, N skipped]. Counts are of the single tests inside the binaries.
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for t in "$@" ; do
	name=${t##*/}
	timeout "${TEST_TIMEOUT:-240}" "$t" >"$log" 2>&1
	code=$?
	ok=$(grep -c '^\[       OK \]' "$log")
	bad=$(grep -c '^\[  FAILED  \] [^0-9]' "$log")
	skip=$(grep -c '^\[  SKIPPED \] [^0-9]' "$log")
	if [ $code -eq 0 ]; then
		[ "$ok" -gt 0 ] || ok=1
		passed=$((passed + ok)) skipped=$((skipped + skip))
		echo "ok    $name ($ok)"
	elif [ $code -eq 77 ]; then
		skipped=$((skipped + 1))
		echo "skip  $name: $(tail -n 1 "$log")"
	else
		# cmocka lists each failed test twice; a crash or time-out lists none.
		bad=$(( (bad + 1) / 2 ))
		[ "$bad" -gt 0 ] || bad=1
		passed=$((passed + ok)) failed=$((failed + bad))
		echo "FAIL  $name (exit $code)"
		sed 's/^/      /' "$log"
	fi
done
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
