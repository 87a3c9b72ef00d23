#!/bin/sh
# Calls the commands as users do, on the demo models, and checks
# - what they make, and how they fail,
# - that the bytes do not depend on threads, memory or the way files are read,
# - that interrupted work continues to the same bytes,
# - a study of one small model.
# PRUNESCOPE and SHARDINFO name other binaries; an argument names the parts to run (default: all).
# Needs neither Python nor a network, and takes about a minute on two cores.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
llama=demo/models/llama
gemma=demo/models/gemma3

# values_hold NAME KEY1 KEY2 EXPRESSION: an awk expression over the values of two keys, a and b. If
# a key is there more than once, the last one counts.
values_hold() {
	a=$(value "$2" | tail -n 1) b=$(value "$3" | tail -n 1)
	if awk -v a="$a" -v b="$b" "BEGIN { exit !($4) }"; then
		passed "$1"
	else
		failed "$1" "$2 = $a, $3 = $b, not: $4"
	fi
}

# explains COMMAND: its help has a row for each number and each yes or no of the last result.
explains() {
	"$program" help "$1" | sed -n '/^What it prints/,/^Examples/s/^  \([^ ].*\)/\1/p' |
		sed 's/  .*//' >"$scratch/rows"
	unsaid=$(sed 's/{[^{}]*}//' "$scratch/out" | grep -oE '"[a-z0-9_]+": [-0-9tfn]' |
		cut -d '"' -f 2 | while read -r key; do
		grep -qw "$key" "$scratch/rows" || printf ' %s' "$key"
	done)
	holds "help $1 says what its result is ($unsaid)" \
		test -s "$scratch/rows" -a -z "$unsaid"
}

# write_foreign_tokens FILE BYTES: a tokens file as another tool writes it. Its ids are 1, 2, 3 and
# one below 65,536, given as two bytes in octal.
write_foreign_tokens() {
	{
		printf '\101\000\000\000\000\000\000\000'
		printf '{"tokens":{"dtype":"I32","shape":[1,4],"data_offsets":[0,16]}}   '
		printf '\001\000\000\000\002\000\000\000\003\000\000\000%b\000\000' "$2"
	} >"$1"
}

