#!/bin/sh
# `convert`: what it writes is read again and computes the same; what a format cannot hold, what is
# damaged and what is in the way is refused. Run it from anywhere; PRUNESCOPE names another binary.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$PWD/${PRUNESCOPE:-prunescope}
fixtures=test/fixtures
rows=$fixtures/saelens/rows
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
. test/support/checks.sh
s=$scratch

[ -x "$program" ] || { echo "$program is not built"; exit 77; }

# run ARGUMENT...: prunescope with --json; the exit status in $code.
run() {
	code=0
	"$program" "$@" --json >"$s/out" 2>"$s/err" || code=$?
}

works() {
	what=$1
	shift
	run "$@"
	holds "$what" test "$code" -eq 0
}

# refuses CODE PATTERN ARGUMENT...: this exit status, and a message that matches.
refuses() {
	expected=$1 pattern=$2
	shift 2
	run "$@"
	holds "exit $expected: $pattern" test "$code" -eq "$expected"
	holds "it says so" grep -q -e "$pattern" "$s/err"
}

# said PATTERN: the result matches.
said() {
	holds "the result has $1" grep -q -e "$1" "$s/out"
}

# measure FOLDER: FVU and L0 on the rows, in $fvu and $l0.
measure() {
	works "eval of $1" eval "$1" --cache "$rows"
	fvu=$(value fvu) l0=$(value l0)
}

# same FOLDER: it has the FVU and L0 that were measured last, to 1e-6.
same() {
	wanted="$fvu $l0"
	measure "$1"
	holds "$1: fvu and l0 $fvu $l0, wanted $wanted" awk "BEGIN {
		split(\"$wanted\", w); e = $fvu / w[1] - 1; f = $l0 / w[2] - 1
		exit !(e * e < 1e-12 && f * f < 1e-12) }"
}

saes_of_every_form() {
	measure $fixtures/saelens/v6-topk-rescaled
	works "SAELens to sparsify" convert $fixtures/saelens/v6-topk-rescaled -o "$s/sparsify" \
		--to sparsify
	said '"folded": \["decoder norms"\]'
	said '"format": "sparsify"'
	said '"from": "SAELens"'
	said '"unverified"'
	same "$s/sparsify"
	works "sparsify to SAELens" convert "$s/sparsify" -o "$s/saelens" --to saelens
	said '"from": "sparsify"'
	holds "what we wrote is verified" test ! "$(grep unverified "$s/out")"
	same "$s/saelens"
	holds "hook and model are kept" grep -q blocks.4.hook_resid_pre "$s/saelens/cfg.json"
	measure $fixtures/saelens/v6-gated
	works "gated to Gemma Scope" convert $fixtures/saelens/v6-gated -o "$s/gemma" \
		--to gemma-scope
	said '"folded": \["b_dec", "gate"\]'
	same "$s/gemma"
	works "Gemma Scope to SAELens" convert "$s/gemma" -o "$s/back" --to saelens
	same "$s/back"
	works "it stands as jumprelu" convert "$s/back" -o "$s/again" --to gemma-scope
	holds "with the same weights" cmp "$s/gemma/params.npz" "$s/again/params.npz"
}

what_no_form_holds() {
	refuses 3 'its architecture is topk; Gemma Scope has jumprelu' convert \
		$fixtures/saelens/v6-topk -o "$s/no" --to gemma-scope
	refuses 3 'its architecture is gated; sparsify has topk' convert \
		$fixtures/saelens/v6-gated -o "$s/no" --to sparsify
	refuses 3 'transcoder is not supported' convert $fixtures/saelens/v6-transcoder \
		-o "$s/no" --to saelens
	mkdir -p "$s/pickle"
	echo x >"$s/pickle/ae.pt"
	refuses 3 'dictionary_learning.*torch.load("ae.pt".*save_file' convert "$s/pickle" \
		-o "$s/no" --to saelens
	refuses 3 'k is 4.0' convert $fixtures/saelens/v6-float-k -o "$s/no" \
		--to sparsify
	holds "nothing was written" test ! -e "$s/no"
}

outputs() {
	works "once more" convert $fixtures/saelens/v6-topk-rescaled -o "$s/sparsify" --to sparsify
	said '"already_done": true'
	refuses 2 'provenance' convert $fixtures/saelens/v6-topk -o "$s/sparsify" --to sparsify
	works "with --force" convert $fixtures/saelens/v6-topk -o "$s/sparsify" --to sparsify \
		--force
	refuses 2 'is or holds an input' convert "$s/saelens" -o "$s/saelens" --to saelens --force
	refuses 2 'saelens, sparsify' convert "$s/saelens" -o "$s/no" --to npz
	refuses 2 '--to is missing' convert "$s/saelens" -o "$s/no"
	refuses 5 'at least\|least that\|smallest' convert "$s/saelens" -o "$s/no" --to sparsify \
		--memory 1M
	echo x >>"$s/back/cfg.json"
	refuses 3 'cfg.json' convert "$s/back" -o "$s/no" --to saelens
	holds "nothing was written" test ! -e "$s/no"
}

saes_of_every_form
what_no_form_holds
outputs
conclude test_convert.sh
