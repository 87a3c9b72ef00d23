# What the checks of the documents share: which documents there are, and their commands. Sourced
# from the repository's root; $program and $shardinfo are set.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # set here for the scripts, and there for this
table=test/docs/table.txt
tab=$(printf '\t')

documents() {
	find . \( -path './.*' -o -path ./build -o -path ./test/fixtures \) -prune -o \
		-name '*.md' -print | sed 's,^\./,,' | sort
}

# The program's commands, without those that tell of itself.
command_names() {
	"$program" help | sed -n '/^More:/q; s/^  \([a-z]*\)  *[^ ].*/\1/p'
}

# The command lines that a program gives as examples, in the form of extract.awk.
examples_of() {
	name=${1##*/}
	"$@" | awk -v name="$name" '/^    [a-z]/ {
		sub(/^ */, "")
		print name " " which ":" NR "\tsh\t" $0
	}' which="$2"
}

# commands_of DOCUMENT...: their commands, and those of the programs' own examples; as
# substitute.awk prints them. Rows of the table without use go to $scratch/unused.
commands_of() {
	: >"$scratch/unused"
	{
		awk -f test/docs/extract.awk "$@"
		examples_of "$program" --examples
		examples_of "$shardinfo" --help
	} | awk -v unused="$scratch/unused" -f test/docs/substitute.awk $table -
}

# enter FOLDER: goes to a folder below $work. The first time, stage.sh makes it.
enter() {
	if [ ! -e "$work/$1" ]; then
		"$root/test/docs/stage.sh" "$1" >"$work/$1.log" 2>&1 || {
			echo "the folder $1 could not be made:"
			tail -n 20 "$work/$1.log"
			exit 1
		}
	fi
	cd "$work/$1" || exit
}
