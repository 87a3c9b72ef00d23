#!/bin/sh
# The include law: which folder may include which. Run it from the repository's root.
# - Each folder may include itself, and those that may_include lists below.
# - Nobody but test and bench includes test and bench.
# - Includes are written from the root: "core/base/error.h", never "error.h" or "../core/error.h".
# Prints each include that breaks the law. Exit 1 if there is one.
# First the script checks itself: it must find planted includes that break the law.
set -eu

library="core/base core/model core/tokenizer io prune sae analysis analysis/report"
middle="$library tools/run tools/engine tools/train"
rooms="$library tools tools/run tools/args tools/engine tools/train tools/cmd tools/study"
rooms="$rooms tools/cli test bench"

may_include() { # may_include ROOM: the rooms it may include, itself among them
	case $1 in
	core/base) echo "core/base" ;;
	core/*) echo "core/base $1" ;;
	io | prune | sae) echo "core/base core/model core/tokenizer $1" ;;
	analysis) echo "core/base core/model core/tokenizer prune sae analysis" ;;
	analysis/report)
		echo "core/base core/model core/tokenizer prune sae analysis analysis/report"
		;;
	tools) echo "$library tools/run tools/args tools" ;;
	tools/run) echo "$library tools/run" ;;
	tools/args) echo "$library tools/run tools/args" ;;
	tools/engine | tools/train) echo "$library tools/run $1" ;;
	tools/cmd) echo "$middle tools/cmd" ;;
	tools/study) echo "$middle tools/cmd tools/study" ;;
	tools/cli) echo "$middle tools/args tools/cmd tools/study tools/cli" ;;
	test) echo "$middle tools/args tools/cmd tools/study test bench" ;;
	bench) echo "$library bench" ;;
	esac
}

# files_of ROOT ROOM: the sources that lie in a room; for test, also those in folders below it.
files_of() {
	if [ "$2" = test ]; then depth=9; else depth=1; fi
	find "$1/$2" -maxdepth $depth -name '*.[ch]' | LC_ALL=C sort
}

# check_tree ROOT: prints every include that breaks the law as FILE:LINE; 1 when there is one.
check_tree() {
	for room in $rooms; do
		[ -d "$1/$room" ] || continue
		files_of "$1" "$room" | while read -r file; do
			awk -v room="$room" -v allowed=" $(may_include "$room") " '
				/^[ \t]*#[ \t]*include[ \t]*"/ {
					split($0, part, "\"")
					target = part[2]
					if (!sub(/\/[^\/]*$/, "", target))
						target = "(no folder)"
					sub(/^test\/.*/, "test", target)
					if (!index(allowed, " " target " "))
						printf "%s:%d: %s includes \"%s\"\n", \
							FILENAME, FNR, room, part[2]
				}' "$file"
		done
	done | awk '{ print } END { exit NR > 0 }'
}

self_check() {
	root=$(mktemp -d)
	trap 'rm -rf "$root"' EXIT
	mkdir -p "$root/core/base" "$root/core/model" "$root/io" "$root/test/io" \
		"$root/tools/engine"
	echo '#include "core/base/error.h"' >"$root/io/lawful.c"
	echo '#include "test/support/support_sae.h"' >"$root/test/io/lawful.c"
	check_tree "$root" >"$root/found" || {
		echo "arrows: the self-check refuses a lawful include"
		exit 1
	}
	echo '#include "core/model/config.h"' >"$root/core/base/upward.c"
	printf 'int x;\n  #  include "sae/sae.h"\n' >"$root/io/sideways.h"
	echo '#include "core/tokenizer/bpe.h"' >"$root/core/model/sibling.c"
	echo '#include "tools/cli/cli.h"' >"$root/test/io/test_tools.c"
	echo '#include "tools/cmd/commands.h"' >"$root/tools/engine/upward.c"
	echo '#include "error.h"' >"$root/core/base/bare.c"
	if check_tree "$root" >"$root/found" || [ "$(wc -l <"$root/found")" -ne 6 ]; then
		echo "arrows: the self-check finds something else than the six unlawful includes:"
		cat "$root/found"
		exit 1
	fi
}

self_check
check_tree . || {
	echo "arrows: the includes above break the law (docs/ARCHITECTURE.md)"
	exit 1
}
echo "arrows: every include keeps the law"
