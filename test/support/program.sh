# What scripts that test the programs share. Sourced from the repository's root. Sets $program and
# $shardinfo: PRUNESCOPE and SHARDINFO name others than those that were built here. Exit 77 if there
# is no program. The rest is that of checks.sh.
# shellcheck shell=sh
# shellcheck disable=SC2034 # for the script
. test/support/checks.sh
program=$PWD/${PRUNESCOPE:-prunescope}
shardinfo=$PWD/${SHARDINFO:-tools/shardinfo}
[ -x "$program" ] || {
	echo "$program is not built"
	exit 77
}

none=$scratch/none # where nothing may appear

# run ARGUMENT...: prunescope with --json. Its exit status is in $code, its result in $scratch/out,
# what it says in $scratch/err.
run() {
	timeout "${RUN_TIMEOUT:-300}" "$program" "$@" --json >"$scratch/out" 2>"$scratch/err"
	code=$?
	return $code
}

# works NAME ARGUMENT...: exit 0.
works() {
	name=$1
	shift
	if run "$@"; then passed "$name"; else failed "$name" "exit $code of: $*"; fi
}

# refuses NAME STATUS PATTERN ARGUMENT...: this exit status, one line on stderr that matches, behind
# no more than remarks and progress, nothing on stdout, and nothing left in $none or beside it.
refuses() {
	name=$1 wanted=$2 pattern=$3
	shift 3
	run "$@"
	if [ $code -ne "$wanted" ]; then
		failed "$name" "exit $code, not $wanted, of: $*"
	elif ! tail -n 1 "$scratch/err" | grep -q -e "$pattern"; then
		failed "$name" "the message does not say '$pattern'"
	elif sed '$d' "$scratch/err" | grep -vq -e '^prunescope: ' -e '^20[0-9-]* [0-9:]* '; then
		failed "$name" "more than a line on stderr, besides remarks and progress"
	elif [ -s "$scratch/out" ]; then
		failed "$name" "something on stdout: $(head -c 200 "$scratch/out")"
	elif [ -n "$(find "$scratch" -maxdepth 1 -name '*none*')" ]; then
		failed "$name" "left behind: $(find "$scratch" -maxdepth 2 -path '*none*')"
	else
		passed "$name"
	fi
	rm -rf "$none"
}
