#!/bin/sh
# `convert`: what it writes is read again and computes the same; what a format cannot hold, what is
# damaged and what is in the way is refused. Run it from anywhere; PRUNESCOPE names another binary.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
fixtures=test/fixtures
rows=$fixtures/saelens/rows
s=$scratch

# denies STATUS PATTERN ARGUMENT...: refuses, under the name of its message.
denies() {
	refuses "exit $1: $2" "$@"
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
	denies 3 'its architecture is topk; Gemma Scope has jumprelu' convert \
		$fixtures/saelens/v6-topk -o "$none" --to gemma-scope
	denies 3 'its architecture is gated; sparsify has topk' convert \
		$fixtures/saelens/v6-gated -o "$none" --to sparsify
	denies 3 'transcoder is not supported' convert $fixtures/saelens/v6-transcoder \
		-o "$none" --to saelens
	mkdir -p "$s/pickle"
	echo x >"$s/pickle/ae.pt"
	denies 3 'dictionary_learning.*torch.load("ae.pt".*save_file' convert "$s/pickle" \
		-o "$none" --to saelens
	denies 3 'k is 4.0' convert $fixtures/saelens/v6-float-k -o "$none" \
		--to sparsify
	holds "nothing was written" test ! -e "$none"
}

outputs() {
	works "once more" convert $fixtures/saelens/v6-topk-rescaled -o "$s/sparsify" --to sparsify
	said '"already_done": true'
	denies 2 'provenance' convert $fixtures/saelens/v6-topk -o "$s/sparsify" --to sparsify
	works "with --force" convert $fixtures/saelens/v6-topk -o "$s/sparsify" --to sparsify \
		--force
	denies 2 'is or holds an input' convert "$s/saelens" -o "$s/saelens" --to saelens --force
	denies 2 'saelens, sparsify' convert "$s/saelens" -o "$none" --to npz
	denies 2 '--to is missing' convert "$s/saelens" -o "$none"
	denies 5 'at least\|least that\|smallest' convert "$s/saelens" -o "$none" --to sparsify \
		--memory 1M
	echo x >>"$s/back/cfg.json"
	denies 3 'cfg.json' convert "$s/back" -o "$none" --to saelens
	holds "nothing was written" test ! -e "$none"
}

masks=$fixtures/masks
small=$fixtures/checkpoint/f32
bits_bytes=1032

# same_bits FILE: its data are those of the mask that was made first. (test_mask_source compares
# every form with the bits of the fixture.)
same_bits() {
	[ -f "$s/right" ] || tail -c $bits_bytes "$1" >"$s/right"
	tail -c $bits_bytes "$1" >"$s/data"
	holds "$1 has the right bits" cmp "$s/right" "$s/data"
}

# mask NAME ARGUMENT...: --to mask gives the right bits, in $s/NAME.
mask() {
	made=$s/mask-$1
	shift
	works "$made" convert "$@" --to mask -o "$made"
	said '"dropped": 4980'
	said '"weights": 8160'
	same_bits "$made"
}

masks_of_every_form() {
	mask bool $masks/bool.safetensors
	mask u8 $masks/u8.safetensors --model $small
	mask f16 $masks/f16.safetensors
	mask values $masks/values.npz
	mask maskllm $masks/maskllm.npz --bits msb --model $small
	mask lsb $masks/lsb.npz --bits lsb --model $small
	mask bits $masks/bits.safetensors --bits lsb --model $small
	mask bitmask $masks/bitmask
	said '"from": "sparse-bitmask"'
	works "to torch" convert "$s/mask-maskllm" --to torch -o "$s/torch"
	said '"dropped": 4980'
	said '"from": "mask"'
	holds "what we wrote is verified" test ! "$(grep unverified "$s/out")"
	tail -c 8160 "$s/torch" >"$s/bytes"
	holds "a byte for each weight" test "$(tr -d '\0' <"$s/bytes" | wc -c)" -eq 3180
	mask back "$s/torch"
	works "once more" convert "$s/torch" --to mask -o "$s/mask-back"
	said '"already_done": true'
	said '"dropped": 4980'
	works "to torch once more" convert "$s/mask-maskllm" --to torch -o "$s/torch"
	said '"already_done": true'
	said '"dropped": 4980'
}

# checkpoint_format FOLDER: transformers before 5 refuses metadata without this key.
checkpoint_format() {
	head -c 4096 "$1/model.safetensors" | grep -aq '"__metadata__":{"format":"pt",'
}

masks_in_use() {
	works export export $small --mask "$s/mask-maskllm" -o "$s/exported"
	holds "transformers takes its weights" checkpoint_format "$s/exported"
	works "the zeros" convert "$s/exported" --from-zeros --to mask -o "$s/zeros"
	said '"from": "zeros"'
	works "export again" export $small --mask "$s/zeros" -o "$s/again2"
	tail -c 60000 "$s/exported/model.safetensors" >"$s/a"
	tail -c 60000 "$s/again2/model.safetensors" >"$s/b"
	holds "the same weights" cmp "$s/a" "$s/b"
	works "of a named model" convert "$s/exported" --from-zeros --model $small --to mask \
		-o "$s/zeros2"
	works "which takes it" export $small --mask "$s/zeros2" -o "$s/again3"
	# Llama's Q and K lie in another order in a GGUF file.
	works "of a GGUF file" convert $fixtures/gguf/llama.gguf --from-zeros --to mask -o "$s/ggz"
	said '"dropped": 61'
	works "export it" export $fixtures/gguf/llama.gguf --mask "$s/ggz" -o "$s/ggx"
	works "of a file with its config beside it" convert "$s/ggx/model.safetensors" \
		--from-zeros --to mask -o "$s/ggy"
	tail -c 1944 "$s/ggz" >"$s/a"
	tail -c 1944 "$s/ggy" >"$s/b"
	holds "the same zeros" cmp "$s/a" "$s/b"
	denies 3 'belongs to another model' export $fixtures/checkpoint/single --mask "$s/zeros2" \
		-o "$none"
	denies 3 'projection of this model\|is expected' convert $masks/bool.safetensors \
		--to mask --model $fixtures/checkpoint/single -o "$none"
	denies 3 'model differs' convert "$s/zeros2" --to torch --model "$s/exported" -o "$none"
	works "by force" convert "$s/zeros2" --to torch --model "$s/exported" -o "$s/forced" \
		--force-mismatch
}

