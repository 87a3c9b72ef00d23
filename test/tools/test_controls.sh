#!/bin/sh
# The controls that `prune` makes, called as users do, on a demo model: random masks.
# PRUNESCOPE and SHARDINFO name other binaries. Needs neither Python nor a network.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$PWD/${PRUNESCOPE:-prunescope}
shardinfo=$PWD/${SHARDINFO:-tools/shardinfo}
llama=demo/models/llama
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP TERM
. test/support/checks.sh

# run ARGUMENT...: prunescope with --json; stdout in $scratch/out, stderr in $scratch/err.
run() {
	"$program" "$@" --json --quiet >"$scratch/out" 2>"$scratch/err"
}

works() {
	name=$1
	shift
	if run "$@"; then passed "$name"; else failed "$name" "exit $? of: $*"; fi
}

# refuses NAME STATUS PATTERN ARGUMENT...
refuses() {
	name=$1 wanted=$2 pattern=$3
	shift 3
	run "$@"
	code=$?
	if [ $code -ne "$wanted" ]; then
		failed "$name" "exit $code, not $wanted, of: $*"
	elif ! grep -q -- "$pattern" "$scratch/err"; then
		failed "$name" "the message does not say '$pattern'"
	elif [ -e "$scratch/none" ]; then
		failed "$name" "left $scratch/none behind"
	else
		passed "$name"
	fi
}

# value KEY: of the last command's JSON.
value() {
	sed -n 's/.*"'"$1"'": *"\{0,1\}\([^,"}]*\).*/\1/p' "$scratch/out"
}

# equals NAME THIS THAT: two texts, which are not empty.
equals() {
	if [ -n "$2" ] && [ "$2" = "$3" ]; then passed "$1"; else failed "$1" "'$2', not '$3'"; fi
}

# zeros FILE: how many weights of each matrix a mask drops, in the order of its metadata.
zeros() {
	head -c 65536 "$1" | tr -d '\\' | grep -ao '"dropped":[0-9]*'
}

# says FILE TEXT: whether the header holds the text, escapes aside.
says() {
	head -c 65536 "$1" | tr -d '\\' | grep -aq -- "$2"
}

random_masks() {
	for scope in row matrix; do
		reference=$scratch/reference-$scope like=$scratch/like-$scope
		works "a reference, scope $scope" prune $llama --method magnitude --sparsity 0.4 \
			--scope $scope -o "$reference"
		dropped=$(value dropped)
		works "random like it" prune $llama --method random --like "$reference" --seed 3 \
			-o "$like"
		equals "as many zeros in all" "$(value dropped)" "$dropped"
		equals "as many in each matrix" "$(zeros "$like" | cksum)" \
			"$(zeros "$reference" | cksum)"
		holds "its scope is noted" says "$like" "\"scope\":\"$scope\",\"seed\":3"
		run prune $llama --method random --like "$reference" --seed 3 --threads 1 \
			--memory 100M -o "$scratch/again"
		holds "the same bytes with one thread and little memory" cmp "$like" \
			"$scratch/again"
		run prune $llama --method random --like "$reference" --seed 4 -o "$scratch/other"
		holds "other bytes with another seed" sh -c "! cmp -s '$like' '$scratch/other'"
		rm -f "$scratch/again" "$scratch/other"
	done
	works "a reference of 2:4" prune $llama --method magnitude --nm 2:4 -o "$scratch/nm"
	works "random like 2:4" prune $llama --method random --like "$scratch/nm" -o "$scratch/rnm"
	equals "half goes" "$(value sparsity_achieved)" 0.5
	holds "its groups are noted" says "$scratch/rnm" '"nm":"2:4"'
	works "random by number" prune $llama --method random --sparsity 0.5 --seed 1 \
		-o "$scratch/half"
	equals "exactly half goes" "$(value sparsity_achieved)" 0.5
	holds "shardinfo verifies it" "$shardinfo" "$scratch/half" --verify
	works "its dry run" prune $llama --method random --like "$scratch/nm" -o "$scratch/none" \
		--dry-run
	refuses "--like with magnitude" 2 '--like goes with --method random' prune $llama \
		--method magnitude --like "$scratch/nm" --sparsity 0.5 -o "$scratch/none"
	refuses "--like and --sparsity" 2 'either --like, --sparsity or --nm' prune $llama \
		--method random --like "$scratch/nm" --sparsity 0.5 -o "$scratch/none"
	refuses "--like and --scope" 2 '--scope does not go with --like' prune $llama \
		--method random --like "$scratch/nm" --scope row -o "$scratch/none"
	refuses "a random global mask" 2 '--scope global is for magnitude only' prune $llama \
		--method random --sparsity 0.5 --scope global -o "$scratch/none"
	refuses "random with tokens" 2 'random takes no --tokens' prune $llama --method random \
		--sparsity 0.5 --tokens "$scratch/nm" -o "$scratch/none"
	refuses "a reference of another model" 3 'belongs to another model' prune \
		demo/models/gemma3 --method random --like "$scratch/nm" -o "$scratch/none"
	refuses "the reference as the output" 2 'reference-row' prune $llama --method random \
		--like "$scratch/reference-row" -o "$scratch/reference-row" --force
}

random_masks
conclude test_controls.sh
