#!/bin/sh
# The one rule for outputs, tried on every command that writes: what is not there is made, a result
# of the same provenance is left alone, anything else is refused without --force, an input and a
# special file always. Then the report: it is replaced as a whole or not at all.
# PRUNESCOPE names another binary. Needs neither Python nor a network; a minute on two cores.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
in=$scratch/in # inputs
o=$scratch/o   # outputs
mkdir "$in" "$o"
: >"$scratch/said"

# judge NAME: tells what the shell's last status says.
judge() {
	if [ $? -eq 0 ]; then
		passed "$1"
	else
		failed "$1" "$(head -n 4 "$scratch/said" | cut -c 1-300)"
	fi
}

# call ARGUMENT...: prunescope with --json, in an environment with $with; 300 s are enough unless it
# waits for something.
with=NOTHING=
call() {
	env "$with" timeout 300 "$program" "$@" --json >"$scratch/out" 2>"$scratch/err"
}

# exits NAME STATUS ARGUMENT...
exits() {
	name=$1 wanted=$2
	shift 2
	call "$@"
	test $? -eq "$wanted"
	judge "$name"
}

# make_it COMMAND WHICH OUTPUT [OPTION...]: runs a command of the table. WHICH is one or other: two
# works whose provenance differs.
make_it() {
	command=$1 which=$2 out=$3
	shift 3
	case $command$which in
	tokenizeone) call tokenize "$in/model" --text "$in/text" --window 64 -o "$out" "$@" ;;
	tokenizeother) call tokenize "$in/model" --text "$in/text" --window 32 -o "$out" "$@" ;;
	logitsone) call logits "$in/model" --tokens "$in/few" -o "$out" "$@" ;;
	logitsother) call logits "$in/model" --tokens "$in/few" --mask "$in/mask" -o "$out" "$@" ;;
	calibrateone) call calibrate "$in/model" --tokens "$in/tokens" -o "$out" "$@" ;;
	calibrateother) call calibrate "$in/model" --tokens "$in/few" -o "$out" "$@" ;;
	pruneone) call prune "$in/model" --method wanda --sparsity 0.5 --calibration dense \
		--stats "$in/stats" -o "$out" "$@" ;;
	pruneother) call prune "$in/model" --method magnitude --sparsity 0.5 -o "$out" "$@" ;;
	transferone) call transfer "$in/sae" --cache "$in/dense" --cache "$in/pruned" \
		--samples 10 -o "$out" "$@" ;;
	transferother) call transfer "$in/sae" --cache "$in/dense" --cache "$in/pruned" \
		--samples 10 --keep-special -o "$out" "$@" ;;
	cacheone) call cache "$in/model" --tokens "$in/few" --layer 1 --mask "$in/mask" -o "$out" \
		"$@" ;;
	cacheother) call cache "$in/model" --tokens "$in/few" --layer 0 --mask "$in/mask" \
		-o "$out" "$@" ;;
	shuffledone) call cache "$in/model" --tokens "$in/few" --layer 1 --order shuffled \
		-o "$out" "$@" ;;
	shuffledother) call cache "$in/model" --tokens "$in/few" --layer 0 --order shuffled \
		-o "$out" "$@" ;;
	trainone) call train "$in/dense" --d-sae 64 --k 4 --tokens 1024 --batch 128 -o "$out" \
		"$@" ;;
	trainother) call train "$in/dense" --d-sae 64 --k 5 --tokens 1024 --batch 128 -o "$out" \
		"$@" ;;
	exportone) call export "$in/model" --mask "$in/mask" -o "$out" "$@" ;;
	exportother) call export "$in/model" --mask "$in/mask2" -o "$out" "$@" ;;
	esac
}

# status STATUS COMMAND WHICH OUTPUT [OPTION...]
status() {
	wanted=$1
	shift
	make_it "$@"
	[ $? -eq "$wanted" ]
}

# numbers: the last result without its times
numbers() {
	sed 's/"\(seconds\|tokens_per_s\)": [^,}]*//g; s/"already_done": [a-z]*//
		s/"files": [0-9]*//' "$scratch/out"
}

# state PATH: all bytes below it, and where they lie
state() {
	find "$1" -printf '%p %i %s %T@ %l\n' | sort
	find "$1" -type f -exec cksum {} + | sort
}

