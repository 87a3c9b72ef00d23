#!/bin/sh
# usage: test/lint/cycles.sh OBJECT...
# Finds cycles among object files: a cycle is a group of objects that all need each other's symbols,
# directly or through others. Two files of one folder that need each other are a cycle as well.
# Prints each cycle with its files, and one symbol for each need. Exit 1 if there is a cycle.
# First the script checks itself: it must find a planted cycle, and nothing else.
set -eu

# find_cycles OBJECT...: prints the cycles, then one line with their number; 1 when there is one.
find_cycles() {
	nm -A -P -g "$@" | LC_ALL=C awk '
		# FILE: SYMBOL TYPE ...; the types U, w and v are of symbols that the object needs.
		{
			file = $1
			sub(/:$/, "", file)
			if (!(file in known)) {
				known[file] = 1
				name[++files] = file
			}
			if ($3 ~ /^[Uwv]$/)
				needs[file] = needs[file] " " $2
			else
				owner[$2] = file
		}
		# Every object that `from` reaches over one need or more.
		function mark_reached(from,   queue, head, tail, at, i, n, next_ones) {
			queue[tail = 1] = from
			for (head = 1; head <= tail; head++) {
				n = split(arrows[queue[head]], next_ones)
				for (i = 1; i <= n; i++) {
					at = next_ones[i]
					if ((from, at) in reaches)
						continue
					reaches[from, at] = 1
					queue[++tail] = at
				}
			}
		}
		# True if a and b reach each other.
		function together(a, b) {
			return (a, b) in reaches && (b, a) in reaches
		}
		function print_needs(from,   i, n, targets) {
			n = split(arrows[from], targets)
			for (i = 1; i <= n; i++)
				if (together(from, targets[i]))
					printf "  %s needs %s of %s\n", from, \
						symbol[from, targets[i]], targets[i]
		}
		END {
			for (f = 1; f <= files; f++) {
				n = split(needs[name[f]], symbols)
				for (i = 1; i <= n; i++) {
					to = owner[symbols[i]]
					if (to == "" || to == name[f] || (name[f], to) in symbol)
						continue
					symbol[name[f], to] = symbols[i]
					arrows[name[f]] = arrows[name[f]] " " to
				}
			}
			for (f = 1; f <= files; f++)
				mark_reached(name[f])
			for (f = 1; f <= files; f++) {
				first = name[f]
				if (first in told || !together(first, first))
					continue
				members = 0
				for (g = f; g <= files; g++)
					if (together(first, name[g]))
						member[++members] = name[g]
				printf "cycle of %d files:\n", members
				for (i = 1; i <= members; i++) {
					told[member[i]] = 1
					print_needs(member[i])
				}
				cycles++
				inside += members
			}
			printf "cycles: %d cycles among %d files, %d files inside one\n", \
				cycles, files, inside
			exit cycles > 0
		}'
}

# plant NAME: compiles the C code on standard input to $root/NAME.o
plant() {
	cat >"$root/$1.c"
	${CC:-cc} -c -o "$root/$1.o" "$root/$1.c"
}

self_check() {
	root=$(mktemp -d)
	trap 'rm -rf "$root"' EXIT
	echo 'int a(void) { return 1; } int common;' | plant a
	echo 'int a(void); int b(void) { return a(); }' | plant b
	echo 'int a(void); int b(void); int c(void) { return a() + b(); }' | plant c
	find_cycles "$root/a.o" "$root/b.o" "$root/c.o" >"$root/found" || {
		echo "cycles: the self-check finds a cycle where there is none:"
		cat "$root/found"
		exit 1
	}
	# Three in a ring, two that need each other through a variable, and b, which needs a ring.
	echo 'int c(void); int a(void) { return c(); }' | plant a
	echo 'int b(void); int c(void) { return b(); }' | plant c
	echo 'extern int e; int d(void) { return e; }' | plant d
	echo 'int d(void); int e; int f(void) { return d(); }' | plant e
	echo 'int d(void); int g(void) { return d(); }' | plant g
	if find_cycles "$root"/[a-g].o >"$root/found" ||
		[ "$(grep -c '^cycle of' "$root/found")" -ne 2 ] ||
		! grep -q '^cycles: 2 cycles among 6 files, 5 files inside one$' "$root/found"; then
		echo "cycles: the self-check does not find the two planted cycles:"
		cat "$root/found"
		exit 1
	fi
}

self_check
[ $# -gt 0 ] || {
	echo "cycles: no object files were given"
	exit 1
}
find_cycles "$@"
