# What the scripts that test studies share. Sourced from the repository's root.
# shellcheck shell=sh
. test/support/program.sh
plain_figures
file=$scratch/study.yaml
out=$scratch/study

# study ARGUMENT...: the study in $file and $out.
study() {
	"$program" study "$file" -o "$out" "$@" >"$scratch/out" 2>"$scratch/err"
}

# What works and refuses call.
run() {
	study "$@"
	code=$?
	return $code
}

# write_study K SPARSITIES: the study file.
write_study() {
	cat >"$file" <<STUDY
name: a study that changes
models:
  - {name: llama, path: demo/models/llama, layer: 2}
text: [$scratch/text]
methods: [magnitude]
sparsities: [$2]
seeds: [7, 42]
window: 64
calibration_tokens: 512
train_tokens: 3200
ppl: {text: $scratch/text, window: 64, stride: 32, max_tokens: 150}
sae: {d_sae: 128, k: $1, batch: 128}
controls: {retrain: false, random: false}
splice: {windows: 2}
ablation: {features: 3, windows: 2}
bootstrap: {samples: 100}
STUDY
}

# records: the records' names with their times of change, caches' left out.
records() {
	find "$out/runs" -name '*.json' ! -name cards.json ! -path '*/cache*' ! -path '*/sae/*' \
		-printf '%P %T@\n' | sort
}

# redone: names of the records that changed since $scratch/before was written.
redone() {
	records | comm -13 "$scratch/before" - | cut -d' ' -f1 | sed 's/\.json$//' | tr '\n' ' '
}

# redoes NAME EXPECTED: exactly these records, in one line, have changed since note_records.
redoes() {
	now=$(redone)
	if [ "$now" = "$2" ]; then passed "$1"; else failed "$1" "redone: $now"; fi
}

note_records() {
	records >"$scratch/before"
}

# make_text FILE: as many tokens as write_study's study asks for.
make_text() {
	yes "The quick brown fox jumps over the lazy dog, and 17 dogs sleep on in the sun." |
		head -n 300 | awk '{ print NR, $0 }' >"$1"
}
