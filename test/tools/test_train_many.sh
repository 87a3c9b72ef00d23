#!/bin/sh
# Several SAEs, and several caches, in one `train` command. Each SAE must have the bytes that it has
# when it is trained alone. This holds if
# - all SAEs share one read of the data,
# - the memory budget splits them into groups,
# - they are stopped and resumed at different steps,
# - their caches exceed memory, so that the rows are sorted into their order on disk.
# PRUNESCOPE names another binary.
# shellcheck disable=SC2086 # lists of options
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
model=demo/models/llama

# says NAME PATTERN: the last command printed a message that matches.
says() {
	holds "$1" grep -q -e "$2" "$scratch/err"
}

awk -v seed=1 -v bytes=20000 -f test/fixtures/cli/text.awk >"$scratch/text"
run tokenize $model --text "$scratch/text" -o "$scratch/tokens" --window 64 || exit 1
run cache $model --tokens "$scratch/tokens" --layer 1 --dtype bf16 -o "$scratch/cache" || exit 1

# --- one read ---
common="--batch 256 --tokens 15360"
set -- train "$scratch/cache" $common --data-seed 5
mkdir "$scratch/alone"
for width in 128 256; do
	for k in 8 16; do
		for seed in 1 2; do
			run "$@" -o "$scratch/alone/d-$width-k-$k-seed-$seed" --d-sae $width \
				--k $k --seed $seed || exit 1
		done
	done
done
many="--d-sae 128 256 --k 8 16 --seed 1 2"
works "eight SAEs in one command" "$@" $many -o "$scratch/many"
says "from one read" '8 of 8 SAEs side by side, from one read'
holds "each as when trained alone" diff -r "$scratch/alone" "$scratch/many"
count=$(grep -o '"d_sae": 128, "dead_fraction"' "$scratch/out" | wc -l)
holds "each in the result" test "$count" -eq 4
works "again: all are done" "$@" $many -o "$scratch/many"
holds "nothing is trained, and that is said" test "$(grep -c 'left alone' "$scratch/err")" -eq 8 \
	-a "$(wc -l <"$scratch/err")" -eq 8
rm -r "$scratch/many/d-128-k-16-seed-2"
cp -r "$scratch/many" "$scratch/table"
"$program" "$@" $many -o "$scratch/table" >"$scratch/printed" 2>"$scratch/err"
says "a person is told where the SAEs are" "done in .*: $scratch/table\$"
holds "and gets a table, a row an SAE" test "$(grep -c '^ *[0-9]\{3\} *[0-9]* *[0-9]* *[0-9]\.' \
	"$scratch/printed")" -eq 8
holds "with those that were there" test "$(grep -c 'was there already$' "$scratch/printed")" -eq 7
works "one is missing" "$@" $many -o "$scratch/many"
says "and trained by itself" 'SAE 4 of 8: d-128-k-16-seed-2'
holds "to the same bytes" diff -r "$scratch/alone" "$scratch/many"
rm -r "$scratch/many"

run "$@" $many -o "$none" --memory 1
least=$(sed -n 's/.*would do is .*(\([0-9]*\) bytes).*/\1/p' "$scratch/err")
works "a budget that holds the largest alone" "$@" $many -o "$scratch/many" --memory "$least"
holds "takes more than one read" test "$(grep -c ' of 8' "$scratch/err")" -gt 1
holds "to the same bytes" diff -r "$scratch/alone" "$scratch/many"
refuses "a byte less" 5 "$least" "$@" $many --memory $((least - 1)) -o "$none"
refuses "a width given twice" 2 'd-sae 128 is given twice' "$@" --d-sae 128 128 -o "$none"
for option in '--penalty tanh' '--target-l0 3' '--bandwidth 0.1' '--sparsity 1' \
	'--sparsity-warmup 0.1'; do
	refuses "$option with topk" 2 "${option% *} goes with .*jumprelu.*, not with --arch topk" \
		"$@" $option -o "$none"
done
for option in '--k-start 9' '--k-anneal 0.5' '--auxk-form saelens'; do
	refuses "$option with relu" 2 "${option% *} goes with topk and batchtopk" \
		"$@" --arch relu $option -o "$none"
done
refuses "a seed given twice" 2 'seed 3 is given twice' "$@" --seed 3 3 -o "$none"
rm -r "$scratch/many"

# --- orders of their own, and the cache's ---
set -- train "$scratch/cache" $common --d-sae 128 --k 8
works "seeds with an order each" "$@" --seed 1 2 -o "$scratch/orders"
says "are trained one after the other" 'SAE 2 of 2: seed-2'
run "$@" --seed 2 -o "$scratch/two" || exit 1
holds "as when trained alone" diff -r "$scratch/orders/seed-2" "$scratch/two"
works "in the cache's order" "$@" --seed 1 2 --order sequential -o "$scratch/sequential"
says "all seeds share it" '2 of 2 SAEs side by side'
run "$@" --seed 2 --order sequential -o "$scratch/two-sequential" || exit 1
holds "as when trained alone" diff -r "$scratch/sequential/seed-2" "$scratch/two-sequential"
weights=sae_weights.safetensors
difference=$(cmp "$scratch/two/$weights" "$scratch/two-sequential/$weights")
holds "which is another SAE than of the shuffled rows" test -n "$difference"
holds "its provenance says so" \
	grep -q '"order": "sequential"' "$scratch/two-sequential/manifest.json"
