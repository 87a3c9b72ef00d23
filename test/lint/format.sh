#!/bin/sh
# Checks that clang-format 14 would change no C file, from the repository's root. Other versions
# lay some code out differently, so the check is left out, with a message, if version 14 is not
# installed. Exit 1 if a file would change. First the script checks itself: it must find a planted
# file that is laid out badly.
set -eu

# Prints the name of an installed clang-format 14.
find_formatter() {
	for name in clang-format-14 clang-format; do
		if "$name" --version 2>/dev/null | grep -q 'version 14\.'; then
			echo "$name"
			return
		fi
	done
}

# check_tree ROOT: prints the places that would change; 1 when there is one.
check_tree() (
	cd "$1"
	find . -path ./build -prune -o -path ./.git -prune -o -name '*.[ch]' -type f -print |
		LC_ALL=C sort | xargs "$formatter" --dry-run -Werror --ferror-limit=1
)

self_check() {
	root=$(mktemp -d)
	trap 'rm -rf "$root"' EXIT
	cp .clang-format "$root"
	printf 'int good(void)\n{\n\treturn 1;\n}\n' >"$root/good.c"
	if ! check_tree "$root" >"$root/found" 2>&1; then
		echo "format: the self-check finds fault with a good file:"
		cat "$root/found"
		exit 1
	fi
	printf 'int bad(void) {\n    return 1;\n}\n' >"$root/bad.c"
	if check_tree "$root" >"$root/found" 2>&1 || ! grep -q '^./bad.c:1' "$root/found"; then
		echo "format: the self-check does not find a file that is laid out badly"
		exit 1
	fi
}

formatter=$(find_formatter)
if [ -z "$formatter" ]; then
	echo "format: clang-format 14 is not installed, left out"
	exit 0
fi
self_check
if ! check_tree . >"$root/found" 2>&1; then
	cat "$root/found"
	count=$(grep -c 'code should be clang-formatted' "$root/found")
	echo "format: clang-format would change $count files"
	exit 1
fi
echo "format: clang-format would change nothing"
