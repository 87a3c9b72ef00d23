/* bench/bench_stream.c: how fast a checkpoint's weights are read if nothing is computed.
 *
 *   bench_stream [--size SIZE] [--slots 1|2] [--backend NAME] [--part layers|embedding|head]
 *                [--pairs N] [--keep] [MODEL]
 *   bench_stream --fio [--fio-bs 1m] [--fio-depth 128] [--fio-options TEXT] ...
 *
 * MODEL is a checkpoint's folder. Without it, a checkpoint of one file is made in TMPDIR: about
 * SIZE (1G) bytes that do not compress, in layers of the shape of Llama 3.2 1B. It is removed at
 * the end; --keep leaves it there and names it on stderr.
 *
 * Each backend is measured cold and warm. Cold: posix_fadvise has dropped the page cache while
 * nobody maps the files, and mincore is asked what is left. Warm: a pass has gone before. First
 * comes a pass that is not timed; every byte of it is compared with an independent pread of the
 * files. Then N (3) passes are timed from the first request to the last byte, without opening and
 * setting up.
 *
 * Parts:
 *   layers      all layers, acquired and released in order; each names the next
 *   embedding   16,384 rows of the embedding, by ids that are distributed as in a text
 *   head        all rows of the output head, 2,048 at a time
 *
 * CSV: part, backend, layer slots, cold or warm, the share of the pages that were in the cache
 * before, bytes, seconds, MB/s (10^6 bytes).
 *
 * --fio: our uring backend and fio read the same cold layers in turn, N times. fio uses io_uring,
 * direct and sequential, with registered buffers; 1 MiB x 128 was its best setting where this was
 * written. Prints MB/s of both, our share of the mean of fio's rates before and after, and the
 * median share. --fio-options gives fio more options, such as --iomem=shmhuge if vm.nr_hugepages
 * leaves room for 128 MiB. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/base/json.h"
#include "core/base/rng.h"
#include "io/checkpoint.h"
#include "io/layer_stream.h"
#include "io/model_map.h"

#define IDS ((size_t)16384)
#define BLOCK ((size_t)1 << 20)
#define PAIRS_MAX 64

enum part { LAYERS, EMBEDDING, HEAD, PARTS };

static const char *const part_names[PARTS] = {"layers", "embedding", "head"};

struct bench {
	char folder[PATH_MAX];
	bool made, kept;
	size_t size, pairs;
	int slots, backend, part; /* -1: all */
	bool fio;
	const char *fio_bs, *fio_depth, *fio_options;
	int32_t ids[IDS];
	float *rows; /* (IDS, D) */
	char *block; /* (BLOCK), for checks */
};

/* A checkpoint that is open for one run. */
struct run {
	struct bench *bench;
	ps_checkpoint *checkpoint;
	ps_shard_set shards;
	ps_model_map map;
	const ps_model_config *config;
	ps_arena arena;
	ps_weight_source source;
};

/* Ends the program where memory ran out for a JSON value. */
static void must(int failed)
{
	if (!failed)
		return;
	fputs("bench_stream: no memory\n", stderr);
	exit(1);
}

static void check(int code, const ps_diag *diag)
{
	if (!code)
		return;
	fprintf(stderr, "bench_stream: %s\n", diag->text);
	exit(1);
}

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "bench_stream: %s: %s: %s\n", path, what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- a checkpoint of one file --- */

static const char made_config[] =
	"{\"model_type\": \"llama\", \"hidden_size\": 2048, \"num_attention_heads\": 32, "
	"\"num_key_value_heads\": 8, \"head_dim\": 64,"
	" \"intermediate_size\": 8192, \"num_hidden_layers\": %zu, \"vocab_size\": 32768, "
	"\"max_position_embeddings\": 2048,"
	" \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", "
	"\"tie_word_embeddings\": true,"
	" \"bos_token_id\": 1, \"eos_token_id\": 2}";