compressed_tensors() {
	works "to compressed-tensors" convert $masks/bool.safetensors --model $small \
		--to compressed-tensors -o "$s/compressed"
	said '"dropped": 4980'
	holds "transformers takes its weights" checkpoint_format "$s/compressed"
	holds "config.json says so" grep -q '"format": "sparse-bitmask"' "$s/compressed/config.json"
	mask compressed "$s/compressed"
	holds "what we wrote is verified" test ! "$(grep unverified "$s/out")"
	works "once more" convert $masks/bool.safetensors --model $small --to compressed-tensors \
		-o "$s/compressed"
	said '"already_done": true'
	said '"dropped": 4980'
	works "a checkpoint as it is" convert $fixtures/checkpoint/sharded --to compressed-tensors \
		-o "$s/sharded"
	said '"from": "zeros"'
	denies 2 '--model is wanted' convert $masks/bool.safetensors --to compressed-tensors \
		-o "$none"
	denies 3 'config.json' ppl "$s/compressed" --text docs/ARCHITECTURE.md
	denies 2 'holds an input' convert $masks/bool.safetensors --model $small \
		--to compressed-tensors -o $small --force
	printf x | dd of="$s/compressed/model.safetensors" bs=1 seek=9000 conv=notrunc 2>"$s/dd"
	denies 3 'model.safetensors' convert "$s/compressed" --to mask -o "$none"
}

activations() {
	acts=$fixtures/activations
	works "an npy of float16" convert $acts/half.npy --to cache -o "$s/cache"
	said '"rows": 40'
	said '"from": "F16"'
	said '"dtype": "F32"'
	works "once more" convert $acts/half.npy --to cache -o "$s/cache"
	said '"already_done": true'
	works "a bare safetensors file" convert $acts/named.safetensors --to cache -o "$s/cache2"
	tail -c 960 "$s/cache/shard-00000.safetensors" >"$s/a"
	tail -c 960 "$s/cache2/shard-00000.safetensors" >"$s/b"
	holds "the same rows" cmp "$s/a" "$s/b"
	for rows in $acts/half.npy $acts/half.safetensors "$s/cache"; do
		works "train on $rows" train "$rows" -o "$s/sae-${rows##*/}" --d-sae 16 --k 2 \
			--tokens 400 --batch 20
		holds "the same SAE" cmp "$s/sae-half.npy/cfg.json" "$s/sae-${rows##*/}/cfg.json"
	done
	same_fvu=$(value fvu)
	run eval "$s/sae-half.npy" --cache $acts/single.npy
	holds "and eval's fvu $same_fvu" test "$(value fvu)" = "$same_fvu"
	denies 3 'Fortran order' convert $acts/fortran.npy --to cache -o "$none"
	denies 3 'F32, BF16 or F16' convert $acts/double.npy --to cache -o "$none"
	denies 2 'do not belong to' convert $acts/half.npy --to cache --bits lsb -o "$none"
}

masks_that_are_refused() {
	denies 3 'are these packed bits' convert $masks/bits.safetensors --to mask -o "$none"
	denies 3 'name the model' convert $masks/msb.npz --bits msb --to mask -o "$none"
	denies 3 'padding bits are set' convert $masks/msb.npz --bits lsb --to mask \
		--model $small -o "$none"
	denies 2 '--from-zeros takes' convert $small --to mask -o "$none"
	denies 2 'lsb' convert $masks/msb.npz --bits big --to mask -o "$none"
	denies 2 'belong to masks' convert $fixtures/saelens/v6-topk --to sparsify --model $small \
		-o "$none"
	echo x >"$s/mask.pt"
	denies 3 'mask.pt: a torch file.*torch.load(FILE' convert "$s/mask.pt" --to mask -o "$none"
	works "a rounding" prune $small --method rtn --bits 4 -o "$s/rounding"
	denies 3 'is not a mask (kind rounding)' convert "$s/rounding" --to torch -o "$none"
	denies 2 'is an input' convert "$s/mask-back" --to mask -o "$s/mask-back" --force
	denies 2 'holds mask of another provenance' convert $masks/u8.safetensors --to mask \
		-o "$s/mask-back"
	denies 5 'least that would do' convert $masks/u8.safetensors --to mask -o "$none" \
		--memory 1M
	printf x | dd of="$s/mask-back" bs=1 seek=5000 conv=notrunc 2>"$s/dd"
	denies 3 'mask-back: ' convert "$s/mask-back" --to torch -o "$none"
	holds "nothing was written" test ! -e "$none"
}

saes_of_every_form
what_no_form_holds
outputs
masks_of_every_form
masks_in_use
compressed_tensors
activations
masks_that_are_refused
conclude test_convert.sh
