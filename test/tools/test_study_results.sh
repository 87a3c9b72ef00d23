#!/bin/sh
# Runs a study of one small model and checks the numbers of its results.json. Most are computed
# again by other commands, from the masks, tokens and SAEs that the study leaves; the others must
# agree with each other or lie in their ranges. PRUNESCOPE names another binary.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
model=demo/models/llama
study=$scratch/study
runs=$study/runs/llama

# run ARGUMENT...: prunescope; its result in $scratch/paths, one line PATH<tab>VALUE for each
# number.
run() {
	"$program" "$@" --json >"$scratch/out" 2>"$scratch/err" || {
		echo "[  FAILED  ] $*"
		sed 's/^/    /' "$scratch/err"
		exit 1
	}
	awk -f test/support/json_paths.awk "$scratch/out" >"$scratch/paths"
}

# value PATH [FILE]: the value there, of the last command or of another file of paths
value() {
	awk -F '\t' -v path="$1" '$1 == path { print $2 }' "${2:-$scratch/paths}"
}

# result PATH: a value of results.json
result() {
	value "$1" "$scratch/results"
}

# equal NAME GOT EXPECTED: two numbers, which may differ by rounding. An awk expression is allowed
# on either side. Something that is not a number fails.
equal() {
	holds "$1" awk "BEGIN {
		got = ($(numbers "$2")) + 0
		expected = ($(numbers "$3")) + 0
		printf \"%.17g, expected %.17g\n\", got, expected
		difference = got - expected
		size = expected < 0 ? -expected : expected
		exit !(difference <= 1e-12 * (1 + size) && -difference <= 1e-12 * (1 + size))
	}"
}

# true_of NAME EXPRESSION: an awk expression that must be true
true_of() {
	holds "$1" awk "BEGIN { exit !($(numbers "$2")) }"
}

# numbers EXPRESSION: the expression in one line; one that awk refuses if it has null or NaN in it
numbers() {
	case $1 in
	*null* | *[Nn]a[Nn]*) echo ")" ;;
	*) echo "$1" | tr '\n' ' ' ;;
	esac
}

make_study() {
	awk -v seed=1 -v bytes=30000 -f test/fixtures/cli/text.awk >"$scratch/text"
	awk -v seed=2 -v bytes=12000 -f test/fixtures/cli/text.awk >"$scratch/held-out"
	cat >"$scratch/study.yaml" <<-END
	name: a small study
	models:
	  - {name: llama, path: $model, layer: 2}
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
	END
	run study "$scratch/study.yaml" -o "$study" --quiet
	awk -f test/support/json_paths.awk "$study/results.json" >"$scratch/results" || exit 1
}

# perplexity WHAT PATH [--mask FILE]: computed again by the command
perplexity() {
	what=$1 path=$2
	shift 2
	run ppl $model --text "$scratch/held-out" --window 64 --stride 32 --max-tokens 400 "$@"
	holds "$what: nll as by ppl, in all digits" test "$(result "$path.nll")" = "$(value nll)"
	equal "$what: ppl is the exponential of nll" "$(result "$path.ppl")" \
		"exp($(result "$path.nll"))"
}

# splice WHAT PATH CONDITION [--mask FILE]: computed again by the command, with the first seed's SAE
splice() {
	what=$1 path=$2
	shift 2
	run eval "$runs/dense/sae/seed-7" $model --tokens "$runs/tokens.safetensors" --layer 2 \
		--windows 8 "$@"
	for key in ce_clean ce_sae ce_zero kl fvu l0 dead_fraction; do
		holds "$what: $key of the splice as by eval, in all digits" \
			test "$(result "$path.splice.$key")" = "$(value $key)"
	done
	clean=$(value ce_clean) zero=$(value ce_zero)
	equal "$what: the share of the loss that is recovered" \
		"$(result "$path.splice.ce_recovered")" \
		"($zero - $(value ce_sae)) / ($zero - $clean)"
	equal "$what: the density counts the latents that fire" \
		"$(awk -F '\t' -v path="$path.splice.density.latents." \
			'index($1, path) == 1 { n += $2 } END { print n }' "$scratch/results")" \
		"192 * (1 - $(value dead_fraction))"
}