static void add_tensor(json_t *header, const char *name, size_t rows, size_t cols, size_t *at)
{
	size_t end = *at + 2 * (rows ? rows : 1) * cols;
	json_t *shape = rows ? json_pack("[I, I]", (json_int_t)rows, (json_int_t)cols)
			     : json_pack("[I]", (json_int_t)cols);

	must(json_object_set_new(header, name,
				 json_pack("{s:s, s:o, s:[I, I]}", "dtype", "BF16", "shape", shape,
					   "data_offsets", (json_int_t)*at, (json_int_t)end)));
	*at = end;
}

/* Writes the text of the header; *bytes becomes the size of the data. */
static char *make_header(const ps_model_config *config, size_t *bytes)
{
	json_t *header = json_object();
	char name[96], *text;

	*bytes = 0;
	add_tensor(header, "model.embed_tokens.weight", config->vocab, config->width, bytes);
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int t = 0; t < PS_LAYER_TENSORS; t++) {
			size_t rows, cols;

			if (!ps_layer_tensor_name(config, layer, t, name))
				continue;
			ps_layer_tensor_shape(config, t, &rows, &cols);
			add_tensor(header, name, t < (int)PS_PROJECTIONS ? rows : 0, cols, bytes);
		}
	add_tensor(header, "model.norm.weight", 0, config->width, bytes);
	text = json_dumps(header, JSON_COMPACT);
	json_decref(header);
	return text;
}

static void write_random(FILE *out, size_t bytes)
{
	ps_rng rng = ps_rng_make(1, 0);
	uint64_t block[1024];

	for (size_t at = 0; at < bytes; at += sizeof block) {
		for (size_t i = 0; i < sizeof block / sizeof *block; i++)
			block[i] = ps_rng_u64(&rng);
		fwrite(block, 1, ps_min_size(sizeof block, bytes - at), out);
	}
}

static FILE *create(const char *folder, const char *name)
{
	char path[PATH_MAX + 64];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	out = fopen(path, "wb");
	if (!out)
		fail("cannot be written", path);
	return out;
}

static void finish(FILE *out, const char *folder)
{
	if (fflush(out) || ferror(out) || fsync(fileno(out)) || fclose(out))
		fail("cannot be written", folder);
}

static void make_checkpoint(struct bench *b)
{
	const size_t layer_bytes = 2 * (2 * 2048 * 2048 + 2 * 512 * 2048 + 3 * 8192 * 2048),
		     rest = 2 * 32768 * 2048;
	size_t layers = b->size > rest + layer_bytes ? (b->size - rest) / layer_bytes : 1, bytes;
	const char *where = getenv("TMPDIR");
	ps_model_config config;
	char text[1024], *header;
	ps_diag diag = {0};
	uint64_t length;
	FILE *out;

	snprintf(b->folder, sizeof b->folder, "%s/prunescope-bench-XXXXXX", where ? where : "/tmp");
	if (!mkdtemp(b->folder))
		fail("cannot be made", b->folder);
	b->made = true;
	length = (uint64_t)snprintf(text, sizeof text, made_config, layers);
	check(ps_config_parse(text, length, "config.json", &config, &diag), &diag);
	out = create(b->folder, "config.json");
	fputs(text, out);
	finish(out, b->folder);
	header = make_header(&config, &bytes);
	length = strlen(header);
	out = create(b->folder, "model.safetensors");
	fwrite(&length, sizeof length, 1, out);
	fputs(header, out);
	write_random(out, bytes);
	finish(out, b->folder);
	free(header);
}

static void remove_checkpoint(const struct bench *b)
{
	static const char *const names[] = {"config.json", "model.safetensors"};
	char path[PATH_MAX + 64];

	for (size_t i = 0; b->made && !b->kept && i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", b->folder, names[i]);
		unlink(path);
	}
	if (b->made && !b->kept)
		rmdir(b->folder);
	else if (b->made)
		fprintf(stderr, "bench_stream: the checkpoint is left in %s\n", b->folder);
}

/* --- one run --- */

