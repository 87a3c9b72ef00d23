#!/bin/sh
# Draws docs/performance-*.svg from a machine's results, with gnuplot: our rate beside torch's, the
# roofline, and memory over time. Writes the tables of docs/PERFORMANCE.md, each between its marks
# "<!-- NAME -->" and "<!-- end of NAME -->". A picture or table without rows stays as it is.
# Run it from the repository's root, after `make bench-programs`.
#   bench/plot.sh [RESULTS.csv]     (this machine's)
set -eu
: "${BENCH_FULL:=1}"
. bench/lib.sh

results=${1:-$results}
[ -f "$results" ] || die "no results in $results"
mkdir -p $work
blue="#0072b2" orange="#d55e00" green="#009e73" grey="#9a9a9a"
terminal='set terminal svg size 800,440 dynamic font "sans-serif,13" background "#ffffff"
set border 3 lc rgb "#444444"
set tics nomirror
set grid y lc rgb "#e4e4e4" lt 1'
machine=$(awk -F , 'NR == 2 { print $NF }' "$results")

# label(WHAT), for awk: the published names of the models in it
names='function label(what) {
	gsub(/gemma3-270m/, "Gemma 3 270M", what)
	gsub(/gemma3-1b/, "Gemma 3 1B", what)
	gsub(/gemma2-2b/, "Gemma 2 2B", what)
	gsub(/llama-1b/, "Llama 3.2 1B", what)
	gsub(/llama-135m/, "Llama 135M", what)
	if (sub(/^ppl /, "", what)) what = what " ppl"
	return what
}'

# For awk: median(LIST) of numbers with spaces between them, nan of none
median='function median(list, n, i, j, t, x) {
	n = split(list, x, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && x[j - 1] + 0 > x[j] + 0; j--) {
			t = x[j]
			x[j] = x[j - 1]
			x[j - 1] = t
		}
	if (!n)
		return "nan"
	return n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
}'

# Writes one line for each model and precision: "label", our rate, theirs, median of the ratios.
forward_data() {
	awk -F , "$names $median"'
		$1 == "forward" {
			key = $2 "," $3
			if (!(key in seen)) { seen[key] = ++count; key_of[count] = key }
			if ($5 == "ratio") ratio[key] = $11
			else if ($5 == "prunescope") ours[key] = ours[key] " " $11
			else if ($5 ~ /^torch/) theirs[key] = theirs[key] " " $11
		}
		END {
			for (i = 1; i <= count; i++) {
				split(key_of[i], part, ",")
				name = label(part[1])
				sub(/Llama /, "Llama\\n", name)
				sub(/\\n3.2 /, " 3.2\\n", name)
				sub(/Gemma [23] /, "&\\n", name)
				printf "\"%s\\n%s\" %s %s %s\n", name, part[2],
					median(ours[key_of[i]]), median(theirs[key_of[i]]),
					(key_of[i] in ratio ? ratio[key_of[i]] : "nan")
			}
		}' "$results" >$work/forward.dat
	[ -s $work/forward.dat ]
}

plot_forward() {
	title="Tokens per second, whole commands beside torch's forward pass alone"
	gnuplot <<-END
		$terminal
		set output "docs/performance-forward.svg"
		set title "$title\n{/*0.85 $machine}" noenhanced
		set title enhanced
		set style data histograms
		set style histogram clustered gap 1
		set style fill solid noborder
		set boxwidth 0.9
		set ylabel "tokens/s"
		set yrange [0:*]
		set offsets 0, 0, graph 0.12, 0
		set key top right
		set xtics scale 0 font ",12"
		set bmargin 5
		plot "$work/forward.dat" using 2:xtic(1) title "prunescope" lc rgb "$blue", \
			"" using 3 title "transformers" lc rgb "$grey", \
			"" using 0:2:(sprintf("%.0f", \$2)) \
				with labels offset -1.7,0.6 font ",11" notitle, \
			"" using 0:3:(\$3 == \$3 ? sprintf("%.0f", \$3) : "") \
				with labels offset 1.7,0.6 font ",11" notitle, \
			"" using 0:(\$3 == \$3 && \$3 > \$2 ? \$3 : \$2) \
				:(\$4 == \$4 ? sprintf("× %.2f", \$4) : "") \
				with labels offset 0,1.7 font ",12" tc rgb "$orange" notitle
	END
}

