/* usage: make_seeds DIR
 * Writes sound artefacts of a tiny model as seeds for the fuzzers: DIR/NAME/FILE for fuzz_NAME. A
 * safetensors file is there twice: as we write it, and without its metadata, as other tools write
 * it. Without metadata there are no checksums, so that mutated bytes reach what lies behind
 * them. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/cache_store.h"
#include "io/edit_writer.h"
#include "io/stats_file.h"
#include "io/token_file.h"
#include "test/fuzz/support_fuzz.h"
#include "tools/cmd/feature_cards.h"
#include "tools/cmd/feature_file.h"
#include "tools/study/record.h"
#include "tools/train/sae_folder.h"
#include "tools/train/sae_folder_save.h"

enum { WINDOWS = 3, WINDOW = 8, WIDTH = 4, LATENTS = 8, ROWS = WINDOWS * WINDOW };

static const char *out_folder;
static ps_diag diag;

static void must(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "make_seeds: %s: %s\n", what, diag.text);
	exit(1);
}

static void write_bytes(const char *path, const void *prefix, size_t prefix_bytes,
			const void *bytes, size_t length)
{
	FILE *file = fopen(path, "wb");

	if (!file || fwrite(prefix, 1, prefix_bytes, file) != prefix_bytes ||
	    fwrite(bytes, 1, length, file) != length || fclose(file))
		must(PS_EOUTPUT, path);
}

/* Writes a seed; prefix (prefix_bytes) stands before the bytes. */
static void write_seed(const char *fuzzer, const char *name, const void *prefix,
		       size_t prefix_bytes, const void *bytes, size_t length)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", out_folder, fuzzer);
	must(ps_folder_make(&ps_sys_linux, path, &diag), path);
	snprintf(path, sizeof path, "%s/%s/%s", out_folder, fuzzer, name);
	write_bytes(path, prefix, prefix_bytes, bytes, length);
}

/* The file as another tool would write it: the same tensors, no metadata. */
static char *without_metadata(const ps_safetensors *file, size_t *length)
{
	json_t *header = json_copy(file->header);
	const size_t data = (size_t)(file->file_bytes - file->data_offset);
	char *text, *whole;
	uint64_t bytes;

	json_object_del(header, "__metadata__");
	text = json_dumps(header, JSON_COMPACT);
	json_decref(header);
	if (!text)
		must(PS_EBUDGET, file->path);
	bytes = strlen(text);
	whole = malloc(8 + bytes + data);
	if (!whole)
		must(PS_EBUDGET, file->path);
	memcpy(whole, &bytes, 8);
	memcpy(whole + 8, text, bytes);
	memcpy(whole + 8 + bytes, file->map + file->data_offset, data);
	free(text);
	*length = 8 + bytes + data;
	return whole;
}

static void seed_tensors(const char *fuzzer, const char *path, const void *prefix,
			 size_t prefix_bytes)
{
	ps_safetensors file = {.fd = -1};
	char *whole;
	size_t length;

	must(ps_safetensors_open(&file, &ps_sys_linux, path, &diag), path);
	write_seed(fuzzer, "ours", prefix, prefix_bytes, file.map, file.file_bytes);
	whole = without_metadata(&file, &length);
	write_seed(fuzzer, "foreign", prefix, prefix_bytes, whole, length);
	free(whole);
	ps_safetensors_close(&file);
}

static void seed_text(const char *fuzzer, const char *path)
{
	char *text;
	size_t length;

	must(ps_file_read(&ps_sys_linux, path, 1 << 20, &text, &length, &diag), path);
	write_seed(fuzzer, "ours", NULL, 0, text, length);
	free(text);
}

/* A path in the folder of this process, valid until the next call. */
static const char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", support_fuzz_folder(), name);
	return path;
}

static void seed_tokens(const json_t *provenance)
{
	int32_t ids[ROWS];
	const char *path = in_folder("tokens.safetensors");

	for (int i = 0; i < ROWS; i++)
		ids[i] = i;
	must(ps_token_file_write(&ps_sys_linux, path, ids, WINDOWS, WINDOW, provenance, &diag),
	     path);
	seed_tensors("tokens", path, NULL, 0);
	seed_tensors("safetensors", path, NULL, 0);
}

