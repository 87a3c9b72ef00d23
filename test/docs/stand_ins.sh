# What stands in for programs while test_documents.sh reads commands: functions of their names,
# which look at their arguments and do nothing. Sourced in a shell of its own that finds no other
# programs. $at is where the command stands and $kind in what; what is wrong goes to $found.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by the script

# wrong WHAT: the command at $at is at fault.
wrong() {
	echo "$at: $1" >>"$found"
}

# read_by PROGRAM ARGUMENT...: a program reads its arguments up to an option that it cannot have,
# and that must be the first that it complains of. --json before it makes an option without its
# value known as such. Between backticks options may stand without values.
read_by() {
	said=$("$@" --json --no-such-option 2>&1)
	case $said in
	*"unknown option --no-such-option"*) ;;
	*"needs a value, and "*) [ "$kind" = span ] || wrong "$said" ;;
	*) wrong "$said" ;;
	esac
}

prunescope() {
	case $* in
	help* | version* | --*) said=$("$program" "$@" 2>&1 >/dev/null) || wrong "$said" ;;
	*) read_by "$program" "$@" ;;
	esac
}

shardinfo() {
	case $* in
	--help | --version) ;;
	*) read_by "$shardinfo" "$@" ;;
	esac
}

make() {
	[ "$1" != -f ] || return 0 # another one's targets
	for word; do
		case $word in
		build/*) built "$word" ;;
		-* | *=*) ;;
		*) targets="$targets $word" ;;
		esac
	done
}

# A program that is built from a source of its name.
built() {
	source=$root/${1#build/}
	[ -f "$source.c" ] || wrong "$1 has no source"
}

sh() {
	[ -f "$root/$1" ] || wrong "there is no $1"
}

# Of these the arguments are not known here.
for other in bash cp git mkdir podman scancel snakemake squeue; do
	eval "$other() { :; }"
done
unset other