make_inputs() {
	cp -r demo/models/llama "$in/model"
	awk -v seed=1 -v bytes=20000 -f test/fixtures/cli/text.awk >"$in/text"
	call tokenize "$in/model" --text "$in/text" --window 64 -o "$in/tokens" || return 1
	call tokenize "$in/model" --text "$in/text" --window 64 --windows 20 -o "$in/few" ||
		return 1
	call calibrate "$in/model" --tokens "$in/few" -o "$in/stats" || return 1
	call prune "$in/model" --method magnitude --sparsity 0.5 -o "$in/mask" || return 1
	call prune "$in/model" --method magnitude --sparsity 0.3 -o "$in/mask2" || return 1
	call cache "$in/model" --tokens "$in/few" --layer 1 -o "$in/dense" || return 1
	call cache "$in/model" --tokens "$in/few" --layer 1 --mask "$in/mask" -o "$in/pruned" ||
		return 1
	call train "$in/dense" --d-sae 64 --k 4 --tokens 1024 --batch 128 -o "$in/sae" || return 1
	state "$in" >"$scratch/inputs"
}

inputs_are_untouched() {
	state "$in" | cmp -s "$scratch/inputs" -
	judge "$1: no input has changed"
}

# inputs_of COMMAND: one a line
inputs_of() {
	case $1 in
	tokenize) echo "$in/text $in/model/tokenizer.json" ;;
	logits) echo "$in/few $in/model/model.safetensors" ;;
	calibrate) echo "$in/tokens $in/model/config.json" ;;
	prune) echo "$in/stats $in/model/model.safetensors" ;;
	transfer)
		echo "$in/sae/sae_weights.safetensors $in/dense/shard-00000.safetensors"
		echo "$in/pruned/manifest.json"
		;;
	cache | shuffled) echo "$in/model $in" ;;
	train) echo "$in/dense $in" ;;
	export) echo "$in/model $in" ;;
	esac | tr ' ' '\n'
}

# What both files and folders must do. check is cmp or diff -r.
of_every_kind() {
	c=$1 check=$2
	status 0 "$c" one "$o/a" && numbers >"$scratch/first" && status 0 "$c" other "$o/b"
	judge "$c: what is not there is made"
	state "$o" >"$scratch/before"
	status 0 "$c" one "$o/a" && numbers | cmp -s "$scratch/first" - &&
		state "$o" | cmp -s "$scratch/before" - && grep -q 'left alone' "$scratch/err"
	judge "$c: the same again is left alone, said to be, and has the same result"
	status 0 "$c" one "$o/a" --force && state "$o" | cmp -s "$scratch/before" -
	judge "$c: with --force too"
	status 2 "$c" other "$o/a" && state "$o" | cmp -s "$scratch/before" - &&
		grep -q 'another provenance.*--force' "$scratch/err"
	judge "$c: another provenance is refused"
	status 0 "$c" other "$o/a" --force && $check "$o/a" "$o/b" && [ "$(entries)" = "a b" ]
	judge "$c: and replaced with --force, wholly"
	rm -r "$o/b"
	inputs_of "$c" | while read -r input; do
		ln -s "$input" "$o/link"
		for name in "$input" "$o/link" "$in/../${input#"$scratch/"}"; do
			status 2 "$c" one "$name" &&
				grep -q 'an input\|manifest names it' "$scratch/err" &&
				status 2 "$c" one "$name" --force || echo "$name"
		done
		rm "$o/link"
	done >"$scratch/said"
	test ! -s "$scratch/said"
	judge "$c: an input is refused, with --force too"
	inputs_are_untouched "$c"
}

entries() {
	(cd "$o" && find . ! -name . -prune | sed 's|^./||' | sort | tr '\n' ' ' | sed 's/ $//')
}

# specials COMMAND NAME...: refused with exit 2, with --force too, and left as they are
specials() {
	c=$1
	shift
	mkfifo "$o/pipe"
	ln -s nowhere "$o/dangling"
	ln -s loop "$o/loop"
	find "$o" -printf '%p %y %i %l\n' >"$scratch/before"
	for name in "$o/pipe" "$o/dangling" /dev/stdout /dev/fd/2 /dev/null "" "$@"; do
		status 2 "$c" one "$name" && test -s "$scratch/err" && test ! -s "$scratch/out" &&
			status 2 "$c" one "$name" --force || echo "$name"
	done >"$scratch/said"
	find "$o" -printf '%p %y %i %l\n' | cmp -s "$scratch/before" - &&
		test ! -s "$scratch/said" && test -h /dev/stdout
	judge "$c: special files are refused"
	status 4 "$c" one "$o/loop"
	judge "$c: a link to itself is exit 4"
	rm "$o/pipe" "$o/dangling" "$o/loop"
}