# spoil FILE OFFSET: inverts the byte there.
spoil() {
	byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %o $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

size_of() {
	wc -c <"$1" | tr -d ' '
}

copy_model() {
	rm -rf "$2"
	cp -r "$1" "$2"
}

make_texts() {
	awk -v seed=1 -v bytes=15000 -f test/fixtures/cli/text.awk >"$scratch/text"
	awk -v seed=2 -v bytes=12000 -f test/fixtures/cli/text.awk >"$scratch/held-out"
	awk -v seed=3 -v bytes=150000 -f test/fixtures/cli/text.awk >"$scratch/long"
}

commands_make_what_they_say() {
	for model in $llama $gemma; do
		m=${model##*/}
		tokens=$scratch/$m.tokens
		works "$m: tokenize" tokenize "$model" --text "$scratch/text" "$scratch/held-out" \
			-o "$tokens" --window 64 --bos window
		values_hold "$m: tokens are windows times window" windows tokens \
			'a > 100 && b == 64 * a'
		works "$m: ppl" ppl "$model" --text "$scratch/held-out" --window 96 --stride 32 \
			--max-tokens 1000
		values_hold "$m: ppl is the exponential of nll" ppl nll \
			'a > 1 && log(a) - b < 1e-12 && b - log(a) < 1e-12'
		values_hold "$m: every id asked for is scored" tokens windows 'a == 1000 && b == 30'
		f32=$(value nll)
		run ppl "$model" --text "$scratch/held-out" --window 96 --max-tokens 1000
		values_hold "$m: without --stride it is half of the window" tokens windows \
			'a == 1000 && b == 20'
		works "$m: ppl in bf16" ppl "$model" --text "$scratch/held-out" --window 96 \
			--stride 32 --max-tokens 1000 --precision bf16
		values_hold "$m: bf16 changes little, and something" nll tokens \
			"a != $f32 && a < 1.005 * $f32 && a > 0.995 * $f32"
		works "$m: ppl in int16" ppl "$model" --text "$scratch/held-out" --window 96 \
			--stride 32 --max-tokens 1000 --precision int16
		values_hold "$m: int16 changes very little, and something" nll tokens \
			"a != $f32 && a < 1.0002 * $f32 && a > 0.9998 * $f32"
		works "$m: ppl of three ids" ppl "$model" --text "$scratch/held-out" --window 4 \
			--stride 2 --max-tokens 3
		works "$m: logits" logits "$model" --tokens "$tokens" -o "$scratch/$m.logits"
		works "$m: calibrate" calibrate "$model" --tokens "$tokens" -o "$scratch/$m.stats"
		works "$m: prune, magnitude" prune "$model" --method magnitude --sparsity 0.5 \
			-o "$scratch/$m.magnitude"
		values_hold "$m: half of the weights go" sparsity_achieved tensors \
			'a >= 0.5 && a < 0.502 && b == 42'
		works "$m: prune, wanda" prune "$model" --method wanda --sparsity 0.4 \
			--tokens "$tokens" -o "$scratch/$m.wanda"
		values_hold "$m: two fifths of each row go" sparsity_achieved tensors \
			'a > 0.39 && a <= 0.4 && b == 42'
		achieved=$(value sparsity_achieved)
		works "$m: export" export "$model" --mask "$scratch/$m.wanda" \
			-o "$scratch/$m.exported"
		works "$m: sparsity" sparsity "$scratch/$m.exported"
		holds "$m: the exported model has the mask's zeros" \
			test "$achieved" = "$(value sparsity_achieved)"
		run ppl "$model" --mask "$scratch/$m.wanda" --text "$scratch/held-out" \
			--max-tokens 1000 --window 128 --stride 64
		masked=$(value nll)
		run ppl "$scratch/$m.exported" --text "$scratch/held-out" --max-tokens 1000 \
			--window 128 --stride 64
		holds "$m: the exported model has the masked one's perplexity, exactly" \
			test -n "$masked" -a "$masked" = "$(value nll)"
	done
}

masks_of_every_kind() {
	works "prune 2:4" prune $llama --method magnitude --nm 2:4 -o "$scratch/nm"
	values_hold "2:4 drops half, exactly" sparsity_achieved tensors 'a == 0.5 && b == 42'
	works "prune 2:4 by wanda" prune $llama --method wanda --nm 2:4 \
		--tokens "$scratch/llama.tokens" -o "$scratch/nm.wanda"
	values_hold "2:4 by wanda drops half, exactly" sparsity_achieved tensors \
		'a == 0.5 && b == 42'
	for scope in row matrix global; do
		works "prune magnitude, scope $scope" prune $llama --method magnitude \
			--sparsity 0.3 --scope $scope -o "$scratch/scope-$scope"
		values_hold "three tenths go, scope $scope" sparsity_achieved tensors \
			'a > 0.29 && a < 0.302 && b == 42'
	done
	works "prune global with the embedding in the pool" prune $llama --method magnitude \
		--sparsity 0.3 --scope global --pool-embedding -o "$scratch/pool"
	works "prune wanda, dense calibration" prune $llama --method wanda --sparsity 0.4 \
		--calibration dense --tokens "$scratch/llama.tokens" -o "$scratch/dense"
	works "prune wanda from statistics" prune $llama --method wanda --sparsity 0.4 \
		--stats "$scratch/llama.stats" -o "$scratch/from-stats"
}

# one_pass_makes_the_same NAME OPTION...: one pass with these options makes caches of the dense
# model and of two masks. They have the bytes of three caches that are made by a pass each.
one_pass_makes_the_same() {
	lay=$1
	shift
	rm -rf "$scratch/many" "$scratch/apart"
	mkdir "$scratch/apart"
	works "cache, $lay: three variants" cache $llama --tokens "$scratch/llama.tokens" "$@" \
		--mask dense --mask "$scratch/a.safetensors" \
		--mask "$scratch/llama.wanda" -o "$scratch/many"
	values_hold "cache, $lay: three variants are told" rows variants 'a > 3000 && b == 3'
	run cache $llama --tokens "$scratch/llama.tokens" "$@" -o "$scratch/apart/dense" ||
		failed "cache, $lay: dense alone"
	run cache $llama --tokens "$scratch/llama.tokens" "$@" --mask "$scratch/a.safetensors" \
		-o "$scratch/apart/a" ||
		failed "cache, $lay: a alone"
	run cache $llama --tokens "$scratch/llama.tokens" "$@" --mask "$scratch/llama.wanda" \
		-o "$scratch/apart/llama.wanda" ||
		failed "cache, $lay: wanda alone"
	holds "$lay: each as by a run of its own" diff -r "$scratch/apart" "$scratch/many"
}

several_masks() {
	cp "$scratch/llama.magnitude" "$scratch/a.safetensors"
	mkdir "$scratch/other"
	cp "$scratch/llama.wanda" "$scratch/other/a"
	cp "$scratch/llama.wanda" "$scratch/dense.safetensors"
	one_pass_makes_the_same "one layer" --layer 2
	one_pass_makes_the_same "two layers" --layer 1 --layer 3
	one_pass_makes_the_same "shuffled" --layer 1 --layer 3 --order shuffled --dtype bf16
	one_pass_makes_the_same "little memory" --layer 1 --memory 40M
	set -- cache $llama --tokens "$scratch/llama.tokens" --layer 1 -o "$none"
	refuses "two masks of one name" 2 'would both be' "$@" --mask "$scratch/a.safetensors" \
		--mask "$scratch/other/a"
	refuses "a mask that is called dense beside the dense model" 2 'would both be' "$@" \
		--mask dense --mask "$scratch/dense.safetensors"
	refuses "another model's mask among several" 3 'gemma3.wanda' "$@" --mask dense \
		--mask "$scratch/gemma3.wanda"
	refuses "a missing mask among several" 3 'nowhere' "$@" --mask dense \
		--mask "$scratch/nowhere"
	run "$@" --mask dense || failed "cache, --mask dense alone"
	run cache $llama --tokens "$scratch/llama.tokens" --layer 1 -o "$scratch/apart/one" ||
		failed "cache without masks"
	holds "--mask dense alone is the dense model, in DIR itself" diff -r "$scratch/apart/one" \
		"$none"
	rm -rf "$none"
}

saes_and_caches() {
	works "cache: two layers, bf16, shuffled" cache $llama --tokens "$scratch/llama.tokens" \
		--layer 1 --layer 3 --dtype bf16 --order shuffled -o "$scratch/caches"
	values_hold "a row for every token of both layers" rows shards \
		'a % 64 == 0 && a > 3000 && b == 2'
	works "a cache that is done is left alone" cache $llama --tokens "$scratch/llama.tokens" \
		--layer 1 --layer 3 --dtype bf16 --order shuffled -o "$scratch/caches"
	works "train: two seeds" train "$scratch/caches/layer-01" -o "$scratch/saes" --d-sae 256 \
		--k 8 --batch 256 --tokens 30000 --seed 1 2
	values_hold "at most k latents are active, the error below the variance" l0 fvu \
		'a > 7 && a <= 8 && b > 0 && b < 1'
	works "eval on a cache" eval "$scratch/saes/seed-1" --cache "$scratch/caches/layer-01"
	values_hold "explained variance and fvu add up to 1" explained_variance fvu \
		'a + b > 1 - 1e-12 && a + b < 1 + 1e-12'
	works "eval in a model" eval "$scratch/saes/seed-1" $llama \
		--tokens "$scratch/llama.tokens" --layer 1 --mask "$scratch/llama.wanda" \
		--windows 20
	explains eval
	values_hold "the spliced loss lies between clean and zero" ce_clean ce_sae \
		'a < b && b < '"$(value ce_zero)"
	works "compare" compare "$scratch/saes/seed-1" "$scratch/saes/seed-2"
	explains compare
	holds "two seeds share no start" grep -q '"same_start": false' "$scratch/out"
	holds "nothing is remarked" sh -c "! grep -q 'start from seed' '$scratch/err'"
	works "compare with itself" compare "$scratch/saes/seed-1" "$scratch/saes/seed-1"
	holds "one start is remarked on" grep -q 'both SAEs start from seed 1' "$scratch/err"
	holds "and in the result" grep -q '"same_start": true' "$scratch/out"
	values_hold "every feature survives in its own dictionary" mnn_survival shared_fraction \
		'a == 1 && b == 1'
	values_hold "and its best assignment is to itself" pw_mcc hungarian_cosine \
		'a > 0.999999 && b > 0.999999'
	matchings
	if [ -x "$shardinfo" ]; then
		holds "shardinfo verifies what the commands made" "$shardinfo" \
			--verify "$scratch/llama.tokens" "$scratch/llama.logits" \
			"$scratch/llama.stats" "$scratch/llama.wanda" "$scratch/nm" \
			"$scratch/caches/layer-01" "$scratch/saes/seed-1" "$scratch/llama.exported"
	fi
}

# What compare -o writes, as safetensors and as JSON: the same result again without a second
# comparison, another one only with --force, and any flipped byte is found.
matchings() {
	set -- compare "$scratch/saes/seed-1" "$scratch/saes/seed-2"
	for form in matching.safetensors matching.json; do
		file=$scratch/$form
		works "compare -o $form" "$@" -o "$file"
		cp "$scratch/out" "$scratch/compared"
		cp "$file" "$scratch/matching-kept"
		works "$form: again, with one thread" "$@" -o "$file" --threads 1
		holds "$form: is left alone" grep -q 'left alone' "$scratch/err"
		holds "$form: the result is the same" cmp "$scratch/compared" "$scratch/out"
		refuses "$form: another tau" 2 'force' "$@" --tau 0.6 -o "$file"
		works "$form: another tau with --force" "$@" --tau 0.6 -o "$file" --force
		holds "$form: is another file" sh -c "! cmp -s '$file' '$scratch/matching-kept'"
		works "$form: and back, with one thread" "$@" -o "$file" --force --threads 1
		holds "$form: the bytes are the same" cmp "$file" "$scratch/matching-kept"
		[ -x "$shardinfo" ] || continue
		holds "$form: shardinfo verifies it" "$shardinfo" --verify "$file"
		spoil "$file" 3000
		holds "$form: and finds a flipped byte" sh -c "! '$shardinfo' --verify '$file'"
	done
	refuses "a matching over an SAE's weights" 2 'manifest names it' "$@" \
		-o "$scratch/saes/seed-1/sae_weights.safetensors" --force
	holds "the matching as JSON has a row a latent" test 256 -eq \
		"$(tr ',' '\n' <"$scratch/matching-kept" | grep -c '"nearest":')"
	holds "and says its schema" grep -q 'prunescope-matching/1' "$scratch/matching-kept"
}

# The commands that a study is made of: one SAE on two models, its latents ablated, and the same
# latents looked for in other SAEs.
findings() {
	t=$scratch/llama.tokens one=$scratch/saes/seed-1 two=$scratch/saes/seed-2
	run cache $llama --tokens "$t" --layer 1 -o "$scratch/found-dense" || failed "a dense cache"
	run cache $llama --tokens "$t" --layer 1 --mask "$scratch/llama.wanda" \
		-o "$scratch/found-pruned" || failed "a pruned cache"
	set -- --cache "$scratch/found-dense" --cache "$scratch/found-pruned" --samples 50
	works "transfer" transfer "$one" "$@" -o "$scratch/latents"
	values_hold "codes agree on some latents, and errors are shares of the variance" jaccard \
		fvu 'a > 0 && a < 1 && b > 0'
	values_hold "one interval a measure, within which it lies" rows windows \
		'a > 3000 && b > 100'
	holds "with its interval" grep -q '"jaccard_interval": {[^}]*"low": 0' "$scratch/out"
	cp "$scratch/out" "$scratch/transfer"
	works "transfer with one thread" transfer "$one" "$@" -o "$scratch/latents-1" --threads 1
	holds "is the same" cmp "$scratch/transfer" "$scratch/out"
	holds "latent by latent as well" cmp "$scratch/latents" "$scratch/latents-1"
	works "transfer to itself" transfer "$one" --cache "$scratch/found-dense" \
		--cache "$scratch/found-dense" --samples 50
	values_hold "changes nothing" jaccard fvu_change 'a == 1 && b == 0'
	works "ablate" ablate "$one" $llama --tokens "$t" --layer 1 --features 12 --windows 4
	values_hold "as many latents as asked for" latents windows 'a == 12 && b == 4'
	cp "$scratch/out" "$scratch/ablation"
	works "ablate in little memory" ablate "$one" $llama --tokens "$t" --layer 1 --features 12 \
		--windows 4 --memory 20M --threads 1
	holds "is the same" cmp "$scratch/ablation" "$scratch/out"
	spliced_ablation ablate "$one" $llama --tokens "$t" --layer 1 --windows 4
	works "ablate under a mask" ablate "$one" $llama --tokens "$t" --layer 1 --features 12 \
		--windows 4 --mask "$scratch/llama.wanda"
	holds "is another thing" test "$(value mean_effect)" != \
		"$(sed -n 's/.*"mean_effect": \([^,]*\).*/\1/p' "$scratch/ablation")"
	works "ablate with the rates of a cache" ablate "$one" $llama --tokens "$t" --layer 1 \
		--features 12 --windows 4 --cache "$scratch/found-dense"
	holds "says so" grep -q '"rates_from": "cache"' "$scratch/out"
	refuses "a cache of another model than the SAE's" 3 found-pruned ablate "$one" $llama \
		--tokens "$t" --layer 1 --windows 4 --cache "$scratch/found-pruned"
	features_of_latents
	works "seeds" seeds "$one" "$two" --samples 50
	holds "one pair of two" grep -q '"pairs": \[{"a": 0, "b": 1,' "$scratch/out"
	set -- survival --dense "$one" "$two" --pruned "$two" --cache "$scratch/found-dense" \
		--samples 50
	works "survival" "$@" --ablation "$scratch/ablation"
	holds "with fragility and ablation" grep \
		-q '"ablation": {.*"fragility": {.*"survival": {"alive"' "$scratch/out"
	cp "$scratch/out" "$scratch/survival"
	printf '{"key": "0", "result": %s}' "$(cat "$scratch/ablation")" >"$scratch/record"
	works "survival with the ablation in a record, one thread" "$@" \
		--ablation "$scratch/record" --threads 1
	holds "is the same" cmp "$scratch/survival" "$scratch/out"
	works "survival without ablation" "$@"
	holds "says so" grep -q '"ablation": null' "$scratch/out"
	works "survival with the pruned SAE itself as a control" "$@" --control "$two"
	holds "from which nothing differs" grep \
		-q '"less_control": {"error": 0.0, "estimate": 0.0.*"no variation"' "$scratch/out"
	works "every latent survives in its own SAE" survival --dense "$one" --pruned "$one" \
		--cache "$scratch/found-dense" --samples 50
	holds "at every tau" grep -q '"mean": \[1.0, 1.0, 1.0, 1.0, 1.0\]' "$scratch/out"
	for command in transfer ablate features seeds survival; do
		holds "$command --help" sh \
			-c "'$program' $command --help | grep -q '^usage: prunescope $command '"
	done
}

# spliced_ablation ABLATE...: the latents of an earlier ablation again, with the SAE's error left
# out.
spliced_ablation() {
	set -- "$@" --spliced "$scratch/ablation"
	works "ablate with the error left out" "$@"
	cp "$scratch/out" "$scratch/spliced"
	awk -f test/support/json_paths.awk "$scratch/ablation" | grep '^latent\.' >"$scratch/first"
	awk -f test/support/json_paths.awk "$scratch/spliced" | grep '^latent\.' >"$scratch/second"
	holds "ablates the same latents" cmp "$scratch/first" "$scratch/second"
	holds "and has other effects" test "$(value mean_effect)" != \
		"$(sed -n 's/.*"mean_effect": \([^,]*\).*/\1/p' "$scratch/ablation")"
	works "ablate with the error left out, one thread, little memory" "$@" --threads 1 \
		--memory 20M
	holds "is the same again" cmp "$scratch/spliced" "$scratch/out"
	refuses "latents that are chosen twice" 2 'which latents' "$@" --features 3
	refuses "an ablation on other windows" 3 '4 windows' "$@" --windows 3
	refuses "an ablation of another SAE" 3 'SAE' ablate "$two" $llama --tokens "$t" \
		--layer 1 --windows 4 --spliced "$scratch/ablation"
	refuses "an ablation that left the error out" 3 'itself' ablate "$one" $llama \
		--tokens "$t" --layer 1 --windows 4 --spliced "$scratch/spliced"
}

# What becomes of each latent: the same bytes for any threads, memory and way to read; nothing
# changes between a model and itself; counts agree with those of transfer.
features_of_latents() {
	f=$scratch/features
	set -- features "$one" --cache "$scratch/found-dense" --cache "$scratch/found-pruned"
	works "features" "$@" --pruned-sae "$two" --ablation "$scratch/ablation" -o "$f" \
		--csv "$f.csv"
	values_hold "features: classes add up to those that fire" active latents \
		"b == 256 && a <= b && a == $(value kept) + $(value shifted) + $(value blurred) + \
		$(value lost) + $(value undefined)"
	cp "$scratch/out" "$scratch/features-result"
	works "features: again" "$@" --pruned-sae "$two" --ablation "$scratch/ablation" -o "$f" \
		--csv "$f.csv"
	holds "features: is left alone" grep -q 'left alone' "$scratch/err"
	holds "features: with the same result" cmp "$scratch/features-result" "$scratch/out"
	refuses "features: another tau" 2 'force' "$@" --pruned-sae "$two" --tau 0.3 -o "$f"
	works "features: one thread, mapped rows" "$@" --pruned-sae "$two" --io mmap --threads 1 \
		--ablation "$scratch/ablation" -o "$f-1" --csv "$f-1.csv"
	holds "features: the same bytes" cmp "$f" "$f-1"
	holds "features: the same CSV" cmp "$f.csv" "$f-1.csv"
	holds "features: a line a latent" test 257 -eq "$(wc -l <"$f.csv")"
	refuses "features: a CSV in place of something else" 2 'force' "$@" -o "$scratch/x-none" \
		--csv "$scratch/text"
	refuses "features: --tau beyond 1" 2 'above -1 and at most 1' "$@" -o "$none" --tau 1.5
	works "features: with the output head" "$@" --head $llama -o "$f-head"
	works "features: with the output head, one thread, mapped" "$@" --head $llama \
		-o "$f-head-1" --threads 1 --io mmap
	holds "features: the same promoted tokens" cmp "$f-head" "$f-head-1"
	known_tokens "$@"
	cards_of_latents "$@"
	refuses "features: another model's head" 3 'model' "$@" --head $gemma -o "$none"
	works "features of a model and itself" features "$one" --cache "$scratch/found-dense" \
		--cache "$scratch/found-dense" --pruned-sae "$one" -o "$f-self" --csv "$f-self.csv"
	values_hold "features: all are kept" kept active 'a == b && a > 0'
	# shellcheck disable=SC2016 # awk's $
	holds "features: and survive with a cosine of 1" awk -F, '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		NR > 1 && ($at["mutual"] != 1 || $at["nearest"] != $1 || $at["cosine"] < 0.99999 ||
			$at["survival_0.9"] != 1) { bad = 1 }
		$2 == "kept" && $at["jaccard"] != 1 { bad = 1 }
		END { exit bad }' "$f-self.csv"
	if [ -x "$shardinfo" ]; then
		holds "shardinfo verifies features" "$shardinfo" --verify "$f"
	fi
}

# known_tokens FEATURES...: promoted tokens from a table that was made without activations are those
# that the head gives, and so is what the table says of them.
known_tokens() {
	works "features: the output head alone" features "$one" --head $llama -o "$f-promoted"
	works "features: tokens that are known" "$@" --promoted "$f-promoted" -o "$f-known"
	holds "features: the same table as with the head" cmp "$f-head" "$f-known"
	works "features: tokens of another table" "$@" --promoted "$f-head" --head $llama \
		-o "$f-known-2"
	holds "features: that table again" cmp "$f-head" "$f-known-2"
	refuses "features: another SAE's tokens" 3 'SAE' features "$two" \
		--cache "$scratch/found-dense" --cache "$scratch/found-pruned" \
		--promoted "$f-promoted" -o "$none"
	refuses "features: tokens of a table without any" 3 'no promoted tokens' "$@" \
		--promoted "$f" -o "$none"
	refuses "features: neither caches nor a head" 2 'cache' features "$one" -o "$none"
	refuses "features: a match without caches" 2 'without --cache' features "$one" \
		--head $llama --pruned-sae "$two" -o "$none"
	if [ -x "$shardinfo" ]; then
		holds "shardinfo verifies promoted tokens" "$shardinfo" --verify "$f-promoted"
	fi
}

# cards_of_latents FEATURES...: the cards of a table, which are made anew each time.
cards_of_latents() {
	c=$scratch/cards.json
	works "features: cards" "$@" --pruned-sae "$two" --ablation "$scratch/ablation" \
		--head $llama -o "$f-cards" --cards "$c" --csv "$f-cards.csv"
	works "features: cards, one thread, little memory" "$@" --pruned-sae "$two" --threads 1 \
		--ablation "$scratch/ablation" --head $llama -o "$f-cards-1" --cards "$c-1" \
		--memory 64M
	holds "features: the same cards" cmp "$c" "$c-1"
	rm "$c"
	works "features: cards of a table that is there" "$@" --pruned-sae "$two" \
		--ablation "$scratch/ablation" --head $llama -o "$f-cards" --cards "$c"
	holds "features: and the same" cmp "$c" "$c-1"
	holds "features: ten of the best" sh -c "tr -d ' \n' <'$c' | grep -Eq \
		'\"best\":\[([0-9]+,){9}[0-9]+\]'"
	refuses "features: cards without a head" 2 'wants --head' "$@" -o "$none" --cards "$none"
	refuses "features: cards in place of something else" 2 'force' "$@" --head $llama \
		-o "$scratch/x-none" --cards "$scratch/text"
	refuses "features: cards and CSV in one file" 2 'same file' "$@" --head $llama \
		-o "$scratch/x-none" --cards "$none" --csv "$none"
	refuses "features: cards over an input" 2 'input' "$@" --ablation "$scratch/ablation" \
		--head $llama -o "$scratch/x-none" --cards "$scratch/ablation" --force
	refuses "report: of cards" 3 '' report "$c"
	[ -x "$shardinfo" ] || return
	holds "shardinfo knows cards" sh -c "'$shardinfo' --verify '$c' | grep -q 'kind.*cards'"
	spoil "$c" 3000
	holds "shardinfo finds a flipped byte of cards" sh -c "! '$shardinfo' --verify '$c'"
}

# foresees NAME ARGUMENT...: a dry run writes nothing. Its parts add up, its passes cover the
# windows, and it needs the memory that the command needs.
foresees() {
	what=$1
	shift
	works "$what: --dry-run" "$@" --dry-run --memory 64M
	# shellcheck disable=SC2016 # awk's $
	holds "$what: its parts add up to what is planned" awk '{
		parts = $0; sub(/.*"parts": \{/, "", parts); sub(/\}.*/, "", parts)
		n = split(parts, part, ",")
		for (i = 1; i <= n; i++) { sub(/.*: /, "", part[i]); sum += part[i] }
		sub(/.*"planned_bytes": /, ""); exit !($1 + 0 == sum && sum > 0) }' "$scratch/out"
	values_hold "$what: the plan is within the budget" planned_bytes memory_bytes \
		'a <= b && b == 67108864'
	values_hold "$what: passes cover the windows, and no pass is empty" passes windows \
		"a * $(value windows_per_pass) >= b && (a - 1) * $(value windows_per_pass) < b"
	holds "$what: nothing is written" test ! -e "$none"
	run "$@" --memory 1
	least=$(cat "$scratch/err")
	run "$@" --dry-run --memory 1
	holds "$what: the dry run names the same least memory" \
		test -n "$least" -a "$least" = "$(cat "$scratch/err")"
}