# roofline_data STATE PRECISION: FLOP per byte of weights read, and GFLOP/s, of every run of a whole
# model. A pass, which has at most 16,384 tokens, reads the weights of the layers once.
roofline_data() {
	build/bench/make_checkpoint --shapes | awk -F , -v state="$1" -v precision="$2" '
		FNR == NR { if (FNR > 1) { bytes[$1] = $6 - 2 * $4 * $5; flop[$1] = $7 } next }
		($1 == "stream" || $1 == "forward") && $3 == precision && $5 == "prunescope" &&
		$6 == state {
			split($2, word, " ")
			if (!(word[1] in flop) || $2 ~ /layers|masked/)
				next
			pass = $9 < 16384 ? $9 : 16384
			print flop[word[1]] * pass / bytes[word[1]], flop[word[1]] * $11 * 1e-9
		}' - "$results" >"$work/roof-$1-$2.dat"
}

# value_of PART PATTERN: the last rate of what matches the pattern
value_of() {
	awk -F , -v part="$1" -v what="$2" '
		$1 == part && $2 ~ what && $11 != "" { rate = $11 }
		END { print rate }' "$results"
}

# add CURVE: one more for gnuplot
add() {
	curves="$curves, $1"
}

plot_roofline() {
	f32=$(value_of kernels "multiply-add$") bf16=$(value_of kernels "bf16 dot$")
	memory=$(value_of kernels "^memory read$") disk=$(value_of stream "read beside fio$")
	[ -n "$f32" ] && [ -n "$memory" ] || return 0
	name="memory ($memory GB/s), f32 multiply-add ($f32 GFLOP/s)"
	curves="min(x * $memory, $f32) lc rgb '$grey' lw 2 title '$name'"
	[ -z "$disk" ] ||
		add "min(x * $disk / 1000, $f32) lc rgb '$grey' lw 2 dt 2 title 'disk ($disk MB/s)'"
	name="bf16 dot product ($bf16 GFLOP/s)"
	[ -z "$bf16" ] || add "min(x * $memory, $bf16) lc rgb '#444444' lw 1 title '$name'"
	for precision in f32 bf16; do
		colour=$blue
		[ $precision = f32 ] || colour=$orange
		for state in warm cold; do
			roofline_data $state $precision
			point=7
			[ $state = warm ] || point=6
			data=$work/roof-$state-$precision.dat
			style="with points pt $point ps 0.9 lc rgb '$colour'"
			[ ! -s "$data" ] || add "'$data' $style title '$precision, $state'"
		done
	done
	axis="FLOP per byte of weights read"
	gnuplot <<-END
		$terminal
		min(a, b) = a < b ? a : b
		set output "docs/performance-roofline.svg"
		set title "Roofline of the stream of weights\n{/*0.85 $machine}"
		set logscale xy
		set xrange [2:40000]
		set yrange [5:*]
		set samples 400
		set grid x
		set xlabel "$axis (tokens of a pass × FLOP a token / bytes of the layers)"
		set ylabel "GFLOP/s"
		set key bottom right
		plot $curves
	END
}

plot_memory() {
	series=${results%.csv}-memory.csv
	[ -f "$series" ] || return 0
	limit=$(awk -F , 'NR > 1 && match($1, /limit [0-9]+ MiB/) {
		split($1, w, " ")
		print w[3]
		exit
	}' "$series")
	curves=
	precision=$(awk -F , 'END { split($1, w, " "); print w[1] }' "$series")
	names_of_runs=$(awk -F , -v precision="$precision" \
		'NR > 1 && $1 ~ "^" precision { print $1 }' "$series" | uniq | tr ' ' '_')
	for run in $names_of_runs; do
		name=$(echo "$run" | tr '_' ' ')
		case $name in
		*limit\ [0-9]*) colour=$blue ;;
		*) colour=$orange ;;
		esac
		data=$work/memory-$run.dat
		awk -F , -v name="$name" '$1 == name { print $2, $3, $4 }' "$series" >"$data"
		lines="lc rgb '$colour' title '$name"
		add "'$data' using 1:2 with lines lw 1 dt 2 $lines: resident'"
		add "'$data' using 1:3 with lines lw 2 $lines: anonymous'"
	done
	what=$(awk -F , "$names"'
		$1 == "memory" {
			sub(/ (no )?limit.*/, "", $2)
			print label($2)
			exit
		}' "$results")
	gnuplot <<-END
		$terminal
		set output "docs/performance-memory.svg"
		set title "Memory over time: activations of $what\n{/*0.85 $machine}"
		set xlabel "seconds"
		set ylabel "MiB"
		set yrange [0:*]
		set xrange [0:*]
		set key bottom right
		plot $limit lc rgb '$green' lw 2 title 'the limit'$curves
	END
}