# names COMMAND CHECK: names that must work, and names that cannot
names() {
	c=$1 check=$2
	long=$(printf '%0255d' 7)
	for name in "$o/$long" "$o/a b'\"\$(x)\`;" "$o/$(printf '\377\376x')" "$o/-o"; do
		status 0 "$c" other "$name" && $check "$name" "$o/a" && rm -r "$name" ||
			echo "$name"
	done >"$scratch/said"
	(cd "$o" && status 0 "$c" other ./relative) && $check "$o/relative" "$o/a" &&
		test ! -s "$scratch/said"
	judge "$c: any name will do"
	rm -rf "$o/relative"
	for name in "$o/${long}1" "$o/nowhere/x" "$in/text/x" /proc/x \
		"$o/$(printf '%06000d' 7)" "$o/$(printf '%02000d' 7 | sed 's/0/0\//g')"; do
		status 4 "$c" one "$name" || echo "$name"
	done >"$scratch/said"
	[ "$(entries)" = a ] && test ! -s "$scratch/said"
	judge "$c: a name that cannot be is exit 4"
}

file_output() {
	c=$1
	of_every_kind "$c" cmp
	for input in $(inputs_of "$c"); do
		ln "$input" "$o/hard" && status 2 "$c" one "$o/hard" --force || echo "$input"
		rm "$o/hard"
	done >"$scratch/said"
	test ! -s "$scratch/said"
	judge "$c: a hard link to an input is refused"
	inputs_are_untouched "$c"
	echo thesis >"$o/thesis"
	status 2 "$c" other "$o/thesis" && [ "$(cat "$o/thesis")" = thesis ]
	judge "$c: a file of another kind is refused"
	ln -s thesis "$o/link"
	status 0 "$c" other "$o/link" --force && test -h "$o/link" && cmp "$o/thesis" "$o/a"
	judge "$c: behind a link the file is replaced, the link stays"
	size=$(wc -c <"$o/thesis")
	printf x | dd of="$o/thesis" bs=1 seek=$((size - 3)) conv=notrunc 2>"$scratch/err"
	status 0 "$c" other "$o/thesis" && cmp "$o/thesis" "$o/a" && grep -q anew "$scratch/err"
	judge "$c: a damaged result is made anew"
	rm "$o/thesis" "$o/link"
	specials "$c" "$o" "$o/" "$o/a/" .
	names "$c" cmp
	rm -r "${o:?}"/*
}

folder_output() {
	c=$1
	of_every_kind "$c" 'diff -r'
	mkdir "$o/full"
	echo thesis >"$o/full/thesis"
	status 2 "$c" other "$o/full" && [ "$(ls "$o/full")" = thesis ] &&
		[ "$(entries)" = 'a full' ]
	judge "$c: a folder of other things is refused"
	ln -s full "$o/link"
	status 0 "$c" other "$o/link" --force && test -h "$o/link" &&
		[ "$(cat "$o/full/thesis")" = thesis ] && rm "$o/full/thesis" "$o/link" &&
		diff -r "$o/full" "$o/a" && [ "$(entries)" = 'a full' ]
	judge "$c: with --force it is written into, and nothing else in it changes"
	rm -r "$o/full"
	mkdir "$o/empty"
	status 0 "$c" other "$o/empty/" && diff -r "$o/empty" "$o/a"
	judge "$c: an empty folder is taken, a slash at the end too"
	rm -r "$o/empty"
	specials "$c" "$in/text"
	names "$c" 'diff -r'
	rm -r "${o:?}"/*
}

# --- commands with several outputs ---

several() {
	set -- cache "$in/model" --tokens "$in/few" --layer 0 --layer 1
	exits "cache: of several layers, the model as the folder" 2 "$@" -o "$in/model" --force
	mkdir "$o/work"
	cp "$in/few" "$o/work/few"
	exits "cache: an input may lie beside caches" 0 cache "$in/model" --tokens "$o/work/few" \
		--layer 0 --layer 1 -o "$o/work"
	echo x >"$o/work/layer-00/x"
	exits "cache: one of several caches in the way" 2 cache "$in/model" --tokens "$in/tokens" \
		--layer 0 --layer 2 -o "$o/work"
	exits "train: of several seeds, beside the cache" 0 train "$o/work/layer-00" --d-sae 64 \
		--k 4 --tokens 1024 --batch 128 --seed 1 2 -o "$o/work"
	exits "train: of several seeds, the cache as the folder" 2 train "$o/work/layer-00" \
		--d-sae 64 --k 4 --tokens 1024 --batch 128 --seed 1 2 -o "$o/work/layer-00"
	set -- train "$in/dense" --d-sae 64 --k 4 --tokens 1024 --batch 128 --log "$o/log"
	echo 'date,weight' >"$o/log.csv"
	exits "train: a log's name is taken" 2 "$@" -o "$o/sae"
	holds "and the file is as it was" test "$(cat "$o/log.csv")" = date,weight
	exits "train: with --force it is a log" 0 "$@" -o "$o/sae" --force
	exits "train: a log of an earlier run gives way" 0 "$@" -o "$o/sae2"
	echo '<svg/>' >"$o/log.svg"
	mkdir "$scratch/bin"
	be_gnuplot 'exit 1'
	with=PATH=$scratch/bin:$PATH
	exits "train: a log without curves" 0 "$@" -o "$o/sae4"
	with=NOTHING=
	holds "has none of an earlier log" test ! -e "$o/log.svg"
	rm "$o/log.jsonl" "$scratch/bin/gnuplot"
	mkfifo "$o/log.jsonl"
	exits "train: a pipe is no log" 2 "$@" -o "$o/sae3" --force
	exits "prune: a mask in the model's folder" 0 prune "$in/model" --method magnitude \
		--sparsity 0.5 -o "$in/model/mask.safetensors"
	exits "prune: which is no input" 0 prune "$in/model" --method magnitude \
		--sparsity 0.5 -o "$in/model/mask.safetensors"
	rm "$in/model/mask.safetensors"
	rm -r "${o:?}"/*
}

# A file inside the folder of a hub id is an input as well.
hub() {
	h=$o/hub/models--a--b
	mkdir -p "$h/refs" "$h/snapshots" "$h/blobs"
	printf main-revision >"$h/refs/main"
	cp -r "$in/model" "$h/snapshots/main-revision"
	mv "$h/snapshots/main-revision/model.safetensors" "$h/blobs/x"
	ln -s ../../blobs/x "$h/snapshots/main-revision/model.safetensors"
	state "$o" >"$scratch/before"
	with=HF_HUB_CACHE=$o/hub
	for name in blobs/x snapshots/main-revision/model.safetensors \
		snapshots/main-revision/config.json; do
		call prune a/b --method magnitude --sparsity 0.5 --force \
			-o "$h/$name"
		[ $? -eq 2 ] || echo "$name"
	done >"$scratch/said"
	call export a/b --mask "$in/mask" -o "$h/blobs" --force
	[ $? -eq 2 ] && test ! -s "$scratch/said" && state "$o" | cmp -s "$scratch/before" -
	judge "files of a hub id are inputs"
	with=NOTHING=
	for name in refs/main refs/new blobs/new snapshots/main-revision/new; do
		call prune "$in/model" --method magnitude --sparsity 0.5 --force -o "$h/$name"
		[ $? -eq 2 ] || echo "$name"
	done >"$scratch/said"
	call export "$in/model" --mask "$in/mask" -o "$h/snapshots/new" --force
	[ $? -eq 2 ] && test ! -s "$scratch/said" && state "$o" | cmp -s "$scratch/before" -
	judge "nothing is written into a hub's cache"
	rm -r "${o:?}"/*
}

# A file that belongs to a folder of ours: with another one in its place the folder would be lost.
parts_of_folders() {
	call train "$in/dense" --d-sae 64 --k 4 --tokens 1024 --batch 128 -o "$o/sae"
	call export "$in/model" --mask "$in/mask" -o "$o/exported"
	cp -r "$in/dense" "$o/cache"
	rm "$o/cache/shard-00000.safetensors"
	ln -s sae/cfg.json "$o/link"
	state "$o" >"$scratch/before"
	for name in sae/sae_weights.safetensors sae/cfg.json sae/manifest.json link \
		cache/shard-00000.safetensors exported/config.json; do
		call prune "$in/model" --method magnitude --sparsity 0.5 --force -o "$o/$name"
		[ $? -eq 2 ] && grep -q 'manifest names it' "$scratch/err" || echo "$name"
	done >"$scratch/said"
	test ! -s "$scratch/said" && state "$o" | cmp -s "$scratch/before" -
	judge "no file of another folder is replaced"
	exits "a file beside them is made" 0 prune "$in/model" --method magnitude --sparsity 0.5 \
		-o "$o/exported/mask"
	rm -r "${o:?}"/*
}

# An interrupted replacement leaves the old folder, and the same command finishes it.
interrupted() {
	status 0 train one "$o/sae" && cp -r "$o/sae" "$o/old"
	"$program" train "$in/dense" --d-sae 512 --k 16 --tokens 40000000 --batch 128 -o "$o/sae" \
		--force --save-every 0.1 >"$scratch/out" 2>"$scratch/err" &
	strike KILL 50 $!
	wait $! 2>/dev/null
	holds "train --force, killed: the old SAE is whole" diff -r "$o/sae" "$o/old"
	call train "$in/dense" --d-sae 64 --k 5 --tokens 1024 --batch 128 -o "$o/sae" --force
	status 0 train other "$o/fresh" && diff -r "$o/sae" "$o/fresh" &&
		[ "$(find "$o" -maxdepth 1 -name '.*ps-*' | wc -l)" -eq 0 ]
	judge "another --force replaces it, and nothing is left beside it"
	rm -rf "${o:?}"/*
}

# --- study ---

study_folder() {
	cat >"$in/study.yaml" <<-END
	name: a study for its folder
	models:
	  - {name: m, path: $in/model, layer: 1}
	text: [$in/text]
	methods: [magnitude]
	sparsities: [0.5]
	seeds: [1]
	window: 64
	calibration_tokens: 640
	train_tokens: 1280
	ppl: {text: $in/text, window: 64, stride: 32, max_tokens: 100}
	sae: {d_sae: 64, k: 4, batch: 128}
	controls: {retrain: false, random: false}
	splice: {windows: 2}
	ablation: {features: 2, windows: 2}
	bootstrap: {samples: 100}
	END
	set -- study "$in/study.yaml" --only m/dense/tokens
	for name in "$in/text" /dev/null /dev/stdout "$in/model" ""; do
		call "$@" -o "$name" --force
		[ $? -eq 2 ] || echo "$name"
	done >"$scratch/said"
	test ! -s "$scratch/said"
	judge "study: a file, a device or a model is no folder for it"
	mkdir "$o/full"
	echo thesis >"$o/full/thesis"
	exits "study: a folder of other things" 2 study "$in/study.yaml" -o "$o/full"
	holds "study: is left as it is" test "$(ls "$o/full")" = thesis
	mkdir -p "$o/board/runs/may"
	echo 1 >"$o/board/runs/may/events.out.tfevents.1"
	exits "study: another program's runs/" 2 study "$in/study.yaml" -o "$o/board"
	mkdir -p "$o/first/runs/m/dense"
	echo >"$o/first/runs/m/tokens.safetensors"
	call study "$in/study.yaml" -o "$o/first" --clean
	judge "study: what a first step has left is its own"
	exits "study: one step of it is for another engine, whose files lie there" 0 "$@" \
		-o "$o/full"
	mkdir "$o/own"
	cp "$in/study.yaml" "$in/text" "$o/own"
	ln "$o/own/text" "$o/own/results.json"
	sed "s|text: .$in/text|text: [$o/own/text|" "$in/study.yaml" >"$o/own/study.yaml"
	exits "study: its text under the name of its results" 2 study "$o/own/study.yaml" \
		-o "$o/own" --force
	rm "$o/own/results.json"
	exits "study: its inputs may lie in its folder" 0 study "$o/own/study.yaml" -o "$o/own"
	mv "$o/own" "$scratch/study"
	rm -r "${o:?}"/* "$in/study.yaml"
}

# --- report ---

# be_gnuplot SCRIPT: puts a script in gnuplot's place.
be_gnuplot() {
	printf '#!/bin/sh\n%s\n' "$1" >"$scratch/bin/gnuplot"
	chmod +x "$scratch/bin/gnuplot"
}

without_gnuplot() {
	env PATH="$scratch/bin" "$program" report "$study" --json >"$scratch/out" 2>"$scratch/err"
}

whole_report() {
	find "$study/tables" "$study/figures" "$study/report.html" -type f -exec cksum {} + | sort
}

# keeps_the_report NAME STATUS PATTERN: with the gnuplot that was put in place
keeps_the_report() {
	with=PATH=$scratch/bin:$PATH
	call report "$study"
	[ $? -eq "$2" ] && grep -q "$3" "$scratch/err" && whole_report | cmp -s "$scratch/whole" -
	judge "report: $1"
	with=NOTHING=
}

# seal FOLDER: gives its results.json the checksum that it must have; report tells which.
seal() {
	call report "$1"
	pattern='s/.*what it holds is \([0-9a-f]*\), it says \([0-9a-f]*\);.*/\2,\1/p'
	sum=$(LC_ALL=C sed -n "$pattern" "$scratch/err")
	sed "/\"checksum\"/s,$sum," "$1/results.json" >"$scratch/sealed" &&
		cp "$scratch/sealed" "$1/results.json"
}

