#!/bin/sh
# usage: test/coverage.sh BUILD FILE...
# After the tests have run in a build with --coverage: prints for each source file the share of its
# lines that were executed and of its branches that were taken at least once, then the totals.
# BUILD holds the objects of the sources in the same folders.
set -eu
build=$1
shift

for source in "$@"; do
	gcov -n -b "$build/${source%.c}.o" 2>/dev/null |
		awk -v source="$source" '
			/^File / { own = index($0, "'\''" source "'\''") > 0 }
			own && /^Lines executed:/ {
				split($0, part, /[:% ]+/); lines = part[3]; n = part[5]
			}
			own && /^Taken at least once:/ {
				split($0, part, /[:% ]+/); taken = part[5]; branches = part[7]
			}
			END { printf "%s %s %d %s %d\n", source, lines, n, taken, branches }'
done | awk '
	BEGIN {
		printf "%-36s %8s %8s %9s %9s\n", "file", "lines %", "lines", "branch %",
			"branches"
	}
	{
		printf "%-36s %8.1f %8d %9.1f %9d\n", $1, $2, $3, $4, $5
		hit += $2 * $3; lines += $3; taken += $4 * $5; branches += $5
	}
	END {
		if (!lines || !branches) exit 1
		printf "%-36s %8.1f %8d %9.1f %9d\n", "all of them", hit / lines, lines,
			taken / branches, branches
	}'
