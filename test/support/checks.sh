# What the scripts of test/tools share: telling what passed and what failed. Sourced from the
# repository's root. $scratch is set: a scratch folder of the script's own, in which $scratch/err is
# the error output of the last command.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by the script
failures=0

passed() {
	echo "[       OK ] $1"
}

# failed NAME [WHAT]: what happened, with the error output of the last command.
failed() {
	echo "[  FAILED  ] $1"
	echo "    ${2:-}"
	sed 's/^/    stderr: /' "$scratch/err" | head -n 5
	failures=$((failures + 1))
}

# holds NAME COMMAND...: the command must succeed; its output is shown only if it does not.
holds() {
	name=$1
	shift
	if "$@" >"$scratch/said" 2>&1; then
		passed "$name"
	else
		failed "$name" "$(head -n 3 "$scratch/said")"
	fi
}

# conclude SCRIPT: fails if anything has failed.
conclude() {
	[ $failures -gt 0 ] || return 0
	echo "[  FAILED  ] $failures of $1"
	exit 1
}
