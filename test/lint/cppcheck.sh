#!/bin/sh
# Runs cppcheck over the library and the programs, after it has found a planted fault.
# What it may not report, and why:
# - invalidPointerCast: kernels look at the bits of floats through vector types, and one piece of
#   scratch memory holds several types.
# - uninitvar, uninitStructMember, legacyUninitvar: cppcheck does not see that a function which
#   returns 0 has filled in what it was given. The sanitizers watch over these.
# - preprocessorErrorDirective: its preprocessor cannot expand macros that pass on __VA_ARGS__ as
#   several arguments (PS_AT, LIST, DEFINE_TILE). Files that use them are checked by the compilers
#   alone.
# It keeps what it found in build/lint/cppcheck, and looks again at sources that have changed, alone
# or by a header.
set -eu
command -v cppcheck >/dev/null || { echo "cppcheck: not installed, left out"; exit 0; }

check() {
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 -j "$(nproc)" -I. -D_GNU_SOURCE \
		--include=test/lint/cppcheck.h \
		--suppress=invalidPointerCast --suppress=uninitvar \
		--suppress=uninitStructMember --suppress=legacyUninitvar \
		--suppress=preprocessorErrorDirective "$@"
}

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
cat >"$planted/planted.c" <<'C'
int planted(const int *values);
int planted(const int *values)
{
	int copy[4] = {0};

	copy[4] = values[0];
	return copy[0];
}
C
if check "$planted/planted.c" 2>/dev/null; then
	echo "cppcheck: does not find the planted fault"
	exit 1
fi
mkdir -p build/lint/cppcheck
check --cppcheck-build-dir=build/lint/cppcheck core io prune sae analysis tools bench
echo "cppcheck: clean"
