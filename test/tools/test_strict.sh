#!/bin/sh
# What a command line or a study asks for is understood as a whole, or refused by name:
# - every option for a number, of every command, with values that are no such number,
# - options of other commands, mistyped ones, ones without a value,
# - texts with fewer tokens than asked for, and perplexity texts that are training texts,
# - FIFOs and folders where a file belongs.
# PRUNESCOPE names another binary. Needs neither Python nor a network.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
llama=demo/models/llama
plain_figures

# As that of program.sh, but results are for people.
run() {
	timeout 300 "$program" "$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	return $code
}

# lacks NAME PATTERN FILE: the file has no line that matches.
lacks() {
	if grep -q -- "$2" "$3"; then failed "$1" "$3 says '$2'"; else passed "$1"; fi
}

commands="tokenize ppl logits calibrate prune export cache train eval compare transfer ablate
	features seeds survival study report"

# number_options COMMAND: its options whose help begins with a number's letter or unit. The common
# ones are looked at with ppl alone.
number_options() {
	"$program" "$1" --help | awk -v all="$([ "$1" = ppl ] && echo 1)" '
		/^Common options:/ && !all { exit }
		/^  -/ && $2 ~ /^(N|L|X|S|SIZE|SECONDS)$/ { print $1 }'
}

# 0 has a meaning, which the help or docs/DEFINITIONS.md gives.
zero_has_a_meaning() {
	case $1 in
	--seed | --data-seed | --read-ahead | --hold-out | --resample | --min-chars | --layer | \
		--latent) ;;
	--warmup | --decay | --lr-end | --beta1 | --clip | --sparsity | --sparsity-warmup) ;;
	--k-anneal | --auxk | --save-every | --tau) ;;
	*) return 1 ;;
	esac
}

# sweep COMMAND OPTION: what no number can be, a negative one, and 0 where it has no meaning.
sweep() {
	wrong=""
	set -- "$1" "$2" many nan inf -inf 1e400 0x10 010 8x '8 ' ' 8' 1__0 1,000 8,5 '' - +- e3 \
		'5 tokens' 99999999999999999999999999999999999999999999999999999999999999999999999
	command=$1 option=$2
	shift 2
	case $option in
	--tau) ;;
	*) set -- "$@" -1 -3 -0.5 ;;
	esac
	zero_has_a_meaning "$option" || set -- "$@" 0
	# Thousands of calls: nothing else is started for one.
	for value; do
		"$program" "$command" "$option=$value" >"$scratch/out" 2>"$scratch/err"
		code=$?
		{
			read -r said
			read -r more
		} <"$scratch/err"
		case $code:$more:$said in
		2::"prunescope $command: $option"*) ;;
		*) wrong="$wrong '$value' (exit $code)" ;;
		esac
	done
	if [ -z "$wrong" ]; then
		passed "$command $option: $# values are refused"
	else
		failed "$command $option" "not refused by name:$wrong"
	fi
}

numbers_of_every_option() {
	count=0
	for c in $commands; do
		for o in $(number_options "$c"); do
			sweep "$c" "$o"
			count=$((count + 1))
		done
	done
	holds "the help names $count options for numbers" test "$count" -ge 45
}

