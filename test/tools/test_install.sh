#!/bin/sh
# `make install` and `make uninstall` into a folder of the test's own: what is there afterwards,
# that it works from there, and that uninstall removes all of it and nothing else.
# PRUNESCOPE and SHARDINFO name other binaries. Seconds.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
at="$scratch/a root"
usr="$at/usr"

# make_to TARGET: nothing is built.
make_to() {
	(umask 077 && make -s -o all "$1" DESTDIR="$at" PREFIX=/usr PROGRAM="$program" \
		SHARDINFO="$shardinfo" BUILD="$scratch/built")
}

# Pages as they are built.
mkdir -p "$scratch/built/man" "$scratch/built/completion"
for page in man/prunescope.1 man/prunescope-prune.1 man/prunescope-mask.5 \
	completion/prunescope.bash completion/_prunescope completion/prunescope.fish \
	completion/shardinfo.bash completion/_shardinfo completion/shardinfo.fish; do
	echo "$page" >"$scratch/built/$page"
done

# What was there before.
mkdir -p "$usr/bin" "$usr/share/doc/prunescope" "$usr/share/man/man1"
for other in bin/other share/doc/prunescope/notes.txt share/man/man1/other.1; do
	echo "$other" >"$usr/$other"
done
(cd "$at" && find . -type f -exec cksum {} + | sort) >"$scratch/before"

holds "install succeeds" make_to install
installed() {
	for file in bin/prunescope bin/shardinfo share/man/man1/prunescope.1 \
		share/man/man1/prunescope-prune.1 share/man/man5/prunescope-mask.5 \
		share/bash-completion/completions/prunescope share/zsh/site-functions/_prunescope \
		share/fish/vendor_completions.d/prunescope.fish \
		share/bash-completion/completions/shardinfo share/zsh/site-functions/_shardinfo \
		share/fish/vendor_completions.d/shardinfo.fish; do
		cat "$usr/$file" >/dev/null || return 1
	done
	for file in README.md LICENSE studies/demo.yaml demo/get-text.sh \
		docs/DEFINITIONS.md docs/report.png; do
		cmp "$file" "$usr/share/doc/prunescope/$file" || return 1
	done
	for file in studies/demo.yaml studies/paper.yaml demo/get-text.sh demo/split.awk \
		demo/models/gemma3/model.safetensors; do
		cmp "$file" "$usr/share/prunescope/$file" || return 1
	done
}
holds "programs, pages, documents, studies and the demo are there" installed
unreadable() {
	! find "$usr" -newer "$scratch/before" \( -type f ! -perm -444 -o -type d ! -perm -555 \) |
		grep .
}
holds "everybody may read them, whatever the umask" unreadable

# links PAGE: each file of the same place that the page links to.
links() {
	grep -o ']([^)#:]*[)#]' "$1" | sed 's/^](//; s/.$//; /^$/d' | sort -u
}
dead_links() {
	dead=$(
		cd "$usr/share/doc/prunescope" || exit
		for page in README.md docs/READING.md docs/RESULTS.md; do
			links $page | while read -r target; do
				test -e "$(dirname $page)/$target" || echo "$page: $target"
			done
		done
	)
	echo "$dead"
	test -n "$(links README.md)" && test -z "$dead"
}
holds "the links of the documents work" dead_links

runs() {
	"$usr/bin/prunescope" --version | grep -q '^prunescope [0-9]' &&
		"$usr/bin/shardinfo" "$usr/share/prunescope/demo/models/llama" >/dev/null
}
holds "the programs run from there" runs

mv "$usr/bin/shardinfo" "$scratch/gone"
rm -rf "$scratch/built"
holds "uninstall succeeds, also where files are gone and nothing is built" make_to uninstall
unchanged() {
	(cd "$at" && find . -type f -exec cksum {} + | sort) >"$scratch/after"
	diff "$scratch/before" "$scratch/after" && test -z "$(find "$at" -type l)"
}
holds "uninstall leaves what is not its own, as it was" unchanged
own_folders() {
	rm "$usr/share/doc/prunescope/notes.txt"
	make_to uninstall && ! find "$at" -name '*prunescope*' | grep .
}
holds "uninstall leaves no folder of its own once it is empty" own_folders
conclude test_install.sh