/* Drops the files' pages from the cache, while nobody maps them. */
static void drop_cache(const struct bench *b)
{
	ps_shard_set set = {0};
	ps_diag diag = {0};
	int fds[256];
	size_t count;

	check(ps_shard_set_open(&set, &ps_sys_linux, b->folder, &diag), &diag);
	count = ps_min_size(set.shard_count, 256);
	for (size_t i = 0; i < count; i++)
		fds[i] = open(set.shards[i].path, O_RDONLY | O_CLOEXEC);
	ps_shard_set_close(&set);
	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0 || posix_fadvise(fds[i], 0, 0, POSIX_FADV_DONTNEED))
			fail("the page cache cannot be dropped", b->folder);
		close(fds[i]);
	}
}

static void open_run(struct run *run, struct bench *b, ps_backend backend)
{
	const ps_stream_options options = {.backend = backend, .layer_slots = b->slots};
	ps_diag diag = {0};

	*run = (struct run){.bench = b};
	check(ps_checkpoint_open(&run->checkpoint, &ps_sys_linux, b->folder, &diag), &diag);
	run->config = ps_checkpoint_config(run->checkpoint);
	check(ps_shard_set_open(&run->shards, &ps_sys_linux, b->folder, &diag), &diag);
	check(ps_model_map_build(&run->map, &run->shards, run->config, b->folder, &diag), &diag);
	check(ps_arena_create(&run->arena, ps_checkpoint_stream_bytes(run->checkpoint, &options),
			      &diag),
	      &diag);
	check(ps_checkpoint_stream(run->checkpoint, &options, &run->arena, &run->source, &diag),
	      &diag);
}

static void close_run(struct run *run)
{
	ps_checkpoint_close(run->checkpoint);
	ps_model_map_free(&run->map);
	ps_shard_set_close(&run->shards);
	ps_arena_destroy(&run->arena);
}

/* Ids with a log-uniform rank, near the distribution of words, scattered over the vocabulary. */
static void draw_ids(struct bench *b, size_t vocab)
{
	ps_rng rng = ps_rng_make(7, 0);

	for (size_t i = 0; i < IDS; i++)
		b->ids[i] = (int32_t)((uint64_t)exp(ps_rng_uniform(&rng) * log((double)vocab)) *
				      40503 % vocab);
}

/* --- the bytes of the files, by pread --- */

/* Compares data with the file's bytes; a wrong byte ends the program. */
static void compare(struct bench *b, const ps_located *located, uint64_t offset, size_t bytes,
		    const void *data)
{
	for (size_t at = 0; at < bytes; at += BLOCK) {
		size_t part = ps_min_size(bytes - at, BLOCK);

		if (ps_sys_pread_full(&ps_sys_linux, located->file->fd, b->block, part,
				      (off_t)(located->info->offset + offset + at)))
			fail("cannot be read", located->file->path);
		if (ps_digest_of(b->block, part) != ps_digest_of((const char *)data + at, part)) {
			fprintf(stderr, "bench_stream: %s: tensor %s was read wrongly\n",
				located->file->path, located->info->name);
			exit(1);
		}
	}
}

static void compare_layer(struct run *run, int layer, const ps_layer_weights *weights)
{
	const ps_located *tensors = ps_model_map_layer(&run->map, layer);

	for (int t = 0; t < PS_LAYER_TENSORS; t++) {
		const ps_weight *view = t < (int)PS_PROJECTIONS
						? &weights->projection[t]
						: &weights->norm[t - (int)PS_PROJECTIONS];

		if (tensors[t].file)
			compare(run->bench, &tensors[t], 0, (size_t)tensors[t].info->bytes,
				view->data);
	}
}

static void compare_embedding(struct run *run)
{
	const ps_located *matrix = &run->map.embedding;
	size_t width = run->config->width,
	       row_bytes = (size_t)(matrix->info->bytes / matrix->info->shape[0]);
	float *want = malloc(width * sizeof *want);
	char *row = malloc(row_bytes);

	for (size_t i = 0; i < IDS; i++) {
		uint64_t offset = matrix->info->offset + (uint64_t)run->bench->ids[i] * row_bytes;

		if (ps_sys_pread_full(&ps_sys_linux, matrix->file->fd, row, row_bytes,
				      (off_t)offset))
			fail("cannot be read", matrix->file->path);
		ps_widen(row, (ps_dtype)matrix->info->dtype, width, want);
		if (memcmp(want, run->bench->rows + i * width, width * sizeof *want)) {
			fprintf(stderr, "bench_stream: embedding row %d was read wrongly\n",
				run->bench->ids[i]);
			exit(1);
		}
	}
	free(want);
	free(row);
}

