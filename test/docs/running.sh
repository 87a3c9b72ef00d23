# What the scripts that check.sh makes of documents begin with. $at is where the command stands that
# is run.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by check.sh
. "$root/test/docs/lib.sh"
PATH=$work/tree:$work/tree/tools:$PATH
beside=

die() {
	echo "$at: failed with status $?"
	exit 1
}

# The command that was started last runs beside the next ones.
remember() {
	beside="$beside $!"
}

# Waits for the commands that run beside others.
await() {
	for process in $beside; do
		wait "$process" || die
	done
	beside=
}

# example COMMAND: to a folder of its own, in which lies all that was made but what the command
# makes. A study goes on in its own folder.
example() {
	(enter made)
	output=$(printf '%s\n' "$1" | sed -n 's/.* -o \([^ ]*\).*/\1/p')
	case $1 in "prunescope study"*) output= ;; esac
	rm -rf "$work/example"
	mkdir "$work/example"
	cd "$work/example" || exit
	for made in "$work"/made/*; do
		[ "${made##*/}" = "$output" ] || ln -s "$made" .
	done
}

(enter tree)
cd "$work/tree" || exit
