#!/bin/sh
# What the programs say of themselves: help, examples, man pages, completion, version. All of it
# comes from one table a command, by which the command line is read too. So each must agree with the
# others.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh

# The commands that are listed.
commands() {
	"$program" help | sed -n '/^exit:/q; s/^  \([a-z]*\)  *[^ ].*/\1/p' |
		grep -v '^help$'
}

# options_of HELP: the options that a help lists, with their own hyphens.
options_of() {
	sed -n '/^Examples:/q; s/^  \(--*[a-z][a-z0-9-]*\).*/\1/p' "$1"
}

help_is_one() {
	commands >"$scratch/commands"
	holds "there are $(wc -l <"$scratch/commands") commands" \
		test "$(wc -l <"$scratch/commands")" -ge 19
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
	for asked in --help -h "help help" "help version"; do
		# shellcheck disable=SC2086 # words
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
	"$program" help study-file >"$scratch/help.study-file"
	"$program" help files >"$scratch/help.files"
	"$shardinfo" --help >"$scratch/help.shardinfo"
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

# Man pages name the same options. Where a checker is installed, it has nothing to say of them.
man_pages() {
	sh tools/pages.sh "$program" "$shardinfo" "$scratch/built" 2>"$scratch/err"
	holds "the pages are made" test -f "$scratch/built/man/shardinfo.1"
	while read -r c; do
		sed -n 's/^\\fB\(\\-[^ ]*\)\\fR.*/\1/p' "$scratch/built/man/prunescope-$c.1" |
			tr -d "\\\\" >"$scratch/options"
		options_of "$scratch/help.$c" >"$scratch/listed"
		holds "prunescope-$c.1 has the options of the help" \
			cmp "$scratch/options" "$scratch/listed"
	done <"$scratch/commands"
	for page in prunescope.1 prunescope-study-file.5 prunescope-files.5 shardinfo.1; do
		holds "$page says what it is" grep -q '^.SH NAME' "$scratch/built/man/$page"
	done
	if command -v mandoc >/dev/null; then
		holds "mandoc" mandoc -Tlint -W warning "$scratch"/built/man/*
	fi
	command -v groff >/dev/null || return
	groff -man -ww -z -Tutf8 "$scratch"/built/man/* 2>"$scratch/err"
	holds "groff has nothing to say of them" test ! -s "$scratch/err"
}

# Every key of a study file is in its page, and what has no help would be seen there.
study_keys() {
	"$program" help study-file >"$scratch/study"
	sed -n 's/^\t{"\([a-z]*\)", "\([a-z_]*\)",.*/\1.\2/p' tools/study/study_keys.c |
		sed 's/^\.//' >"$scratch/keys"
	sed -n 's/^  \([a-z][a-z_.]*\).*/\1/p' "$scratch/study" >"$scratch/listed"
	holds "the page of the study file has its $(wc -l <"$scratch/keys") keys" \
		cmp "$scratch/keys" "$scratch/listed"
	holds "every key says something" sh -c "! grep -q '(null)' '$scratch/study'"
}

# completes SHELL LINE WORD: the shell offers the word where the line ends. The line begins with the
# name of the program.
completes() {
	of=${2%% *}
	case $1 in
	bash)
		bash -c '. "$1"; COMP_WORDS=($2) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			[[ $2 != *" " ]] || { COMP_WORDS+=(""); COMP_CWORD=$((COMP_CWORD + 1)); }
			_${COMP_WORDS[0]}; printf "%s\n" "${COMPREPLY[@]}"' \
			- "$scratch/built/completion/$of.bash" "$2"
		;;
	zsh) # without a terminal: what the script hands to zsh's own functions
		zsh -fc '_arguments() { print -l -- "$@"; }
			_values() { print -l -- "$@"; }
			_describe() { print -l -- ${(P)2%%:*}; }
			words=(${(z)2}) CURRENT=${#words}
			[[ $2 != *" " ]] || CURRENT=$((CURRENT + 1))
			. "$1"' - "$scratch/built/completion/_$of" "$2" |
			sed "s/^\*\(-[a-z0-9-]*\)\[.*\](.*/\1/; s/^\*\(-[a-z0-9-]*\)\[.*/\1/"
		;;
	fish)
		# shellcheck disable=SC2016 # fish's
		fish --no-config -c 'source $argv[1]; complete -C $argv[2]' \
			"$scratch/built/completion/$of.fish" "$2" | cut -f 1
		;;
	esac >"$scratch/offered" 2>"$scratch/err"
	holds "$1 completes '$2' with $3" grep -qx -- "$3" "$scratch/offered"
}

