#!/bin/sh
# What the program says of itself: help, examples, version. All of it comes from one table a
# command, by which the command line is read too, so each must agree with the others.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$PWD/${PRUNESCOPE:-prunescope}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP TERM
. test/support/checks.sh

# The commands that are listed and built.
commands() {
	"$program" help | sed -n '/^exit:/q; /not built yet/d; s/^  \([a-z]*\)  *[^ ].*/\1/p' |
		grep -v '^help$'
}

# options_of HELP: the options that a help lists, with their own hyphens.
options_of() {
	sed -n '/^Examples:/q; s/^  \(--*[a-z][a-z0-9-]*\).*/\1/p' "$1"
}

help_is_one() {
	commands >"$scratch/commands"
	holds "there are $(wc -l <"$scratch/commands") commands" \
		test "$(wc -l <"$scratch/commands")" -ge 18
	while read -r c; do
		"$program" help "$c" >"$scratch/help.$c" 2>"$scratch/err" || failed "help $c"
		"$program" "$c" --help >"$scratch/again"
		"$program" "$c" some thing -h >"$scratch/short"
		holds "$c: help and --help are the same" cmp "$scratch/help.$c" "$scratch/again"
		holds "$c: and so is -h" cmp "$scratch/again" "$scratch/short"
		holds "$c: begins with its usage" \
			sh -c "head -n 1 '$scratch/help.$c' | grep -q '^usage: prunescope $c '"
	done <"$scratch/commands"
	"$program" >"$scratch/out" 2>"$scratch/err"
	holds "nothing is asked: exit 2 and the list" sh -c \
		"test $? -eq 2 && grep -q '^usage:' '$scratch/err' && test ! -s '$scratch/out'"
	"$program" help >"$scratch/help"
	for asked in --help -h; do
		"$program" $asked | holds "$asked is help" cmp - "$scratch/help"
	done
}

# What the parser takes is what the help shows: an option without its value is known by its name.
options_are_known() {
	while read -r c; do
		unknown=
		for o in $(options_of "$scratch/help.$c"); do
			"$program" "$c" "$o" >"$scratch/out" 2>"$scratch/err"
			! grep -q 'unknown option\|no option of' "$scratch/err" ||
				unknown="$unknown $o"
		done
		holds "$c knows all $(options_of "$scratch/help.$c" | wc -l) options of its help" \
			test -z "$unknown"
		twice=$(options_of "$scratch/help.$c" | sort | uniq -d)
		holds "$c shows none twice ($twice)" test -z "$twice"
	done <"$scratch/commands"
}

# No line is longer than 80 columns, but usages and command lines. Users have no source at hand.
help_is_for_users() {
	cat "$scratch"/help.* "$scratch/help" >"$scratch/all"
	holds "lines fit a terminal" sh -c \
		"! grep -v '^usage:\|^    prunescope' '$scratch/all' | grep '.\{81\}'"
	holds "no source is named" sh -c "! grep '[a-z_]/[a-z_]*\.[ch]\b' '$scratch/all'"
}

# Every example uses options that its command has, and stands in --examples too.
examples_work() {
	"$program" --examples >"$scratch/examples"
	while read -r c; do
		"$program" "$c" --examples | sed -n 's/^    prunescope //p' >"$scratch/lines"
		holds "$c has an example" test -s "$scratch/lines"
		while read -r line; do
			wrong=
			# shellcheck disable=SC2086 # words
			set -- $line
			[ "$1" = "$c" ] || wrong=$1
			for word; do
				case $word in
				-*)
					options_of "$scratch/help.$c" | grep -qx -- "$word" ||
						wrong=$word
					;;
				esac
			done
			holds "$line" test -z "$wrong"
			grep -qF "prunescope $line" "$scratch/examples" ||
				failed "--examples has it too"
		done <"$scratch/lines"
	done <"$scratch/commands"
}

versions() {
	version=$(sed -n 's/^#define PS_VERSION "\(.*\)"/\1/p' core/base/version.h)
	"$program" version >"$scratch/out"
	holds "version is $version" grep -q "^prunescope $version" "$scratch/out"
	holds "libraries have theirs" grep -q '^libraries: .*liburing [0-9]' "$scratch/out"
	holds "kernels are named" grep -q '^kernels: .*f32 .*(.*x.*)' "$scratch/out"
	"$program" --version | holds "--version is version" cmp - "$scratch/out"
	"$program" version --json >"$scratch/out"
	holds "version --json" grep -q "\"version\": \"$version\"" "$scratch/out"
	"$program" help --json >"$scratch/again"
	holds "help --json has it too" cmp "$scratch/out" "$scratch/again"
	"$program" nonsense-command >/dev/null 2>"$scratch/err"
	holds "no such command" grep -q "no command 'nonsense-command'" "$scratch/err"
	"$program" help trian >/dev/null 2>"$scratch/err"
	holds "a mistyped command names the nearest" grep -q 'nearest is train' "$scratch/err"
}

[ -x "$program" ] || {
	echo "$program is not built"
	exit 77
}
help_is_one
options_are_known
help_is_for_users
examples_work
versions
conclude test_help.sh