dry_runs() {
	t=$scratch/llama.tokens
	foresees ppl ppl $llama --text "$scratch/held-out" --window 96 --stride 32
	foresees logits logits $gemma --tokens "$scratch/gemma3.tokens" -o "$none"
	foresees calibrate calibrate $llama --tokens "$t" -o "$none"
	foresees "prune wanda" prune $gemma --method wanda --sparsity 0.5 \
		--tokens "$scratch/gemma3.tokens" -o "$none"
	foresees "prune wanda, dense" prune $llama --method wanda --sparsity 0.5 \
		--calibration dense --tokens "$t" -o "$none"
	foresees "prune wanda from statistics" prune $llama --method wanda --sparsity 0.5 \
		--stats "$scratch/llama.stats" -o "$none"
	foresees "prune magnitude" prune $llama --method magnitude --scope global --pool-embedding \
		--sparsity 0.5 -o "$none"
	foresees cache cache $llama --tokens "$t" --layer 1 --layer 4 --mask dense \
		--mask "$scratch/llama.wanda" -o "$none"
	foresees "eval in a model" eval "$scratch/saes/seed-1" $llama --tokens "$t" --layer 1
	foresees ablate ablate "$scratch/saes/seed-1" $llama --tokens "$t" --layer 1 --features 4 \
		--windows 4
	works "a calibration set beyond the budget" calibrate $llama \
		--tokens "$scratch/llama.tokens" -o "$none" --dry-run --memory 16M
	values_hold "is foreseen in a file" spill_bytes passes \
		'a == 128 * 4 * '"$(value windows) * 64"' && b == 1'
	refuses "no dry run on a cache" 2 'dry-run' eval "$scratch/saes/seed-1" \
		--cache "$scratch/caches/layer-01" --dry-run
	refuses "a dry run of another model's tokens" 3 'nowhere' logits $llama \
		--tokens "$scratch/nowhere" -o "$none" --dry-run
}

