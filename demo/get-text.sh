#!/bin/sh
# Fetches the demo's text: the Jargon File 4.4.7, from Debian's package jargon-text. Splits it into
# build/text/jargon-study.txt and build/text/jargon-heldout.txt. Run it from the repository's root.
# Without a network, put jargon.txt into build/jargon/ first.
set -eu
want=40dfb4b98191a670a09a183d5798d50f243d23fdbd1495dcc0aca2ce5895ba97
file=build/jargon/jargon.txt
installed=/usr/share/doc/jargon-text/jargon.txt.gz

fail() {
	echo "demo/get-text.sh: $*" >&2
	echo "By hand: put the Jargon File 4.4.7 as plain text into $file. It is the file" \
		"jargon.txt of Debian's package jargon-text." >&2
	exit 1
}
digest_of() {
	sha256sum "$1" | cut -d ' ' -f 1
}

download() {
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		fail "only a Debian or Ubuntu system can download the package jargon-text"
	fi
	if ! apt-cache show jargon-text >/dev/null 2>&1; then
		as_root=""
		[ "$(id -u)" = 0 ] || as_root="sudo"
		$as_root apt-get update -qq || fail "apt cannot update its list of packages"
	fi
	rm -f build/jargon/*.deb
	(cd build/jargon && apt-get download -qq jargon-text 2>apt.log) ||
		fail "cannot download jargon-text: $(tail -n 1 build/jargon/apt.log)"
	dpkg-deb -x build/jargon/jargon-text_*.deb build/jargon/package ||
		fail "the downloaded package jargon-text is damaged"
	zcat build/jargon/package$installed >$file ||
		fail "the package jargon-text holds no $installed"
}

mkdir -p build/jargon build/text
if [ ! -f $file ]; then
	if [ -f $installed ]; then
		zcat $installed >$file
	else
		download
	fi
fi
if [ "$(digest_of $file)" != $want ]; then
	mv $file $file.unknown
	fail "$file.unknown is another text than the demo's (its SHA-256 is not $want)"
fi
awk -v study=build/text/jargon-study.txt -v heldout=build/text/jargon-heldout.txt \
	-f demo/split.awk $file
echo "text: build/text/jargon-study.txt, build/text/jargon-heldout.txt"
