# What the scripts of bench/ share. They source it, from the repository's root.
# shellcheck shell=sh
#
# Variables (all optional; the default is in parentheses):
#   PRUNESCOPE_BENCH_DIR        folder of checkpoints and token files, which are kept
#                               (build/bench/data)
#   PRUNESCOPE_BENCH_PYTHON     a Python with torch and transformers, which is measured beside ours
#   PRUNESCOPE_BENCH_REAL       folder of the real Gemma 3 270M with its tokenizer.json, used for
#                               its shape and for perplexity
#   PRUNESCOPE_BENCH_TEXT       text of perplexity (build/text/jargon-heldout.txt, which
#                               demo/get-text.sh fetches)
#   PRUNESCOPE_BENCH_THREADS    threads (all processors)
#   PRUNESCOPE_BENCH_PRECISION  a list of f32 and bf16 (those that the program has)
#   PRUNESCOPE_BENCH_PAIRS      how often A and B take turns (3)
#   PRUNESCOPE_BENCH_TRIES      how often a run is tried, if other programs take more than 3 % of
#                               the processors (3)
#   PRUNESCOPE_BENCH_WRAP       put in front of each measured command: taskset, nice, a lock
#   PRUNESCOPE_BENCH_RESULTS    the results (bench/results/MACHINE.csv; without BENCH_FULL=1 under
#                               build/)
#   BENCH_FULL=1                exact shapes (otherwise two layers of the small ones)
: "${PRUNESCOPE:=./prunescope}"
: "${PRUNESCOPE_BENCH_DIR:=build/bench/data}"
: "${PRUNESCOPE_BENCH_THREADS:=$(getconf _NPROCESSORS_ONLN)}"
: "${PRUNESCOPE_BENCH_PAIRS:=3}"
: "${BENCH_FULL:=0}"
# shellcheck disable=SC2034 # used by those who source this
threads=$PRUNESCOPE_BENCH_THREADS
work=build/bench/work
columns=part,what,precision,threads,program,state,backend,run,tokens,seconds,rate,unit,share
columns=$columns,peak_rss_mib,peak_anonymous_mib,read_mib,cpu_seconds,others_cpu
columns=$columns,commit,compiler,cpu

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

say() {
	echo "${0##*/}: $*" >&2
}

# The CPU's model and number of cores. Virtual machines hide the name of the model, so the numbers
# of family and model follow it.
cpu_name() {
	awk -F ': *' -v cores="$(getconf _NPROCESSORS_ONLN)" '
		/^model name/ { name = $2 }
		/^cpu family/ { family = $2 }
		/^model[ \t]*:/ { model = $2 }
		END {
			gsub(/,/, " ", name)
			if (family != "")
				name = name " family " family " model " model
			print (name == "" ? "unknown CPU" : name) " " cores " cores"
		}' /proc/cpuinfo
}

machine_name() {
	cpu_name | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9\n' '-' | sed 's/-$//'
}

commit_name() {
	git describe --always --dirty --abbrev=9 2>/dev/null || echo unknown
}

compiler_name() {
	readelf -p .comment "$PRUNESCOPE" 2>/dev/null | sed -n 's/^ *\[ *[0-9a-f]*\] *//p' | head \
		-n 1 | sed 's/^GCC: (.*) /gcc /; s/,/ /g'
}

results=bench/results/$(machine_name).csv
[ "$BENCH_FULL" = 1 ] || results=build/$results
results=${PRUNESCOPE_BENCH_RESULTS:-$results}

# begin_part PART: removes the part's earlier rows from the results.
begin_part() {
	mkdir -p "${results%/*}" "$work"
	part=$1
	cpu_seconds='' others=''
	commit=$(commit_name) compiler=$(compiler_name) cpu=$(cpu_name)
	{
		echo "$columns"
		[ ! -f "$results" ] || awk -F , -v part="$part" 'NR > 1 && $1 != part' "$results"
	} >"$results.new"
	mv "$results.new" "$results"
}

# row WHAT PRECISION THREADS PROGRAM STATE BACKEND RUN TOKENS SECONDS RATE UNIT SHARE RSS ANONYMOUS
# READ: adds a row to the results, and says its rate; - stands for no value. If the row has seconds
# or memory, it also gets the processor time and the share that other programs took.
row() {
	{
		printf '%s' "$part"
		for field; do
			[ "$field" != - ] || field=
			printf ',%s' "$field"
		done
		beside=$cpu_seconds,$others
		[ "$9${13}" != "--" ] || beside=,
		printf ',%s,%s,%s,%s\n' "$beside" "$commit" "$compiler" "$cpu"
	} >>"$results"
	if [ "${10}" = - ]; then
		say "$1, $2, $4: $9 s"
	else
		say "$1, $2, $4: ${10} ${11}"
	fi
}

calc() {
	awk "BEGIN { printf \"%.${2:-3}f\", $1 }"
}