numbers_are_whole() {
	for value in 8.7 1.9 0.5% 128.5 2.0005k; do
		refuses "--window $value" 2 "--window: '$value' is not a whole number" \
			ppl $llama --text x --window $value
	done
	refuses "--layer -1 behind another one" 2 "--layer: '-1' is out of range" \
		cache $llama --tokens x --layer 1 -1 -o "$none"
	refuses "--max-tokens -3 blames itself" 2 "--max-tokens: '-3'.*at least 1" \
		ppl $llama --text x --max-tokens -3
	refuses "a stride beyond the window" 2 '--stride 9: must be at most --window, 8' \
		ppl $llama --text x --window 8 --stride 9
	refuses "more latents than can be numbered" 2 "--d-sae: '9e9'.* 1 to 2147483647" \
		train x -o "$none" --d-sae 9e9
	refuses "more than all weights" 2 "--sparsity: '100%'" prune $llama --method magnitude \
		--sparsity 100% -o "$none"
	for nm in 2:4x ' 2:4' 2 2: :4 0:4 4:4 -1:4 2:4:8 02:4 2:2.5; do
		refuses "--nm '$nm'" 2 "--nm $nm" prune $llama --method magnitude --nm "$nm" \
			-o "$none"
	done
	refuses "two masks where one is read" 2 '--mask is given twice' logits $llama --tokens x \
		--mask a --mask=b -o "$none"
	refuses "two caches where one is read" 2 '--cache is given twice' eval x --cache a --cache b
	for scope in matrix global; do
		refuses "--scope $scope with --nm" 2 "--scope $scope does not go with --nm" \
			prune $llama --method magnitude --nm 2:4 --scope $scope -o "$none"
	done
	works "--window 1e2 and 0.3k" tokenize $llama --text "$scratch/text" -o "$scratch/t1" \
		--window 1e2 --windows 0.02k --quiet --json
	holds "are 100 and 20" grep -q '"tokens": 2000, "window": 100, "windows": 20' "$scratch/out"
	works "--sparsity 50%" prune $llama --method magnitude --sparsity 50% -o "$scratch/m1" \
		--quiet
	works "is" prune $llama --method magnitude --sparsity 0.5 -o "$scratch/m2" --quiet
	holds "a half" cmp "$scratch/m1" "$scratch/m2"
}

options_belong_to_commands() {
	refuses "--lr given to cache" 2 '--lr is no option of cache, it belongs to train$' \
		cache $llama --lr 3
	refuses "--lr=3 as well" 2 '--lr is no option of cache, it belongs to train$' \
		cache $llama --lr=3
	refuses "--emit given to ppl" 2 'belongs to study$' ppl $llama --emit make
	refuses "--tau given to seeds" 2 'belongs to compare, features$' seeds a b --tau 0.7
	refuses "--mask given to tokenize" 2 'belongs to ppl, logits' tokenize $llama --mask x
	for option in --device --gpu --cuda; do
		refuses "$option" 2 "$option: there is no GPU in this program" ppl $llama $option 0
	done
	refuses "--dtype given to ppl names --precision" 2 '--dtype: --precision chooses' \
		ppl $llama --dtype bf16
	refuses "a report of what is no study" 3 'no folder of a finished study' report .
	refuses "cards of what is no study" 3 'no folder of a finished study' \
		features . --model m
	refuses "a share above one" 2 "below 1, such as 0.5 or 50%" prune $llama --sparsity 50
	refuses "--model given to ppl" 2 'the model stands by itself' ppl --model $llama
	refuses "a text that is missing" 2 '--text is missing (usage: prunescope ppl MODEL --text' \
		ppl $llama
	refuses "an output that is missing" 2 '-o is missing (usage: prunescope train CACHE -o' \
		train x
	refuses "an argument that is missing" 2 'SAE_B is missing (usage: prunescope compare' \
		compare x
	refuses "an argument too many" 2 "'y' is one argument too many" report x y
	refuses "one SAE for seeds" 2 'two SAEs are wanted' seeds x
	refuses "a mistyped option" 2 'unknown option --stirde (the nearest is --stride)' \
		ppl $llama --stirde 3
	refuses "a mistyped option with a value" 2 'unknown option --stirde (the' \
		ppl $llama --stirde=3
	refuses "a mistyped common option" 2 'unknown option --thraeds (the nearest is --threads)' \
		ppl $llama --thraeds 3
	refuses "an option like no other" 2 'option --zzzzzzzzzz (prunescope help ppl lists' \
		ppl $llama --zzzzzzzzzz
	refuses "a mistyped option of other commands" 2 \
		'option --layers (the nearest is --layer, which belongs to cache, eval' \
		ppl $llama --layers 3
	refuses "underscores for dashes" 2 'option --max_tokens (the nearest is --max-tokens)' \
		ppl $llama --max_tokens 3
	refuses "a longer name" 2 'option --num-threads (the nearest is --threads)' \
		ppl $llama --num-threads 3
	refuses "a letter is near to no other letter" 2 'option -n (prunescope help prune lists' \
		prune $llama -n 3
	refuses "an output of a command that prints" 2 'ppl has no -o; its result is printed' \
		ppl $llama --output_dir x
	refuses "an output under another name" 2 "the output's name follows -o" \
		prune $llama --output-dir x
	refuses "another name of the precision" 2 '--fp16: --precision chooses the arithmetic' \
		ppl --fp16
	refuses "a setting of a study" 2 'keys of its file (prunescope help study-file)' \
		study x --learning_rate 3
	refuses "an option for a value" 2 '--text needs a value, and --window is an option' \
		ppl $llama --text --window 4
	refuses "an empty value" 2 '--mask: the value is empty' ppl $llama --text x --mask ''
	refuses "a flag with a value" 2 '--json takes no value' ppl $llama --json=yes
	refuses "an option before the command" 2 'stands where the command belongs' --json ppl
	refuses "a line break in a value" 2 "--window: '8.n9'" ppl $llama --window '8
9'
	for help in --help --version "help ppl" "ppl --help"; do
		# shellcheck disable=SC2086 # words
		"$program" $help >/dev/full 2>"$scratch/err"
		holds "$help to a full disk fails ($?)" grep -q 'standard output' "$scratch/err"
	done
	refuses "latents twice" 2 'exclude each other' train "$scratch" -o "$none" \
		--d-sae 8 --expansion 2
}

