#!/bin/sh
# What a study does about outputs that are gone, changed or another's, about damaged summaries, and
# about inputs that change under it. Its old results stay until new ones are whole. The least budget
# that it names is enough. PRUNESCOPE and SHARDINFO name other binaries.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/study.sh

# flip FILE OFFSET: turns one bit over. The times of the last change stay as far as they can.
flip() {
	cp -p "$1" "$scratch/times"
	byte=$(od -An -tu1 -j"$2" -N1 "$1")
	printf '%b' "\\0$(printf %o $((byte ^ 1)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
	touch -r "$scratch/times" "$1"
}

# tells NAME PATTERN FILE
tells() {
	holds "$1" grep -q -- "$2" "$3"
}

first_run() {
	works "a study" --keep-caches
	cp "$out/results.json" "$scratch/results"
	cp "$out/report.html" "$scratch/report"
	works "again" --keep-caches --json
	tells "it is done" '"steps_done_before": 24' "$scratch/out"
	mask=runs/llama/magnitude-0.5/mask
	tells "a record names its output" "\"$mask.safetensors\"" "$out/$mask.json"
	works "--verify of it" --keep-caches --verify --json
	tells "finds all as it was made" '"steps_done_before": 24' "$scratch/out"
}

# found NAME FILE: the file under runs/llama was changed. Then nothing is done until --force, which
# makes the same again.
found() {
	note_records
	refuses "$1" 3 "$2 differs from its record" --keep-caches
	redoes "$1: and nothing is done" ""
	works "$1: --dry-run" --keep-caches --dry-run
	tells "$1: says why" "$2 differs from its record" "$scratch/out"
	works "$1: --force" --keep-caches --force --quiet
	holds "$1: gives the same results" cmp "$scratch/results" "$out/results.json"
	works "$1: then all is done" --keep-caches --verify --json
	tells "$1: and says so" '"steps_done_before": 24' "$scratch/out"
}

changed() {
	runs=$out/runs/llama
	cp "$runs/magnitude-0.5/mask.safetensors" "$scratch/mask"
	flip "$runs/magnitude-0.5/mask.safetensors" 5000
	found "a flipped bit of a mask" magnitude-0.5/mask.safetensors
	holds "the mask is as before" cmp "$scratch/mask" "$runs/magnitude-0.5/mask.safetensors"
	flip "$runs/dense/sae/seed-7/cfg.json" 30
	found "a flipped bit of cfg.json" seed-7/cfg.json
	rm -r "$runs/dense/sae/seed-42"
	cp -r "$runs/dense/sae/seed-7" "$runs/dense/sae/seed-42"
	found "the SAE of another seed" dense/sae/seed-42/manifest.json
	flip "$runs/magnitude-0.5/cache/shard-00000.safetensors" 70000
	found "a flipped bit of a cache that is kept" magnitude-0.5/cache/shard-00000.safetensors
	cp "$scratch/mask" "$runs/tokens.safetensors"
	found "a mask in the tokens' place" runs/llama/tokens.safetensors
	flip "$runs/magnitude-0.5/mask.safetensors" 5000
	rm "$runs/magnitude-0.5/splice.json"
	refuses "a step that reads it does not" 3 'mask.safetensors differs from its record' \
		--only llama/magnitude-0.5/splice
	works "after --force of the one" --only llama/magnitude-0.5/mask --force
	works "it does"
}

# remade NAME PATTERN ARGUMENT...: a record that says nothing true of its step is made anew.
remade() {
	title=$1 pattern=$2
	shift 2
	works "$title: --dry-run" --keep-caches --dry-run "$@"
	tells "$title: says why" "$pattern" "$scratch/out"
	works "$title: the step is done anew" --keep-caches --json "$@"
	tells "$title: and no other" '"steps_done_before": 23' "$scratch/out"
	tells "$title: and that is said" "$pattern: it is made anew" "$scratch/err"
	holds "$title: the results are as before" cmp "$scratch/results" "$out/results.json"
	holds "$title: shardinfo finds nothing" "$shardinfo" --verify "$out"
}

# Records that are damaged or another step's, those of caches too that no step reads any more.
records_changed() {
	runs=$out/runs/llama
	flip "$runs/magnitude-0.5/cache.json" 400
	remade "a damaged record of a cache" "its record is damaged" --verify
	cp "$runs/dense/cache.json" "$runs/magnitude-0.5/cache.json"
	remade "the record of another cache" "its record is that of llama/dense/cache" \
		--verify
	rm "$runs/dense/cache.json"
	works "a cache without a record" --keep-caches
	holds "gets one" test -s "$runs/dense/cache.json"
	cp "$runs/dense/ppl.json" "$runs/magnitude-0.5/ppl.json"
	remade "the record of another condition" "its record is that of llama/dense/ppl"
	cp -a "$out" "$scratch/left"
	out=$scratch/left
	flip "$out/runs/llama/dense/cache.json" 400
	rm -r "$out/runs/llama/dense/cache"
	works "without --keep-caches" --json
	tells "they change nothing" '"steps_done_before": 24' "$scratch/out"
	holds "and go" test ! -e "$out/runs/llama/dense/cache.json"
	out=$scratch/study
}