# median: of the lines on stdin
median() {
	sort -g | awk '
		{ x[NR] = $1 }
		END { if (NR) print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'
}

# shape_field SHAPE COLUMN: a column of `make_checkpoint --shapes`
shape_field() {
	build/bench/make_checkpoint --shapes | awk -F , -v shape="$1" -v want="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) column = i }
		$1 == shape { print $column }'
}

# model_path SHAPE [LAYERS]: prints the path of the checkpoint, and makes it if it is not there.
model_path() {
	if [ "$1" = gemma3-270m ] && [ -n "${PRUNESCOPE_BENCH_REAL:-}" ] && [ -z "${2:-}" ]; then
		echo "$PRUNESCOPE_BENCH_REAL"
		return
	fi
	path=$PRUNESCOPE_BENCH_DIR/$1${2:+-$2-layers}
	if [ ! -f "$path/config.json" ]; then
		say "making $path"
		# shellcheck disable=SC2086 # no words at all without LAYERS
		build/bench/make_checkpoint "$1" "$path" ${2:+--layers $2} >&2 ||
			die "cannot make $path"
	fi
	echo "$path"
}

# token_path SHAPE WINDOWS: the same for a file of windows of 512 tokens
token_path() {
	path=$PRUNESCOPE_BENCH_DIR/tokens-$2x512-$(shape_field "$1" vocab).safetensors
	if [ ! -f "$path" ]; then
		mkdir -p "$PRUNESCOPE_BENCH_DIR"
		build/bench/make_checkpoint "$1" --tokens "$path" --windows "$2" --window 512 >&2 ||
			die "cannot make $path"
	fi
	echo "$path"
}

# warm MODEL: reads its weights into the page cache. cool MODEL: drops them from it, and checks
# that.
warm() {
	cat "$1"/*.safetensors >/dev/null
}

cool() {
	sync
	for shard in "$1"/*.safetensors; do
		dd if="$shard" iflag=nocache count=0 status=none
		kept=$(fincore --bytes --noheadings --output RES "$shard" 2>/dev/null | tr -d ' ')
		[ "${kept:-0}" -lt 1048576 ] || die "$kept bytes of $shard stay in the page cache"
	done
}

# A cgroup with a memory limit (v2, or v1's memory controller); needs root.
# - group_begin BYTES makes it.
# - bench/in_group.sh $group COMMAND... runs a command in it.
# - group_peak prints the MiB that it held at most, page cache included.
# - group_end removes it.
if [ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
	group=/sys/fs/cgroup/memory/prunescope-bench-$$ limit_file=memory.limit_in_bytes \
		peak_file=memory.max_usage_in_bytes
else
	group=/sys/fs/cgroup/prunescope-bench-$$ limit_file=memory.max peak_file=memory.peak
fi

group_begin() {
	[ -w /sys/fs/cgroup ] || die "this part needs root, for a cgroup with a memory limit"
	mkdir -p $group
	echo "$1" >$group/$limit_file
	[ ! -w $group/$peak_file ] || echo 0 >$group/$peak_file
}

group_peak() {
	calc "$(cat $group/$peak_file) / 1048576" 1
}

group_end() {
	rmdir $group
}

# watched OPTION... COMMAND...: runs watch_command with these; stdout goes to $work/out. Sets
# seconds, cpu_seconds, rss, anonymous, read and others. If other programs took too much of the
# processors, it runs again, after $again brought the page cache back into its state.
watched() {
	try=1
	while :; do
		# shellcheck disable=SC2086 # the wrapper's words
		${PRUNESCOPE_BENCH_WRAP:-} build/bench/watch_command -r $work/result "$@" \
			>$work/out 2>$work/err || die "failed: $*: $(tail -n 1 $work/err)"
		# shellcheck disable=SC2034 # status is not used
		read -r seconds user system rss anonymous read others status <$work/result
		cpu_seconds=$(calc "$user + $system")
		if [ "$try" -ge "${PRUNESCOPE_BENCH_TRIES:-3}" ] ||
			awk -v x="$others" 'BEGIN { exit !(x <= 0.03) }'; then
			return
		fi
		say "others took $others of the processors: once more"
		try=$((try + 1))
		${again:-:}
	done
}

# json_text KEY: prints a string of the JSON object in $work/out, with semicolons for its commas,
# or - if it is not there. json_number KEY: the same for a number.
json_text() {
	value=$(sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" $work/out | tr ',' ';')
	echo "${value:--}"
}

json_number() {
	value=$(sed -n "s/.*\"$1\": *\([-+.0-9e]*\).*/\1/p" $work/out)
	echo "${value:--}"
}

# table COLUMN...: prints the named columns of the CSV on stdin, with tabs between them, and '-'
# for a value that is empty or not there. Commas in quoted fields become semicolons. Empty lines,
# comments and lines before the header are left out.
table() {
	awk -v wanted="$*" '
		/^#/ || /^$/ { next }
		{
			n = split($0, piece, "\"")
			line = ""
			for (i = 1; i <= n; i++) {
				if (i % 2 == 0)
					gsub(/,/, ";", piece[i])
				line = line piece[i]
			}
			count = split(line, field, ",")
		}
		!header {
			for (i = 1; i <= count; i++)
				at[field[i]] = i
			n_wanted = split(wanted, want, " ")
			header = want[1] in at
			next
		}
		{
			line = ""
			for (i = 1; i <= n_wanted; i++) {
				value = want[i] in at ? field[at[want[i]]] : ""
				line = line (i > 1 ? "\t" : "") (value == "" ? "-" : value)
			}
			print line
		}'
}

# precisions: prints those asked for that this build has. It refuses others before it reads
# anything.
precisions() {
	for p in ${PRUNESCOPE_BENCH_PRECISION:-f32 bf16}; do
		if $PRUNESCOPE cache /nonexistent --tokens /nonexistent --layer 0 -o /nonexistent \
			--precision "$p" 2>&1 | grep -q 'not built'; then
			say "--precision $p is not built: left out"
		else
			echo "$p"
		fi
	done
}
