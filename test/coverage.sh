#!/bin/sh
# usage: test/coverage.sh BUILD FILE...
# After the tests have run in a build with --coverage: prints for each source file the share of its
# lines that were executed and of its branches that were taken at least once, then the totals, then
# how many files have less than 90 % of their branches taken. Exit 1 if there is one.
# No file and no branch is exempt. The tests never take these:
# - a path of PATH_MAX bytes below a folder that could be opened, which would be longer;
# - the ends that jansson's macros have for NULL, where there is an object;
# - errors of calls that no test replaces: mmap, flock, opendir of an open folder, asprintf.
# BUILD holds the objects of the sources in the same folders, which must be built with -O0: then a
# branch that gcov counts is one of the source.
set -eu
build=$1
shift

# counts FILE: prints its name, percent and number of lines, percent and number of branches.
counts() {
	gcov -n -b "$build/${1%.c}.o" 2>/dev/null | awk -v source="$1" '
		/^File / { own = $0 == "File '\''" source "'\''" }
		own && /^Lines executed:/ {
			split($0, part, /[:% ]+/); lines = part[3] " " part[5]
		}
		own && /^Taken at least once:/ {
			split($0, part, /[:% ]+/); branches = part[5] " " part[7]
		}
		END { print source, lines ? lines : "0 0", branches ? branches : "100 0" }'
}

for source in "$@"; do
	counts "$source"
done | awk -v least=90 '
	function row(name, lines, line_count, taken, branches, mark) {
		printf "%-36s %8.1f %8d %9.1f %9d%s\n", name, lines, line_count, taken,
			branches, mark
	}
	BEGIN {
		printf "%-36s %8s %8s %9s %9s\n", "file", "lines %", "lines", "branch %",
			"branches"
	}
	{
		low = !$3 || $4 < least
		row($1, $2, $3, $4, $5, low ? "  <" : "")
		hit += $2 * $3; lines += $3; taken += $4 * $5; branches += $5; below += low
	}
	END {
		if (!lines || !branches) exit 1
		row("all of them", hit / lines, lines, taken / branches, branches, "")
		printf "%d of %d files have less than %d %% of their branches taken\n", below, NR,
			least
		exit below > 0
	}'