/* --- passes; each returns the number of bytes that it asked for --- */

static uint64_t pass_layers(struct run *run, bool compared)
{
	int layers = (int)run->config->layers;
	uint64_t bytes = 0;
	ps_diag diag = {0};

	for (int layer = 0; layer < layers; layer++) {
		const ps_located *tensors = ps_model_map_layer(&run->map, layer);
		ps_layer_weights weights;

		check(run->source.acquire_layer(run->source.self, layer,
						layer + 1 < layers ? layer + 1 : -1, &weights,
						&diag),
		      &diag);
		if (compared)
			compare_layer(run, layer, &weights);
		run->source.release_layer(run->source.self, layer);
		for (int t = 0; t < PS_LAYER_TENSORS; t++)
			bytes += tensors[t].file ? tensors[t].info->bytes : 0;
	}
	return bytes;
}

static uint64_t pass_embedding(struct run *run, bool compared)
{
	const ps_located *matrix = &run->map.embedding;
	ps_diag diag = {0};

	check(run->source.embedding_rows(run->source.self, run->bench->ids, IDS, run->bench->rows,
					 &diag),
	      &diag);
	if (compared)
		compare_embedding(run);
	return IDS * (matrix->info->bytes / matrix->info->shape[0]);
}

static uint64_t pass_head(struct run *run, bool compared)
{
	const ps_located *matrix = &run->map.head;
	size_t vocab = run->config->vocab,
	       row_bytes = (size_t)(matrix->info->bytes / matrix->info->shape[0]);
	ps_diag diag = {0};

	for (size_t first = 0; first < vocab; first += PS_HEAD_ROWS_MAX) {
		size_t rows = ps_min_size(vocab - first, PS_HEAD_ROWS_MAX);
		ps_weight view;

		check(run->source.head_rows(run->source.self, first, rows, &view, &diag), &diag);
		if (compared)
			compare(run->bench, matrix, first * row_bytes, rows * row_bytes, view.data);
	}
	return matrix->info->bytes;
}

static uint64_t (*const passes[PARTS])(struct run *run,
				       bool compared) = {pass_layers, pass_embedding, pass_head};

/* The share of the model's pages that the page cache holds. */
static double resident_share(const struct run *run)
{
	size_t pages = 0, resident = 0;

	for (size_t i = 0; i < run->shards.shard_count; i++) {
		const ps_safetensors *file = &run->shards.shards[i];
		size_t count = ps_div_up((size_t)file->file_bytes, 4096);
		unsigned char *found = malloc(count);

		if (!found || mincore((void *)file->map, (size_t)file->file_bytes, found))
			fail("mincore", file->path);
		for (size_t p = 0; p < count; p++)
			resident += found[p] & 1;
		pages += count;
		free(found);
	}
	return (double)resident / (double)pages;
}

/* Touches every page of the mapping, as a computation would. */
static void touch_mapping(const struct run *run, enum part part)
{
	const ps_located *head = &run->map.head;
	volatile char sink = 0;

	for (int layer = 0; part == LAYERS && layer < (int)run->config->layers; layer++)
		for (int t = 0; t < PS_LAYER_TENSORS; t++) {
			const ps_located *tensor = ps_model_map_layer(&run->map, layer) + t;

			for (uint64_t at = 0; tensor->file && at < tensor->info->bytes; at += 4096)
				sink += tensor->file->map[tensor->info->offset + at];
		}
	for (uint64_t at = 0; part == HEAD && at < head->info->bytes; at += 4096)
		sink += head->file->map[head->info->offset + at];
	(void)sink;
}