# survivals PATH CONDITION: computed again by compare, for each pair of a dense and a pruned SAE
survivals() {
	for dense in 7 42; do
		for pruned in 7 42; do
			run compare "$runs/dense/sae/seed-$dense" "$runs/$2/sae/seed-$pruned"
			eval "mnn_${dense}_$pruned=$(value mnn_survival)"
			eval "alive_${dense}_$pruned=$(value mnn_survival_alive)"
		done
	done
	# shellcheck disable=SC2154 # set by eval
	a=$mnn_7_7 b=$mnn_42_42
	equal "$2: survival is the mean over seeds" "$(result "$1.mnn_survival")" "($a + $b) / 2"
	equal "$2: with its deviation" "$(result "$1.mnn_survival_sd")" "sqrt(($a - ($b)) ^ 2 / 2)"
	# shellcheck disable=SC2154 # set by eval
	equal "$2: survival of the latents that fire" "$(result "$1.mnn_survival_alive")" \
		"($alive_7_7 + $alive_42_42) / 2"
	# shellcheck disable=SC2154 # set by eval
	equal "$2: survival between different seeds" "$(result "$1.mnn_survival_independent")" \
		"($mnn_7_42 + $mnn_42_7) / 2"
	equal "$2: survival at tau 0.7 is the one reported" "$(result "$1.survival.2")" \
		"$(result "$1.mnn_survival")"
}

# condition PATH METHOD: what does not depend on other commands
condition() {
	holds "$2: by its method" test "$(result "$1.method")" = "$2"
	equal "$2: the tokens that are scored" "$(result "$1.n")" 400
	equal "$2: the change of log perplexity" "$(result "$1.delta_log_ppl")" \
		"$(result "$1.nll") - $(result models.0.nll)"
	equal "$2: the sparsity that was asked for" "$(result "$1.sparsity")" 0.5
	s=$1.survival
	true_of "$2: survival falls as tau rises" "1 >= $(result "$s.0") &&
		$(result "$s.0") > $(result "$s.1") && $(result "$s.1") > $(result "$s.2") &&
		$(result "$s.2") > $(result "$s.3") && $(result "$s.3") > $(result "$s.4") &&
		$(result "$s.4") >= 0"
	for key in jaccard cosine fvu; do
		true_of "$2: $key lies between 0 and 1" \
			"$(result "$1.$key") > 0 && $(result "$1.$key") < 1"
	done
	equal "$2: k latents are active in every row" "$(result "$1.l0")" 8
	f=$1.fragility
	equal "$2: the quintiles hold all latents that fire" \
		"$(result "$f.size.0") + $(result "$f.size.1") + $(result "$f.size.2") +
			$(result "$f.size.3") + $(result "$f.size.4")" "$(result "$f.alive")"
	equal "$2: fragility is the difference of the outer quintiles" \
		"$(result "$f.difference_latents.estimate")" \
		"$(result "$f.survival.0") - $(result "$f.survival.4")"
	equal "$2: of both seeds' latents" "$(result "$f.alive")" \
		"$(result "$f.by_seed.0.alive") + $(result "$f.by_seed.1.alive")"
	for key in difference rho_latents; do
		equal "$2: $key is the mean over the seeds" "$(result "$f.$key.estimate")" \
			"($(result "$f.by_seed.0.$key.estimate") +
				$(result "$f.by_seed.1.$key.estimate")) / 2"
	done
	equal "$2: survival of each seed" "$(result "$1.mnn_survival")" \
		"($(result "$1.mnn_survival_by_seed.0") +
			$(result "$1.mnn_survival_by_seed.1")) / 2"
	for key in jaccard fvu l0; do
		equal "$2: $key is the mean over the dense SAEs" "$(result "$1.$key")" \
			"($(result "$1.transfer.0.$key") + $(result "$1.transfer.1.$key")) / 2"
	done
	for path in transfer fragility.by_seed; do
		holds "$2: $path has the seeds" \
			test "$(result "$1.$path.0.seed") $(result "$1.$path.1.seed")" = "7 42"
	done
	true_of "$2: seeds differ" \
		"$(result "$1.transfer.0.jaccard") != $(result "$1.transfer.1.jaccard")"
	a=$1.ablation
	equal "$2: ten latents are ablated" "$(result "$a.features")" 10
	equal "$2: their mean effect is the model's" "$(result models.0.ablation.mean_effect)" \
		"($(result "$a.survivors") * $(result "$a.mean_survivors") +
			(10 - $(result "$a.survivors")) * $(result "$a.mean_lost")) / 10"
	equal "$2: survivors are compared with the others" \
		"$(result "$a.difference_features.estimate")" \
		"$(result "$a.mean_survivors") - $(result "$a.mean_lost")"
	for seed in 0 1; do
		t=$1.saes.$seed
		true_of "$2: SAE $seed is trained" "
			$(result "$t.fvu") > 0 && $(result "$t.fvu") < 0.5 &&
			$(result "$t.l0") > 7 && $(result "$t.l0") <= 8"
	done
}

