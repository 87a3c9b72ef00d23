#!/bin/sh
# Runs the commands in the blocks of the documents, and the examples in the help, as they stand
# there: in order, in folders in which lies what they read (stage.sh), changed as table.txt says. A
# command that fails ends its document, which has failed. Blocks in Python are run if there is a
# Python with NumPy (PYTHON names it). `make check-docs` calls this.
# usage: [ONLY="README.md docs/TUTORIAL.md"] test/docs/check.sh
# ONLY: these documents; a name with a blank is written with _ ("prunescope_--examples").
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
. test/docs/lib.sh
root=$PWD
python=${PYTHON:-python3}
work=$scratch/work
mkdir "$work"
export root program shardinfo work

# --- the script that is made of a document ---

# left_out WHY: the command is only told.
left_out() {
	printf 'echo %s\n' "$(quoted "$at: left out: $1")"
}

# command_line COMMAND: tells where it stands, runs it, and ends the script if it fails. One that
# goes on beside the next ones is waited for before the first that does not.
command_line() {
	printf "at='%s'\necho \"\$at: \"%s\n" "$at" "$(quoted "$1")"
	case $document in *--examples | *--help) printf 'example %s\n' "$(quoted "$1")" ;; esac
	case $1 in
	*' &' | *' & '*'#'*) printf '%s\nremember\n' "$1" ;;
	*) printf 'await\n{\n%s\n} || die\n' "$1" ;;
	esac
}

quoted() {
	printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

# if_works CONDITION COMMAND: the command, if a first one succeeds.
if_works() {
	if eval "$1" >"$scratch/which" 2>&1; then
		command_line "$2"
	else
		left_out "\`$1\` fails"
	fi
}

# block NAME: writes the text of a block into $scratch/blocks.
block() {
	printf '%b' "$command" >"$scratch/blocks/$1"
}

script_of_document() {
	number=0
	echo ". '$root/test/docs/running.sh'"
	while IFS=$tab read -r at kind command how; do
		number=$((number + 1))
		case $kind/$how in
		span/*) ;;
		folder/*) printf 'enter %s\n' "$command" ;;
		*/except) left_out "$command" ;;
		*/needs*) if_works "${how#needs }" "$command" ;;
		*/file*) block $number && command_line "cp $scratch/blocks/$number ${how#file }" ;;
		sh/*) command_line "$command" ;;
		python/*) block $number && if_works "$python -c 'import numpy'" \
			"PYTHONPATH=$root/python $python $scratch/blocks/$number" ;;
		*) command_line "false # what is this block of $kind for? (table.txt)" ;;
		esac
	done
	echo await
}

# --- all documents ---

# shellcheck disable=SC2046 # names
commands_of $(documents) >"$scratch/all"
mkdir "$scratch/blocks"
grep -v "${tab}span$tab" "$scratch/all" | sed 's/:[0-9]*\t.*//' | uniq >"$scratch/documents"
while read -r document; do
	name=$(echo "$document" | tr ' ' _)
	case " ${ONLY:-$name} " in *" $name "*) ;; *) continue ;; esac
	grep "^$document:" "$scratch/all" | script_of_document >"$scratch/script"
	holds "the commands of $document: $(grep -c '^{$' "$scratch/script")" sh "$scratch/script"
	grep ': left out: ' "$scratch/said"
done <"$scratch/documents"
conclude check.sh
