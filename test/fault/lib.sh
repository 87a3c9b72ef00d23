# shellcheck shell=sh
# Read by the scripts of this folder: a model, a text and artefacts that are small enough to try
# every fault on, and the commands to try it with. Sourced from the repository's root.
# PRUNESCOPE and SHARDINFO name other binaries, FAULT_TOOLS the folder of sweep and preload.so, IO
# another way of reading.
set -u
tools=$PWD/${FAULT_TOOLS:-build/test/fault}
# In memory if possible: most of the time would go into fsync.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then
	export TMPDIR=/dev/shm
fi
. test/support/program.sh
work=$scratch/work
mkdir "$XDG_CACHE_HOME"
m=$scratch/model
d=$scratch/made
# What is tried. A script may choose less.
methods=${METHODS:-magnitude, wanda} # of the study
train_tokens=512                     # of SAEs
stages=--stages # of the study, one after the other; empty: the study as a whole
# Each figure is drawn once (test/fault/gnuplot.c).
FAULT_GNUPLOT=$(command -v gnuplot) && PATH=$tools:$PATH
FAULT_DRAWINGS=$scratch/drawings
export FAULT_GNUPLOT FAULT_DRAWINGS PATH
mkdir "$FAULT_DRAWINGS"

# A program of a sanitizer brings its own malloc, and cannot be preloaded before. A script that can
# do without sets damage_only.
preload="--preload $tools/preload.so"
if grep -q __asan_init "$program" || grep -q __tsan_init "$program"; then
	preload=
	[ -n "${damage_only:-}" ] || {
		echo "the program is built with a sanitizer"
		exit 77
	}
fi

# A checkpoint of 3 layers, 24 wide, with a byte-level tokenizer of lower-case letters.
make_model() {
	mkdir -p "$m" "$d" "$work"
	cp test/fixtures/checkpoint/single/* "$m"
	awk 'BEGIN {
		printf "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
		printf "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
		printf "\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"vocab\":{"
		printf "\"<s>\":1,\"</s>\":2,\"\304\240\":3,\"\304\212\":4"
		for (i = 0; i < 26; i++)
			printf ",\"%c\":%d", 97 + i, 5 + i
		printf ",\"th\":31,\"the\":32,\"an\":33},\"merges\":[\"t h\",\"th e\",\"a n\"]}}"
	}' >"$m/tokenizer.json"
	awk 'BEGIN {
		s = 1
		for (i = 0; i < 300; i++) {
			for (n = s % 7 + 2; n > 0; n--) {
				s = (s * 1103515 + 12345) % 2147483
				printf "%c", 97 + s % 26
			}
			printf i % 9 ? " " : "\n"
		}
	}' >"$scratch/text"
}

run() {
	"$program" "$@" --quiet >/dev/null || {
		echo "cannot be made: $*" >&2
		exit 1
	}
}

# What the commands read.
make_artefacts() {
	make_model
	run tokenize "$m" --text "$scratch/text" -o "$d/t" --window 16 --bos window --windows 24
	run calibrate "$m" --tokens "$d/t" -o "$d/stats"
	run prune "$m" --method wanda --sparsity 0.5 --tokens "$d/t" -o "$d/mask"
	run prune "$m" --method rtn --bits 4 -o "$d/rounding"
	run cache "$m" --tokens "$d/t" --layer 1 -o "$d/dense"
	run cache "$m" --tokens "$d/t" --layer 1 --mask "$d/mask" -o "$d/pruned"
	run train "$d/dense" -o "$d/sae" --d-sae 32 --k 4 --batch 64 --tokens 1024 --seed 1 2
	run train "$d/pruned" -o "$d/psae" --d-sae 32 --k 4 --batch 64 --tokens 1024 --seed 1 2
	cp test/fixtures/activations/named.safetensors test/fixtures/gguf/llama.gguf "$d"
	cp -r test/fixtures/dictionaries/gemma-scope-2b-pt-res/layer_3/width_16k/average_l0_59 \
		"$d/dictionary"
	cat >"$scratch/study.yaml" <<STUDY
name: faults
models:
  - {name: m, path: $m, layer: 1}
text: [$scratch/text]
methods: [$methods]
sparsities: [0.5]
seeds: [1, 2]
window: 16
calibration_tokens: 128
train_tokens: 384
ppl: {text: $scratch/text, window: 16, stride: 8, max_tokens: 64}
sae: {d_sae: 32, k: 4, batch: 64}
controls: {retrain: false, random: false}
splice: {windows: 2}
ablation: {features: 3, windows: 2}
bootstrap: {samples: 100}
STUDY
}

# A finished study for report, made once.
make_study() {
	[ -d "$d/study" ] || run study "$scratch/study.yaml" -o "$d/study"
}

# A cache that exceeds the memory of the training in $d/large-memory, made once.
make_large() {
	[ -d "$d/large" ] && return
	for _ in 1 2 3 4 5 6 7 8; do cat "$scratch/text"; done >"$scratch/long"
	run tokenize "$m" --text "$scratch/long" -o "$d/long" --window 16 --bos window
	run cache "$m" --tokens "$d/long" --layer 1 -o "$d/large"
	"$program" train "$d/large" -o "$d/none" --d-sae 32 --k 4 --batch 64 --tokens 4096 \
		--memory 1 --quiet 2>"$scratch/err"
	least=$(sed -n 's/.*least that would do is [^(]*(\([0-9]*\) bytes.*/\1/p' "$scratch/err")
	echo $((least + 900000)) >"$d/large-memory"
}

