# Prints each scalar of a JSON text as a line PATH<tab>VALUE, in the order of the text. A path
# joins keys and indices with dots: {"a": [{"b": 1}]} gives "a.0.b<tab>1". Strings lose their
# quotes; escapes stay.
function fail(what) {
	printf "json_paths: %s at character %d\n", what, at >"/dev/stderr"
	failed = 1
	exit 1
}

# The next token, which is removed from text.
function next_token(   token) {
	if (!match(text, /^[ \t\r\n]*("([^"\\]|\\.)*"|[][{}:,]|[^][{}:,"\t\r\n ]+)/))
		fail("no token")
	token = substr(text, 1, RLENGTH)
	text = substr(text, RLENGTH + 1)
	at += RLENGTH
	sub(/^[ \t\r\n]+/, "", token)
	return token
}

function unquoted(token) {
	return token ~ /^"/ ? substr(token, 2, length(token) - 2) : token
}

function read_object(path,   key, token) {
	token = next_token()
	if (token == "}")
		return
	for (;;) {
		key = unquoted(token)
		if (next_token() != ":")
			fail("no colon")
		read_value(path == "" ? key : path "." key, next_token())
		token = next_token()
		if (token == "}")
			return
		if (token != ",")
			fail("no comma")
		token = next_token()
	}
}

function read_array(path,   i, token) {
	token = next_token()
	if (token == "]")
		return
	for (i = 0;; i++) {
		read_value(path == "" ? i : path "." i, token)
		token = next_token()
		if (token == "]")
			return
		if (token != ",")
			fail("no comma")
		token = next_token()
	}
}

function read_value(path, token) {
	if (token == "{")
		read_object(path)
	else if (token == "[")
		read_array(path)
	else
		printf "%s\t%s\n", path, unquoted(token)
}

{ text = text $0 "\n" }

END {
	if (failed)
		exit 1
	read_value("", next_token())
	if (text !~ /^[ \t\r\n]*$/)
		fail("more text")
}