make_texts() {
	awk -v seed=1 -v bytes=30000 -f test/fixtures/cli/text.awk >"$scratch/text"
	awk -v seed=2 -v bytes=12000 -f test/fixtures/cli/text.awk >"$scratch/held-out"
	awk -v seed=4 -v bytes=2000 -f test/fixtures/cli/text.awk >"$scratch/short"
}

fewer_tokens_than_asked_for() {
	works "all windows of a short text" tokenize $llama --text "$scratch/short" \
		-o "$scratch/short.tokens" --window 64 --quiet --json
	have=$(sed -n 's/.*"windows": \([0-9]*\).*/\1/p' "$scratch/out")
	more=$((have + 1))
	refuses "more windows than there are" 3 \
		"$have windows of 64 tokens.*fewer than the $more .*--allow-fewer" \
		tokenize $llama --text "$scratch/short" -o "$none" --window 64 \
		--windows $more
	holds "which writes nothing" test ! -e "$none"
	works "as many as there are" tokenize $llama --text "$scratch/short" \
		-o "$scratch/exact.tokens" --window 64 --windows "$have" --quiet
	lacks "without a remark" allow_fewer "$scratch/exact.tokens"
	works "fewer, allowed" tokenize $llama --text "$scratch/short" \
		-o "$scratch/fewer.tokens" --window 64 --windows $more --allow-fewer --quiet
	holds "which the file remembers" grep -q 'allow_fewer' "$scratch/fewer.tokens"
	refuses "more ids than there are" 3 'fewer than the 100000 of --max-tokens' \
		ppl $llama --text "$scratch/short" --max-tokens 100000
	works "fewer ids, allowed" ppl $llama --text "$scratch/short" --max-tokens 100k \
		--allow-fewer --quiet
	run cache $llama --tokens "$scratch/short.tokens" --layer 1 -o "$scratch/cache" --quiet
	run train "$scratch/cache" -o "$scratch/sae" --d-sae 64 --k 4 --batch 32 --quiet
	refuses "more windows than a file has" 3 "$have windows, fewer than the $more asked for" \
		eval "$scratch/sae" $llama --tokens "$scratch/short.tokens" --layer 1 \
		--windows $more
	works "fewer windows, allowed" eval "$scratch/sae" $llama \
		--tokens "$scratch/short.tokens" --layer 1 --windows $more --allow-fewer --quiet
	refuses "more rows than a cache has" 3 'fewer than the 100000 asked for' \
		eval "$scratch/sae" --cache "$scratch/cache" --last 100k
	works "fewer rows, allowed" eval "$scratch/sae" --cache "$scratch/cache" --last 100k \
		--allow-fewer --quiet
	refuses "more windows to ablate on" 3 "fewer than the $more asked for" ablate \
		"$scratch/sae" $llama --tokens "$scratch/short.tokens" --layer 1 --windows $more
}

