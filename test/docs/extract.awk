# Prints the commands of Markdown documents, one a line: FILE:LINE, KIND, COMMAND, with tabs between.
# - KIND sh: a command of a block marked sh. One that ends in a backslash goes on in the next line.
# - KIND span: what stands between two backticks in the text.
# - Another KIND is the language of a block. Its text is one COMMAND, in which \n stands for the end
#   of a line and \\ for a backslash.
# usage: awk -f extract.awk FILE...
function put(line, kind, command) {
	gsub(/\t/, " ", command)
	print file ":" line "\t" kind "\t" command
}

# Prints the spans of a paragraph. They may go on in the next line.
function spans(    piece, count, i, line, span) {
	count = split(paragraph, piece, "`")
	line = first
	for (i = 1; i <= count; i++) {
		span = piece[i]
		if (i % 2 == 0) {
			gsub(/ *\n */, " ", span)
			put(line, "span", span)
		}
		line += gsub(/\n/, "", piece[i])
	}
	paragraph = ""
}

FNR == 1 {
	spans()
	file = FILENAME
	fence = 0
}
/^ *```/ {
	spans()
	if (fence && language != "sh" && language != "")
		put(from, language, command)
	fence = !fence
	language = fence ? $1 : ""
	sub(/^```/, "", language)
	command = ""
	from = FNR
	next
}
fence && language == "sh" {
	if (command == "")
		from = FNR
	command = command $0
	if (sub(/\\$/, " ", command))
		next
	if (command !~ /^ *(#|$)/)
		put(from, language, command)
	command = ""
	next
}
fence {
	line = $0
	gsub(/\\/, "\\\\\\\\", line)
	command = command line "\\n"
	next
}
# A row of a table is a paragraph of its own, and so is each item of a list.
/^ *$/ || /^\|/ || /^ *[-*] / || /^#/ { spans() }
{
	if (paragraph == "")
		first = FNR
	paragraph = paragraph $0 "\n"
}
END { spans() }