/* The seconds of one pass. */
static double time_pass(struct bench *b, ps_backend backend, enum part part, bool cold, bool print)
{
	struct run run;
	double start, seconds, share;
	uint64_t bytes;

	if (cold)
		drop_cache(b);
	open_run(&run, b, backend);
	share = resident_share(&run);
	start = now();
	bytes = passes[part](&run, false);
	if (backend == PS_IO_MMAP)
		touch_mapping(&run, part);
	seconds = now() - start;
	if (print)
		printf("%s,\"%s\",%d,%s,%.3f,%llu,%.4f,%.0f\n", part_names[part],
		       ps_checkpoint_backend(run.checkpoint), b->slots, cold ? "cold" : "warm",
		       share, (unsigned long long)bytes, seconds, 1e-6 * (double)bytes / seconds);
	fflush(stdout);
	close_run(&run);
	return 1e-6 * (double)bytes / seconds;
}

static void verify_pass(struct bench *b, ps_backend backend, enum part part, bool cold)
{
	struct run run;

	if (cold)
		drop_cache(b);
	open_run(&run, b, backend);
	(void)passes[part](&run, true);
	close_run(&run);
}

static void warm_up(const struct bench *b)
{
	struct run run = {0};
	ps_diag diag = {0};

	check(ps_shard_set_open(&run.shards, &ps_sys_linux, b->folder, &diag), &diag);
	for (size_t i = 0; i < run.shards.shard_count; i++)
		for (uint64_t at = 0; at < run.shards.shards[i].file_bytes; at += BLOCK) {
			size_t part =
				ps_min_size(BLOCK, (size_t)(run.shards.shards[i].file_bytes - at));

			if (ps_sys_pread_full(&ps_sys_linux, run.shards.shards[i].fd, b->block,
					      part, (off_t)at))
				fail("cannot be read", b->folder);
		}
	ps_shard_set_close(&run.shards);
}

static void run_table(struct bench *b)
{
	printf("part,backend,layer_slots,cache,resident_before,bytes,seconds,MB_per_s\n");
	for (int part = 0; part < PARTS; part++)
		for (int backend = PS_IO_URING; backend <= PS_IO_MMAP; backend++)
			for (int cold = 1; cold >= 0; cold--) {
				if ((b->part >= 0 && part != b->part) ||
				    (b->backend >= 0 && backend != b->backend))
					continue;
				verify_pass(b, (ps_backend)backend, (enum part)part, cold);
				if (!cold)
					warm_up(b);
				for (size_t i = 0; i < b->pairs; i++)
					(void)time_pass(b, (ps_backend)backend, (enum part)part,
							cold, true);
			}
}

/* --- fio --- */