architectures_and_recipes() {
	for arch in topk batchtopk jumprelu relu gated; do
		set -- train "$scratch/caches/layer-01" --arch $arch --d-sae 128 --k 8 --batch 128 \
			--tokens 12800 --hold-out 500
		works "train $arch" "$@" -o "$scratch/arch-$arch" --threads 2
		values_hold "$arch: the error is below the variance, on rows not seen too" fvu \
			held_out_fvu 'a > 0 && a < 1 && b > 0 && b < 1'
		works "train $arch with one thread" "$@" -o "$scratch/one-$arch" --threads 1
		holds "$arch: the same bytes" diff -r "$scratch/arch-$arch" "$scratch/one-$arch"
		works "$arch: done is left alone" "$@" -o "$scratch/arch-$arch"
		values_hold "and says the same" fvu held_out_fvu 'a > 0 && a < 1 && b > 0 && b < 1'
		works "eval $arch" eval "$scratch/arch-$arch" --cache "$scratch/caches/layer-01" \
			--last 500
		values_hold "$arch: the older forms of explained variance are near the global one" \
			explained_variance explained_variance_centred \
			'b >= a && b - a < 0.2'
		works "eval $arch in a model" eval "$scratch/arch-$arch" $llama \
			--tokens "$scratch/llama.tokens" --layer 1 --windows 4
	done
	for recipe in paper saelens sparsify dictionary_learning; do
		works "train by the recipe of $recipe" train "$scratch/caches/layer-01" \
			-o "$scratch/by-$recipe" --recipe $recipe --d-sae 128 --k 8 \
			--batch 128 --tokens 6400
	done
	works "train with every option" train "$scratch/caches/layer-01" -o "$scratch/options" \
		--arch jumprelu --d-sae 128 --k 8 --batch 128 --tokens 6400 \
		--penalty tanh --sparsity 0.1 --sparsity-warmup 0.2 --bandwidth 0.1 \
			--schedule cosine --decay 0.5 --lr-end 0.1 --warmup 0.1 --clip 1 \
		--beta1 0.8 --beta2 0.99 --b-dec median --dead-after 1000 --resample 2000 --lr 1e-3
	works "train with k falling" train "$scratch/caches/layer-01" -o "$scratch/annealed" \
		--d-sae 128 --k 8 --k-start 32 --k-anneal 0.5 --batch 128 \
		--tokens 6400 --auxk 0.1 --auxk-form dictionary_learning
	values_hold "to k" l0 fvu 'a > 7 && a <= 8 && b < 1'
	works "train nested levels" train "$scratch/caches/layer-01" -o "$scratch/nested" \
		--arch batchtopk --d-sae 128 --k 8 --matryoshka 16 48 --batch 128 \
		--tokens 6400
	set -- train "$scratch/caches/layer-01" -o "$none" --d-sae 128 --k 8
	refuses "nested levels beyond the latents" 2 'nested' "$@" --arch batchtopk \
		--matryoshka 16 128
	refuses "a recipe that is none" 2 'saelens' "$@" --recipe sealens
	refuses "an architecture that is none" 2 'gated' "$@" --arch gate
	refuses "a recipe without the architecture" 2 'sparsify' "$@" --recipe sparsify --arch gated
	refuses "an auxiliary loss where there is none" 2 'topk' "$@" --arch relu --auxk 0.1
	refuses "a penalty that is none" 2 'tanh' "$@" --arch jumprelu --penalty tan
	refuses "a target beyond the latents" 2 '128' "$@" --arch jumprelu --target-l0 129
	refuses "all rows held out" 2 '--hold-out' "$@" --hold-out 100000000
	refuses "--last without a cache" 2 '--last' eval "$scratch/arch-topk" $llama \
		--tokens "$scratch/llama.tokens" --layer 1 --last 5
}