# scripts_have_all PROGRAM OPTIONS: every option of its help is in its scripts.
scripts_have_all() {
	for script in "$1.bash" "_$1"; do
		missing=$(while read -r o; do
			grep -q -- "[ *]${o}[][ ']" "$scratch/built/completion/$script" || echo "$o"
		done <"$2")
		holds "$script has all $(wc -l <"$2") options ($missing)" test -z "$missing"
	done
}

completion() {
	for shell in bash zsh fish; do
		command -v $shell >/dev/null || continue
		completes $shell "prunescope pp" ppl
		completes $shell "prunescope ppl --stri" --stride
		completes $shell "prunescope train cache -" --d-sae
		holds "$shell: the options of train alone" sh -c "! grep -qx -- --dtype \
			'$scratch/offered'"
		completes $shell "prunescope help tra" transfer
		[ $shell = zsh ] || completes $shell "prunescope ppl x --io " uring
		completes $shell "shardinfo mask.safetensors --ver" --verify
		[ $shell = zsh ] || completes $shell "shardinfo --completion " zsh
	done
	while read -r c; do
		options_of "$scratch/help.$c"
	done <"$scratch/commands" | sort -u >"$scratch/listed"
	scripts_have_all prunescope "$scratch/listed"
	options_of "$scratch/help.shardinfo" >"$scratch/listed"
	scripts_have_all shardinfo "$scratch/listed"
}

versions() {
	version=$(sed -n 's/^#define PS_VERSION "\(.*\)"/\1/p' core/base/version.h)
	"$program" version >"$scratch/out"
	holds "version is $version" grep -q "^prunescope $version" "$scratch/out"
	holds "the Debian package is of that version" \
		grep -q "^prunescope (${version}[-)]" debian/changelog
	holds "libraries have theirs" grep -q '^libraries: .*liburing [0-9]' "$scratch/out"
	holds "kernels are named" grep -q '^kernels: .*f32 .*(.*x.*)' "$scratch/out"
	"$program" --version | holds "--version is version" cmp - "$scratch/out"
	PRUNESCOPE_MATMUL=avx3 "$program" version 2>"$scratch/err" && status=0 || status=$?
	holds "a kernel that is none: exit 2" test "$status" -eq 2
	holds "and its names" grep -q 'MATMUL=avx3: .* there are ref, ' "$scratch/err"
	"$program" version --json >"$scratch/out"
	holds "shardinfo has the same version" \
		sh -c "'$shardinfo' --version | grep -qx 'shardinfo $version'"
	holds "version --json" grep -q "\"version\": \"$version\"" "$scratch/out"
	"$program" help --json >"$scratch/again"
	holds "help --json has it too" cmp "$scratch/out" "$scratch/again"
	"$shardinfo" -h | holds "shardinfo -h is its help" cmp - "$scratch/help.shardinfo"
	"$program" nonsense-command >/dev/null 2>"$scratch/err"
	holds "no such command" grep -q "no command 'nonsense-command'" "$scratch/err"
	"$program" help trian >/dev/null 2>"$scratch/err"
	holds "a mistyped command names the nearest" grep -q 'nearest is train' "$scratch/err"
	for asked in "version --jsn" "version --json x" "--version x" "help train x" \
		"help --pages x" "help --page prunescope.1 x" "--examples x"; do
		# shellcheck disable=SC2086 # words
		"$program" $asked >"$scratch/out" 2>"$scratch/err" && status=0 || status=$?
		holds "'$asked' has a word too many" test "$status" -eq 2
		holds "'$asked' names the word" grep -q "'${asked##* }'" "$scratch/err"
		holds "'$asked' prints nothing" test ! -s "$scratch/out"
	done
}

help_is_one
options_are_known
help_is_for_users
examples_work
man_pages
study_keys
completion
versions
conclude test_help.sh
