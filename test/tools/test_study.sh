#!/bin/sh
# A study as its users change it, interrupt it, share it and look at it: which steps are done anew,
# what is refused without --force, one step by itself, several processes on one folder.
# PRUNESCOPE names another binary. Needs neither Python nor a network; a minute on two cores.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/study.sh

# A text that gives as many tokens as the study asks for.
make_text "$scratch/text"
write_study 8 0.5

# A plan is wanted before the texts are there.
without_texts() {
	mv "$scratch/text" "$scratch/text.away"
	works "--dry-run without the text" --dry-run
	holds "names it" grep -q "$scratch/text is not there" "$scratch/err"
	holds "and lists the steps" grep -q 'to do llama/dense/train-7' "$scratch/out"
	refuses "a run without it is refused" 3 "$scratch/text"
	holds "and nothing was made" test ! -e "$out/runs"
	mv "$scratch/text.away" "$scratch/text"
}

first_run() {
	refuses "--only without its inputs names the step to do first" 3 'only llama/dense/cache' \
		--only llama/dense/train-7
	refuses "--only of a step that does not exist names the nearest" 2 'llama/dense/train-7' \
		--only llama/dense/train-77
	holds "and nothing was made" test ! -e "$out/runs"
	works "--only of a step that reads nothing" --only llama/dense/tokens
	holds "makes its output and its record" test -s "$out/runs/llama/tokens.safetensors" \
		-a -s "$out/runs/llama/tokens.json"
	works "the study does the rest"
	holds "a log has a line a step" test "$(grep -c 'step [0-9]* of 24' "$scratch/err")" -ge 20
	note_records
	works "again: nothing to do" --json
	holds "and says so" grep -q '"steps_done_before": 24' "$scratch/out"
	works "--dry-run then" --dry-run
	holds "says so" grep -q '^24 steps, 24 of them done; nothing is to do$' "$scratch/out"
	redoes "and changes nothing" ""
	works "--seed, whose place is in the file" --dry-run --seed 5
	holds "is remarked on" grep -q 'key .seeds. of the study' "$scratch/err"
	works "--only of a step that is done" --only llama/dense/ppl
	redoes "changes nothing" ""
	cp "$out/results.json" "$scratch/results"
}

replacing() {
	write_study 9 0.5
	refuses "another k would replace finished steps" 2 'llama/dense/train-7 .*k: .8. -> .9.'
	redoes "and nothing is replaced" ""
	works "--dry-run says why" --dry-run
	holds "with the option that changed" grep -q 'train-7 .*k: .8. -> .9.' "$scratch/out"
	holds "and why a cache is made again" \
		grep -q 'dense/cache .* removed after its last reader (--keep' "$scratch/out"
	holds "and what is to go, in words" \
		grep -q '^24 steps, .*; about .*[sm] to go$' "$scratch/out"
	holds "and no keys of the JSON object" sh -c "! grep -q '^seconds\|_bytes' '$scratch/out'"
	holds "its times stand below each other" test 1 -eq "$(sed -n \
		's/^to do \([^ ]* *[0-9.hms]*s\)  .*/\1/p' "$scratch/out" | awk '{ print length }' |
		sort -u | wc -l)"
	write_study 8 0.5
	refuses "another precision would replace finished steps" 2 'precision: f32 -> bf16' \
		--precision bf16
	refuses "and --only of one of them" 2 'llama/dense/ppl' --only llama/dense/ppl \
		--precision bf16
	works "--force replaces them" --precision bf16 --force
	redoes "and exactly those that a forward pass takes part in" "assemble \
llama/dense/ablation-spliced llama/dense/ablation llama/dense/ppl llama/dense/promoted \
llama/dense/seeds llama/dense/splice-42 llama/dense/splice llama/dense/train-42 \
llama/dense/train-7 llama/magnitude-0.5/features llama/magnitude-0.5/ppl \
llama/magnitude-0.5/splice-42 llama/magnitude-0.5/splice llama/magnitude-0.5/survival \
llama/magnitude-0.5/train-42 llama/magnitude-0.5/train-7 llama/magnitude-0.5/transfer-42 \
llama/magnitude-0.5/transfer report "
	works "and back" --force
	holds "to the same results" cmp "$scratch/results" "$out/results.json"
}