static void seed_mask(const json_t *provenance)
{
	const ps_model_config *config = support_fuzz_model();
	const char *path = in_folder("mask.safetensors");
	uint8_t bits[1024];
	ps_edit_writer *writer;
	ps_edit_totals totals;
	size_t rows, cols;

	must(ps_edit_writer_create(&writer, &ps_sys_linux,
				   &(ps_edit_spec){.path = path,
						   .config = config,
						   .provenance = provenance,
						   .sparsity = 0.5},
				   &diag),
	     path);
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
			ps_projection_shape(config, (ps_projection)p, &rows, &cols);
			ps_bitmap_fill(bits, rows, cols);
			must(ps_edit_writer_add(writer, layer, (ps_projection)p,
						&(ps_bitmap){bits, rows, cols}, &diag),
			     path);
		}
	must(ps_edit_writer_commit(writer, &totals, &diag), path);
	seed_tensors("mask", path, NULL, 0);
}

static void seed_rounding(const json_t *provenance)
{
	const ps_model_config *config = support_fuzz_model();
	const ps_rounding_rule rule = {.bits = 4, .group = 128};
	const char *path = in_folder("rounding.safetensors");
	static float ones[1024];
	char *bytes;
	size_t length;
	ps_edit_writer *writer;
	ps_edit_totals totals;

	for (size_t i = 0; i < 1024; i++)
		ones[i] = 1;
	must(ps_edit_writer_create(&writer, &ps_sys_linux,
				   &(ps_edit_spec){.path = path,
						   .config = config,
						   .provenance = provenance,
						   .rule = &rule},
				   &diag),
	     path);
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < (int)PS_PROJECTIONS; p++)
			must(ps_edit_writer_add_scales(writer, layer, (ps_projection)p, ones,
						       &diag),
			     path);
	must(ps_edit_writer_commit(writer, &totals, &diag), path);
	must(ps_file_read(&ps_sys_linux, path, 1 << 20, &bytes, &length, &diag), path);
	write_seed("mask", "rounding", NULL, 0, bytes, length);
	free(bytes);
}

static void seed_stats(const json_t *provenance)
{
	static double ones[1024];
	const char *path = in_folder("stats.safetensors");

	for (size_t i = 0; i < 1024; i++)
		ones[i] = 1;
	must(ps_stats_file_write(&ps_sys_linux,
				 &(ps_stats_spec){.path = path,
						  .config = support_fuzz_model(),
						  .provenance = provenance,
						  .tokens = ROWS,
						  .mean = {ones, ones, ones, ones}},
				 &diag),
	     path);
	seed_tensors("stats", path, NULL, 0);
}

static void seed_cache(const json_t *provenance)
{
	float rows[ROWS * WIDTH];
	int32_t column[ROWS];
	ps_cache_writer *writer;
	bool done;
	const char *path = in_folder("cache");

	for (int i = 0; i < ROWS * WIDTH; i++)
		rows[i] = (float)i;
	for (int i = 0; i < ROWS; i++)
		column[i] = i % WINDOW;
	must(ps_cache_writer_create(&writer, &ps_sys_linux,
				    &(ps_cache_spec){.path = path,
						     .provenance = provenance,
						     .dtype = PS_F32,
						     .rows = ROWS,
						     .width = WIDTH,
						     .shard_rows = ROWS},
				    &done, &diag),
	     path);
	must(ps_cache_writer_add(writer, rows, column, column, column, ROWS, &diag), path);
	must(ps_cache_writer_finish(writer, &diag), path);
	ps_cache_writer_close(writer);
	seed_tensors("cache", in_folder("cache/shard-00000.safetensors"), NULL, 0);
	seed_text("manifest", in_folder("cache/manifest.json"));
}

static void seed_sae(const json_t *provenance)
{
	static const uint64_t firing[LATENTS];
	const ps_sae_about about = {.hook_name = "blocks.0.hook_resid_post", .context_size = 8};
	const char *path = in_folder("sae");
	char folder_path[PATH_MAX];
	ps_arena arena;
	ps_folder *folder;
	ps_sae sae;
	bool done;

	snprintf(folder_path, sizeof folder_path, "%s", path);
	must(ps_arena_create(&arena, ps_sae_bytes(WIDTH, LATENTS), &diag), path);
	must(ps_sae_create(&sae, PS_SAE_TOPK, WIDTH, LATENTS, 2, &arena, &diag), path);
	must(ps_folder_begin(&folder, &ps_sys_linux,
			     &(ps_folder_spec){
				     .path = folder_path, .kind = "sae", .provenance = provenance},
			     &done, &diag),
	     path);
	must(ps_sae_folder_save(folder,
				&(ps_sae_written){.sae = &sae,
						  .about = &about,
						  .firing = firing,
						  .provenance = provenance,
						  .why = "it is made so"},
				&diag),
	     path);
	must(ps_folder_finish(folder, NULL, &diag), path);
	ps_folder_close(folder);
	ps_arena_destroy(&arena);
	seed_text("sae_config", in_folder("sae/cfg.json"));
	seed_tensors("sae_weights", in_folder("sae/sae_weights.safetensors"), "\0", 1);
}