# write_study TEXT PPL_TEXT MORE: a study of one small model.
write_study() {
	cat >"$scratch/study.yaml" <<STUDY
models: [{name: llama, path: $llama, layer: 2}]
text: [$1]
methods: [magnitude]
sparsities: [0.5]
seeds: [7]
window: 64
calibration_tokens: 1_024
train_tokens: 2e3
ppl: {text: $2, window: 64, stride: 32, max_tokens: 0.3k}
sae: {d_sae: 64, k: 4, batch: 64}
controls: {retrain: false, random: false}
$3
STUDY
}

studies() {
	study=$scratch/study.yaml
	write_study "$scratch/text" "$scratch/held-out" ""
	works "a study's dry run" study "$study" -o "$scratch/st" --dry-run
	holds "shows its numbers" grep -q '^tokens: 2000 to train each SAE' "$scratch/out"
	lacks "remarks on no text" ppl.text "$scratch/err"
	works "the study" study "$study" -o "$scratch/st" --quiet --json
	holds "says that its texts differ" grep -q '"ppl_text_trained": false' \
		"$scratch/st/results.json"
	holds "trains on the number asked for" grep -q '"train_tokens": 2000' \
		"$scratch/st/results.json"

	cp "$scratch/text" "$scratch/copy"
	write_study "$scratch/text" "$scratch/copy" ""
	works "a perplexity text that is a training text" study "$study" -o "$scratch/st2" --dry-run
	holds "is remarked on by the dry run" grep -q 'also a text that SAEs are' "$scratch/err"
	works "its study" study "$study" -o "$scratch/st2" --json
	holds "remarks on it" grep -q 'also a text that SAEs are' "$scratch/err"
	holds "and so does results.json" grep -q '"ppl_text_trained": true' \
		"$scratch/st2/results.json"
	holds "and the report" grep -q 'Perplexity text' "$scratch/st2/report.html"
	lacks "which other reports do not" 'Perplexity text' "$scratch/st/report.html"

	write_study "$scratch/short" "$scratch/held-out" "cache_tokens: 20_000"
	for how in --dry-run --quiet; do
		refuses "a short text, $how" 3 'cache_tokens: .* gives llama [0-9]* tokens, fewer' \
			study "$study" -o "$scratch/st3" $how
		holds "makes nothing" test ! -e "$scratch/st3/runs/llama/tokens.safetensors"
	done
	write_study "$scratch/text" "$scratch/short" ""
	sed -i 's/0.3k/5k/' "$study"
	refuses "a short perplexity text" 3 'ppl.max_tokens: .* fewer than the 5000' \
		study "$study" -o "$scratch/st3" --dry-run
	works "a short perplexity text, allowed" study "$study" -o "$scratch/st3" --dry-run \
		--allow-fewer
	holds "is remarked on" grep -q 'fewer than 5000: taken' "$scratch/err"
	write_study "$scratch/short" "$scratch/held-out" "cache_tokens: 999_999"
	refuses "a short text names the number as it was understood" 3 'the 999999 asked for' \
		study "$study" -o "$scratch/st3" --dry-run
	write_study "$scratch/short" "$scratch/held-out" "allow_fewer: true"
	works "a study that allows fewer" study "$study" -o "$scratch/st4" --json
	holds "says so" grep -q '"allow_fewer": true' "$scratch/st4/results.json"
	holds "and in its report" grep -q 'Amount of text' "$scratch/st4/report.html"
	for engine in json snakemake; do
		refuses "a folder that is not UTF-8, for $engine" 2 'not UTF-8' study "$study" \
			-o "$(printf '%s/st\377' "$scratch")" --emit $engine
	done
	refuses "--allow-fewer for another engine" 2 'allow_fewer: true' study "$study" \
		-o "$scratch/st4" --emit make --allow-fewer
}

