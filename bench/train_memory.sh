#!/bin/sh
# Training out of core: three epochs of `prunescope train` on an activation cache, in a cgroup of a
# quarter of the cache's size from a cold page cache, and without a limit from a warm one. The two
# take turns (PRUNESCOPE_BENCH_PAIRS) and must end with the same bytes. The rate is that of the
# steps (tokens_per_s); the ratio is the median over the pairs. The cache is a layer of Gemma 3 270M
# in bf16, whose one shard is copied until the size is reached. Only the way in which rows are read
# counts here, not their values. Needs root. Variables: bench/lib.sh.
#   bench/train_memory.sh
# BENCH_FULL=1: 2 GiB, 5,120 latents; otherwise 512 MiB, 1,280 latents.
set -eu
. bench/lib.sh

# Makes a folder of shards that all are copies of one. It has no manifest, like that of another
# tool.
make_cache() {
	[ ! -d "$cache" ] || return 0
	rm -rf $work/layer "$cache.new"
	"$PRUNESCOPE" cache "$(model_path gemma3-270m)" --tokens "$(token_path gemma3-270m 48)" \
		--layer 3 --dtype bf16 --quiet -o $work/layer >&2
	mkdir -p "$cache.new"
	for i in $(seq -w "$shards"); do
		cp $work/layer/shard-00000.safetensors "$cache.new/shard-$i.safetensors"
	done
	rm -rf $work/layer
	mv "$cache.new" "$cache"
}

prepare_limited() {
	cool "$cache"
	rm -rf $work/limited
}

prepare_free() {
	warm "$cache"
	rm -rf $work/free
}

# run NAME STATE PREFIX...: a run into $work/NAME, with PREFIX before the command.
run() {
	name=$1 state=$2
	shift 2
	again=prepare_$name
	$again
	watched "$@" "$PRUNESCOPE" train "$cache" --d-sae "$latents" --k "$k" --batch "$batch" \
		--tokens "$tokens" --threads "$threads" --save-every 1e9 --no-verify --quiet \
		--json -o "$work/$name"
	rate=$(calc "$(json_number tokens_per_s)" 1)
	row "$what $name" f32 "$threads" prunescope "$state" - "$turn" "$tokens" \
		"$(calc "$(json_number seconds)" 2)" "$rate" tokens/s - "$rss" "$anonymous" "$read"
}

if [ "$BENCH_FULL" = 1 ]; then
	shards=68 latents=5120 k=64 batch=4096
else
	shards=17 latents=1280 k=32 batch=1024
fi
cache=$PRUNESCOPE_BENCH_DIR/activations-640-$shards
begin_part train_memory
make_cache
size=$(du -bs "$cache" | cut -f 1)
limit=$((size / 4))
tokens=$((3 * (size / (640 * 2 + 3 * 4)))) # rows of bf16 with their three columns
what="train 640 to $latents on $((size >> 20)) MiB limit $((limit >> 20)) MiB"
: >$work/ratios
for turn in $(seq "$PRUNESCOPE_BENCH_PAIRS"); do
	group_begin "$limit"
	run limited cold bench/in_group.sh $group
	row "$what cgroup peak" f32 "$threads" prunescope - - "$turn" - - "$(group_peak)" MiB \
		- - - -
	group_end
	with=$rate
	run free warm
	diff -r $work/limited $work/free >&2 || die "the limit changes the trained SAE"
	calc "$with / $rate" 3 >>$work/ratios
	echo >>$work/ratios
done
row "$what" f32 "$threads" ratio - - median - - "$(median <$work/ratios)" x - - - -
rm -rf $work/limited $work/free