growing() {
	note_records
	write_study 8 '0.5, 0.3'
	works "a further sparsity is simply done"
	redoes "and nothing else but what brings all together" "assemble \
llama/magnitude-0.3/features llama/magnitude-0.3/mask llama/magnitude-0.3/ppl \
llama/magnitude-0.3/splice-42 llama/magnitude-0.3/splice llama/magnitude-0.3/survival \
llama/magnitude-0.3/train-42 llama/magnitude-0.3/train-7 llama/magnitude-0.3/transfer-42 \
llama/magnitude-0.3/transfer report "
	write_study 8 0.5
	works "without it again"
	holds "the results are as before" cmp "$scratch/results" "$out/results.json"
	works "--clean --dry-run" --clean --dry-run --json
	holds "removes nothing" test -e "$out/runs/llama/magnitude-0.3/mask.safetensors"
	works "--clean" --clean --json
	holds "removes what no step owns" test ! -e "$out/runs/llama/magnitude-0.3"
	holds "and nothing else" test -e "$out/runs/llama/magnitude-0.5/mask.safetensors"
	works "the study is whole" --json
	holds "and done" grep -q '"steps_done_before": 24' "$scratch/out"
}

damage() {
	note_records
	sed -i 's/"id": "llama/"id": "lLama/' "$out/runs/llama/dense/ppl.json"
	works "a record that was changed by hand"
	redoes "is made anew, and what follows is not, for its key is the same" "llama/dense/ppl "
	holds "to the same results" cmp "$scratch/results" "$out/results.json"
	note_records
	weights=$out/runs/llama/magnitude-0.5/sae/seed-7/sae_weights.safetensors
	rm "$weights"
	works "a file of an output that is gone"
	holds "is made again" test -s "$weights"
	rm "$out/report.html"
	works "a report that is gone"
	holds "too" test -s "$out/report.html"
}

# Caches that an earlier form of the study has left do not block a later one, and numbers that
# differ in the fifth digit are different conditions.
leftovers() {
	out=$scratch/left
	write_study 8 '0.5, 0.3, 0.7'
	works "a study that keeps its caches" --keep-caches
	sed -i 's/layer: 2/layer: 3/' "$file"
	holds "another layer does not wait for room" timeout 300 "$program" study "$file" \
		-o "$out" --force --quiet
	write_study 8 '0.50001, 0.5'
	works "two sparsities that are close" --dry-run
	holds "have names of their own" grep -q 'magnitude-0.50001/mask' "$scratch/out"
	write_study 8 0.5
	refuses "an empty -o" 2 'empty' -o ''
	out=$scratch/study
}

sharing() {
	out=$scratch/shared
	"$program" study "$file" -o "$out" --threads 1 >"$scratch/one" 2>&1 &
	works "a second process on the folder" --threads 1
	wait $!
	holds "and the first" test $? -eq 0
	holds "give the same results" cmp "$scratch/results" "$out/results.json"
	holds "nothing is left of their claims" test ! -e "$out/locks"
	out=$scratch/killed
	"$program" study "$file" -o "$out" >"$scratch/one" 2>&1 &
	strike KILL 5 $!
	wait $! 2>/dev/null
	holds "a study is killed" test $? -eq 137
	holds "before its end" test ! -e "$out/results.json"
	works "a study that was killed goes on"
	holds "to the same results" cmp "$scratch/results" "$out/results.json"
	holds "its caches are gone" test -z "$(find "$out" -name 'shard-*')"
}

