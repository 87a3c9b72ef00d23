# Reads the table (table.txt), then lines of extract.awk. Prints these with what the table says: texts
# are replaced in COMMAND, and a fourth column says `except`, `needs PROGRAM` or `file NAME` where
# this holds. A line of KIND `folder` stands before the command from which on its folder is the one.
# A span is only looked at, never run: texts are replaced in it.
# With a file's name in `unused`, the rows that were not used are written there.
# usage: awk -v unused=FILE -f substitute.awk table.txt COMMANDS
BEGIN { FS = OFS = "\t" }
FNR == NR && /^(#|$)/ { next }
FNR == NR {
	rows++
	what[rows] = $1
	document[rows] = $2
	text[rows] = $3
	instead[rows] = $4
	row[rows] = FILENAME ":" FNR ": " $0
	if (NF != 4 || $1 !~ /^(replace|folder|needs|file|except|others)$/)
		print row[rows] " (not a row of this table)" >"/dev/stderr"
	next
}

# Replaces row r's text in `command`.
function replace(r,    at, done, rest) {
	done = ""
	rest = command
	while ((at = index(rest, text[r])) > 0) {
		done = done substr(rest, 1, at - 1) instead[r]
		rest = substr(rest, at + length(text[r]))
	}
	command = done rest
}

# What row r, which fits, does to the command.
function apply(r) {
	if (what[r] == "replace")
		replace(r)
	else if (what[r] == "folder" && folder != instead[r])
		print $1, "folder", folder = instead[r]
	else if (what[r] == "except")
		how = "except"
	else if (what[r] == "needs" || what[r] == "file")
		how = what[r] " " instead[r]
}

{
	from = $1
	sub(/:[0-9]*$/, "", from)
	if (from != last)
		folder = ""
	last = from
	command = $3
	how = ""
	# "[--mask M ...]" in the text: an argument that may be given.
	if ($2 == "span")
		gsub(/\[|\]|\.\.\./, "", command)
	for (r = 1; r <= rows; r++) {
		if (document[r] != "*" && document[r] != from)
			continue
		if (text[r] != "" && !index(command, text[r]))
			continue
		if ($2 == "span" && what[r] != "replace" && what[r] != "others")
			continue
		used[r] = 1
		apply(r)
	}
	print $1, $2, command, how
}
END {
	for (r = 1; r <= rows; r++)
		if (unused != "" && !(r in used))
			print row[r] >unused
}
