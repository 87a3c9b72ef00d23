#!/bin/sh
# SAELens (Python) loads SAEs of every architecture that prunescope wrote, and prunescope those that
# SAELens saved. Run it from the repository's root:
#   PRUNESCOPE_SAELENS=1 [PYTHON=...] test/real/saelens_parity.sh
# Exit 77 if PRUNESCOPE_SAELENS is not given.
[ -n "$PRUNESCOPE_SAELENS" ] || { echo "PRUNESCOPE_SAELENS is not set"; exit 77; }
set -e
make -s lib
# shellcheck disable=SC2046 # a list of words
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I. -O2 -o build/sae_codes test/real/sae_codes.c \
	build/libsae.a build/libio.a build/libcore.a \
	$(pkg-config --libs liburing jansson yajl libpcre2-8 libxxhash) -lblis -lm -pthread
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" test/real/saelens_parity.py "${PRUNESCOPE:-./prunescope}" build/sae_codes \
	"$work"
echo "[       OK ] SAELens reads the SAEs of every architecture"
