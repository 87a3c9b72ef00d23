#!/bin/sh
# Prints rows of a CSV of results as a table for a person.
#   bench/table.sh CSV [PART...]
# Without PART: all rows. "-" stands for what was not measured or does not apply.
set -eu
csv=$1
shift
awk -F , -v parts=" $* " '
	NR == 1 {
		for (i = 1; i <= NF; i++)
			at[$i] = i
		next
	}
	# "peers best" is a row of the part peers.
	{ split($at["part"], word, " ") }
	parts != "  " && !index(parts, " " word[1] " ") { next }
	function shown(column) {
		return $at[column] == "" ? "-" : $at[column]
	}
	# "bench_stream uring": the first word of the backend.
	function program(    word) {
		split($at["backend"], word, " ")
		return word[1] == "" ? shown("program") : shown("program") " " word[1]
	}
	function add(text) {
		columns++
		cell[rows, columns] = text
		if (length(text) > width[columns])
			width[columns] = length(text)
	}
	function heads(    n, name) {
		n = split("part measured precision program state seconds rate share MiB", name, " ")
		for (i = 1; i <= n; i++)
			add(name[i])
	}
	!rows {
		rows = 1
		heads()
	}
	{
		rows++
		columns = 0
		add(shown("part"))
		add(shown("what"))
		add(shown("precision"))
		add(program())
		add(shown("state"))
		add(shown("seconds"))
		add($at["rate"] == "" ? "-" : $at["rate"] " " $at["unit"])
		add($at["share"] == "" ? "-" : sprintf("%.0f %%", 100 * $at["share"]))
		add(shown("peak_rss_mib"))
	}
	END {
		for (r = 1; r <= rows; r++) {
			line = ""
			for (c = 1; c <= 9; c++)
				line = line sprintf(c < 6 ? "%-*s  " : "%*s  ", width[c],
					cell[r, c])
			sub(/ +$/, "", line)
			print line
		}
	}' "$csv"
