#!/bin/sh
# Compares activations and logits of a real model with transformers (Python with torch). Run it from
# the repository's root:
#   PRUNESCOPE_MODEL=DIR PRUNESCOPE_TEXTS="FILE..." [PYTHON=...] test/real/forward_parity.sh
# Our f32 is compared with their float32. Our bf16 must be as near to their float32 as their
# bfloat16, and our int16 five times as near. Exit 77 if the model or the text is not given.
[ -n "$PRUNESCOPE_MODEL" ] || { echo "PRUNESCOPE_MODEL is not set"; exit 77; }
[ -n "$PRUNESCOPE_TEXTS" ] || { echo "PRUNESCOPE_TEXTS is not set"; exit 77; }
set -e
make -s all
# shellcheck disable=SC2086 # a list of files, of which the first is used
set -- $PRUNESCOPE_TEXTS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./prunescope tokenize "$PRUNESCOPE_MODEL" --text "$1" --window 256 --windows 2 --bos window \
	-o "$work/tokens.safetensors" --quiet
layer=${PRUNESCOPE_LAYER:-9}
for precision in f32 bf16 int16; do
	./prunescope logits "$PRUNESCOPE_MODEL" --tokens "$work/tokens.safetensors" \
		--precision "$precision" -o "$work/$precision.safetensors" --quiet
	./prunescope cache "$PRUNESCOPE_MODEL" --tokens "$work/tokens.safetensors" \
		--layer "$layer" --precision "$precision" -o "$work/cache-$precision" --quiet
done
"${PYTHON:-python3}" test/real/forward_parity.py "$PRUNESCOPE_MODEL" "$work" "$layer"
echo "[       OK ] activations and logits agree with transformers"