usage_errors() {
	t=$scratch/llama.tokens
	refuses "bad flag" 2 'text' ppl $llama --txt "$scratch/text"
	refuses "unknown command" 2 'tokenize' tokenise $llama
	refuses "a missing argument" 2 'MODEL is missing' ppl
	refuses "an argument too many" 2 'extra' ppl $llama extra --text "$scratch/text"
	refuses "a missing flag" 2 '--text' ppl $llama
	refuses "a flag without its value" 2 '--text' ppl $llama --text
	refuses "a number that is none" 2 '--window' ppl $llama --text "$scratch/text" --window many
	refuses "layer out of range" 2 '--layer 6' cache $llama --tokens "$t" --layer 6 -o "$none"
	refuses "layer out of range in eval" 2 '--layer 6' eval "$scratch/saes/seed-1" $llama \
		--tokens "$t" --layer 6
	refuses "a layer twice" 2 'twice' cache $llama --tokens "$t" --layer 2 --layer 2 -o "$none"
	for s in 1 1.5 -0.1; do
		refuses "sparsity $s" 2 '--sparsity' prune $llama --method magnitude --sparsity=$s \
			-o "$none"
	done
	refuses "sparsity that is no number" 2 '--sparsity' prune $llama --method magnitude \
		--sparsity nan -o "$none"
	refuses "4:2" 2 '--nm 4:2' prune $llama --method magnitude --nm 4:2 -o "$none"
	refuses "no zero threads" 2 '--threads' ppl $llama --text "$scratch/text" --threads 0
	refuses "an unknown backend" 2 'tape' ppl $llama --text "$scratch/text" --io tape
	refuses "a size that is none" 2 'lots' ppl $llama --text "$scratch/text" --memory lots
	refuses "more active latents than latents" 2 '--k' train "$scratch/caches/layer-01" \
		-o "$none" --d-sae 8 --k 16
	refuses "no batch" 2 '--batch' train "$scratch/caches/layer-01" -o "$none" --batch 0
	refuses "transfer with one cache" 2 'twice' transfer "$scratch/saes/seed-1" \
		--cache "$scratch/found-dense"
	refuses "one SAE is no pair" 2 'two SAEs are wanted' seeds "$scratch/saes/seed-1"
	refuses "more pruned SAEs than dense ones" 2 'dense' survival \
		--dense "$scratch/saes/seed-1" --pruned "$scratch/saes/seed-1" \
		"$scratch/saes/seed-2" --cache "$scratch/found-dense"
	refuses "no replicates" 2 '--samples' seeds "$scratch/saes/seed-1" "$scratch/saes/seed-2" \
		--samples 0
	refuses "no latents to ablate" 2 '--features' ablate "$scratch/saes/seed-1" $llama \
		--tokens "$t" --layer 1 --features 0
	refuses "layer out of range in ablate" 2 '--layer 6' ablate "$scratch/saes/seed-1" $llama \
		--tokens "$t" --layer 6
	refuses "ablate without a layer" 2 '--layer' ablate "$scratch/saes/seed-1" $llama \
		--tokens "$t"
	refuses "a cache of another provenance in the way" 2 'provenance' cache $llama \
		--tokens "$t" --layer 2 -o "$scratch/caches/layer-01"
	refuses "an SAE of another provenance in the way" 2 'provenance' train \
		"$scratch/caches/layer-01" -o "$scratch/saes/seed-2" --d-sae 128 --k 8
	refuses "a model of another provenance in the way" 2 'provenance' export $llama \
		--mask "$scratch/nm" -o "$scratch/llama.exported"
	works "--force replaces it" export $llama --mask "$scratch/nm" \
		-o "$scratch/llama.exported" --force
	holds "wholly" cmp -s "$scratch/llama.exported/tokenizer.json" $llama/tokenizer.json
}

