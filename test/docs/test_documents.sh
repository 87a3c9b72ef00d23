#!/bin/sh
# What the documents name is there: every command and option of a program (its own parser reads
# them, and nothing is run), every make target, script, file and test. The commands come from the
# documents themselves: blocks marked sh, what stands between backticks, and the examples in the
# help. `make check-docs` runs those of the blocks and the examples.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
root=$PWD path=$PATH
. test/docs/lib.sh
found=$scratch/found

# --- commands ---

# Of what stands between backticks, what is a command. Of blocks of commands, all that is there.
only_commands() {
	names=$(command_names | tr '\n' '|')
	awk -F "$tab" -v names="^(${names}help) .*-" '
	BEGIN {
		OFS = FS
		programs = "(prunescope|tools/shardinfo|shardinfo|make|sh) "
		programs = "^([A-Z_]+=[^ ]* +)*([.]/)?" programs
	}
	$2 == "span" && $3 ~ names { $3 = "prunescope " $3 }
	$2 == "sh" || $2 == "span" && $3 ~ programs' |
		sed 's,\./prunescope,prunescope,g; s,tools/shardinfo,shardinfo,g
			s,\(\t\|&& \)build/,\1built build/,g'
}

# Reads the commands of a document, as a shell does that finds no programs. What one of them sets
# holds for the next ones.
read_commands() {
	. test/docs/stand_ins.sh
	targets=
	cd "$scratch/run" || exit
	while IFS=$tab read -r at kind command _; do
		# shellcheck disable=SC2123 # so that no program is found
		PATH=
		eval "$command" >"$scratch/out" 2>"$scratch/err"
		wait
		PATH=$path
		[ ! -s "$scratch/err" ] || wrong "$(cat "$scratch/err")"
	done
	for target in $targets; do
		grep -q "^${target}[: ]" "$root/Makefile" || echo "make has no $target" >>"$found"
	done
}

# judge COMMANDS: what is wrong with the commands of one document, in $found.
judge() {
	: >"$found"
	(read_commands <"$1")
	variables "$1" >>"$found"
}

# Every name that is set for a script or for make is known in one.
variables() {
	cut -f 3 "$1" | grep -E '(^| )(make|sh) ' | grep -oE '(^| )[A-Z_]+=' | tr -d ' =' |
		sort -u | while read -r name; do
		grep -rqw --exclude=test_documents.sh -- "$name" Makefile test bench tools ||
			echo "no script knows $name"
	done
}

commands_are_known() {
	mkdir -p "$scratch/run/build"
	# shellcheck disable=SC2046 # names
	commands_of $(documents) >"$scratch/all"
	only_commands <"$scratch/all" >"$scratch/commands"
	sed 's/:[0-9]*\t.*//' "$scratch/commands" | uniq >"$scratch/documents"
	while read -r document; do
		grep "^$document:" "$scratch/commands" >"$scratch/of"
		judge "$scratch/of"
		holds "the commands of $document: $(wc -l <"$scratch/of")" \
			sh -c "! cat '$found' | grep ."
	done <"$scratch/documents"
}

# --- names ---

# Between backticks every option is one of our programs', or the table says whose it is.
options_are_known() {
	command_names | while read -r c; do
		"$program" help "$c"
	done | sed -n 's/^  \(--*[a-z][a-z0-9-]*\).*/\1/p' >"$scratch/options"
	awk -F "$tab" '$1 == "others" { print $3 }' $table >>"$scratch/options"
	printf '%s\n' --help --version --examples >>"$scratch/options"
	awk -F "$tab" '$2 == "span" {
		count = split($3, word, " ")
		for (i = 1; i <= count; i++)
			if (word[i] ~ /^--[a-z]/) {
				sub(/[^a-z0-9-].*/, "", word[i])
				print $1 "\t" word[i]
			}
	}' "$scratch/all" | awk -F "$tab" 'FNR == NR { known[$1] = 1; next }
		!($2 in known)' "$scratch/options" - >"$found"
	holds "every option in the text is one of a program" sh -c "! cat '$found' | grep ."
}

# Headers of libraries, which the documents name too.
foreign="blis.h omp.h jansson.h"

names_are_there() {
	find . \( -path './.*' -o -path ./build \) -prune -o -print >"$scratch/list"
	# shellcheck disable=SC2046 # names
	awk -v foreign="$foreign" -f test/docs/names.awk "$scratch/list" $(documents) >"$found"
	holds "names are found in the documents" test "$(tail -n 1 "$found")" -gt 500
	holds "every file, link and test that is named is there" \
		sh -c "! sed '\$d' '$found' | grep ."
}

table_is_used() {
	holds "every row of the table is used" sh -c "! cat '$scratch/unused' | grep ."
}

# A document in which everything is wrong.
planted_faults_are_found() {
	cat >"$scratch/planted.md" <<-'END'
	Call `prunescope train --no-such`, `tools/shardinfo --nothing`, `sh tools/none.sh` and then
	`NO_SUCH_NAME=1 make check`. It is in tools/cli/none.c, none_at_all.h, test_of_nothing and
	[here](none.md).

	```sh
	prunescope train cache --k few \\
	    -o sae
	no-such-program
	make no-such-target && build/test/io/none
	```
	END
	awk -f test/docs/extract.awk "$scratch/planted.md" | only_commands >"$scratch/of"
	judge "$scratch/of"
	awk -f test/docs/names.awk "$scratch/list" "$scratch/planted.md" >>"$found"
	for fault in 'unknown option --no-such' 'unknown option --nothing' tools/none.sh \
		NO_SUCH_NAME none.c none_at_all.h test_of_nothing none.md "'few' is not" \
		no-such-program no-such-target test/io/none; do
		holds "planted and found: $fault" grep -q -e "$fault" "$found"
	done
}

commands_are_known
options_are_known
names_are_there
table_is_used
planted_faults_are_found
conclude test_documents.sh