# SAEs that take the same rows in one order are trained by one call of their command. They, their
# records and the results are those of steps that are done one by one.
batching() {
	write_study 8 0.5
	sed -i 's/^sae: {/sae: {data_seed: 5, /' "$file"
	out=$scratch/batched
	works "a study whose SAEs share an order"
	holds "trains them by one call" grep -q 'dense/train-7 and 1 more' "$scratch/err"
	holds "from one read" grep -q '2 of 2 SAEs side by side' "$scratch/err"
	out=$scratch/apart
	for condition in dense magnitude-0.5; do
		[ $condition = dense ] || works "the mask" --only llama/$condition/mask
		[ $condition != dense ] || works "the tokens" --only llama/dense/tokens
		works "$condition: the cache" --only llama/$condition/cache
		for seed in 7 42; do
			works "$condition: an SAE by itself" --only llama/$condition/train-$seed
			for made in train-$seed.json sae/seed-$seed; do
				path=runs/llama/$condition/$made
				holds "which is as it was" diff -r "$out/$path" \
					"$scratch/batched/$path"
			done
		done
	done
	works "and the rest"
	batched=$scratch/batched/results.json
	holds "the results are the same bytes" cmp "$out/results.json" "$batched"
	out=$scratch/batched-twice
	"$program" study "$file" -o "$out" --threads 1 >"$scratch/one" 2>&1 &
	works "two processes" --threads 1
	wait $!
	holds "and the first of them" test $? -eq 0
	holds "give the same results" cmp "$out/results.json" "$batched"
	write_study 8 0.5
}