bad_inputs() {
	t=$scratch/llama.tokens
	refuses "a missing model" 3 'nowhere' ppl "$scratch/nowhere" --text "$scratch/text"
	refuses "a hub id that is not in the cache" 3 'nobody/no-model' ppl nobody/no-model \
		--text "$scratch/text"
	refuses "a missing text" 3 'nowhere' tokenize $llama --text "$scratch/nowhere" -o "$none"
	refuses "missing tokens" 3 'nowhere' logits $llama --tokens "$scratch/nowhere" -o "$none"
	refuses "a missing mask" 3 'nowhere' ppl $llama --text "$scratch/text" \
		--mask "$scratch/nowhere"
	refuses "a missing cache" 3 'nowhere' train "$scratch/nowhere" -o "$none"
	refuses "a missing SAE" 3 'nowhere' compare "$scratch/saes/seed-1" "$scratch/nowhere"
	refuses "a text too short for a window" 3 'window' tokenize $llama \
		--text test/fixtures/cli/text.awk --window 100000 -o "$none"
	refuses "a precision that is none" 2 'int4: must be f32, bf16 or int16' ppl $llama \
		--text "$scratch/text" --precision int4
	refuses "another model's mask" 3 'gemma3.wanda' ppl $llama --text "$scratch/text" \
		--mask "$scratch/gemma3.wanda"
	refuses "another model's statistics" 3 'gemma3.stats' prune $llama --method wanda \
		--sparsity 0.5 --stats "$scratch/gemma3.stats" -o "$none"
	write_foreign_tokens "$scratch/foreign" '\377\007'
	works "tokens of another tool" logits $llama --tokens "$scratch/foreign" \
		-o "$scratch/foreign.logits"
	write_foreign_tokens "$scratch/beyond" '\000\010'
	refuses "a token id beyond the vocabulary" 3 '2048' logits $llama \
		--tokens "$scratch/beyond" -o "$none"
	for command in calibrate cache prune; do
		case $command in
		cache) set -- --layer 1 ;;
		prune) set -- --method wanda --sparsity 0.5 ;;
		*) set -- ;;
		esac
		refuses "a token id beyond the vocabulary, $command" 3 '2048' $command $llama \
			--tokens "$scratch/beyond" "$@" -o "$none"
	done
	broken=$scratch/broken
	copy_model $llama "$broken"
	rm "$broken/config.json"
	refuses "a model without config.json" 3 'config.json' logits "$broken" --tokens "$t" \
		-o "$none"
	copy_model $llama "$broken"
	spoil "$broken/model.safetensors" 5
	refuses "a header of impossible length" 3 'model.safetensors' logits "$broken" \
		--tokens "$t" -o "$none"
	copy_model $llama "$broken"
	spoil "$broken/model.safetensors" 9
	refuses "a header that is no JSON" 3 'model.safetensors' logits "$broken" --tokens "$t" \
		-o "$none"
	head -c 2000000 $llama/model.safetensors >"$broken/model.safetensors"
	refuses "a truncated shard" 3 'model.safetensors' logits "$broken" --tokens "$t" -o "$none"
	copy_model $llama "$broken"
	sed 's/"llama"/"mamba"/' $llama/config.json >"$broken/config.json"
	refuses "a family that is not built" 3 'mamba' logits "$broken" --tokens "$t" -o "$none"
	head -c 1000 $llama/tokenizer.json >"$broken/tokenizer.json"
	refuses "a truncated tokenizer" 3 'tokenizer.json' tokenize "$broken" \
		--text "$scratch/text" -o "$none"
	for kind in tokens wanda stats; do
		cp "$scratch/llama.$kind" "$scratch/flipped"
		spoil "$scratch/flipped" $(($(size_of "$scratch/flipped") - 3))
		case $kind in
		tokens) set -- logits $llama --tokens "$scratch/flipped" -o "$none" ;;
		wanda) set -- ppl $llama --text "$scratch/text" --mask "$scratch/flipped" ;;
		stats) set -- prune $llama --method wanda --sparsity 0.5 \
			--stats "$scratch/flipped" -o "$none" ;;
		esac
		refuses "flipped bits in $kind" 3 'flipped' "$@"
	done
	cp -r "$scratch/saes/seed-1" "$scratch/flipped-sae"
	spoil "$scratch/flipped-sae/sae_weights.safetensors" 50000
	refuses "flipped bits in an SAE" 3 'sae_weights.safetensors' compare \
		"$scratch/flipped-sae" "$scratch/saes/seed-2"
	run tokenize $llama --text "$scratch/text" -o "$scratch/other.tokens" --window 64 \
		--bos window
	run cache $llama --tokens "$scratch/other.tokens" --layer 1 -o "$scratch/found-other"
	refuses "caches of other tokens" 3 'found-other' transfer "$scratch/saes/seed-1" \
		--cache "$scratch/found-dense" --cache "$scratch/found-other"
	refuses "a missing dense SAE" 3 'nowhere' survival --dense "$scratch/nowhere" \
		--pruned "$scratch/saes/seed-1" --cache "$scratch/found-dense"
	refuses "an ablation that is none" 3 'transfer' survival --dense "$scratch/saes/seed-1" \
		--pruned "$scratch/saes/seed-1" \
		--cache "$scratch/found-dense" --ablation "$scratch/transfer"
	rm -rf "$scratch/half-cache" "$scratch/half-manifest"
	cp -r "$scratch/caches/layer-01" "$scratch/half-manifest"
	sed -i 's/"rows": /"rows": 1/' "$scratch/half-manifest/manifest.json"
	cp -r "$scratch/caches/layer-01" "$scratch/half-cache"
	head -c 100000 "$scratch/caches/layer-01/shard-00000.safetensors" \
		>"$scratch/half-cache/shard-00000.safetensors"
	refuses "a truncated cache" 3 'shard-00000' train "$scratch/half-cache" -o "$none"
	cp "$scratch/caches/layer-01/shard-00000.safetensors" "$scratch/half-cache"
	set -- eval "$scratch/saes/seed-1" --cache "$scratch/half-cache"
	works "a cache that was copied" "$@"
	spoil "$scratch/half-cache/shard-00000.safetensors" 70000
	refuses "a flipped byte of a cache" 3 'shard-00000.*block 0 at offset 4096' "$@"
	works "--no-verify takes it as it is" "$@" --no-verify
	refuses "a damaged manifest" 3 'manifest.json' eval "$scratch/saes/seed-1" \
		--cache "$scratch/half-manifest"
	rm "$scratch/half-cache/shard-00000.safetensors"
	refuses "a cache without its shard" 3 'shard-00000' train "$scratch/half-cache" -o "$none"
}

# names_the_least NAME ARGUMENT...: with too little memory the command names the least that would
# do. With exactly that much it works, and with a byte less it does not.
names_the_least() {
	what=$1
	shift
	refuses "$what: too little memory" 5 'least' "$@" --memory 1
	least=$(sed -n 's/.*would do is [^(]*(\([0-9]*\) bytes).*/\1/p' "$scratch/err")
	if [ -z "$least" ]; then
		failed "$what: the least is named"
		return
	fi
	refuses "$what: a byte less than the least" 5 'least' "$@" --memory $((least - 1))
	works "$what: the least does" "$@" --memory "$least"
	rm -rf "$none"
}

budgets() {
	t=$scratch/llama.tokens
	names_the_least ppl ppl $llama --text "$scratch/held-out" --max-tokens 500
	names_the_least logits logits $llama --tokens "$t" -o "$none"
	names_the_least calibrate calibrate $llama --tokens "$t" -o "$none"
	names_the_least "prune magnitude" prune $llama --method magnitude --sparsity 0.5 -o "$none"
	names_the_least "prune wanda" prune $llama --method wanda --sparsity 0.5 --tokens "$t" \
		-o "$none"
	names_the_least cache cache $llama --tokens "$t" --layer 1 -o "$none"
	names_the_least "cache of three variants" cache $llama --tokens "$t" --layer 1 \
		--mask dense --mask "$scratch/llama.magnitude" \
		--mask "$scratch/llama.wanda" -o "$none"
	names_the_least sparsity sparsity $llama
	names_the_least export export $llama --mask "$scratch/nm" -o "$none"
	names_the_least tokenize tokenize $llama --text "$scratch/text" -o "$none"
	names_the_least train train "$scratch/caches/layer-01" -o "$none" --d-sae 256 --k 8 \
		--batch 256 --tokens 2000
	names_the_least "eval on a cache" eval "$scratch/saes/seed-1" \
		--cache "$scratch/caches/layer-01"
	names_the_least "eval in a model" eval "$scratch/saes/seed-1" $llama --tokens "$t" \
		--layer 1 --windows 4
	names_the_least compare compare "$scratch/saes/seed-1" "$scratch/saes/seed-2"
	names_the_least transfer transfer "$scratch/saes/seed-1" --cache "$scratch/found-dense" \
		--cache "$scratch/found-pruned" --samples 50 -o "$none"
	names_the_least "transfer of a shuffled cache" transfer "$scratch/saes/seed-1" \
		--cache "$scratch/caches/layer-01" \
		--cache "$scratch/caches/layer-01" --samples 50
	names_the_least features features "$scratch/saes/seed-1" --cache "$scratch/found-dense" \
		--cache "$scratch/found-pruned" --pruned-sae "$scratch/saes/seed-2" -o "$none"
	names_the_least "promoted tokens" features "$scratch/saes/seed-1" --head $llama -o "$none"
	names_the_least ablate ablate "$scratch/saes/seed-1" $llama --tokens "$t" --layer 1 \
		--features 4 --windows 4
	names_the_least "ablate with a cache" ablate "$scratch/saes/seed-1" $llama --tokens "$t" \
		--layer 1 --features 4 --windows 4 --cache "$scratch/found-dense"
	names_the_least seeds seeds "$scratch/saes/seed-1" "$scratch/saes/seed-2" --samples 50
	names_the_least survival survival --dense "$scratch/saes/seed-1" "$scratch/saes/seed-2" \
		--pruned "$scratch/saes/seed-2" \
		--cache "$scratch/found-dense" --ablation "$scratch/ablation" --samples 50
}

# A tokenizer that has more room takes more of it: the budget that is named holds that too, whatever
# the budget was that named it.
one_long_line() {
	awk 'BEGIN { for (i = 0; i < 100000; i++) printf "the cat sat on the mat " }' \
		>"$scratch/line"
	for bytes in 19800000 20200000 20600000 21000000; do
		refuses "one long line: $bytes bytes are too few" 5 'least' tokenize $gemma \
			--text "$scratch/line" --documents line --window 16 -o "$none" \
			--memory $bytes
		least=$(sed -n 's/.*would do is [^(]*(\([0-9]*\) bytes).*/\1/p' "$scratch/err")
		works "and the $least that it names do" tokenize $gemma --text "$scratch/line" \
			--documents line --window 16 -o "$none" --memory "${least:-1}"
		rm -f "$none"
	done
}

