#!/bin/sh
# usage: tidy.sh [FILE]
# Checks FILE with clang-tidy 14: .clang-tidy says for what. Exit 1 if there is a finding. Without
# FILE the script checks itself: clang-tidy must find two planted faults. Other versions find other
# things, so they are not used.
set -eu

# check FILE [FLAG...]: prints what clang-tidy finds. It counts what it suppresses on stderr; that
# is shown only if it fails.
# max-nodes bounds the states of a function that clang's analyzer looks at. With a fifth of its
# default it finds the same in these sources, in a fifth of the time.
check() {
	file=$1
	shift
	clang-tidy-14 --quiet "$file" -- -std=gnu11 -D_GNU_SOURCE -I. "$@" \
		-Xclang -analyzer-config -Xclang max-nodes=40000 2>"$log"
}

self_check() {
	planted=$(mktemp -d)
	trap 'rm -rf "$planted" "$log"' EXIT
	cp .clang-tidy "$planted"
	cat >"$planted/planted.c" <<-'C'
		#include <stdlib.h>
		long planted(int rows, int width);
		long planted(int rows, int width)
		{
			int *number = malloc(sizeof *number);

			if (!number)
				return 0;
			return (long)(rows * width);
		}
	C
	check "$planted/planted.c" >"$planted/found" || true
	for fault in clang-analyzer-unix.Malloc bugprone-misplaced-widening-cast; do
		grep -q "\[$fault" "$planted/found" && continue
		echo "clang-tidy: does not find the planted $fault"
		exit 1
	done
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
case ${1:-} in
"") self_check ;;
core/base/error.c) check "$1" || { cat "$log"; exit 1; } ;;
*) check "$1" -include test/lint/failures.h || { cat "$log"; exit 1; } ;;
esac