# shown NAME PATTERN: shardinfo finds that in a copy of the study, which is whole again then.
shown() {
	"$shardinfo" --verify "$scratch/copy" >"$scratch/out" 2>"$scratch/err"
	holds "shardinfo --verify: $1" test $? -eq 3
	tells "$1: says which" "CORRUPT .*$2" "$scratch/out"
	rm -rf "$scratch/copy"
	cp -a "$out" "$scratch/copy"
}

# Every file is whole by itself. It is not what stands there by right.
looked_at() {
	cp -a "$out" "$scratch/copy"
	holds "shardinfo --verify of a whole study" "$shardinfo" --verify "$scratch/copy"
	for inner in runs runs/llama/dense runs/llama/tokens.json results.json; do
		holds "and of its $inner" "$shardinfo" --verify "$scratch/copy/$inner"
	done
	inner=$scratch/copy/runs/llama
	cp "$inner/dense/ppl.json" "$inner/magnitude-0.5/ppl.json"
	shown "the record of another condition" "record of llama/dense/ppl, and stands in"
	cp "$inner/dense/ppl.json" "$inner/tokens.json"
	shown "a record in the tokens' place" "stands in the place of llama/dense/tokens"
	cp "$inner/dense/sae/seed-7/"* "$inner/dense/sae/seed-42/"
	shown "the SAE of another seed" "seed-42/manifest.json differs from this record"
	cp "$inner/dense/cache/"* "$inner/magnitude-0.5/cache/"
	shown "the cache of another model" "magnitude-0.5/cache/manifest.json differs"
	rm "$inner/magnitude-0.5/mask.safetensors"
	shown "a mask that is gone" "output runs/llama/magnitude-0.5/mask.safetensors is gone"
	rm "$inner/dense/splice.json"
	shown "a record that is gone" "record of llama/dense/splice is gone"
	sed -i 's/llama/other/' "$scratch/copy/tables/models.csv"
	shown "a table that was changed" "output tables/models.csv differs from this record"
	rm "$scratch/copy/results.json"
	shown "results.json that is gone" "output results.json is gone"
}

# gone NAME FILE STEPS: these steps, and no others, are done anew.
gone() {
	note_records
	works "$1 that is gone: --dry-run" --dry-run
	tells "says why" "output $2 is gone" "$scratch/out"
	works "$1 that is gone is made again"
	redoes "with what made it" "$3"
	holds "to the same results" cmp "$scratch/results" "$out/results.json"
}

missing() {
	works "without --keep-caches the caches go" --quiet
	holds "all of them" test ! -e "$out/runs/llama/dense/cache"
	rm "$out/runs/llama/tokens.safetensors"
	gone "a token file" runs/llama/tokens.safetensors "llama/tokens "
	rm "$out/runs/llama/dense/sae/seed-7/sae_weights.safetensors"
	gone "a file of an SAE" runs/llama/dense/sae/seed-7/sae_weights.safetensors \
		"llama/dense/train-7 "
	rm "$out/tables/models.csv"
	gone "a table" tables/models.csv "report "
}

# A summary is written anew where it is damaged. Another's file is not.
summaries() {
	note_records
	head -c 900 "$scratch/results" >"$out/results.json"
	holds "report refuses half a results.json" sh -c \
		"'$program' report '$out' 2>'$scratch/err'; test \$? -eq 3"
	tells "and says how to make it anew" 'makes it anew' "$scratch/err"
	head -c 900 "$scratch/report" >"$out/report.html"
	works "the study does so"
	tells "and says so" 'results.json differs from its record: it is made anew' "$scratch/err"
	holds "results.json is whole" cmp "$scratch/results" "$out/results.json"
	holds "report.html too" cmp "$scratch/report" "$out/report.html"
	sed 's/"l0": [0-9.]*/"l0": 9.5/' "$scratch/results" >"$out/results.json"
	holds "report refuses a number changed by hand" sh -c \
		"'$program' report '$out' 2>'$scratch/err'; test \$? -eq 3"
	works "the study writes it anew"
	holds "to the same results" cmp "$scratch/results" "$out/results.json"
	out=$scratch/foreign
	mkdir -p "$out/runs"
	echo '{"accuracy": 0.9}' >"$out/results.json"
	refuses "another program's results.json" 2 'did not write it'
	holds "stays, and nothing is done" test ! -e "$out/runs/llama"
	out=$scratch/study
}

# A record of another kernel makes results.json an old one; a cache's kernel outlives the cache.
kernels() {
	rm "$out/runs/llama/dense/ppl.json"
	PRUNESCOPE_MATMUL=ref
	export PRUNESCOPE_MATMUL
	note_records
	works "a step done anew with another kernel"
	tells "the kernel is in results.json" '"ref' "$out/results.json"
	out=$scratch/kernel
	for step in tokens cache; do works "only the $step" --only llama/dense/$step; done
	unset PRUNESCOPE_MATMUL
	works "the rest with this machine's kernel" --quiet
	holds "the cache is gone" test ! -e "$out/runs/llama/dense/cache"
	tells "its kernel is in results.json" '"ref' "$out/results.json"
	out=$scratch/study
	rm "$out/runs/llama/dense/ppl.json"
	works "back to one kernel" --quiet
	holds "and the same results" cmp "$scratch/results" "$out/results.json"
}

