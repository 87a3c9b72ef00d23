#!/bin/sh
# Compares the ids of real tokenizers with the tokenizers library (Python). Run it from the
# repository's root:
#   PRUNESCOPE_TOKENIZERS=DIR [PRUNESCOPE_TEXTS="FILE..."] [PYTHON=...] \
#       test/real/tokenizer_parity.sh
# Each DIR/NAME/tokenizer.json is one tokenizer. Exit 77 if DIR is not given.
[ -n "$PRUNESCOPE_TOKENIZERS" ] || { echo "PRUNESCOPE_TOKENIZERS is not set"; exit 77; }
set -e
make -s lib
# shellcheck disable=SC2046 # a list of words
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I. -O2 -o build/tokenize_file test/real/tokenize_file.c \
	build/libcore.a $(pkg-config --libs jansson yajl libpcre2-8 libxxhash) -lm -pthread
# shellcheck disable=SC2086 # a list of words
"${PYTHON:-python3}" test/real/tokenizer_parity.py build/tokenize_file \
	"$PRUNESCOPE_TOKENIZERS"/*/tokenizer.json -- $PRUNESCOPE_TEXTS --fuzz 8
echo "[       OK ] ids agree with the tokenizers library"
