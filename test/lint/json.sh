#!/bin/sh
# Checks how the sources use jansson, from the repository's root (core/base/json.h says why):
# - <jansson.h> is included by core/base/json.h alone, so that no result is left unlooked at.
# - The library and the programs make reals with ps_number_json: no json_real, no "f" in the format
#   of a json_pack.
# - They parse with ps_json_load: jansson's parser does not survive a lack of memory.
# - They make copies with ps_json_copy and texts with ps_json_text: jansson's own may lack keys when
#   memory ran out.
# Prints each place that breaks a rule. Exit 1 if there is one.
# First the script checks itself: it must find planted places.
set -eu

# report RULE: prints what was found, with the rule before it; 1 if there is something.
report() {
	sed "s|^|$1: |" "$found"
	[ ! -s "$found" ]
}

# check_tree ROOT
check_tree() (
	cd "$1"
	bad=0
	find . -path ./build -prune -o -path ./.git -prune -o -name '*.[ch]' -type f -print |
		LC_ALL=C sort >"$list"
	xargs grep -n '#include <jansson.h>' /dev/null <"$list" |
		grep -v '^./core/base/json.h:' >"$found" || true
	report 'include core/base/json.h instead' || bad=1
	grep -E '^\./(core|io|prune|sae|analysis|tools)/' "$list" | grep -v '^./core/base/json.c$' \
		>"$list.sources" || true
	xargs grep -nE '(^|[^_a-z])json_real\(' /dev/null <"$list.sources" >"$found" || true
	report 'make numbers with ps_number_json' || bad=1
	xargs grep -nE '(^|[^_a-z])json_(deep_)?copy\(' /dev/null <"$list.sources" >"$found" ||
		true
	report 'copy with ps_json_copy' || bad=1
	xargs grep -nE '(^|[^_a-z])json_dump[a-z]*\(' /dev/null <"$list.sources" |
		grep -v '^./io/file.c:' >"$found" || true
	report 'make text with ps_json_text' || bad=1
	xargs grep -nE '(^|[^_a-z])json_load[a-z]*\(' /dev/null <"$list.sources" |
		grep -v '^./core/base/json_memory.c:' >"$found" || true
	report 'parse with ps_json_load' || bad=1
	xargs grep -nE '"[[{][^"]*[:, []f[],}*? ][^"]*"' /dev/null <"$list.sources" |
		grep -E 'json_pack|"\{s:|"\[' >"$found" || true
	report 'no f in json_pack: ps_number_json' || bad=1
	return $bad
)

self_check() {
	mkdir -p "$root/core/base" "$root/tools/run" "$root/io"
	echo '#include <jansson.h>' >"$root/core/base/json.h"
	echo 'json_t *v = json_pack("{s:o}", "x", ps_number_json(1));' >"$root/tools/run/good.c"
	if ! check_tree "$root" >"$root/out"; then
		echo "json: the self-check finds fault with good files:"
		cat "$root/out"
		exit 1
	fi
	{
		echo '#include <jansson.h>'
		echo 'json_t *v = json_real(1);'
		echo 'json_t *w = json_pack("{s:i, s:f}", "a", 1, "b", 2.0);'
		echo 'json_t *x = json_copy(v);'
		echo 'char *t = json_dumps(v, 0);'
		echo 'json_t *y = json_loads(t, 0, NULL);'
	} >"$root/io/bad.c"
	if check_tree "$root" >"$root/out" || [ "$(wc -l <"$root/out")" -ne 6 ]; then
		echo "json: the self-check finds something else than the six planted places:"
		cat "$root/out"
		exit 1
	fi
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
list=$root/list found=$root/found
self_check
if ! check_tree .; then
	echo "json: the places above break the rules (test/lint/json.sh)"
	exit 1
fi
echo "json: every result is looked at, every number can be said"
