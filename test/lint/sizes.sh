#!/bin/sh
# Checks sizes in all C and shell sources, from the repository's root:
# - A function has at most 60 lines, from the first line of its signature to its closing brace.
#   Inner kernels may be longer; they are listed below with the reason.
# - A function has at most 7 parameters.
# - A line has at most 100 columns; a tab reaches to the next multiple of 8.
# A function is found by its layout (clang-format's): its braces stand alone in the first column.
# Prints every excess, then the three counts. Exit 1 if there is an excess.
# First the script checks itself: it must find planted excesses, and nothing else.
set -eu

# FILE FUNCTION: why it may exceed 60 lines.
kernels=""

# check_c FILE...: prints the excesses in C files as FILE:LINE: WHAT
check_c() {
	KERNELS=$kernels LC_ALL=C awk '
		BEGIN {
			lines = split(ENVIRON["KERNELS"], listed, "\n")
			for (i = 1; i <= lines; i++) {
				split(listed[i], word, /[ :]+/)
				kernel[word[1] " " word[2]] = 1
			}
		}
		FNR == 1 {
			signature = ""
			opened = 0
		}
		# The parameters are in the last parentheses of the outermost level.
		function take_signature(   i, c, depth, commas, text) {
			text = ""
			commas = depth = 0
			for (i = 1; i <= length(signature); i++) {
				c = substr(signature, i, 1)
				if (c == "(" && !depth++) {
					commas = 0
					text = ""
					name = substr(signature, 1, i - 1)
				} else if (c == ")")
					depth--
				else if (depth) {
					text = text c
					commas += c == "," && depth == 1
				}
			}
			sub(/.*[^A-Za-z0-9_]/, "", name)
			parameters = text ~ /^[ \t]*(void)?[ \t]*$/ ? 0 : commas + 1
		}
		/^[{]$/ {
			opened = FNR
			take_signature()
			next
		}
		opened && /^}$/ {
			if (FNR - first + 1 > 60 && !((FILENAME " " name) in kernel))
				printf "%s:%d: %s has %d lines, 60 are allowed\n", FILENAME, \
					first, name, FNR - first + 1
			if (parameters > 7)
				printf "%s:%d: %s has %d parameters, 7 are allowed\n", FILENAME, \
					first, name, parameters
			opened = 0
			signature = ""
			next
		}
		opened { next }
		# Outside of functions: collects the lines that may be a signature.
		/^([ \t]*$|[#}]|\/\/|\/\*| \*)/ || /[;}]$|\*\/$/ {
			signature = ""
			next
		}
		{
			if (signature == "")
				first = FNR
			signature = signature " " $0
		}' "$@"
}

# check_lines FILE...: prints the lines over 100 columns as FILE:LINE: WHAT
check_lines() {
	LC_ALL=C awk '
		length($0) * 8 > 100 {
			text = $0
			gsub(/[\200-\277]/, "", text) # of a UTF-8 character its first byte is left
			columns = 0
			parts = split(text, part, "\t")
			for (i = 1; i <= parts; i++) {
				columns += length(part[i])
				if (i < parts)
					columns += 8 - columns % 8
			}
			if (columns > 100)
				printf "%s:%d: %d columns, 100 are allowed\n", FILENAME, FNR, \
					columns
		}' "$@"
}

# check_tree ROOT: prints all excesses below ROOT, then their counts; 1 when there is one.
check_tree() (
	cd "$1"
	# shellcheck disable=SC2046 # lists of files, whose names have no spaces
	{
		check_c $(files '*.[ch]')
		check_lines $(files '*.[ch]' '*.sh' run)
	} | awk '
		{ print }
		/ lines, 60 are allowed$/ { functions++ }
		/ parameters, 7 are allowed$/ { parameters++ }
		/ columns, 100 are allowed$/ { lines++ }
		END {
			printf "sizes: %d functions over 60 lines, ", functions
			printf "%d with more than 7 parameters, ", parameters
			printf "%d lines over 100 columns\n", lines
			exit NR > 0
		}'
)

# files PATTERN...: the files of these names, but for what was built
files() {
	for pattern; do
		find . -path ./build -prune -o -path ./.git -prune -o \
			-name "$pattern" -type f -print
	done | sed 's|^\./||' | LC_ALL=C sort
}

# lines COUNT: so many lines of C, tab and all
lines() {
	awk -v count="$1" 'BEGIN { for (i = 0; i < count; i++) print "\tx++;" }'
}

# columns COUNT: a comment of so many columns behind a tab
columns() {
	printf '\t//%*s\n' $(($1 - 10)) '' | tr ' ' x
}

# expect WHAT TREE: the lines on standard input are what check_tree finds below the tree
expect() {
	cat >"$root/wanted"
	if check_tree "$2" >"$root/found"; then found=nothing; else found=something; fi
	if ! cmp -s "$root/wanted" "$root/found" || [ $found != "$3" ]; then
		echo "sizes: the self-check finds something else than $1:"
		diff "$root/wanted" "$root/found"
		exit 1
	fi
}

self_check() {
	root=$(mktemp -d)
	trap 'rm -rf "$root"' EXIT
	mkdir -p "$root/good/core" "$root/bad/core" "$root/bad/.ci" "$root/bad/build"
	{
		printf '/* A comment of\n * two lines. */\n#define X(a, b, c, d, e, f, g, h)\n'
		printf 'struct s {\n\tint x;\n};\n\nstatic const int t[] = {\n'
		lines 70
		printf '};\n__attribute__((target(\"avx2,fma\")))\n'
		printf 'int sixty(int a, int b, int c,\n'
		printf '\t  int d, int e, int f, int (*g)(int, int))\n{\n'
		lines 55
		printf '}\n'
		columns 100
		printf '\t/* \303\244'
		printf '%*s*/\n' 86 ''
	} >"$root/good/core/good.c"
	expect "nothing in good files" "$root/good" nothing <<-END
	sizes: 0 functions over 60 lines, 0 with more than 7 parameters, 0 lines over 100 columns
	END
	{
		printf 'int good(void)\n{\n}\n\n/* Long. */\nstatic int\nlong_one(void)\n{\n'
		lines 58
		printf '}\n\nvoid eight(int a, int b, int c, int d, '
		printf 'int e, int f, int g, int (*h)(int, int))\n{\n}\n'
		columns 101
	} >"$root/bad/core/bad.h"
	columns 101 >"$root/bad/core/bad.sh"
	columns 120 >"$root/bad/.ci/run"
	columns 120 >"$root/bad/build/made.c"
	expect "the five planted excesses" "$root/bad" something <<-END
	core/bad.h:6: long_one has 62 lines, 60 are allowed
	core/bad.h:69: eight has 8 parameters, 7 are allowed
	.ci/run:1: 120 columns, 100 are allowed
	core/bad.h:72: 101 columns, 100 are allowed
	core/bad.sh:1: 101 columns, 100 are allowed
	sizes: 1 functions over 60 lines, 1 with more than 7 parameters, 3 lines over 100 columns
	END
}

self_check
check_tree .