refuses "an order that is none" 2 'sequential' "$@" --order sequental -o "$none"

# --- paired caches ---
run prune $model --method magnitude --sparsity 0.5 -o "$scratch/mask" || exit 1
run cache $model --tokens "$scratch/tokens" --layer 1 --mask "$scratch/mask" -o "$scratch/pruned" ||
	exit 1
run tokenize $model --text "$scratch/text" -o "$scratch/other-tokens" --window 32 || exit 1
run cache $model --tokens "$scratch/other-tokens" --layer 1 -o "$scratch/other" || exit 1
set -- train "$scratch/cache" --with "$scratch/pruned" $common --d-sae 128 --k 8 --hold-out 400
works "a dense and a pruned cache" "$@" -o "$scratch/paired"
holds "measured on rows held out of both" grep -q held_out_fvu "$scratch/out"
holds "provenance names both" grep -q '"with"' "$scratch/paired/manifest.json"
for options in "--io mmap" "--threads 1" "--read-ahead 100" "--read-ahead 0"; do
	works "the same with $options" "$@" $options -o "$scratch/paired-again"
	holds "to the same bytes" diff -r "$scratch/paired" "$scratch/paired-again"
	rm -r "$scratch/paired-again"
done
refuses "caches of other tokens" 3 'other: .*not the same tokens' train "$scratch/cache" \
	--with "$scratch/other" $common -o "$none"
refuses "a batch that splits a token" 2 'multiple of 2' "$@" --batch 255 -o "$none"
refuses "a held out part that splits a token" 2 'multiple of 2' "$@" --hold-out 401 -o "$none"

# --- caches that exceed memory ---
# sorted NAME FOLDER BYTES ARGUMENT...: trains with so many bytes more than the least budget. The
# SAEs must be those in FOLDER.
sorted() {
	what=$1 like=$2 more=$3
	shift 3
	run "$@" -o "$none" --memory 1
	least=$(sed -n 's/.*would do is .*(\([0-9]*\) bytes).*/\1/p' "$scratch/err")
	works "$what" "$@" --memory $((least + more)) -o "$scratch/sorted"
	# Where the tests' folder is in memory, or the disk is full, they are read singly.
	says "$what: says that the rows exceed memory" \
		'the rows exceed memory.*\(unnamed file of .*iB in .*sorted\|is in memory\|wanted\)'
	holds "$what: the same bytes" diff -r "$like" "$scratch/sorted"
	rm -r "$scratch/sorted"
}
set -- train "$scratch/cache" --batch 256 --tokens 61440 --d-sae 64 128 --k 8 --data-seed 5
works "two widths, several epochs" "$@" -o "$scratch/epochs"
sorted "sorted rows" "$scratch/epochs" 1000000 "$@"
sorted "sorted rows, read by pread" "$scratch/epochs" 1000000 "$@" --io pread
works "no disk for sorted rows" "$@" --memory $((least + 1000000)) --disk 1K -o "$scratch/single"
says "reads them one at a time, and says so" 'read one at a time: to sort them wants .*iB of disk'
holds "to the same bytes" diff -r "$scratch/epochs" "$scratch/single"
set -- train "$scratch/cache" --with "$scratch/pruned" --batch 256 --tokens 61440 --d-sae 64 --k 8
works "paired caches, several epochs" "$@" -o "$scratch/pairs"
sorted "sorted rows of paired caches" "$scratch/pairs" 4000000 "$@"

# --- one of them fails ---
run train "$scratch/cache" --batch 256 --tokens 15360 --d-sae 128 256 --k 8 --lr 1e38 \
	-o "$scratch/wild"
code=$?
holds "an SAE that diverges: exit 1" test $code -eq 1
says "which one, and where" 'd-128: the loss is not finite at step'
holds "the state of each before it is kept" \
	ls "$scratch/wild/d-128/checkpoint.safetensors" "$scratch/wild/d-256/checkpoint.safetensors"

# --- interrupted ---
set -- train "$scratch/cache" --batch 256 --tokens 307200 --d-sae 192 256 --k 8 --data-seed 5 \
	--save-every 0.05
works "two widths, uninterrupted" "$@" -o "$scratch/whole"
# stopped COMMAND...: sends the signal to a run once the command succeeds, which looks at states.
state=$scratch/part/d-192/checkpoint.safetensors
stopped() {
	"$program" $arguments -o "$scratch/part" --quiet >/dev/null 2>&1 &
	while worked $! && ! "$@"; do sleep 0.01; done
	kill -"$signal" $!
	wait $! 2>/dev/null
}
newer() {
	! cmp -s "$state" "$scratch/early"
}
arguments=$*
for signal in INT KILL; do
	stopped test -f "$scratch/part/d-256/checkpoint.safetensors"
	holds "$signal leaves a state of each" test -f "$state" -a \
		-f "$scratch/part/d-256/checkpoint.safetensors"
	cp "$state" "$scratch/early"
	stopped newer
	holds "$signal again, later" test -f "$state"
	cp "$scratch/early" "$state"
	works "$signal: resumed at different steps" "$@" -o "$scratch/part"
	holds "$signal: to the same bytes" diff -r "$scratch/whole" "$scratch/part"
	rm -rf "$scratch/part"
done
conclude test_train_many.sh