# A command needs only the files that it uses. Where they lie does not change what it makes.
only_what_is_used() {
	mkdir "$scratch/bare" "$scratch/words"
	cp $llama/config.json $llama/model.safetensors "$scratch/bare"
	cp $llama/config.json $llama/tokenizer.json "$scratch/words"
	works "tokenize without weights" tokenize "$scratch/words" --text "$scratch/text" \
		"$scratch/held-out" -o "$scratch/again.tokens" --window 64 \
		--bos window
	holds "gives the same bytes" cmp "$scratch/llama.tokens" "$scratch/again.tokens"
	works "calibrate without a tokenizer" calibrate "$scratch/bare" \
		--tokens "$scratch/llama.tokens" -o "$scratch/again.stats"
	holds "gives the same bytes as well" cmp "$scratch/llama.stats" "$scratch/again.stats"
	rm "$scratch/words/config.json"
	works "tokenize with tokenizer.json alone" tokenize "$scratch/words" \
		--text "$scratch/text" -o "$scratch/alone.tokens" --window 64
	holds "--json is one object in one line" awk \
		'NR == 1 && /^\{.*\}$/ { good = 1 } END { exit !(good && NR == 1) }' \
		"$scratch/out"
	holds "and nothing is said" test ! -s "$scratch/err"
}

outputs_that_cannot_be() {
	t=$scratch/llama.tokens
	refuses "a folder that is not there" 4 'nowhere' logits $llama --tokens "$t" \
		-o "$scratch/nowhere/none"
	refuses "a folder that is a file" 4 'text/none' prune $llama --method magnitude \
		--sparsity 0.5 -o "$scratch/text/none"
	refuses "a file that is a folder" 2 'caches' tokenize $llama --text "$scratch/text" \
		-o "$scratch/caches"
	refuses "a cache that is a file" 2 'text' cache $llama --tokens "$t" --layer 1 \
		-o "$scratch/text"
	run cache $llama --tokens "$t" --layer 1 -o "$scratch/precise"
	refuses "a cache of another precision" 2 'precise' cache $llama --tokens "$t" --layer 1 \
		-o "$scratch/precise" --precision bf16
	refuses "a cache in int16 where one in f32 stands" 2 'precise' cache $llama \
		--tokens "$t" --layer 1 -o "$scratch/precise" --precision int16
	refuses "a cache in a folder that is not there" 4 'nowhere' cache $llama --tokens "$t" \
		--layer 1 -o "$scratch/nowhere/none"
	# shellcheck disable=SC3045 # dash, bash and busybox all have it
	(
		ulimit -f 64
		"$program" logits $llama --tokens "$t" -o "$none" 2>"$scratch/err"
	)
	code=$?
	holds "a file beyond the limit is exit 4" test $code -eq 4
	holds "and leaves nothing" test -z "$(find "$scratch" -maxdepth 1 -name '*none*')"
	if [ -c /dev/full ]; then
		"$program" ppl $llama --text "$scratch/held-out" --max-tokens 50 --json >/dev/full \
			2>"$scratch/err"
		code=$?
		holds "standard output that is full is exit 4" test $code -eq 4
	fi
}

# The same work has the same bytes under five settings of threads, ways to read, and memory.
same_bits() {
	uring=uring
	run ppl $llama --text "$scratch/held-out" --max-tokens 20 --io uring || uring=auto
	head -c 9000 "$scratch/text" >"$scratch/short"
	for model in $llama $gemma; do
		m=${model##*/}
		run tokenize "$model" --text "$scratch/short" -o "$scratch/short.tokens" \
			--window 48 --bos window --force ||
			failed "$m: tokens" "exit $?"
		number=0
		for setting in "1 pread 4G 4G" "2 $uring 4G 4G" "3 mmap 4G 4G" "2 pread 19M 22M" \
			"3 $uring 20M 22M"; do
			# shellcheck disable=SC2086 # four words
			set -- $setting
			flags="--threads $1 --io $2 --memory $3"
			d=$scratch/bits-$m-$number
			mkdir "$d"
			# shellcheck disable=SC2086 # words
			{
				run logits $model --tokens "$scratch/short.tokens" \
					-o "$d/logits" $flags ||
					failed "$m: logits $flags" "exit $?"
				run prune $model --method wanda --sparsity 0.5 \
					--tokens "$scratch/short.tokens" -o "$d/mask" $flags ||
					failed "$m: prune $flags" "exit $?"
				run prune $model --method magnitude --sparsity 0.5 --scope global \
					-o "$d/magnitude" $flags ||
					failed "$m: prune magnitude $flags" "exit $?"
				run calibrate $model --tokens "$scratch/short.tokens" \
					-o "$d/stats" $flags ||
					failed "$m: calibrate $flags" "exit $?"
				run cache $model --tokens "$scratch/short.tokens" --mask "$d/mask" \
					--layer 2 -o "$d/cache" $flags ||
					failed "$m: cache $flags" "exit $?"
				run cache $model --tokens "$scratch/short.tokens" --layer 2 \
					--layer 5 --order shuffled --dtype bf16 -o "$d/shuffled" \
					$flags --memory "$4" ||
					failed "$m: shuffled cache $flags" "exit $?"
				run cache $model --tokens "$scratch/short.tokens" --mask "$d/mask" \
					--layer 3 --precision bf16 --dtype bf16 -o "$d/bf16" \
					$flags ||
					failed "$m: cache in bf16 $flags" "exit $?"
				run cache $model --tokens "$scratch/short.tokens" --mask "$d/mask" \
					--layer 5 --precision int16 -o "$d/int16" $flags \
					--memory "$4" ||
					failed "$m: cache in int16 $flags" "exit $?"
				run train "$d/cache" -o "$d/sae" --d-sae 192 --k 8 --batch 128 \
					--tokens 6000 --threads "$1" ||
					failed "$m: train $flags" "exit $?"
				run ppl $model --text "$scratch/short" --max-tokens 600 \
					--window 64 --stride 32 --per-window --mask "$d/mask" \
					$flags --memory "$4" ||
					failed "$m: ppl $flags" "exit $?"
			}
			sed 's/"backend": "[^"]*"//' "$scratch/out" >"$d/ppl"
			[ $number -eq 0 ] ||
				holds "$m: the same bits with $flags" \
					diff -r "$scratch/bits-$m-0" "$d"
			number=$((number + 1))
		done
	done
}

# struck SIGNAL TICKS ARGUMENT...: a run to which the signal is sent when it has worked so long;
# prints its exit code.
struck() {
	signal=$1 after=$2
	shift 2
	"$program" "$@" >"$scratch/out" 2>"$scratch/err" &
	strike "$signal" "$after" $!
	wait $!
	echo $?
}

# uninterrupted NAME ARGUMENT...: a run that is left alone; sets whole to how long it works.
uninterrupted() {
	what=$1
	shift
	"$program" "$@" >"$scratch/out" 2>"$scratch/err" &
	labour $!
	holds "$what, uninterrupted" test $? -eq 0
}

# survives NAME SIGNALS REFERENCE OUTPUT ARGUMENT...: each signal strikes the run several times,
# after shares of the work of the last uninterrupted one. Then the run goes on to its end, and must
# give the reference's bytes.
survives() {
	work=$1 signals=$2 reference=$3 out=$4
	shift 4
	for signal in $signals; do
		codes=
		for share in 10 5 3; do
			codes="$codes $(struck "$signal" $((whole / share + 2)) "$@" -o "$out" \
				2>/dev/null)"
		done
		case $signal:$codes in
		KILL:" 137 137 137" | [IT]*:" 130 130 130")
			passed "$work: stopped by $signal, exit codes$codes"
			;;
		*) failed "$work: stopped by $signal" "exit codes$codes" ;;
		esac
		works "$work: the same command finishes after $signal" "$@" -o "$out"
		holds "$work: to the same bytes" diff -r "$reference" "$out"
		rm -rf "$out"
	done
}

# leaves_nothing NAME ARGUMENT...: an interrupted run exits with 130 and leaves nothing.
leaves_nothing() {
	work=$1
	shift
	code=$(struck INT 15 "$@" -o "$none")
	holds "$work: interrupted (exit $code)" test "$code" -eq 130
	holds "$work: leaves nothing" test -z "$(find "$scratch" -maxdepth 1 -name '*none*')"
	rm -f "$none"
}