whole_study() {
	pair=models.0.seeds.pairs.0
	run compare "$runs/dense/sae/seed-7" "$runs/dense/sae/seed-42"
	for key in hungarian_cosine mmcs shared_fraction; do
		holds "seeds: $key as by compare, in all digits" \
			test "$(result $pair.$key)" = "$(value $key)"
	done
	equal "seeds: survival as by compare" "$(result $pair.survival.2)" "$(value mnn_survival)"
	equal "wanda is compared with magnitude" \
		"$(result comparisons.0.wanda_minus_magnitude.estimate)" \
		"$(result conditions.1.nll) - $(result conditions.0.nll)"
	equal "wanda prunes exactly half" "$(result conditions.1.sparsity_achieved)" 0.5
	true_of "magnitude prunes half, ties included" \
		"$(result conditions.0.sparsity_achieved) >= 0.5 &&
		$(result conditions.0.sparsity_achieved) < 0.502"
	true_of "agreement over tau is a share" \
		"$(result kendall_w) >= 0 && $(result kendall_w) <= 1"
	# shellcheck disable=SC2016 # awk's $
	holds "every estimate lies in its interval, or it is said why there is none" awk -F '\t' '
		/\.(low|high|estimate|why)\t/ && /^(conditions|comparisons)/ {
			end = $1
			sub(/.*\./, "", end)
			sub(/\.[a-z]*$/, "", $1)
			value[$1, end] = $2
			seen[$1]
		}
		END {
			for (path in seen) {
				low = value[path, "low"]
				estimate = value[path, "estimate"]
				high = value[path, "high"]
				intervals++
				if (low == "null" && high == "null" &&
					value[path, "why"] ~ /too few|no variation|not defined/)
					continue
				ended++
				if (low !~ /^-?[0-9]/ || high !~ /^-?[0-9]/ ||
					low + 0 > estimate + 0 || estimate + 0 > high + 0) {
					print path, low, estimate, high
					bad++
				}
			}
			if (intervals < 29 || ended < 6)
				print intervals, "intervals, expected 29 or more;", ended,
					"with ends, expected 6 or more"
			exit bad > 0 || intervals < 29 || ended < 6
		}' "$scratch/results"
	holds "no other conditions or models" \
		test -z "$(result conditions.2.method)$(result models.1.name)"
}

