#!/bin/sh
# C code takes the keys of results.json from analysis/report/results_schema.def. Code that writes or
# reads the file hands no string to jansson. First the check proves that it finds a string.
set -eu

# strings_of FILE...: lines that hand a string to jansson as a key, as FILE:LINE:TEXT.
strings_of() {
	calls='json_(object_(get|set|set_new|del|update)[a-z_]*|pack|unpack)[a-z_]*'
	grep -nE "$calls"' ?\([^;]*"' "$@" /dev/null || true
}

planted=$(mktemp)
trap 'rm -f "$planted"' EXIT
echo '	value = json_object_get(condition, "jaccard");' >"$planted"
if [ -z "$(strings_of "$planted")" ]; then
	echo "[  FAILED  ] a key that was planted is found"
	exit 1
fi
echo "[       OK ] a key that was planted is found"

found=$(find analysis tools/study/results.c -name '*.[ch]' | LC_ALL=C sort |
	while read -r file; do strings_of "$file"; done)
if [ -n "$found" ]; then
	echo "[  FAILED  ] no key of results.json is spelled in C"
	echo "    use PS_KEY_... (results_schema.h) in these lines:"
	echo "$found"
	exit 1
fi
echo "[       OK ] no key of results.json is spelled in C"