# fill NAME: puts the lines of stdin between the marks of NAME. Without lines, the old ones stay.
fill() {
	cat >$work/fill
	[ -s $work/fill ] || return 0
	awk -v begin="<!-- $1 -->" -v end="<!-- end of $1 -->" -v from=$work/fill '
		$0 == end { skip = 0 }
		!skip { print }
		$0 == begin {
			skip = 1
			while ((getline line < from) > 0)
				print line
		}' docs/PERFORMANCE.md >$work/page
	cp $work/page docs/PERFORMANCE.md
}

table_machine() {
	awk -F , '
		NR > 1 && !($(NF - 2) in seen) {
			seen[$(NF - 2)] = 1
			commits = commits (commits ? ", " : "") $(NF - 2)
		}
		END {
			if (NR > 1)
				printf "Machine: %s. Compiler: %s. Commits: %s.\n", $NF, \
					$(NF - 1), commits
		}' "$results"
}

# For awk: shown(X, FORMAT) is X as a table shows it, and "-" if there is none.
shown='function shown(x, format) {
	return x == "" || x == "nan" ? "-" : sprintf(format == "" ? "%s" : format, x)
}
function percent(x) {
	return shown(x == "" ? x : 100 * x, "%.0f %%")
}'

# For each model: rates, our share of the arithmetic ceiling, and the largest memory of the runs in
# MiB.
table_forward() {
	f32=$(value_of kernels "multiply-add$") bf16=$(value_of kernels "bf16 dot$")
	build/bench/make_checkpoint --shapes >$work/shapes
	awk -F , "$names $shown"'
		FNR == NR { flop[$1] = $7; next }
		$1 != "forward" { next }
		{ key = $2 "," $3 }
		!(key in seen) { seen[key] = ++count; key_of[count] = key }
		$5 == "ratio by CPU time" { cpu_ratio[key] = $11 }
		$5 !~ /^ratio/ {
			who = ($5 == "prunescope" ? 1 : 2)
			tokens[key, who] = $9
			if ($14 > rss[key, who]) rss[key, who] = $14
		}
		$5 == "prunescope" && $15 > anonymous[key] { anonymous[key] = $15 }
		END {
			while ((getline line < medians) > 0) {
				n = split(line, f, " ")
				ours[++m] = f[n - 2]; theirs[m] = f[n - 1]; ratio[m] = f[n]
			}
			if (!count)
				exit
			printf "| model | precision | tokens | prunescope tokens/s "
			printf "| share of the ceiling | transformers tokens/s | ratio "
			printf "| by CPU time "
			print "| peak RSS, anonymous MiB | theirs, RSS MiB |"
			print "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
			for (i = 1; i <= count; i++) {
				split(key_of[i], part, ",")
				name = label(part[1])
				roof = part[2] == "bf16" && bf16 + 0 ? bf16 : f32
				share = ""
				if ((part[1] in flop) && roof + 0)
					share = ours[i] * flop[part[1]] / (roof * 1e9)
				key = key_of[i]
				printf "| %s | %s | %s | %.0f | %s ", name, part[2], \
					tokens[key, 1], ours[i], percent(share)
				printf "| %s | %s | %s ", shown(theirs[i], "%.0f"), \
					shown(ratio[i], "%.2f"), shown(cpu_ratio[key], "%.2f")
				printf "| %.0f, %.0f | %s |\n", rss[key, 1], anonymous[key], \
					theirs[i] == "nan" ? "-" : sprintf("%.0f", rss[key, 2])
			}
		}' medians=$work/forward.dat f32="$f32" bf16="$bf16" $work/shapes "$results"
}

table_kernels() {
	awk -F , "$shown"'
		$1 == "kernels" && !n++ {
			print "| what | kernel | rate | share of the ceiling |"
			print "| --- | --- | --- | --- |"
		}
		$1 == "kernels" {
			printf "| %s | %s | %s %s | %s |\n", $2, $5, $11, $12, percent($13)
		}' "$results"
}

