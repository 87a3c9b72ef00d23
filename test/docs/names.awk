# Reads a list of all files and folders, then Markdown documents. Prints FILE:LINE and what a
# document names that is not in the list:
# - a path that begins with a folder of the root: tools/run/code_version.c, test/core/test_*.c
# - the target of a link: [SCALING.md](SCALING.md)
# - a file of a name alone, anywhere: code_version.c
# - a test, or a group of tests: test_cli.sh, test_train
# `foreign` lists names, with blanks between, that are none of these. The last line is the number of
# names.
# usage: awk -v foreign="A B" -f names.awk LIST DOCUMENT...
BEGIN {
	root = "^(core|io|prune|sae|analysis|tools|test|bench|docs|demo|studies|python|debian)/"
	file = "[.](c|h|sh|py|awk|def|md|yaml|csv|svg|png)$"
	count = split(foreign, word, " ")
	for (i = 1; i <= count; i++)
		base[word[i]] = 1
}
FNR == NR {
	sub(/^[.]\//, "")
	path[$0] = 1
	name = $0
	sub(/.*\//, "", name)
	base[name] = 1
	if (name ~ /^test_/) {
		tests = tests " " name
	}
	next
}

# Whether a path is in the list. It may hold *.
function is_there(name,    pattern, p) {
	sub(/\/$/, "", name)
	if (name in path)
		return 1
	if (name !~ /[*]/)
		return 0
	pattern = name
	gsub(/[.]/, "[.]", pattern)
	gsub(/[*]/, "[^/]*", pattern)
	for (p in path)
		if (p ~ "^" pattern "$")
			return 1
	return 0
}

# "docs/../io/reader.c" as "io/reader.c"
function plain(name) {
	gsub(/(^|\/)[.]\//, "/", name)
	while (sub(/[^\/]+\/[.][.]\//, "", name))
		;
	return name
}

function look(name, good) {
	names++
	if (!good)
		print FILENAME ":" FNR ": there is no " name
}

FNR == 1 {
	folder = FILENAME
	sub(/[^\/]*$/, "", folder)
}
{
	line = $0
	while (match(line, /\]\([^)# ]+/)) {
		name = substr(line, RSTART + 2, RLENGTH - 2)
		line = substr(line, RSTART + RLENGTH)
		if (name !~ /:/)
			look(name, is_there(plain(folder name)))
	}
	line = $0
	gsub(/\]\([^)]*\)/, " ", line)
	gsub(/https?:[^ )]*/, " ", line)
	while (match(line, /[A-Za-z0-9_.\/*{}-]*[A-Za-z0-9_*]/)) {
		name = substr(line, RSTART, RLENGTH)
		line = substr(line, RSTART + RLENGTH)
		sub(/^[.]\//, "", name)
		if (name ~ root && name ~ file)
			look(name, is_there(name) || is_there(plain(folder name)))
		else if (name ~ /^[a-z0-9_]+[.](c|h|sh|py|awk|def)$/)
			look(name, name in base)
		else if (name ~ /^test_[a-z0-9_]+$/)
			look(name, index(tests, " " name))
	}
}
END { print names }
