#!/bin/sh
# A hard memory limit: `prunescope cache` at layer 12 of Gemma 2 2B's shapes (5.2 GB of weights),
# in a cgroup of 1 GiB and without one, both from a cold page cache. Measures the rate, the peak of
# anonymous memory beside the plan's, and memory over time. The two take turns,
# PRUNESCOPE_BENCH_MEMORY_PAIRS (2) times; the ratio of their rates is the median over the pairs.
# Needs root, for the cgroup (v2, or v1's memory controller). Run it from the repository's root,
# after `make bench-programs`. Variables: bench/lib.sh.
#   bench/memory.sh
# BENCH_FULL=1 measures 32 windows of 512 tokens, or PRUNESCOPE_BENCH_MEMORY_WINDOWS. Otherwise it
# is 4 windows, of gemma3-270m in 256 MiB.
set -eu
. bench/lib.sh

# thin NAME SERIES: as many points as a picture can show, each the largest of a group of samples.
thin() {
	awk -F , -v name="$1" -v points=400 '
		NR > 1 { t[NR - 1] = $1; r[NR - 1] = $2; a[NR - 1] = $3; n = NR - 1 }
		END {
			step = n > points ? n / points : 1
			for (from = 1; from <= n; from += step) {
				resident = anonymous = 0
				for (i = int(from); i < from + step && i <= n; i++) {
					if (r[i] > resident) resident = r[i]
					if (a[i] > anonymous) anonymous = a[i]
				}
				printf "%s,%s,%s,%s\n", name, t[int(from)], resident, anonymous
			}
		}' "$2" >>"$series"
}

prepare() {
	cool "$model"
	rm -rf $work/cache
}

# run NAME PREFIX...: the plan (--dry-run) and the run of this turn, with PREFIX before the command.
# The samples of the first turn are kept.
run() {
	name=$1
	shift
	set -- "$@" "$PRUNESCOPE" cache "$model" --tokens "$tokens_file" --layer $layer \
		--dtype bf16 --precision "$precision" --threads "$threads" --quiet --json \
		-o $work/cache
	again=prepare
	prepare
	"$@" --dry-run >$work/out || die "no plan: $*"
	planned=$(json_number planned_bytes)
	prepare
	watched -i 100 -s $work/series "$@"
	tokens=$(json_number rows)
	row "$what layer $layer $name" "$precision" "$threads" prunescope cold \
		"$(json_text backend)" "$turn" "$tokens" "$seconds" \
		"$(calc "$tokens / $seconds" 1)" tokens/s - "$rss" "$anonymous" "$read"
	row "$what layer $layer $name planned" "$precision" "$threads" prunescope - - "$turn" - - \
		"$(calc "$planned / 1048576" 1)" MiB "$(calc "$anonymous * 1048576 / $planned")" \
		- - -
	[ "$turn" != 1 ] || thin "$precision $name" $work/series
}

limited() {
	group_begin "$limit"
	run "limit $((limit >> 20)) MiB" bench/in_group.sh "$group"
	row "$what layer $layer limit $((limit >> 20)) MiB cgroup peak" "$precision" "$threads" \
		prunescope - - "$turn" - - "$(group_peak)" MiB - - - -
	group_end
}

if [ "$BENCH_FULL" = 1 ]; then
	shape=gemma2-2b layer=12 limit=$((1 << 30)) windows=${PRUNESCOPE_BENCH_MEMORY_WINDOWS:-32}
else
	shape=gemma3-270m layer=3 limit=$((256 << 20)) windows=4
fi
what=$shape series=${results%.csv}-memory.csv
model=$(model_path $shape)
tokens_file=$(token_path $shape "$windows")
begin_part memory
echo "run,seconds,resident_mib,anonymous_mib" >"$series"
for precision in $(precisions); do
	: >$work/ratios
	for turn in $(seq "${PRUNESCOPE_BENCH_MEMORY_PAIRS:-2}"); do
		limited
		with=$seconds
		run "no limit"
		calc "$seconds / $with" 3 >>$work/ratios
		echo >>$work/ratios
	done
	row "$what layer $layer" "$precision" "$threads" ratio cold - median - - \
		"$(median <$work/ratios)" x - - - -
done
rm -rf $work/cache