# The model is replaced while the study runs: a step that reads it says so, or else the next one
# that would. The study stands still meanwhile.
sources() {
	cp -r demo/models/llama "$scratch/model"
	sed -i "s#path: demo/models/llama#path: $scratch/model#" "$file"
	out=$scratch/sources
	"$program" study "$file" -o "$out" --threads 1 --quiet 2>"$scratch/err" &
	while worked $! && [ ! -e "$out/runs/llama/dense/ppl.json" ]; do sleep 0.01; done
	kill -STOP $!
	holds "a study is in the middle" test -e "$out/runs/llama/dense/ppl.json" -a \
		! -e "$out/runs/llama/magnitude-0.5/splice.json"
	flip "$scratch/model/model.safetensors" 200000
	kill -CONT $!
	wait $!
	holds "a model that changes under a study ends it" test $? -eq 3
	tells "which names it" \
		"$scratch/model\( has changed\|/model.safetensors: was written to\)" "$scratch/err"
	refuses "what was made of the old one would be replaced" 2 "$scratch/model has changed"
	write_study 8 0.5
	out=$scratch/study
}

# is_whole FOLDER: every SAE and mask in it.
is_whole() {
	for sae in "$1"/runs/llama/*/sae/seed-*; do
		grep -q '"complete": true' "$sae/manifest.json" || return 1
	done
	"$shardinfo" --verify "$1"/runs/llama/*/sae/seed-* "$1"/runs/llama/*/mask.safetensors
}

replacing() {
	write_study 9 0.5
	"$program" study "$file" -o "$scratch/nine-alone" --quiet >"$scratch/out" 2>"$scratch/err" &
	labour $!
	holds "another study takes $whole ticks of work" test $? -eq 0
	for share in 8 6 5; do
		"$program" study "$file" -o "$out" --force --quiet 2>"$scratch/err" &
		strike KILL $((whole / share)) $!
		wait $! 2>/dev/null
		holds "killed after a share of 1 / $share of --force" test $? -eq 137
		holds "all is old or new" is_whole "$out"
	done
	works "--force goes on" --force --quiet
	works "and is done" --json
	tells "and says so" '"steps_done_before": 24' "$scratch/out"
	holds "the results are those of the other one" cmp "$out/results.json" \
		"$scratch/nine-alone/results.json"
	write_study 8 0.5
	out=$scratch/study
}

# least: the number of bytes that the last refusal named.
least() {
	sed -n 's/.*least that would do is [^(]*(\([0-9]*\) bytes.*/\1/p' "$scratch/err"
}

memory() {
	out=$scratch/memory
	refuses "a budget too small for a study" 5 'the least that would do' --memory 1
	bytes=$(least)
	refuses "one byte less than what it names" 5 'least that would do' --memory $((bytes - 1))
	refuses "--dry-run with it" 5 'least that would do' --memory $((bytes - 1)) --dry-run
	holds "nothing was made" test ! -e "$out"
	works "--dry-run with what it names" --memory "$bytes" --dry-run
	works "the whole study runs with it" --memory "$bytes"
	holds "to the same results" cmp "$scratch/results" "$out/results.json"
	holds "report with too small a budget" sh -c \
		"'$program' report '$out' --memory 1 2>'$scratch/err'; test \$? -eq 5"
	holds "runs with what it names" "$program" report "$out" --memory "$(least)" --quiet
	out=$scratch/study
}

# What a step would refuse is refused before anything is done.
early() {
	write_study 1600 0.5
	refuses "more active latents than latents" 3 'line 12.* sae.k: .* more than' --dry-run
	write_study 8 0.5
	out=$(printf '%6000s' '' | tr ' ' x)
	refuses "an -o that no file system takes" 2 'too long'
	out=$scratch/$(printf 'a\377b')
	refuses "--emit json of a path that JSON cannot hold" 2 'UTF-8' --emit json
	works "a study in a folder of any bytes" --json
	holds "has its report" test -s "$out/report.html"
	out=$scratch/linked
	mkdir -p "$out/runs/llama/dense" "$scratch/elsewhere"
	ln -s "$scratch/elsewhere" "$out/runs/llama/dense/cache"
	works "a cache's folder may be a link" --quiet
	holds "which stays, empty" test -z "$(ls "$scratch/elsewhere")"
	works "and all is done" --json
	tells "it says" '"steps_done_before": 24' "$scratch/out"
	out=$scratch/study
}

make_text "$scratch/text"
write_study 8 0.5
first_run
for part in looked_at records_changed changed missing summaries kernels sources replacing \
	memory early; do
	if [ "${1:-$part}" = "$part" ]; then $part; fi
done
conclude test_study_verify.sh
