#!/bin/sh
# The include law: which folder may include which. Run from the repository's root.
#   core: nobody else. io, prune, sae: core. analysis: core, prune, sae. tools: anything but test. test, bench:
#   anything but tools. Includes are written from the root: "core/base/error.h", never "error.h" or "../core/error.h".
# First it checks itself: an include that breaks the law must be found.
set -eu

may_include() { # may_include FOLDER: the folders it may include, itself among them
	case $1 in
	core) echo "core" ;;
	io | prune | sae) echo "core $1" ;;
	analysis) echo "core prune sae analysis" ;;
	tools) echo "core io prune sae analysis tools" ;;
	test | bench) echo "core io prune sae analysis test bench" ;;
	esac
}

# check_tree ROOT: prints every include that breaks the law as FILE:LINE; 1 when there is one.
check_tree() {
	for folder in core io prune sae analysis tools test bench; do
		[ -d "$1/$folder" ] || continue
		find "$1/$folder" -name '*.[ch]' | LC_ALL=C sort | while read -r file; do
			awk -v folder="$folder" -v allowed=" $(may_include "$folder") " '
				/^[ \t]*#[ \t]*include[ \t]*"/ {
					split($0, part, "\"")
					target = part[2]
					if (!sub(/\/.*/, "", target))
						target = "(no folder)"
					if (!index(allowed, " " target " "))
						printf "%s:%d: %s includes \"%s\"\n", FILENAME, FNR, folder, part[2]
				}' "$file"
		done
	done | awk '{ print } END { exit NR > 0 }'
}

self_check() {
	root=$(mktemp -d)
	trap 'rm -rf "$root"' EXIT
	mkdir "$root/core" "$root/io" "$root/test"
	echo '#include "core/base/error.h"' >"$root/io/lawful.c"
	check_tree "$root" >"$root/found" || { echo "arrows: the self-check refuses a lawful include"; exit 1; }
	echo '#include "io/file.h"' >"$root/core/upward.c"
	printf 'int x;\n  #  include "sae/sae.h"\n' >"$root/io/sideways.h"
	echo '#include "tools/run/session.h"' >"$root/test/test_tools.c"
	echo '#include "error.h"' >"$root/core/bare.c"
	if check_tree "$root" >"$root/found" || [ "$(wc -l <"$root/found")" -ne 4 ]; then
		echo "arrows: the self-check finds something else than the four unlawful includes:"
		cat "$root/found"
		exit 1
	fi
}

self_check
check_tree . || { echo "arrows: the includes above break the law (docs/ARCHITECTURE.md)"; exit 1; }
echo "arrows: every include keeps the law"
