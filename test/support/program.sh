# What scripts that test the programs share. Sourced from the repository's root. Sets $program and
# $shardinfo: PRUNESCOPE and SHARDINFO name others than those that were built here. Exit 77 if there
# is no program; the rest is that of checks.sh.
# shellcheck shell=sh
# shellcheck disable=SC2034 # for the script
. test/support/checks.sh
program=$PWD/${PRUNESCOPE:-prunescope}
shardinfo=$PWD/${SHARDINFO:-tools/shardinfo}
[ -x "$program" ] || {
	echo "$program is not built"
	exit 77
}
