#!/bin/sh
# The same sources give the same bytes: two copies in different folders are built with another
# umask, time zone, language and home. Compared are both programs and, where
# dpkg-buildpackage and debhelper are installed, every .deb. Minutes. No compiler cache: it would
# answer with the first build.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/checks.sh
. test/packaging/lib.sh
first=$scratch/a second=$scratch/another/folder/b
copy_sources "$first/prunescope"
copy_sources "$second/prunescope"
unset MAKEFLAGS MAKELEVEL

# in_first COMMAND..., in_second COMMAND...: the same command in two places.
in_first() {
	(cd "$first/prunescope" && umask 022 &&
		env CCACHE_DISABLE=1 LC_ALL=C TZ=UTC HOME="$scratch" "$@")
}
in_second() {
	(cd "$second/prunescope" && umask 002 &&
		env CCACHE_DISABLE=1 LC_ALL=C.UTF-8 TZ=Asia/Kathmandu HOME=/ LANG=C.UTF-8 "$@")
}

# same FILE: below both folders.
same() {
	cmp "$first/$1" "$second/$1"
}
both() {
	if ! { in_first "$@" && in_second "$@"; } >"$scratch/log" 2>&1; then
		tail -n 30 "$scratch/log"
		return 1
	fi
}
holds "both copies are built" both make -s "-j$(nproc)"
holds "prunescope has the same bytes" same prunescope/prunescope
holds "shardinfo has the same bytes" same prunescope/tools/shardinfo

if ! lacks dpkg-buildpackage dh; then
	both make -s clean
	holds "both packages are built" both \
		env DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b
	for package in $(cd "$first" && ls ./*.deb); do
		holds "$package has the same bytes" same "$package"
	done
	holds "there is a package" test -n "$(the_package "$first")"
fi
conclude reproducible.sh
