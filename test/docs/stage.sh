#!/bin/sh
# Makes one of the folders in which check.sh runs commands, with what these read. The folders' names
# stand in table.txt. $root is the repository, $work the folder in which all of them are made.
# usage: root=DIR work=DIR program=FILE shardinfo=FILE test/docs/stage.sh FOLDER
set -eu
# shellcheck disable=SC2154 # see above
cd "$root"
. test/docs/lib.sh

# A copy of the repository, with the programs as they are built. The demo's text is taken from where
# `make demo` left it, or fetched.
prepare_tree() {
	. test/packaging/lib.sh
	copy_sources "$work/tree"
	mkdir -p "$work/tree/build/jargon"
	for built in core io prune sae analysis tools; do
		cp -a "$root/build/$built" "$root/build/lib$built.a" "$work/tree/build/"
	done
	cp -a "$root/build/built.h" "$work/tree/build/"
	cp -a "$program" "$work/tree/prunescope"
	cp -a "$shardinfo" "$work/tree/tools/shardinfo"
	[ ! -f "$root/build/jargon/jargon.txt" ] ||
		cp "$root/build/jargon/jargon.txt" "$work/tree/build/jargon/"
	(cd "$work/tree" && sh demo/get-text.sh)
}

# `make install` has put the programs and the demo into usr.
prepare_installed() {
	enter tree
	make -s install PREFIX="$work/usr"
	mkdir -p "$work/installed/build"
	cp -r build/jargon "$work/installed/build/"
}

# What other commands have made: of a small Gemma 3, and of a small study.
prepare_made() {
	enter tree
	mkdir -p "$work/made"
	cp "$root/test/docs/study.yaml" "$work/made/"
	cd "$work/made"
	ln -s "$work/tree/demo" "$work/tree/build" .
	ln -s demo/models/gemma3 model
	cp "$work/tree/build/text/jargon-study.txt" wiki.txt
	cp "$work/tree/build/text/jargon-heldout.txt" wiki.valid.txt
	awk '{ printf "%s%s", $0, NR % 60 ? " " : "\n" } END { print "" }' wiki.txt >a.jsonl
	cp wiki.valid.txt b.jsonl
	prunescope tokenize model --text wiki.txt --window 128 --windows 160 -o tokens.safetensors
	prunescope prune model --method wanda --sparsity 0.5 --tokens tokens.safetensors \
		-o mask.safetensors
	prunescope prune model --method magnitude --sparsity 0.3 0.5 -o masks
	mv masks/magnitude-0.3.safetensors a.safetensors
	mv masks/magnitude-0.5.safetensors b.safetensors
	rm -r masks
	prunescope convert mask.safetensors --to torch -o masks.safetensors
	prunescope export model --mask mask.safetensors -o pruned-model
	prunescope cache model --tokens tokens.safetensors --layer 3 --mask dense \
		--mask mask.safetensors -o caches
	ln -s caches/dense cache
	ln -s "$root/test/fixtures/activations/single.npy" activations.npy
	prunescope train cache --d-sae 256 --k 8 --batch 512 --arch jumprelu -o jumprelu-sae
	small="--d-sae 256 --k 8 --batch 512"
	# shellcheck disable=SC2086 # options
	prunescope train caches/dense $small --seed 1 2 3 -o saes
	# shellcheck disable=SC2086 # options
	prunescope train caches/mask $small --seed 1 2 -o pruned
	ln -s saes dense
	ln -s saes/seed-1 sae
	ln -s saes/seed-1 sae-dense
	ln -s pruned/seed-2 sae-pruned
	prunescope compare sae-dense sae-pruned -o matching.json
	mkdir sparsify-sae
	prunescope convert sae --to sparsify -o sparsify-sae/layers.12
	prunescope ablate sae model --tokens tokens.safetensors --layer 3 --features 10 --json \
		>ablation.json
	prunescope study study.yaml -o out
}

# take NAME...: links to them in the folder `made`.
take() {
	for taken; do
		ln -s "$work/made/$taken" "${taken##*/}"
	done
}

# What comes from other tools, in their formats.
prepare_converted() {
	enter made
	mkdir "$work/converted"
	cd "$work/converted"
	take model masks.safetensors sparsify-sae/layers.12 jumprelu-sae
	ln -s "$work/made/pruned-model" pruned-checkpoint
	ln -s "$root/test/fixtures/masks/msb.npz" mask.npz
	ln -s "$root/test/fixtures/checkpoint/f32" small
	ln -s "$root/test/fixtures/activations/single.npy" activations.npy
}

# What the reader of the tutorial has.
prepare_tutorial() {
	enter converted
	mkdir -p "$work/tutorial/path/to"
	cd "$work/tutorial"
	take model masks.safetensors
	ln -s "$work/made/sae" path/to/sae
	ln -s "$work/made/wiki.txt" train.txt
	ln -s "$work/made/wiki.valid.txt" held-out.txt
	ln -s "$work/made/pruned-model" pruned-checkpoint
	ln -s "$root/test/fixtures/activations/single.npy" activations.npy
}

prepare_scaling() {
	enter made
	mkdir "$work/scaling"
	cd "$work/scaling"
	take study.yaml demo build
	ln -s "$work/tree/prunescope" .
}

prepare_reader() {
	enter made
	mkdir "$work/reader"
	cd "$work/reader"
	take mask.safetensors cache sae matching.json
	ln -s "$work/made/out" my-study
}

"prepare_$1"