# Sizes that do not fit each other, and inputs that stand twice. Both counts or names are told.
sizes_and_repetitions() {
	run tokenize $llama --text "$scratch/short" -o "$scratch/few.tokens" --window 64 --quiet
	run cache $llama --tokens "$scratch/few.tokens" --layer 1 -o "$scratch/few" --quiet --json
	rows=$(sed -n 's/.*"rows": \([0-9]*\).*/\1/p' "$scratch/out")
	t="train $scratch/few --d-sae 64 --k 4 --quiet -o"
	# shellcheck disable=SC2086 # words
	{
		refuses "a batch of more rows than there are" 2 \
			"--batch $((rows + 1)) is more than the $rows rows" \
			$t "$none" --batch $((rows + 1))
		refuses "the same for several epochs" 2 "--batch 4000 is more than the $rows rows" \
			$t "$none" --batch 4000 --tokens 100k
		refuses "fewer tokens than a batch" 2 '--tokens 31 is less than a batch, 32 rows' \
			$t "$none" --batch 32 --tokens 31
		refuses "fewer than the default batch" 2 "--tokens 31 is less than a batch, $rows" \
			$t "$none" --tokens 31
		works "all rows as a batch" $t "$scratch/one" --batch "$rows"
		works "which is the default where there are few" $t "$scratch/two"
		holds "to the same bytes" cmp "$scratch/one/manifest.json" \
			"$scratch/two/manifest.json"
		cp -r "$scratch/few" "$scratch/again"
		for cache in few ./few again; do
			refuses "the cache twice, as $cache" 2 "--with .*$cache: the same cache" \
				$t "$none" --batch 32 --with "$scratch/$cache"
		done
		refuses "an SAE as two seeds" 2 'is the same SAE as' seeds "$scratch/one" \
			"$scratch/../$(basename "$scratch")/one"
		refuses "an SAE as two seeds of a model" 2 'is the same SAE as' survival \
			--dense "$scratch/one" --dense "$scratch/one" --pruned "$scratch/one" \
			--cache "$scratch/few"
		refuses "more latents than there are" 2 '--features 65: .*one has 64 latents' \
			ablate "$scratch/one" $llama --tokens "$scratch/few.tokens" --layer 1 \
			--features 65
	}
	holds "none of them writes anything" test ! -e "$none"
	refused_study "more latents than an SAE has" 'line 12, .*features: 65 .* 64 latents' \
		"$scratch/text" "ablation: {features: 65}"
	refused_study "a text twice" "line 2, .*text: $scratch/text has the same bytes" \
		"$scratch/held-out, $scratch/text, $scratch/text" ""
	cp "$scratch/text" "$scratch/copy"
	refused_study "a text and its copy" "line 2, .*text: $scratch/copy has the same bytes" \
		"$scratch/text, $scratch/copy" ""
	write_study "$scratch/text" "$scratch/held-out" "cache_tokens: 127"
	sed -i 's/batch: 64/batch: 65/' "$scratch/study.yaml"
	refuses "a batch of more rows than a cache" 3 'cache_tokens: 64 is less than sae.batch' \
		study "$scratch/study.yaml" -o "$scratch/st5" --dry-run
	write_study "$scratch/text" "$scratch/held-out" ""
	twice="[{name: a, path: $llama, layer: 2}, {name: b, path: $llama/, layer: 2}]"
	sed -i "s#^models.*#models: $twice#" "$scratch/study.yaml"
	refuses "a model twice" 3 "line 1, .*models.path: .* the model of 'a'" study \
		"$scratch/study.yaml" -o "$scratch/st5" --dry-run
	sed -i 's/layer: 2}]/layer: 3}]/' "$scratch/study.yaml"
	works "two layers of a model" study "$scratch/study.yaml" -o "$scratch/st5" --dry-run
}

# refused_study NAME PATTERN TEXTS MORE: write_study's study is refused before anything is made.
refused_study() {
	write_study "$3" "$scratch/held-out" "$4"
	refuses "$1" 3 "$2" study "$scratch/study.yaml" -o "$scratch/st5" --dry-run
}