# Sets command to the arguments of a case; they write into $work. Fails if there is no such case.
choose() {
	train_arguments="--d-sae 32 --k 4 --batch 64 --tokens $train_tokens --save-every 0.0001"
	case $1 in
	tokenize)
		command="tokenize $m --text $scratch/text -o $work/out --window 16 --bos window"
		;;
	ppl)
		command="ppl $m --text $scratch/text --window 16 --stride 8 --max-tokens 99 \
		--mask $d/mask"
		;;
	logits) command="logits $m --tokens $d/t -o $work/out --mask $d/mask" ;;
	calibrate) command="calibrate $m --tokens $d/t -o $work/out" ;;
	magnitude) command="prune $m --method magnitude --sparsity 0.5 -o $work/out" ;;
	global) command="prune $m --method magnitude --sparsity 0.5 --scope global -o $work/out" ;;
	wanda) command="prune $m --method wanda --sparsity 0.5 --tokens $d/t -o $work/out" ;;
	random) command="prune $m --method random --sparsity 0.5 -o $work/out" ;;
	rounding) command="prune $m --method rtn --bits 4 -o $work/out" ;;
	matched)
		command="prune $m --method magnitude --match-ppl $d/mask --text $scratch/text \
		--window 16 --stride 8 --max-tokens 99 --tolerance 2 -o $work/out"
		;;
	rounded) command="logits $m --tokens $d/t --mask $d/rounding -o $work/out" ;;
	stats) command="prune $m --method wanda --sparsity 0.5 --stats $d/stats -o $work/out" ;;
	export) command="export $m --mask $d/mask -o $work/out" ;;
	cache)
		command="cache $m --tokens $d/t --layer 0 --layer 1 --mask dense --mask $d/mask \
		-o $work/out"
		;;
	shuffled)
		command="cache $m --tokens $d/t --layer 1 --order shuffled --dtype bf16 -o \
		$work/out"
		;;
	topk) command="train $d/dense -o $work/out $train_arguments --log $work/log" ;;
	batchtopk | jumprelu | relu | gated)
		command="train $d/dense -o $work/out --arch $1 $train_arguments"
		;;
	seeds-of-train)
		command="train $d/dense --with $d/pruned -o $work/out $train_arguments --seed 1 \
		2"
		;;
	eval) command="eval $d/sae/seed-1 --cache $d/dense" ;;
	splice) command="eval $d/sae/seed-1 $m --tokens $d/t --layer 1 --mask $d/mask" ;;
	dictionary) command="eval $d/dictionary --cache test/fixtures/saelens/rows" ;;
	compare) command="compare $d/sae/seed-1 $d/psae/seed-1 -o $work/out" ;;
	compare-json) command="compare $d/sae/seed-1 $d/psae/seed-1 -o $work/out.json" ;;
	sparsify) command="convert $d/sae/seed-1 -o $work/out --to sparsify" ;;
	gemma-scope) command="convert $d/dictionary -o $work/out --to gemma-scope" ;;
	to-mask)
		command="convert test/fixtures/masks/maskllm.npz --bits msb --model \
		test/fixtures/checkpoint/f32 --to mask -o $work/out"
		;;
	to-torch) command="convert $d/mask --to torch -o $work/out" ;;
	to-compressed)
		command="convert test/fixtures/masks/bool.safetensors --model \
		test/fixtures/checkpoint/f32 --to compressed-tensors -o $work/out"
		;;
	from-bitmask) command="convert test/fixtures/masks/bitmask --to mask -o $work/out" ;;
	from-zeros) command="convert $m --from-zeros --to mask -o $work/out" ;;
	to-cache)
		command="convert test/fixtures/activations/half.npy --to cache -o $work/out"
		;;
	bare)
		command="train $d/named.safetensors -o $work/out --d-sae \
		16 --k 2 --batch 20 --tokens 200 --save-every 0.0001"
		;;
	sorted)
		command="train $d/large -o $on_disk/out --d-sae 32 --k 4 --batch 64 --tokens \
		4096 --disk 16M --memory $(cat "$d/large-memory")"
		;;
	gguf) command="logits $d/llama.gguf --tokens $d/t -o $work/out" ;;
	gguf-tokens)
		command="tokenize test/fixtures/gguf/vocab-llama.gguf --text $scratch/text -o \
		$work/out --window 16"
		;;
	gguf-export)
		command="export test/fixtures/gguf/llama3.gguf --mask $d/gguf-mask -o $work/out"
		;;
	converted-sparsify) command="compare $d/sparsify $d/psae/seed-1" ;;
	converted-gemma-scope) command="eval $d/gemma-scope --cache test/fixtures/saelens/rows" ;;
	transfer)
		command="transfer $d/sae/seed-1 --cache $d/dense --cache $d/pruned -o $work/out"
		;;
	features)
		command="features $d/sae/seed-1 --cache $d/dense --cache $d/pruned \
		--pruned-sae $d/psae/seed-1 --head $m -o $work/out --csv $work/out.csv \
		--cards $work/cards.json"
		;;
	promoted) command="features $d/sae/seed-1 --head $m -o $work/out" ;;
	known-promoted)
		command="features $d/sae/seed-1 --cache $d/dense --cache $d/pruned \
		--promoted $d/promoted -o $work/out"
		;;
	dashboard) command="features $d/study --model m --dashboard $work/out.json" ;;
	sparsity) command="sparsity $m" ;;
	spliced-ablate)
		command="ablate $d/sae/seed-1 $m --tokens $d/t --layer 1 --windows 2 \
		--spliced $d/ablation"
		;;
	ablate)
		command="ablate $d/sae/seed-1 $m --tokens $d/t --layer 1 --features 3 --windows \
		2"
		;;
	seeds) command="seeds $d/sae/seed-1 $d/sae/seed-2" ;;
	survival)
		command="survival --dense $d/sae/seed-1 $d/sae/seed-2 --pruned $d/psae/seed-1 \
		$d/psae/seed-2 --cache $d/dense"
		;;
	study) command="study $scratch/study.yaml -o $work" ;;
	again | finished) command="study $scratch/study.yaml -o $work --quiet --verify" ;;
	dry-run) command="study $scratch/study.yaml -o $work --dry-run" ;;
	emit-*) command="study $scratch/study.yaml -o $work --emit ${1#emit-}" ;;
	report) command="report $work" ;;
	version | help) command="--$1" ;;
	*) return 1 ;;
	esac
}

