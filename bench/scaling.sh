#!/bin/sh
# usage: bench/scaling.sh [MODELS.csv [NAME=VALUE...]]
# What a study costs on 1, 10 and 1,000 nodes, by arithmetic: hours, bytes, memory. Nothing is run.
# docs/SCALING.md holds its table and says what the numbers mean. The default is bench/
# scaling_models.csv, the three models of studies/paper.yaml, with rates of a node of two cores.
#
# Columns of MODELS.csv (measure the last two: `cache --json`, and `train --json`):
#   layers, layer      decoder layers, and the study's layer, from 0
#   width, latents     of its SAEs
#   layers_mparams, head_mparams   millions of weights in the layers, and in the output head
#   file_gb            the checkpoint
#   ppl_tokens         ids of the perplexity text
#   tokens_per_s       through all layers, without the head
#   rows_per_s         of SAE training
# NAME=VALUE: the variables of BEGIN below, as in a study file; nodes="1 10 1000"; models=N repeats
# the rows until there are N models; speed=2 for nodes twice as fast.
#
# The steps and their order are those of tools/study/graph_nodes.c. A node that is free takes the
# first step that can start. So the hours are those of a real schedule, not of a division.
set -eu
cd "$(dirname "$0")/.."
file=${1:-bench/scaling_models.csv}
[ $# -eq 0 ] || shift
awk -F , '
# Adds a step of so many seconds; reads: the numbers of the steps that it reads, as a text.
function step(kind, seconds, reads,    n, i, part) {
	n = ++steps
	if (!(kind in of_kind))
		kinds[++kind_count] = kind
	of_kind[kind] += seconds / speed
	cost[n] = seconds / speed
	needs[n] = split(reads, part, " ")
	chain[n] = 0
	for (i = 1; i <= needs[n]; i++) {
		readers[part[i]] = readers[part[i]] " " n
		if (chain[part[i]] > chain[n])
			chain[n] = chain[part[i]]
	}
	chain[n] += cost[n]
	total += cost[n]
	if (chain[n] > longest)
		longest = chain[n]
	return n
}

# Activation cache n: its bytes are on disk from its start until its last reader is done.
function cache_step(seconds, reads, bytes,    n) {
	n = step("cache", seconds, reads)
	cache_bytes[n] = bytes
	return n
}

# The graph of model m. shared: one process does all conditions of `survival` in one call.
function add_model(m, shared,    c, s, part, rest, head, encode, compare, mask, wanda, cache,
		trains, ablation, tokens, calibration, bytes, conditions, first, all) {
	part = (at_layer[m] + 1) / layers[m]
	rest = 1 - part
	head = head_weights[m] / layer_weights[m]
	encode = rows[m] / 0.6
	# Two assignments and the products of decoder and encoder rows, measured at 9,216 latents.
	compare = 8 * (latents[m] / 9216) ^ 2
	bytes = cache_tokens * (4 * width[m] + 12)
	conditions = methods * sparsities
	all = ""
	tokens = step("tokenize", 5, "")
	calibration = step("tokenize", 5, "")
	for (c = 0; c <= conditions; c++) {
		wanda = c > sparsities
		# A mask reads the checkpoint. Wanda also runs the calibration tokens through the
		# model.
		mask[c] = c ? step("prune", 20 + (wanda ? calibration_tokens / rate[m] : 0), \
			wanda ? calibration : "") : ""
		# Windows overlap: each id passes the layers window / stride times, the head once.
		scored = ppl_tokens[m] * (ppl_window / ppl_stride + head)
		all = all " " step("ppl", scored / rate[m], mask[c])
	}
	for (c = 0; c <= conditions; c++) {
		cache[c] = cache_step(cache_tokens * part / rate[m], tokens " " mask[c], bytes)
		trains[c] = ""
		for (s = 1; s <= seeds; s++)
			trains[c] = trains[c] " " \
				step("train", train_tokens / rows[m] + 65536 / encode, cache[c])
		all = all trains[c]
		first = substr(trains[0], 2)
		sub(/ .*/, "", first)
		if (c)
			all = all " " step("transfer", 2 * cache_tokens / encode, \
				first " " cache[0] " " cache[c])
	}
	for (c = 0; c <= conditions; c++)
		all = all " " step("splice", splice_tokens * (1 + 2 * rest + 3 * head) / rate[m], \
			first " " tokens " " mask[c])
	ablation = step("ablate", ablation_features * ablation_tokens * (rest + head) / rate[m], \
		first " " tokens)
	all = all " " ablation " " step("seeds", seeds * (seeds - 1) / 2 * compare, trains[0])
	for (c = 1; c <= conditions; c++)
		all = all " " step("survival", \
			(shared && c > 1 ? 0 : seeds * cache_tokens / encode) + \
			seeds * compare, cache[0] " " ablation " " trains[0] " " trains[c])
	kept += (1 + conditions) * seeds * 8 * width[m] * latents[m] + \
		conditions * layer_weights[m] * 1e6 / 8
	least(4.8 * 8 * width[m] * latents[m])
	least(4 * latents[m] ^ 2)
	return all
}

# Memory of the largest step: training (4.8 times an SAE), or all cosines of two SAEs.
function least(bytes) {
	if (bytes > memory)
		memory = bytes
}

function build(shared,    m, summary) {
	steps = total = longest = kept = memory = 0
	split("", readers)
	split("", cache_bytes)
	split("", of_kind)
	kind_count = 0
	summary = ""
	for (m = 1; m <= models; m++)
		summary = summary add_model((m - 1) % given + 1, shared)
	step("report", 5, step("report", 5, summary))
}

# The steps that can start, as a heap with the first in the order of the graph on top.
function push(new,    at, up) {
	for (at = ++heap_count; at > 1; at = up) {
		up = int(at / 2)
		if (heap[up] < new)
			break
		heap[at] = heap[up]
	}
	heap[at] = new
}

function pop(    top, last, at, down) {
	top = heap[1]
	last = heap[heap_count--]
	for (at = 1; (down = 2 * at) <= heap_count; at = down) {
		if (down < heap_count && heap[down + 1] < heap[down])
			down++
		if (last < heap[down])
			break
		heap[at] = heap[down]
	}
	heap[at] = last
	return top
}

# Step i is done: its readers may be able to start, and caches that it read may go.
function finish(i,    n, j, part) {
	n = split(readers[i], part, " ")
	for (j = 1; j <= n; j++)
		if (!--left[part[j]])
			push(part[j])
	n = split(reads_of[i], part, " ")
	for (j = 1; j <= n; j++)
		if (!--waiting[part[j]] && part[j] in cache_bytes)
			alive -= cache_bytes[part[j]]
}

# A free node takes the first step that can start. Sets hours, and disk: the most bytes that caches
# take at a time.
function schedule(nodes,    i, n, part, now, running, first, busy, ends) {
	heap_count = alive = disk = now = running = 0
	for (i = 1; i <= steps; i++) {
		left[i] = needs[i]
		waiting[i] = split(readers[i], part, " ")
		if (!left[i])
			push(i)
	}
	while (heap_count || running) {
		while (heap_count && running < nodes) {
			i = pop()
			busy[running] = i
			ends[running++] = now + cost[i]
			if (i in cache_bytes)
				alive += cache_bytes[i]
			disk = alive > disk ? alive : disk
		}
		first = 0
		for (n = 1; n < running; n++)
			if (ends[n] < ends[first])
				first = n
		now = ends[first]
		i = busy[first]
		running--
		busy[first] = busy[running]
		ends[first] = ends[running]
		finish(i)
	}
	hours = now / 3600
}

BEGIN {
	methods = 2; sparsities = 5; seeds = 3
	train_tokens = 1500000; cache_tokens = 0; calibration_tokens = 300000
	ppl_window = 1024; ppl_stride = 512
	splice_tokens = 64 * 256; ablation_features = 100; ablation_tokens = 16 * 256
	nodes = "1 10 1000"; models = 0; speed = 1
}
FNR == 1 { next }
{
	given = FNR - 1
	layers[given] = $2; at_layer[given] = $3; width[given] = $4; latents[given] = $5
	layer_weights[given] = $6; head_weights[given] = $7; files[given] = $8
	ppl_tokens[given] = $9; rate[given] = $10; rows[given] = $11
}
END {
	if (!models)
		models = given
	if (!cache_tokens)
		cache_tokens = train_tokens
	for (m = 1; m <= models; m++)
		checkpoints += files[(m - 1) % given + 1]
	count = split(nodes, list, " ")
	print "| models | steps | nodes | hours | longest chain | of work " \
		"| caches GB | kept GB | GiB |"
	print "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
	for (k = 1; k <= count; k++) {
		build(list[k] == 1)
		split("", reads_of)
		for (i = 1; i <= steps; i++) {
			n = split(readers[i], part, " ")
			for (j = 1; j <= n; j++)
				reads_of[part[j]] = reads_of[part[j]] " " i
		}
		schedule(list[k])
		printf "| %d | %d | %d | %.1f | %.1f | %.0f | %.0f | %.0f | %.1f |\n", models, \
			steps, list[k], hours, longest / 3600, total / 3600, disk / 1e9, \
			kept / 1e9, memory / 2 ^ 30
	}
	printf "\nOf the work:"
	for (k = 1; k <= kind_count; k++)
		printf "%s %s %.1f %%", (k > 1 ? "," : ""), kinds[k], \
			100 * of_kind[kinds[k]] / total
	printf ". Checkpoints: %.0f GB.\n", checkpoints
}' "$@" "$file"
