#!/bin/sh
# bench/train_pairs.sh [PAIRS [STEPS]]: our SAE training beside PyTorch libraries', one after the other, so that both see
# the same machine. PRUNESCOPE_BENCH_PYTHON names a Python with torch and the libraries (default python3),
# PRUNESCOPE_BENCH_PEERS which of them (default sparsify), PRUNESCOPE_BENCH_SHAPES "D F, ..." the shapes.
# CSV to stdout: a line per pair with the ratio of the median rates and of the least CPU time of a step; the median of the ratios per shape to stderr.
set -eu
pairs=${1:-3} steps=${2:-4} threads=${PRUNESCOPE_BENCH_THREADS:-2}
python=${PRUNESCOPE_BENCH_PYTHON:-python3}
peers=${PRUNESCOPE_BENCH_PEERS:-sparsify}
shapes=${PRUNESCOPE_BENCH_SHAPES:-640 5120, 1152 9216, 1152 16384}
folder=$(dirname "$0")

echo "peer,d_in,d_sae,k,batch,threads,tokens_per_s,peak_mib,peer_tokens_per_s,peer_peak_mib,ratio,cpu_ratio"
echo "$shapes" | tr ',' '\n' | while read -r d f; do
	for peer in $peers; do
		ratios=
		i=0
		while [ "$i" -lt "$pairs" ]; do
			ours=$("$folder/../build/bench/bench_train" "$d" "$f" 64 4096 "$threads" "$steps" | tail -n 1)
			theirs=$("$python" "$folder/train_torch.py" "$peer" "$d" "$f" 64 4096 "$steps" "$threads" 2>/dev/null | tail -n 1)
			line=$(echo "$ours,$theirs" | awk -F, -v peer="$peer" '{
				printf "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%.2f,%.2f", peer, $1, $2, $3, $4, $5, $7, $15, $23, $26, $7 / $23, $25 / $13 }')
			echo "$line"
			line=${line%,*}
			ratios="$ratios ${line##*,}"
			i=$((i + 1))
		done
		echo "$ratios" | tr ' ' '\n' | grep . | sort -n | awk -v what="$peer $d x $f" '{ r[NR] = $1 }
			END { printf "%s: median ratio %.2f of %d pairs\n", what, r[int((NR + 1) / 2)], NR }' >&2
	done
done