# sweep CASE OPTION...: test/fault/sweep.c over one case. Says what it found, and fails as it does.
# blis:CASE is the case with BLIS as the kernel.
sweep() (
	case=${1#blis:}
	set -- "$1" --name "$@"
	[ "$case" = "$1" ] || export PRUNESCOPE_MATMUL=blis
	shift
	# Rates and seconds differ from run to run; manifests, logs and lists of costs grow.
	set -- "$@" --also "$XDG_CACHE_HOME" --key '*seconds*' --key 'tokens_per_s' \
		--key '*_ns' --key backend --key files --key already_done \
		--ignore 'times.jsonl' --ignore locks \
		--ignore '*.log' --ignore 'log*' --ignore '.prunescope*' \
		--part manifest.json --part checkpoint.safetensors --part "*.sequence/*" \
		--part '*/cache/*' --part '*/cache.json' --timed '*.json' --hurry 200 \
		--known "$scratch/known-$case"
	# A share I/N of the work: every N-th call from the I-th on.
	[ -n "${SHARE:-}" ] && set -- "$@" --first "${SHARE%/*}" --step "${SHARE#*/}"
	# How much was done before tells whether a damage was noticed.
	[ "$case" = finished ] || set -- "$@" --key steps_done_before
	case $case in
	report | again | finished)
		make_study
		set -- "$@" --start "$d/study"
		;;
	dashboard) make_study ;;
	sorted) # into an unnamed file, which no file system in memory gets
		make_large
		on_disk=$(mktemp -d /var/tmp/prunescope-fault-XXXXXX)
		trap 'rm -rf "$on_disk"' EXIT
		trap 'exit 1' HUP INT TERM
		;;
	gguf-export)
		[ -f "$d/gguf-mask" ] || run prune test/fixtures/gguf/llama3.gguf --method \
			magnitude --sparsity 0.5 -o "$d/gguf-mask"
		;;
	known-promoted) run features "$d/sae/seed-1" --head "$m" -o "$d/promoted" ;;
	spliced-ablate)
		"$program" ablate "$d/sae/seed-1" "$m" --tokens "$d/t" --layer 1 --features 3 \
			--windows 2 --json --quiet >"$d/ablation"
		;;
	study) set -- "$@" ${stages:+"$stages"} ;;
	dry-run | emit-json) set -- "$@" --plain ;;
	emit-*) # of a finished study, so that nothing is measured
		make_study
		set -- "$@" --plain --start "$d/study"
		;;
	esac
	json=--json
	case $case in
	emit-make | emit-snakemake | emit-slurm) json= ;;
	study) json='--json --quiet' ;; # what its progress line needs is tried as dry-run
	esac
	if [ "$case" = shardinfo ]; then
		# shellcheck disable=SC2086 # an option and its value, or nothing
		"$tools/sweep" $preload --work "$work" "$@" -- \
			"$shardinfo" --json --verify "$d/t" "$d/stats" "$d/mask" "$d/pruned" \
			"$d/sae/seed-1" "$m"
		return
	fi
	choose "$case" || {
		echo "no case $case" >&2
		return 1
	}
	# shellcheck disable=SC2086 # a list of arguments without blanks
	"$tools/sweep" $preload --work "${on_disk:-$work}" "$@" -- \
		"$program" $command $json --threads "${THREADS:-2}" --io "${IO:-auto}"
)

# expects NAME COMMAND...: the command's output goes to stdout; it must succeed.
expects() {
	name=$1
	shift
	if "$@"; then passed "$name"; else failed "$name"; fi
}