/* The MB/s at which fio reads the checkpoint's one file, after its page cache is dropped. */
static double time_fio(const struct bench *b, const char *path)
{
	char command[2 * PATH_MAX];
	json_error_t error;
	json_t *result;
	double rate;
	FILE *out;

	drop_cache(b);
	snprintf(command, sizeof command,
		 "fio --name=read --filename='%s' --readonly --rw=read --ioengine=io_uring "
		 "--direct=1 --fixedbufs --bs=%s "
		 "--iodepth=%s --output-format=json %s",
		 path, b->fio_bs, b->fio_depth, b->fio_options);
	out = popen(command, "r");
	if (!out)
		fail("fio cannot be started", path);
	result = json_loadf(out, JSON_DISABLE_EOF_CHECK, &error);
	rate = 1e-6 *
	       json_number_value(json_object_get(
		       json_object_get(json_array_get(json_object_get(result, "jobs"), 0), "read"),
		       "bw_bytes"));
	json_decref(result);
	if (pclose(out) || rate <= 0)
		fail("fio failed", path);
	return rate;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run_pairs(struct bench *b)
{
	double before, after, shares[PAIRS_MAX];
	ps_shard_set set = {0};
	char path[PATH_MAX];
	ps_diag diag = {0};

	check(ps_shard_set_open(&set, &ps_sys_linux, b->folder, &diag), &diag);
	snprintf(path, sizeof path, "%s", set.shards[0].path);
	if (set.shard_count != 1 || strchr(path, '\'') || strchr(path, ':')) {
		fprintf(stderr, "bench_stream: --fio needs a checkpoint of one file, without ' and "
				": in its path\n");
		exit(2);
	}
	ps_shard_set_close(&set);
	verify_pass(b, PS_IO_URING, LAYERS, true);
	printf("fio_bs,fio_depth,layer_slots,fio_before_MB_per_s,uring_MB_per_s,fio_after_MB_per_s,"
	       "share_percent\n");
	before = time_fio(b, path);
	for (size_t i = 0; i < b->pairs; i++) {
		double ours = time_pass(b, PS_IO_URING, LAYERS, true, false);

		after = time_fio(b, path);
		shares[i] = 200 * ours / (before + after);
		printf("%s,%s,%d,%.0f,%.0f,%.0f,%.1f\n", b->fio_bs, b->fio_depth, b->slots, before,
		       ours, after, shares[i]);
		fflush(stdout);
		before = after;
	}
	qsort(shares, b->pairs, sizeof *shares, by_value);
	printf("median,,,,,,%.1f\n", 0.5 * (shares[(b->pairs - 1) / 2] + shares[b->pairs / 2]));
}

/* --- options --- */

static void usage(void)
{
	fprintf(stderr, "usage: bench_stream [--size SIZE] [--slots 1|2] [--backend "
			"uring|pread|mmap] [--part layers|embedding|head]\n"
			"                    [--pairs N] [--fio] [--fio-bs 1m] [--fio-depth 128] "
			"[--fio-options TEXT] [--keep] [MODEL]\n");
	exit(2);
}

static void parse(struct bench *b, int argc, char **argv)
{
	ps_backend backend;
	ps_diag diag = {0};

	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(name, "--fio")) {
			b->fio = true;
			continue;
		}
		if (!strcmp(name, "--keep")) {
			b->kept = true;
			continue;
		}
		if (strncmp(name, "--", 2)) {
			check(ps_model_resolve(name, b->folder, &diag), &diag);
			continue;
		}
		i++;
		if (!strcmp(name, "--size"))
			check(ps_size_parse(value, &b->size, &diag), &diag);
		else if (!strcmp(name, "--slots"))
			b->slots = atoi(value);
		else if (!strcmp(name, "--pairs"))
			b->pairs = (size_t)atoi(value);
		else if (!strcmp(name, "--fio-bs"))
			b->fio_bs = value;
		else if (!strcmp(name, "--fio-depth"))
			b->fio_depth = value;
		else if (!strcmp(name, "--fio-options"))
			b->fio_options = value;
		else if (!strcmp(name, "--part"))
			for (b->part = 0; b->part < PARTS && strcmp(value, part_names[b->part]);)
				b->part++;
		else if (!strcmp(name, "--backend")) {
			check(ps_backend_parse(value, &backend, &diag), &diag);
			b->backend = (int)backend;
		} else
			usage();
	}
	if (b->slots < 1 || b->slots > PS_LAYER_SLOTS_MAX || b->pairs < 1 || b->pairs > PAIRS_MAX ||
	    b->part == PARTS)
		usage();
}

int main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof *b);
	ps_checkpoint *checkpoint;
	ps_diag diag = {0};

	if (!b || !(b->block = malloc(BLOCK)))
		return 1;
	b->size = (size_t)1 << 30;
	b->slots = 2;
	b->pairs = 3;
	b->backend = b->part = -1;
	b->fio_bs = "1m";
	b->fio_depth = "128";
	b->fio_options = "";
	parse(b, argc, argv);
	if (!b->folder[0])
		make_checkpoint(b);
	check(ps_checkpoint_open(&checkpoint, &ps_sys_linux, b->folder, &diag), &diag);
	b->rows = malloc(IDS * ps_checkpoint_config(checkpoint)->width * sizeof *b->rows);
	if (!b->rows)
		fail("no memory for rows", b->folder);
	draw_ids(b, ps_checkpoint_config(checkpoint)->vocab);
	ps_checkpoint_close(checkpoint);
	if (b->fio)
		run_pairs(b);
	else
		run_table(b);
	remove_checkpoint(b);
	free(b->rows);
	free(b->block);
	free(b);
	return 0;
}
