#!/bin/sh
# Checkpoints and texts as other programs leave them, through the commands:
# - valid ones give the logits of the same model in its plain form, bit for bit;
# - the others are refused with a message that names what they are.
# PRUNESCOPE names another binary.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
llama=demo/models/llama
model=$scratch/model
logit_bytes=$((4 * 16 * 2048 * 4)) # windows, window, vocabulary, F32

# fresh: $model becomes a copy of the demo model.
fresh() {
	rm -rf "$model"
	cp -r $llama "$model"
}

# same_logits NAME: $model must give the logits of the demo model.
same_logits() {
	rm -f "$scratch/logits"
	run logits "$model" --tokens "$scratch/tokens" -o "$scratch/logits"
	code=$?
	holds "$1: exit 0" test $code -eq 0
	tail -c $logit_bytes "$scratch/logits" >"$scratch/these" 2>"$scratch/err"
	holds "$1: the same logits" cmp "$scratch/these" "$scratch/expected"
}

# config SCRIPT: $model's config.json becomes the demo model's, edited by sed.
config() {
	sed "$1" $llama/config.json >"$model/config.json"
}

# rename SCRIPT: the header of $model's weights becomes the demo model's, edited by sed. It must not
# become longer; spaces fill it up.
rename() {
	length=$(od -An -tu4 -N 4 $llama/model.safetensors | tr -d ' ')
	header=$(tail -c +9 $llama/model.safetensors | head -c "$length" | sed "$1")
	{
		head -c 8 $llama/model.safetensors
		printf "%-${length}s" "$header"
		tail -c +$((9 + length)) $llama/model.safetensors
	} >"$model/model.safetensors"
}

# pointer FILE: a Git LFS pointer in place of a file.
pointer() {
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 1234\n' 7 >"$1"
}

awk -v seed=1 -v bytes=3000 -f test/fixtures/cli/text.awk >"$scratch/text"
run tokenize $llama --text "$scratch/text" -o "$scratch/tokens" --window 16 --windows 4
run logits $llama --tokens "$scratch/tokens" -o "$scratch/logits"
tail -c $logit_bytes "$scratch/logits" >"$scratch/expected"
holds "the demo model gives logits" test "$(wc -c <"$scratch/expected")" -eq $logit_bytes

# Valid checkpoints.
fresh
config 's/"use_cache": true/"x": [NaN, -Infinity], "y": 99999999999999999999999/'
same_logits "unused keys beyond JSON"
config 's/"use_cache": true/"quantization_config": {"format": "dense", "config_groups": {}}/'
same_logits "a quantization_config that only says dense"
config 's/"bos_token_id": 2046/"bos_token_id": 2048/'
same_logits "a BOS beyond the vocabulary that nobody needs"
refuses "the same BOS before each window" 3 'bos_token_id 2048' ppl "$model" --text "$scratch/text"
refuses "the same BOS before each row" 3 'bos_token_id 2048' tokenize "$model" \
	--text "$scratch/text" --bos window -o "$none"
fresh
rename 's/"model\./"/g'
same_logits "a decoder saved without the prefix model"
run prune $llama --method magnitude --sparsity 0.5 -o "$scratch/mask"
run export $llama --mask "$scratch/mask" -o "$scratch/exported"
run prune "$model" --method magnitude --sparsity 0.5 -o "$scratch/mask.bare"
run export "$model" --mask "$scratch/mask.bare" -o "$scratch/exported.bare"
run logits "$scratch/exported" --tokens "$scratch/tokens" -o "$scratch/logits.pruned"
run logits "$scratch/exported.bare" --tokens "$scratch/tokens" -o "$scratch/logits.bare"
tail -c $logit_bytes "$scratch/logits.pruned" >"$scratch/these"
tail -c $logit_bytes "$scratch/logits.bare" >"$scratch/those"
holds "the same pruned and exported: the same logits" cmp "$scratch/these" "$scratch/those"
holds "which are not those of the dense model" test -n \
	"$(cmp "$scratch/these" "$scratch/expected" 2>&1)"
config 's/"tie_word_embeddings": true/"tie_word_embeddings": false/'
refuses "the same without a head" 3 'lm_head.weight is missing' logits "$model" \
	--tokens "$scratch/tokens" -o "$none"
run cache "$model" --tokens "$scratch/tokens" --layer 1 -o "$scratch/cache"
holds "but it can be cached" test -s "$scratch/cache/manifest.json"
fresh
mkdir -p "$scratch/hf/hub/models--org--tiny/snapshots"
mv "$model" "$scratch/hf/hub/models--org--tiny/snapshots/abc"
(
	unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
	# shellcheck disable=SC2088 # the program expands it
	HOME=$scratch HF_HOME='~/hf' "$program" logits org/tiny --tokens "$scratch/tokens" \
		-o "$scratch/logits.hub" --quiet >/dev/null 2>"$scratch/err"
)
holds "a hub id with one snapshot and no branch, in ~" test -s "$scratch/logits.hub"

# Checkpoints and texts that are something else.
fresh
pointer "$model/model.safetensors"
refuses "a Git LFS pointer for weights" 3 'model.safetensors: is a Git LFS pointer' logits \
	"$model" --tokens "$scratch/tokens" -o "$none"
pointer "$model/tokenizer.json"
refuses "a Git LFS pointer for a tokenizer" 3 'tokenizer.json: is a Git LFS pointer' tokenize \
	"$model" --text "$scratch/text" -o "$none"
pointer "$scratch/pointer"
refuses "a Git LFS pointer for a text" 3 'pointer: is a Git LFS pointer' tokenize $llama \
	--text "$scratch/pointer" -o "$none"
fresh
printf '\357\273\277' | cat - $llama/config.json >"$model/config.json"
refuses "a byte order mark" 3 'config.json: begins with a byte order mark' logits "$model" \
	--tokens "$scratch/tokens" -o "$none"
config 's/"use_cache": true/"quantization_config": {"quant_method": "gptq"}/'
refuses "quantized weights" 3 'quant_method gptq' logits "$model" --tokens "$scratch/tokens" \
	-o "$none"
sed 's/"type": *"BPE"/"type": "Unigram"/' $llama/tokenizer.json >"$model/tokenizer.json"
refuses "a tokenizer of another type" 3 'tokenizer.json: a Unigram tokenizer' tokenize "$model" \
	--text "$scratch/text" -o "$none"
rm "$model/tokenizer.json"
: >"$model/tokenizer.model"
refuses "a SentencePiece model alone" 3 'tokenizer.model, a SentencePiece model' tokenize \
	"$model" --text "$scratch/text" -o "$none"
printf 'GGUF\003\000\000\000\000' >"$scratch/m.gguf"
refuses "a damaged GGUF file" 3 'm.gguf: the count of tensors at offset 8' logits \
	"$scratch/m.gguf" --tokens "$scratch/tokens" -o "$none"
printf 'PK\003\004\000\000\000\000\000' >"$scratch/t.npz"
refuses "an npz for tokens" 3 't.npz: is a NumPy archive' logits $llama --tokens "$scratch/t.npz" \
	-o "$none"
printf 'abc \377 def' >"$scratch/latin1"
refuses "a text that is not UTF-8" 3 'latin1: the text is not UTF-8 at byte 4' ppl $llama \
	--text "$scratch/latin1"

conclude test_checkpoints.sh