files_that_are_none() {
	mkfifo "$scratch/fifo"
	mkdir -p "$scratch/hub/models--a--b/refs" "$scratch/folder"
	mkfifo "$scratch/hub/models--a--b/refs/main"
	mkdir -p "$scratch/hub/models--a--c/refs/main"
	refuses "a FIFO for a text" 3 'fifo: is not a regular file' ppl $llama \
		--text "$scratch/fifo"
	refuses "a folder for a text" 3 'folder: is a folder' ppl $llama --text "$scratch/folder"
	refuses "a device for a text" 3 'is not a regular file' ppl $llama --text /dev/zero
	refuses "a FIFO to tokenize" 3 'fifo: is not a regular file' tokenize $llama \
		--text "$scratch/fifo" -o "$none"
	refuses "a FIFO for tokens" 3 'fifo: is not a regular file' logits $llama \
		--tokens "$scratch/fifo" -o "$none"
	refuses "a FIFO for a mask" 3 'fifo: is not a regular file' ppl $llama \
		--text "$scratch/text" --mask "$scratch/fifo"
	refuses "a FIFO for a study" 3 'fifo: is not a regular file' study "$scratch/fifo" \
		-o "$none"
	refuses "a folder for a study" 3 'folder: is a folder' study "$scratch/folder" \
		-o "$none"
	write_study "$scratch/fifo" "$scratch/held-out" ""
	refuses "a FIFO for a study's text" 3 'fifo: is not a regular file' study \
		"$scratch/study.yaml" -o "$none"
	export HF_HUB_CACHE="$scratch/hub"
	refuses "a FIFO for refs/main" 3 'refs/main' ppl a/b --text "$scratch/text"
	refuses "a folder for refs/main" 3 'refs/main' ppl a/c --text "$scratch/text"
	unset HF_HUB_CACHE
	circles
}

# A file that cannot be looked at is not one that is missing: here links that lead to themselves.
circles() {
	run tokenize $llama --text "$scratch/short" -o "$scratch/c.tokens" --window 64 --quiet
	run cache $llama --tokens "$scratch/c.tokens" --layer 1 -o "$scratch/c" --quiet
	run train "$scratch/c" -o "$scratch/c.sae" --d-sae 64 --k 4 --quiet
	rm "$scratch/c.sae/manifest.json" "$scratch/c.sae/training.safetensors"
	works "an SAE without counts of firing" compare "$scratch/c.sae" "$scratch/c.sae" --quiet
	ln -s training.safetensors "$scratch/c.sae/training.safetensors"
	refuses "counts of firing that cannot be looked at" 3 'training.safetensors: Too many' \
		compare "$scratch/c.sae" "$scratch/c.sae" --quiet
	cp -r $llama "$scratch/c.model"
	ln -sf tokenizer.json "$scratch/c.model/tokenizer.json"
	refuses "a tokenizer" 3 'tokenizer.json: Too many' cache "$scratch/c.model" \
		--tokens "$scratch/c.tokens" --layer 1 -o "$none" --quiet
	write_study "$scratch/text" "$scratch/held-out" ""
	run study "$scratch/study.yaml" -o "$scratch/c.study" --quiet
	mask=$scratch/c.study/runs/llama/magnitude-0.5/mask.safetensors
	ln -sf mask.safetensors "$mask"
	refuses "an output of a study" 3 'mask.safetensors: Too many' study "$scratch/study.yaml" \
		-o "$scratch/c.study" --quiet
	holds "stays as it is" test -L "$mask"
	mkdir "$scratch/c.out"
	ln -s runs "$scratch/c.out/runs"
	refuses "a study's own folder" 4 'runs: Too many' study "$scratch/study.yaml" \
		-o "$scratch/c.out" --quiet
}

make_texts
parts="numbers_of_every_option numbers_are_whole options_belong_to_commands
	fewer_tokens_than_asked_for studies sizes_and_repetitions files_that_are_none"
[ $# -eq 0 ] || parts=$*
for part in $parts; do
	$part
done
conclude test_strict.sh