report_as_a_whole() {
	study=$scratch/study
	command -v gnuplot >/dev/null || {
		echo "[  SKIPPED ] report: gnuplot is not installed"
		return
	}
	exits "report: again" 0 report "$study"
	whole_report >"$scratch/whole"
	grep -q '"figures": [1-9]' "$scratch/out"
	judge "report: has figures"
	be_gnuplot 'cat >/dev/null; echo "line 9: no such thing" >&2; exit 1'
	keeps_the_report "a gnuplot that fails" 1 'gnuplot: exit status 1: line 9: no such thing'
	be_gnuplot 'kill -9 $$'
	keeps_the_report "a gnuplot that is killed" 1 'signal 9'
	be_gnuplot 'cat >/dev/null'
	keeps_the_report "a gnuplot that draws nothing" 1 'drew nothing'
	be_gnuplot 'cat >/dev/null; echo "no drawing </svg>"'
	keeps_the_report "a gnuplot that draws something else" 1 'no plain SVG: line 1'
	be_gnuplot 'cat >/dev/null; echo "<svg><script>x()</script></svg>"'
	keeps_the_report "a gnuplot that draws scripts" 1 'script'
	# The first figures are drawn, a later one is not.
	be_gnuplot "echo x >>$scratch/drawn; test \$(wc -l <$scratch/drawn) -lt 5 &&
		exec $(command -v gnuplot) -d; exit 3"
	keeps_the_report "the fifth drawing fails" 1 'exit status 3'
	with=TMPDIR=$scratch/nowhere
	exits "report: needs no temporary folder" 0 report "$study"
	with=NOTHING=
	be_gnuplot "echo \$\$ >$scratch/pid; exec sleep 600"
	for signal in INT TERM; do
		rm -f "$scratch/pid"
		env PATH="$scratch/bin:$PATH" "$program" report "$study" >"$scratch/out" \
			2>"$scratch/err" &
		process=$!
		while worked $process && [ ! -s "$scratch/pid" ]; do sleep 0.01; done
		kill -$signal $process
		wait $process
		[ $? -eq 130 ] && whole_report | cmp -s "$scratch/whole" - &&
			! kill -0 "$(cat "$scratch/pid")" 2>/dev/null
		judge "report: SIG$signal ends it and gnuplot"
	done
	rm "$study/report.html"
	ln "$study/results.json" "$study/report.html"
	exits "report: results.json under the page's name" 2 report "$study" --force
	rm "$study/report.html"
	echo '<p>my notes</p>' >"$study/report.html"
	exits "report: a page of somebody else" 2 report "$study"
	exits "report: is replaced with --force" 0 report "$study" --force
	whole_report | cmp -s "$scratch/whole" -
	judge "report: to the same bytes"
	rm "$scratch/bin/gnuplot"
	without_gnuplot && grep -q 'gnuplot is not installed' "$scratch/err" &&
		grep -q 'gnuplot is not installed' "$study/report.html" &&
		grep -q '"figures": 0' "$scratch/out" && [ -s "$study/figures/perplexity.svg" ]
	judge "report: without gnuplot it has no figures and says so; they stay on disk"
	sed 's/"name": "a study/"name": "another study/' "$study/results.json" >"$scratch/changed"
	cp "$scratch/changed" "$study/results.json"
	seal "$study"
	without_gnuplot && [ "$(find "$study/figures" -type f | wc -l)" -eq 0 ]
	judge "report: figures of other results go"
}

make_inputs
judge "the inputs"
for command in tokenize logits calibrate prune transfer; do
	file_output $command
done
for command in cache shuffled train export; do
	folder_output $command
done
several
hub
parts_of_folders
interrupted
study_folder
report_as_a_whole
conclude test_outputs.sh