# The tables have the numbers of results.json.
tables() {
	table=$study/tables/conditions.csv
	holds "conditions.csv has a line for each condition" test "$(wc -l <"$table")" -eq 3
	for key in ppl mnn_survival jaccard fvu ce_sae; do
		for i in 0 1; do
			path=conditions.$i.$key
			[ $key != ce_sae ] || path=conditions.$i.splice.$key
			got=$(awk -F , -v key=$key -v line=$((i + 2)) '
				NR == 1 { for (c = 1; c <= NF; c++) if ($c == key) column = c }
				NR == line { print $column }' "$table")
			equal "conditions.csv: $key of condition $i" "$got" "$(result $path)"
		done
	done
}

# features METHOD INDEX: classes as the table has them. Table and cards as by the command, in all
# bytes, from caches that are made anew.
features() {
	made=$runs/$1-0.5 path=features.$2
	for class in kept shifted blurred lost; do
		equal "$1: $class latents as in the table" "$(result "$path.classes.$class")" \
			"$(grep -c "^[0-9]*,$class," "$made/features.csv")"
	done
	equal "$1: all latents have a class, or none" "$(for class in none kept shifted blurred \
		lost; do printf '%s + ' "$(result "$path.classes.$class")"; done) 0" 192
	holds "$1: results.json says where the cards are" test "$(result "$path.cards")" = \
		"runs/llama/$1-0.5/cards.json"
	for kind in dense pruned; do
		[ $kind = dense ] && mask=dense || mask=$made/mask.safetensors
		"$program" cache $model --tokens "$runs/tokens.safetensors" --layer 2 \
			--mask "$mask" -o "$scratch/$kind" --quiet >"$scratch/out"
	done
	run features "$runs/dense/sae/seed-7" --cache "$scratch/dense" --cache "$scratch/pruned" \
		--pruned-sae "$made/sae/seed-7" --ablation "$runs/dense/ablation.json" \
		--head $model -o "$scratch/features" --csv "$scratch/csv" --cards "$scratch/cards"
	holds "$1: the table as by features" cmp "$scratch/features" "$made/features.safetensors"
	holds "$1: the CSV as by features" cmp "$scratch/csv" "$made/features.csv"
	holds "$1: the cards as by features" cmp "$scratch/cards" "$made/cards.json"
}

# shown METHOD: cards of the study. A latent that has one in the file is shown the same when it is
# made from the table.
shown() {
	set -- features "$study" --model llama --condition "$1-0.5"
	run "$@"
	holds "features of a study: all cards" test 10 -le "$(grep -o '"decoder_norm"' \
		"$scratch/out" | wc -l)"
	latent=$(value groups.random.0)
	run "$@" --latent "$latent"
	holds "features of a study: one card" test "$(value latents.0.latent)" = "$latent"
	holds "features of a study: in words" sh -c "'$program' features '$study' --model llama \
		--latent $latent >'$scratch/shown' && \
		grep -q '^latent  *$latent\$' '$scratch/shown' && \
		grep -q '\[\[' '$scratch/shown' && ! grep -q \"$(printf '\033')\" '$scratch/shown'"
	"$program" "$@" >"$scratch/shown"
	holds "features of a study: a line a latent, with the tokens on which it fires" \
		grep -qE "^ +$latent +[a-z]+ .* [0-9]+[.][0-9]+ \".*\"\$" "$scratch/shown"
	run "$@"
	latent=0
	while grep -q "^latents\.[0-9]*\.latent	$latent\$" "$scratch/paths"; do
		latent=$((latent + 1))
	done
	run "$@" --latent "$latent" --head $model
	holds "features of a study: of a latent in no group" \
		test "$(value latents.0.latent)" = "$latent"
	run "$@" --latent "$latent" "$(value groups.best.0)" --head $model
	holds "features of a study: of two latents" test "$(value latents.1.latent)" -ge 0
	dashboard "$@"
	for wrong in "--model gemma" "--model llama --condition wanda-0.9" \
		"--model llama --latent 192" "--model llama --latent 3 3" \
		"--model llama --tau 0.5" "--model llama --side pruned" \
		"--model llama --dashboard '$study/results.json' --force" \
		"--model llama --dashboard '$study/report.html'"; do
		# shellcheck disable=SC2086 # options and their values
		holds "features of a study: $wrong is exit status 2" sh -c "'$program' features \
			'$study' $wrong >'$scratch/shown' 2>&1; test \$? -eq 2"
	done
}

# dashboard features STUDY ...: of three latents, and of all that have cards. A second run replaces
# what the first one wrote.
dashboard() {
	run "$@" --dashboard "$scratch/batch-0.json"
	holds "dashboard: of all cards" test "$(grep -c '"feature_index"' \
		"$scratch/batch-0.json")" -eq "$(grep -o '"decoder_norm"' \
		"$runs/wanda-0.5/cards.json" | wc -l)"
	run "$@"
	rate=$(value latents.2.rate.1) latent=$(value latents.2.latent)
	run "$@" --latent "$latent" --dashboard "$scratch/batch-0.json"
	holds "dashboard: the result names its latents" test "$(value latents.0)" = "$latent"
	awk -f test/support/json_paths.awk "$scratch/batch-0.json" >"$scratch/paths"
	holds "dashboard: one latent" test "$(value features.0.feature_index)" = "$latent"
	holds "dashboard: its rate in the pruned model" \
		test "$(value features.0.frac_nonzero)" = "$rate"
	holds "dashboard: the layer" test "$(value layer)" = 2
	holds "dashboard: the window" test "$(value features.0.n_tokens_in_prompt)" = 64
}

make_study
perplexity dense models.0
splice dense models.0
number=0
for method in magnitude wanda; do
	mask=$runs/$method-0.5/mask.safetensors
	condition conditions.$number $method
	perplexity $method conditions.$number --mask "$mask"
	splice $method conditions.$number --mask "$mask"
	survivals conditions.$number $method-0.5
	number=$((number + 1))
done
features wanda 1
shown wanda
whole_study
tables
conclude test_study_results.sh
