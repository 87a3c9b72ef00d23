#!/bin/sh
# usage: analyzer.sh [FILE]
# Checks FILE with the analyzer of gcc 12. Exit 1 if there is a finding. Without FILE the script
# checks itself: the analyzer must find two planted faults. Other versions find other things, so
# they are not used.
# It looks at the code as it is written (-O0): what the optimizer has merged confuses it.
# What it may not report, and why:
# - malloc-leak: it loses sight of memory whose pointer is stored in an array or behind a pointer.
#   clang's analyzer (tidy.sh) and LeakSanitizer (make check-asan) watch over leaks.
# - null-dereference, null-argument: it does not see that a pointer is used only under the condition
#   under which it was set. Memory that malloc may not have given is still watched
#   (possible-null-dereference), and so is the rest by clang's analyzer.
# - use-of-uninitialized-value: it does not know vectors of the compiler, nor that a function
#   which returns 0 has filled in what it was given. clang's analyzer knows more of both.
set -eu

# check FILE [FLAG...]
check() {
	gcc-12 -std=gnu11 -D_GNU_SOURCE -I. -O0 -fanalyzer -Werror -S -o /dev/null \
		-Wno-analyzer-malloc-leak \
		-Wno-analyzer-null-dereference -Wno-analyzer-null-argument \
		-Wno-analyzer-use-of-uninitialized-value "$@"
}

self_check() {
	planted=$(mktemp -d)
	trap 'rm -rf "$planted"' EXIT
	cat >"$planted/planted.c" <<-'C'
		#include <stdlib.h>
		int planted(int many);
		int planted(int many)
		{
			int *number = malloc(sizeof *number);

			*number = many;
			free(number);
			if (many)
				free(number);
			return 0;
		}
	C
	check "$planted/planted.c" 2>"$planted/found" || true
	for fault in double-free possible-null-dereference; do
		grep -q "Werror=analyzer-$fault" "$planted/found" && continue
		echo "gcc -fanalyzer: does not find the planted $fault"
		exit 1
	done
}

case ${1:-} in
"") self_check ;;
core/base/error.c) check "$1" ;;
*) check "$1" -include test/lint/failures.h ;;
esac
