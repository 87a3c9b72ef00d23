#!/bin/sh
# usage: test/fuzz/run.sh BUILD SECONDS NAME...
# Runs each BUILD/test/fuzz/fuzz_NAME for SECONDS, with the fixtures and make_seeds' artefacts as
# seeds. FUZZ_RUNS=N instead runs each until it has executed N inputs. Inputs that reach new code
# are kept in BUILD/corpus/NAME for the next run. A crash, an input that takes over a second, or one
# that takes over 100 MB of memory ends the script; the input is in BUILD/crash-*.
set -eu
build=$1 seconds=$2
shift 2

seeds_of() {
	case $1 in
	safetensors) find test/fixtures/safetensors -name '*.safetensors' -size -64k ;;
	config)
		find test/fixtures demo/models -name '*.json' -path '*forward*' \
			-o -path '*demo/models*' -name config.json
		;;
	tokenizer)
		find test/fixtures/tokenizer -name '*.json' ! -name '*.cases.json' -size -32k
		;;
	gguf) find test/fixtures/gguf -name 'llama3.gguf' -o -name 'types.gguf' ;;
	gguf_tokenizer) find test/fixtures/gguf -name 'vocab-*.gguf' ;;
	results) find test/fixtures/report -name '*.json' ;;
	npz) find test/fixtures/dictionaries -name params.npz ;;
	dictionary_config)
		find test/fixtures/dictionaries -name cfg.json -o -name config.json \
			-o -name hyperparams.json
		;;
	dictionary_weights)
		find test/fixtures/dictionaries -name '*.safetensors' ! -path '*/expect/*'
		;;
	foreign_mask)
		find test/fixtures/masks -maxdepth 1 -name '*.npz' \
			-o -maxdepth 1 -name '*.safetensors' -size -20k
		;;
	npy) find test/fixtures/activations -name '*.npy' ;;
	bitmask) echo test/fixtures/masks/bitmask/model.safetensors ;;
	study) find studies -name '*.yaml' ;;
	esac
}

# The longest input. results.json of a study is the longest seed.
longest() {
	case $1 in
	results) echo 131072 ;;
	bitmask) echo 65536 ;;
	tokenizer | gguf | gguf_tokenizer) echo 32768 ;;
	*) echo 16384 ;;
	esac
}

bound() {
	if [ -n "${FUZZ_RUNS:-}" ]; then echo "-runs=$FUZZ_RUNS"; else
		echo "-max_total_time=$seconds"; fi
}

"$build/test/fuzz/make_seeds" "$build/seeds"
for name in "$@"; do
	mkdir -p "$build/seeds/$name" "$build/corpus/$name"
	seeds_of "$name" | while read -r file; do
		cp "$file" "$build/seeds/$name/$(echo "$file" | tr / _)"
	done
	echo "fuzz_$name: $(bound)"
	if ! "$build/test/fuzz/fuzz_$name" "$(bound)" -timeout=10 -report_slow_units=1 \
		-rss_limit_mb=2048 -malloc_limit_mb=100 -max_len="$(longest "$name")" \
		-len_control=20 -print_final_stats=1 -artifact_prefix="$build/crash-$name-" \
		"$build/corpus/$name" "$build/seeds/$name" >"$build/$name.log" 2>&1; then
		tail -n 40 "$build/$name.log"
		echo "fuzz_$name: failed; see $build/$name.log"
		exit 1
	fi
	grep -E 'number_of_executed_units|average_exec_per_sec|slowest_unit' "$build/$name.log"
done
