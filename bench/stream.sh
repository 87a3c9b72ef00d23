#!/bin/sh
# Streaming of weights: `prunescope cache` of the last layer with more and more tokens in a pass.
# With few tokens the disk sets the rate, with many the arithmetic does. The weights are cold (out
# of the page cache, which is checked) and then warm. A further run has a mask of half the weights,
# whose bits are read beside them. Then build/bench/bench_stream, if it is built, measures reading
# alone, beside fio. Run it from the repository's root, after `make bench-programs`. Variables:
# bench/lib.sh.
#   bench/stream.sh [SHAPE]
# Without SHAPE: two layers of gemma3-270m, or with BENCH_FULL=1 the whole of gemma3-1b.
set -eu
. bench/lib.sh

tab=$(printf '\t')

token_file() { # WINDOWS WINDOW
	path=$PRUNESCOPE_BENCH_DIR/tokens-$1x$2-$(shape_field "$shape" vocab).safetensors
	[ -f "$path" ] ||
		build/bench/make_checkpoint "$shape" --tokens "$path" --windows "$1" \
			--window "$2" >&2 ||
		die "cannot make $path"
	echo "$path"
}

# Brings the page cache into the state, and removes the output.
prepare() {
	if [ "$state" = cold ]; then
		cool "$model"
		cool "$masks"
	else
		warm "$model"
		warm "$masks"
	fi
	rm -rf $work/cache
}

pass() { # WINDOWS WINDOW [MASK]
	tokens_file=$(token_file "$1" "$2")
	again=prepare
	prepare
	watched "$PRUNESCOPE" cache "$model" --tokens "$tokens_file" --layer $last --dtype bf16 \
		--precision "$precision" --threads "$threads" --quiet --json -o $work/cache \
		${3:+--mask "$3"}
	row "$what${3:+ masked} pass $(($1 * $2))" "$precision" "$threads" prunescope "$state" \
		"$(json_text backend)" 1 $(($1 * $2)) "$seconds" \
		"$(calc "$1 * $2 / $seconds" 1)" tokens/s - "$rss" "$anonymous" "$read"
}

# A mask of half the weights. One bit a weight is read beside the dense weights, and applied while
# they are packed.
mask_path() {
	path=$masks/mask.safetensors
	mkdir -p "$masks"
	[ -f "$path" ] ||
		"$PRUNESCOPE" prune "$model" --method magnitude --sparsity 0.5 --quiet \
			-o "$path" >&2 ||
		die "cannot make $path"
	echo "$path"
}

reading() {
	[ -x build/bench/bench_stream ] || return 0
	again=
	watched build/bench/bench_stream --part layers "$model"
	table part backend cache seconds MB_per_s <$work/out |
		while IFS=$tab read -r name backend state seconds rate; do
			row "$what read $name" - 1 bench_stream "$state" "$backend" - - \
				"$seconds" "$rate" MB/s - - - -
		done
	[ -f "$model/model.safetensors" ] && command -v fio >/dev/null || return 0
	watched build/bench/bench_stream --part layers --backend uring --fio "$model"
	sed -n '/^fio_bs/,$p' $work/out | table fio_bs uring_MB_per_s share_percent |
		while IFS=$tab read -r name rate share; do
			[ "$share" = - ] ||
				row "$what read beside fio" - 1 bench_stream cold uring "$name" - \
					- "$rate" MB/s "$(calc "$share / 100")" - - -
		done
}

shape=gemma3-270m
[ "$BENCH_FULL" != 1 ] || shape=gemma3-1b
shape=${1:-$shape}
layers=
[ "$BENCH_FULL" = 1 ] || layers=2
mkdir -p "$PRUNESCOPE_BENCH_DIR"
model=$(model_path "$shape" $layers)
what=$shape${layers:+ $layers layers}
last=$((${layers:-$(shape_field "$shape" layers)} - 1))
masks=$model-half
mask=$(mask_path)
begin_part stream
for precision in $(precisions); do
	for state in cold warm; do
		pass 1 16
		pass 1 64
		pass 1 256
		pass 2 512
		[ "$BENCH_FULL" != 1 ] || pass 8 512
		pass 1 256 "$mask"
		pass 2 512 "$mask"
	done
done
reading
rm -rf $work/cache
