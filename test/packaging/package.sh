#!/bin/sh
# Builds Debian's source and binary package from a copy of the sources, and tries them:
# - lintian finds no error and warns of nothing,
# - nothing needs another CPU than the architecture's baseline,
# - the version is the program's,
# - debian/tests/study passes with the unpacked package.
# The packages go to build/package. With DEB_BUILD_OPTIONS=nocheck the build leaves the unit tests
# out (minutes). Exit 77: a tool is missing.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/checks.sh
. test/packaging/lib.sh
lacks dpkg-buildpackage dh lintian readelf && exit 77

copy_sources "$scratch/prunescope"
build() {
	(cd "$scratch/prunescope" && dpkg-buildpackage -us -uc) >"$scratch/log" 2>&1 ||
		{ tail -n 30 "$scratch/log" && false; }
}
holds "dpkg-buildpackage makes a source and a binary package" build
package=$(the_package "$scratch")
unpack() {
	dpkg-deb -x "$package" "$scratch/root" && dpkg-deb -e "$package" "$scratch/control"
}
holds "the package can be unpacked" unpack
keep() {
	rm -rf build/package && mkdir -p build/package &&
		find "$scratch" -maxdepth 1 -type f -name 'prunescope*_*' \
			-exec cp {} build/package/ \;
}
holds "the packages are kept in build/package" keep

no_errors() {
	lintian --fail-on error,warning --allow-root --info "$scratch"/prunescope_*.changes
}
holds "lintian finds no error and warns of nothing" no_errors

# The flags of every unit that gcc compiled stand in the debug information.
baseline() {
	producers=$(readelf --debug-dump=info "$scratch/prunescope/prunescope" 2>/dev/null |
		sed -n 's/.*DW_AT_producer.*: \(GNU C.*\)/\1/p' | sort -u)
	echo "$producers"
	test -n "$producers" &&
		! echo "$producers" | grep -oE -- '-m(arch|cpu|tune)=[^ ]*' |
		grep -vxE -- '-march=(x86-64|armv8-a)|-mtune=generic|-mcpu=generic'
}
holds "it is compiled for the architecture's baseline" baseline

same_version() {
	packaged=$(sed -n 's/^Version: //p' "$scratch/control/control")
	built=$("$scratch/root/usr/bin/prunescope" --version |
		sed -n '1s/^prunescope \([^ ,]*\).*/\1/p')
	echo "package $packaged, program $built" && test "$packaged" = "$built"
}
holds "the package has the program's version" same_version

study() {
	PATH=$scratch/root/usr/bin:$PATH sh debian/tests/study
}
holds "its test runs a study" study
conclude package.sh
