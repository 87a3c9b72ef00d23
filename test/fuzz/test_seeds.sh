#!/bin/sh
# Each fuzzer has seeds: make_seeds writes an artefact of every kind, or the fixtures have some.
set -eu
. test/support/checks.sh

holds "make_seeds writes its artefacts" "$MAKE_SEEDS" "$scratch/seeds"
for source in test/fuzz/fuzz_*.c; do
	name=${source#test/fuzz/fuzz_}
	name=${name%.c}
	case $name in
	# fixtures: test/fuzz/run.sh
	safetensors | config | tokenizer | results | study) continue ;;
	npz | npy | gguf | gguf_tokenizer | dictionary_config | dictionary_weights) continue ;;
	foreign_mask | bitmask) continue ;;
	esac
	holds "seeds of fuzz_$name" test -n "$(ls "$scratch/seeds/$name")"
done
conclude test_seeds.sh