interrupted_work_goes_on() {
	run tokenize $llama --text "$scratch/long" "$scratch/text" -o "$scratch/long.tokens" \
		--window 64 || failed "tokenize a long text"
	leaves_nothing logits logits $llama --tokens "$scratch/long.tokens"
	leaves_nothing calibrate calibrate $llama --tokens "$scratch/long.tokens"
	leaves_nothing "prune wanda" prune $llama --method wanda --sparsity 0.5 \
		--tokens "$scratch/long.tokens"
	set -- cache $llama --tokens "$scratch/long.tokens" --layer 1 --layer 2
	uninterrupted cache "$@" -o "$scratch/whole"
	survives cache "INT TERM KILL" "$scratch/whole" "$scratch/parts" "$@"
	set -- cache $llama --tokens "$scratch/long.tokens" --layer 0 --order shuffled --dtype bf16
	uninterrupted "shuffled cache" "$@" -o "$scratch/whole-shuffled"
	survives "shuffled cache" KILL "$scratch/whole-shuffled" \
		"$scratch/parts-shuffled" "$@"
	set -- cache $llama --tokens "$scratch/long.tokens" --layer 1 --mask dense \
		--mask "$scratch/llama.magnitude" --mask "$scratch/llama.wanda"
	uninterrupted "cache of three variants" "$@" -o "$scratch/whole-many"
	survives "cache of three variants" "INT KILL" "$scratch/whole-many" \
		"$scratch/parts-many" "$@"
	rm -rf "$scratch/whole-many"
	run tokenize $llama --text "$scratch/long" "$scratch/long" -o "$scratch/longer.tokens" \
		--window 64 || failed "tokenize a longer text"
	set -- cache $llama --tokens "$scratch/longer.tokens" --layer 0 --mask dense \
		--mask "$scratch/llama.magnitude" --mask "$scratch/llama.wanda"
	works "a longer cache of three variants" "$@" -o "$scratch/whole-many"
	cp -r "$scratch/whole-many" "$scratch/parts-many"
	holds "it has more than one shard" \
		test -f "$scratch/parts-many/dense/shard-00001.safetensors"
	rm -r "$scratch/parts-many/llama.magnitude/shard-00001.safetensors" \
		"$scratch/parts-many/llama.wanda"
	works "one variant done, one half, one not begun" "$@" -o "$scratch/parts-many"
	holds "which is said" grep -q 'parts-many/llama.magnitude goes on at row [1-9]' \
		"$scratch/err"
	holds "come to the same bytes" diff -r "$scratch/whole-many" "$scratch/parts-many"
	rm -rf "$scratch/whole-many" "$scratch/parts-many"
	set -- train "$scratch/whole/layer-01" --d-sae 512 --k 16 --batch 512 --tokens 300000 \
		--seed 5
	uninterrupted train "$@" -o "$scratch/whole-sae"
	survives train "INT TERM KILL" "$scratch/whole-sae" "$scratch/parts-sae" "$@"
	struck INT $((whole / 3)) "$@" -o "$scratch/parts-sae" >/dev/null
	if [ -f "$scratch/parts-sae/checkpoint.safetensors" ]; then
		cp -r "$scratch/parts-sae" "$scratch/resumed-sae"
		works "an interrupted training goes on" "$@" -o "$scratch/resumed-sae"
		holds "and says from where" grep -q 'resumed-sae goes on from step [1-9]' \
			"$scratch/err"
		spoil "$scratch/parts-sae/checkpoint.safetensors" \
			$(($(size_of "$scratch/parts-sae/checkpoint.safetensors") / 2))
		works "a damaged checkpoint is not used" "$@" -o "$scratch/parts-sae"
		holds "which is said" grep -q 'anew' "$scratch/err"
		holds "and training anew gives the same bytes" diff -r "$scratch/whole-sae" \
			"$scratch/parts-sae"
	else
		failed "an interrupted training leaves its state"
	fi
}

write_study() {
	cat >"$1" <<STUDY
name: a small study
models:
  - {name: llama, path: $llama, layer: 2}
text: [$scratch/text, $scratch/held-out]
methods: [magnitude, wanda]
sparsities: [0.5]
seeds: [7, 42]
window: 64
calibration_tokens: 1024
train_tokens: 8000
ppl: {text: $scratch/held-out, window: 64, stride: 32, max_tokens: 400}
sae: {d_sae: 192, k: 8, batch: 128}
controls: {retrain: false, random: false}
splice: {windows: 8}
ablation: {features: 10, windows: 4}
bootstrap: {samples: 100}
STUDY
}

a_study() {
	write_study "$scratch/study.yaml"
	works "study --dry-run" study "$scratch/study.yaml" -o "$scratch/none-study" --dry-run
	holds "which writes nothing" test ! -e "$scratch/none-study"
	pass='"conditions": \["dense", "magnitude-0.5"\], "model": "llama"}'
	next='{"conditions": \["wanda-0.5"\]'
	holds "two caches at a time, in one pass" \
		grep -q '"cache_passes": \[{'"$pass, $next" "$scratch/out"
	works "study --dry-run --disk" study "$scratch/study.yaml" -o "$scratch/none-study" \
		--dry-run --disk 1G
	pass='"conditions": \["dense", "magnitude-0.5", "wanda-0.5"\], "model": "llama"}'
	holds "all caches in one pass where the disk holds them" \
		grep -q '"cache_passes": \[{'"$pass"'\]' "$scratch/out"
	refuses "study --disk that holds no two caches" 4 'too small' study "$scratch/study.yaml" \
		-o "$none" --dry-run --disk 1M
	works "study" study "$scratch/study.yaml" -o "$scratch/study"
	values_hold "one dense and two pruned runs" runs conditions 'a == 3 && b == 2'
	# test_study_results.sh checks what is in it.
	holds "results.json is there" test -s "$scratch/study/results.json"
	holds "caches are gone" test -z "$(find "$scratch/study" -name 'shard-*')"
	cp "$scratch/study/results.json" "$scratch/results"
	works "study again" study "$scratch/study.yaml" -o "$scratch/study"
	values_hold "every step was done before" steps steps_done_before 'a == b && a > 3'
	holds "and results.json is the same" cmp "$scratch/results" "$scratch/study/results.json"
	works "study with all caches from one pass" study "$scratch/study.yaml" \
		-o "$scratch/study-wide" --disk 1G
	holds "has the same results" cmp "$scratch/results" "$scratch/study-wide/results.json"
	holds "and leaves no caches either" test -z "$(find "$scratch/study-wide" -name 'shard-*')"
	code=$(struck INT 5 study "$scratch/study.yaml" -o "$scratch/study-parts")
	holds "study: interrupted (exit $code)" test "$code" -eq 130
	code=$(struck KILL 15 study "$scratch/study.yaml" -o "$scratch/study-parts" 2>/dev/null)
	holds "study: killed (exit $code)" test "$code" -eq 137
	works "study: the same command finishes" study "$scratch/study.yaml" \
		-o "$scratch/study-parts"
	holds "to the same results" cmp "$scratch/results" "$scratch/study-parts/results.json"
	sed 's/^sparsities/sparsity/' "$scratch/study.yaml" >"$scratch/wrong.yaml"
	refuses "an unknown key names the nearest" 3 'sparsities' study "$scratch/wrong.yaml" \
		-o "$none"
	sed 's/features/featurs/' "$scratch/study.yaml" >"$scratch/wrong.yaml"
	refuses "an unknown inner key names the nearest" 3 'features' study "$scratch/wrong.yaml" \
		-o "$none"
	sed 's/\[0.5\]/[1.5]/' "$scratch/study.yaml" >"$scratch/wrong.yaml"
	refuses "a sparsity out of range in a study" 3 '1.5' study "$scratch/wrong.yaml" -o "$none"
	sed 's/layer: 2/layer: 6/' "$scratch/study.yaml" >"$scratch/wrong.yaml"
	refuses "a layer out of range in a study" 3 'layer 6' study "$scratch/wrong.yaml" -o "$none"
	refuses "a missing study file" 3 'nowhere' study "$scratch/nowhere" -o "$none"
}

make_texts
parts="commands_make_what_they_say masks_of_every_kind several_masks saes_and_caches findings
	architectures_and_recipes dry_runs usage_errors bad_inputs only_what_is_used budgets
	one_long_line outputs_that_cannot_be same_bits interrupted_work_goes_on a_study"
[ $# -eq 0 ] || parts=$*
for part in $parts; do
	$part
done
conclude test_cli.sh
