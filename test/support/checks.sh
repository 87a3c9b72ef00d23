# What test scripts share: a scratch folder, telling what passed and what failed, values of JSON.
# Sourced from the repository's root. Sets $scratch: a folder that goes when the script ends. In it
# $scratch/err is the error output of the last command, and $scratch/out its result.
# shellcheck shell=sh
failures=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
: >"$scratch/err"
# What the program remembers of files must not outlive the script, nor come from the user's own.
export XDG_CACHE_HOME="$scratch/remembered"

passed() {
	echo "[       OK ] $1"
}

# failed NAME [WHAT]: what happened, with the error output of the last command.
failed() {
	echo "[  FAILED  ] $1"
	[ -z "${2:-}" ] || echo "$2" | sed 's/^/    /'
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
		failed "$name" "$(tail -n 40 "$scratch/said")"
	fi
}

# value KEY: the values of this key in $scratch/out, one a line.
value() {
	sed 's/[{,]/\n/g' "$scratch/out" | sed -n "s/^ *\"$1\": *\([^,}]*\).*/\1/p"
}

# conclude SCRIPT: fails if anything has failed.
conclude() {
	[ $failures -gt 0 ] || return 0
	echo "$failures of $1 failed"
	exit 1
}

# plain_figures: a gnuplot that draws the least there is takes the real one's place, in no time. For
# tests of what is around figures.
plain_figures() {
	mkdir -p "$scratch/bin"
	cat >"$scratch/bin/gnuplot" <<'END'
#!/bin/sh
echo '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0L9 9"/></svg>'
END
	chmod +x "$scratch/bin/gnuplot"
	PATH=$scratch/bin:$PATH
}

# worked PROCESS: the processor time that it has used, in ticks of 10 ms; fails once it has ended.
worked() {
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086 # fields; those of proc(5) begin behind the name's parenthesis
	set -- ${stat##*) }
	[ "$1" != Z ] && ticks=$((${12} + ${13}))
}

# labour PROCESS: waits for its end; sets whole to the ticks that it worked, but for the last ones.
# shellcheck disable=SC2034 # whole: for the script
labour() {
	whole=0
	while worked "$1"; do
		whole=$ticks
		sleep 0.01
	done
	wait "$1"
}

# strike SIGNAL TICKS PROCESS: sends the signal once the process has worked so long. So it strikes
# in the same place on machines that are slow, or busy with other things.
strike() {
	while worked "$3" && [ "$ticks" -lt "$2" ]; do sleep 0.01; done
	kill -s "$1" "$3" 2>/dev/null
}