# Stands in sbatch's place: does the tasks of an array at once, and prints a job's number.
make_sbatch() {
	mkdir -p "$scratch/bin"
	cat >"$scratch/bin/sbatch" <<'SBATCH'
#!/bin/bash
while [ "${1#--}" != "$1" ]; do
	[ "${1#--array=}" = "$1" ] || last=${1#--array=0-}
	shift
done
for ((i = 0; i <= last; i++)); do
	SLURM_ARRAY_TASK_ID=$i bash "$@" >&2 || exit
done
echo 7
SBATCH
	chmod +x "$scratch/bin/sbatch"
}

graph() {
	out=$scratch/study
	works "--emit json" --emit json
	holds "has every step" test "$(grep -c '"id":' "$scratch/out")" -eq 24
	works "--emit make" --emit make
	holds "has a rule a step" test "$(grep -c 'STEP) ' "$scratch/out")" -eq 25
	cp "$scratch/out" "$scratch/make"
	rm -f "$out/runs/llama/tokens.safetensors" "$out/tables/models.csv"
	holds "outputs that are gone: make" make -s -f "$scratch/make" PRUNESCOPE="$program"
	holds "makes them again" test -s "$out/runs/llama/tokens.safetensors" \
		-a -s "$out/tables/models.csv"
	holds "and then nothing" \
		sh -c "! make -f '$scratch/make' PRUNESCOPE='$program' | grep -q 'only llama'"
	works "--emit snakemake" --emit snakemake
	holds "keeps caches as temp()" grep -q 'temp(directory' "$scratch/out"
	works "--emit slurm" --emit slurm
	make_sbatch
	cp "$scratch/out" "$scratch/slurm"
	rm "$out/runs/llama/magnitude-0.5/mask.safetensors" "$out/report.html"
	holds "outputs that are gone: slurm" env PATH="$scratch/bin:$PATH" PRUNESCOPE="$program" \
		bash "$scratch/slurm"
	holds "makes them again" test -s "$out/runs/llama/magnitude-0.5/mask.safetensors" \
		-a -s "$out/report.html"
	holds "to the same results" cmp "$scratch/results" "$out/results.json"
	printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/sbatch"
	PATH="$scratch/bin:$PATH" bash "$scratch/slurm" >"$scratch/out" 2>"$scratch/err"
	holds "a job that Slurm refuses ends the script" test $? -ne 0 -a ! -s "$scratch/out"
	refuses "--emit for nobody" 2 'make, snakemake, slurm or json' --emit nonsense
	refuses "another matrix kernel than the graph was made for" 1 'matrix kernel' \
		--kernel 'of another machine'
	refuses "--only and --emit" 2 'exclude' --only report --emit make
}

# of_control NAME KEY: the value of the control's key, all on one line.
of_control() {
	tr -d '\n ' <"$out/results.json" | grep -o '"controls":\[.*\],"diagnostics"' |
		grep -o "\"name\":\"$1\".*" | grep -o "\"$2\":[^,}]*" | head -n 1 | cut -d: -f2
}

# The finished study gets controls: nothing of it is done anew but what brings all together. A
# frozen decoder is its own start, and so the start that it shares with the dense SAE.
controls() {
	out=$scratch/study
	sed -i 's/{retrain: false/{frozen: [decoder, encoder]/' "$file"
	note_records
	works "controls are added" --quiet
	redoes "and nothing else is done anew but what they are compared with" "assemble \
llama/frozen-decoder/splice-42 llama/frozen-decoder/splice llama/frozen-decoder/survival \
llama/frozen-decoder/train-42 llama/frozen-decoder/train-7 llama/frozen-encoder/splice-42 \
llama/frozen-encoder/splice llama/frozen-encoder/survival llama/frozen-encoder/train-42 \
llama/frozen-encoder/train-7 llama/magnitude-0.5/survival llama/retrain/splice-42 \
llama/retrain/splice llama/retrain/survival llama/retrain/train-42 llama/retrain/train-7 report "
	holds "the retrained SAE is near the dense one" \
		sh -c "echo $(of_control retrain mnn_survival) | grep -Eq '^0[.][0-9]*[1-9]'"
	holds "a frozen decoder is its own start" \
		test "$(of_control frozen-decoder survival)" = "[1.0"
	holds "no model changed" test "$(of_control retrain ppl)" = null
	sed -i 's/{frozen: [^]]*], /{retrain: false, /' "$file"
	note_records
	sed -i 's/random: false/rounding: [int4], matched: [magnitude]/' "$file"
	works "models that are changed in other ways" --quiet
	redoes "are new as well" "assemble llama/magnitude-0.5/survival \
llama/matched-magnitude-rtn-int4/features llama/matched-magnitude-rtn-int4/mask \
llama/matched-magnitude-rtn-int4/ppl llama/matched-magnitude-rtn-int4/splice-42 \
llama/matched-magnitude-rtn-int4/splice llama/matched-magnitude-rtn-int4/survival \
llama/matched-magnitude-rtn-int4/train-42 llama/matched-magnitude-rtn-int4/train-7 \
llama/matched-magnitude-rtn-int4/transfer-42 llama/matched-magnitude-rtn-int4/transfer \
llama/random-0.5/features llama/random-0.5/mask llama/random-0.5/ppl llama/random-0.5/splice-42 \
llama/random-0.5/splice llama/random-0.5/survival llama/random-0.5/train-42 \
llama/random-0.5/train-7 llama/random-0.5/transfer-42 llama/random-0.5/transfer \
llama/rtn-int4/features llama/rtn-int4/mask llama/rtn-int4/ppl llama/rtn-int4/splice-42 \
llama/rtn-int4/splice llama/rtn-int4/survival llama/rtn-int4/train-42 llama/rtn-int4/train-7 \
llama/rtn-int4/transfer-42 llama/rtn-int4/transfer report "
	pruned=$(tr -d '\n ' <"$out/results.json" | grep -o '"sparsity_achieved":[^,]*' | head -n 1)
	holds "the random mask has the zeros of the pruned model" \
		test "$(of_control random-0.5 sparsity_achieved)" = "${pruned#*:}"
	holds "a rounded model has none" test "$(of_control rtn-int4 sparsity_achieved)" = null
	write_study 8 0.5
	works "the controls go again" --quiet
	works "and what they left behind" --clean
	holds "all of it" test ! -e "$out/runs/llama/retrain"
}

for part in without_texts first_run replacing growing damage leftovers sharing batching graph \
	controls; do
	if [ "${1:-$part}" = "$part" ]; then $part; fi
done
conclude test_study.sh