table_stream() {
	awk -F , "$names $shown"'
		$1 == "stream" && !n++ {
			print "| what | precision | cache | backend | rate | of fio | read MiB |"
			print "| --- | --- | --- | --- | --- | --- | --- |"
		}
		$1 == "stream" {
			what = label($2) ($8 == "median" ? ", median" : "")
			rate = $11 == "" ? "-" : $11 " " $12
			printf "| %s | %s | %s | %s | %s | %s | %s |\n", what, shown($3), \
				$6, shown($7), rate, percent($13), shown($16)
		}' "$results"
}

table_memory() {
	awk -F , "$names $shown"'
		$1 == "memory" && !n++ {
			printf "| what | precision | tokens | rate or size | of the plan "
			print "| peak RSS MiB | peak anonymous MiB |"
			print "| --- | --- | --- | --- | --- | --- | --- |"
		}
		$1 == "memory" {
			what = label($2)
			if ($5 == "ratio") what = what ": with the limit over without"
			printf "| %s | %s | %s | %s %s | %s | %s | %s |\n", what, $3, shown($9), \
				$11, ($12 == "x" ? "" : $12), percent($13), shown($14), shown($15)
		}' "$results"
}

# peers_lines KIND FORMAT COLUMN...: of every machine's results a line for each model and choice of
# kernels. KIND rate: a column "PROGRAM PRECISION" is the median of its rates. KIND ratio: a column
# "PRECISION over PROGRAM PRECISION" is the median of the turns' ratios, ours over theirs.
peers_lines() {
	kind=$1 format=$2
	shift 2
	for found in bench/results/*.csv; do
		(
			IFS=,
			echo "$*"
		) | awk -F , -v kind="$kind" -v format="$format" \
			"$names $shown $median"'
			FNR == NR { n = split($0, column, ","); next }
			$1 !~ /^peers / || $5 ~ /CPU time$/ { next }
			{
				key = $NF "; " substr($1, 7) " kernels | " label($2)
				sub(/^prunescope; [a-z0-9]* kernels/, "prunescope", $5)
				over = sub(/^prunescope over /, $3 " over ", $5)
			}
			!(key in seen) { seen[key] = ++count; key_of[count] = key }
			kind == "ratio" && over { value[key, $5] = $11 }
			kind == "rate" && !over {
				list[key, $5 " " $3] = list[key, $5 " " $3] " " $11
				value[key, $5 " " $3] = median(list[key, $5 " " $3])
			}
			END {
				for (i = 1; i <= count; i++) {
					line = "| " key_of[i]
					for (c = 1; c <= n; c++)
						line = line " | " shown(value[key_of[i], column[c]],
							format)
					print line " |"
				}
			}' - "$found"
	done
}

table_peers() {
	peers_lines rate %.0f "prunescope f32" "prunescope int16" "prunescope bf16" \
		"transformers f32" "transformers bf16" "ik_llama.cpp bf16" "ik_llama.cpp q8_0" \
		>$work/peers
	[ -s $work/peers ] || return 0
	echo "| machine | model | f32 | int16 | bf16 | transformers f32 | transformers bf16" \
		"| ik_llama.cpp BF16 | ik_llama.cpp Q8_0 |"
	echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
	cat $work/peers
}

table_peers_ratios() {
	peers_lines ratio %.2f "f32 over transformers f32" "int16 over transformers f32" \
		"int16 over transformers bf16" "bf16 over transformers bf16" \
		"int16 over ik_llama.cpp bf16" "int16 over ik_llama.cpp q8_0" \
		>$work/peers
	[ -s $work/peers ] || return 0
	echo "| machine | model | f32 over transformers f32 | int16 over transformers f32" \
		"| int16 over transformers bf16 | bf16 over transformers bf16" \
		"| int16 over ik_llama.cpp BF16 | int16 over ik_llama.cpp Q8_0 |"
	echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
	cat $work/peers
}

command -v gnuplot >/dev/null || die "gnuplot is not installed (make deps)"
if forward_data; then
	plot_forward
fi
plot_roofline
plot_memory
table_machine | fill machine
table_forward | fill forward
table_peers | fill peers
table_peers_ratios | fill peers_ratios
table_kernels | fill kernels
table_stream | fill stream
table_memory | fill memory