static void seed_record(const json_t *provenance)
{
	const char *path = in_folder("step.json");
	json_t *result = json_pack("{s:i, s:f}", "windows", WINDOWS, "fvu", 0.5),
	       *outputs = json_pack("{s:{s:s, s:i}}", "mask.safetensors", "xxh3",
				    "0123456789abcdef", "bytes", 64),
	       *records = json_pack("{s:s}", "model/dense/cache", "0123456789abcdef"),
	       *kernels = json_pack("[s]", "ref");
	const ps_record record = {.id = "model/dense/ppl",
				  .command = "ppl",
				  .kernel = "none",
				  .key = "0123456789abcdef",
				  .inputs = (json_t *)provenance,
				  .result = result,
				  .cache_kernels = kernels,
				  .outputs = outputs,
				  .records = records};

	must(ps_record_write(&record, path, &diag), path);
	json_decref(result);
	json_decref(outputs);
	json_decref(records);
	json_decref(kernels);
	seed_text("record", path);
}

static void fill_features(void *context, size_t latent, bool large, ps_feature_row *row)
{
	(void)context;
	row->rows_dense = 10 + (int64_t)latent;
	row->pearson = 0.5;
	row->cosine = 0.5f;
	row->nearest = 0;
	row->class = PS_CLASS_BLURRED;
	if (large) {
		row->histogram[0][3] = 10;
		row->context_window[0][0] = row->context_position[0][0] = 1;
		row->context_token[0][0][PS_CONTEXT_BEFORE] = 1;
		row->promoted_token[0][0] = 1;
	}
}

static void seed_features(const json_t *provenance)
{
	static const double taus[] = {0.5, 0.7};
	static const bool all[PS_FEATURE_GROUPS] = {true, true, true, true, true};
	const char *path = in_folder("features.safetensors");
	json_t *about = ps_feature_about(ROWS, taus, 2);

	must(json_object_set(about, "provenance", (json_t *)provenance) ? PS_EBUDGET : 0, path);
	must(ps_feature_file_write(&ps_sys_linux,
				   &(ps_feature_spec){.path = path,
						      .about = about,
						      .latents = 1,
						      .taus = 2,
						      .has = all,
						      .fill = fill_features},
				   &diag),
	     path);
	json_decref(about);
	seed_tensors("features", path, NULL, 0);
}

static void seed_cards(void)
{
	const char *path = in_folder("features.safetensors");
	ps_feature_file file;
	ps_token_texts none = {0};
	char table[PATH_MAX];

	snprintf(table, sizeof table, "%s", path);
	must(ps_feature_file_open(&file, &ps_sys_linux, table, true, &diag), table);
	path = in_folder("cards.json");
	must(ps_feature_cards_write(&file, &none, "0123456789abcdef", path, &diag), path);
	ps_feature_file_close(&file);
	seed_text("cards", path);
}

static void seed_index(void)
{
	static const char index[] =
		"{\"metadata\": {\"total_size\": 8}, \"weight_map\": {\"x\": \"a.safetensors\", "
		"\"y\": \"b.safetensors\"}}";

	write_seed("index", "ours", NULL, 0, index, sizeof index - 1);
}

int main(int argc, char **argv)
{
	json_t *provenance;

	if (argc != 2) {
		fprintf(stderr, "usage: make_seeds DIR\n");
		return 2;
	}
	out_folder = argv[1];
	provenance = json_pack("{s:s, s:s}", "command", "fuzz", "model", "0123456789abcdef");
	must(provenance ? 0 : PS_EBUDGET, "provenance");
	seed_tokens(provenance);
	seed_mask(provenance);
	seed_rounding(provenance);
	seed_stats(provenance);
	seed_cache(provenance);
	seed_sae(provenance);
	seed_record(provenance);
	seed_features(provenance);
	seed_cards();
	seed_index();
	json_decref(provenance);
	return 0;
}
