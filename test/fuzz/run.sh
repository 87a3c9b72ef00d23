#!/bin/sh
# usage: test/fuzz/run.sh BUILD SECONDS NAME...
# Runs each BUILD/test/fuzz/fuzz_NAME for SECONDS, with the fixtures as seeds. Inputs that reach new
# code are kept in BUILD/corpus/NAME for the next run. A crash ends the script; its input is in
# BUILD/crash-*.
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
	tokenizer) find test/fixtures/tokenizer -name '*.json' ! -name '*.cases.json' -size -128k ;;
	esac
}

for name in "$@"; do
	mkdir -p "$build/seeds/$name" "$build/corpus/$name"
	seeds_of "$name" | while read -r file; do
		cp "$file" "$build/seeds/$name/$(echo "$file" | tr / _)"
	done
	echo "fuzz_$name: $seconds s"
	if ! "$build/test/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=20 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/crash-$name-" \
		"$build/corpus/$name" "$build/seeds/$name" >"$build/$name.log" 2>&1; then
		tail -n 40 "$build/$name.log"
		echo "fuzz_$name: failed; see $build/$name.log"
		exit 1
	fi
	grep -E 'number_of_executed_units|average_exec_per_sec' "$build/$name.log"
done
