/* io/checkpoint: finds, opens and checks what transformers saves, and refuses the rest by name. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/checkpoint.h"
#include "io/folder.h"
#include "io/shard_index.h"
#include "test/support/support_checkpoint.h"

static char folder[256]; /* of the running test */

static int make_folder(void **state)
{
	(void)state;
	ck_make_folder(folder, sizeof folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

static ps_checkpoint *open_good(const char *path)
{
	ps_checkpoint *checkpoint = NULL;
	ps_diag diag = {0};

	if (ps_checkpoint_open(&checkpoint, &ps_sys_linux, path, &diag))
		fail_msg("%s: %s", path, diag.text);
	return checkpoint;
}

/* Opening the folder must fail with exit 3 and a message that contains want. */
static void refuse(const char *path, const char *want)
{
	ps_checkpoint *checkpoint = NULL;
	ps_diag diag = {0};
	int rc = ps_checkpoint_open(&checkpoint, &ps_sys_linux, path, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
	assert_null(checkpoint);
}

/* --- what transformers saves --- */

static void check_values(const char *name, size_t layers, ps_dtype dtype)
{
	char path[256], tensor[96];
	ps_checkpoint *checkpoint;
	ps_weight view;
	size_t wrong;

	snprintf(path, sizeof path, CK_FIXTURES "%s", name);
	checkpoint = open_good(path);
	assert_int_equal(ps_checkpoint_config(checkpoint)->layers, layers);
	assert_string_equal(ps_checkpoint_path(checkpoint), path);
	assert_int_equal(ps_checkpoint_embedding(checkpoint, &view, NULL), 0);
	wrong = ck_count_wrong(&view, "model.embed_tokens.weight", 0);
	for (int layer = 0; layer < (int)layers; layer++)
		for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
			assert_int_equal(ps_checkpoint_projection(checkpoint, layer,
								  (ps_projection)p, &view, NULL),
					 0);
			assert_int_equal(view.dtype, dtype);
			wrong += ck_count_wrong(
				&view, ps_projection_tensor(layer, (ps_projection)p, tensor), 0);
		}
	print_message("%s: %zu wrong values, %llu bytes\n", name, wrong,
		      (unsigned long long)ps_checkpoint_bytes(checkpoint));
	assert_int_equal(wrong, 0);
	assert_int_equal(ps_checkpoint_projection(checkpoint, (int)layers, PS_Q, &view, NULL),
			 PS_EINPUT);
	ps_checkpoint_close(checkpoint);
}

static void reads_what_transformers_saved(void **state)
{
	(void)state;
	check_values("single", 3, PS_BF16);
	check_values("untied", 3, PS_F16);
	check_values("f32", 2, PS_F32);
	check_values("sharded", 5, PS_BF16);
	check_values("prefixed", 5, PS_BF16);
}

/* --- hub ids --- */

static void write_snapshot(const char *cache, const char *repository, const char *revision)
{
	char path[512], file[1024];
	ck_model model;

	ck_llama(&model);
	snprintf(path, sizeof path, "%s/%s/refs", cache, repository);
	snprintf(file, sizeof file, "mkdir -p '%s/%s/refs' '%s/%s/snapshots/%s'", cache, repository,
		 cache, repository, revision);
	assert_int_equal(system(file), 0);
	ck_write_text(path, "main", revision);
	snprintf(path, sizeof path, "%s/%s/snapshots/%s", cache, repository, revision);
	ck_write_llama(path, &model);
}

static void clear_environment(void)
{
	unsetenv("HF_HUB_CACHE");
	unsetenv("HUGGINGFACE_HUB_CACHE");
	unsetenv("HF_HOME");
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", "/nowhere", 1);
}

static void finds_hub_ids_in_the_cache(void **state)
{
	static const char *const variables[] = {"HF_HUB_CACHE", "HF_HOME", "HOME"};
	static const char *const below[] = {"", "/hub", "/.cache/huggingface/hub"};
	char cache[512], path[PATH_MAX];

	(void)state;
	for (int i = 0; i < 3; i++) {
		char name[32], *value;

		snprintf(name, sizeof name, "/%d", i);
		snprintf(cache, sizeof cache, "%s%s%s", folder, name, below[i]);
		write_snapshot(cache, "models--org--tiny-1.5_b", "abc123");
		clear_environment();
		snprintf(cache, sizeof cache, "%s%s", folder, name);
		setenv(variables[i], cache, 1);
		assert_int_equal(ps_model_resolve("org/tiny-1.5_b", path, NULL), 0);
		value = strstr(path, "/snapshots/abc123");
		assert_non_null(value);
		ps_checkpoint_close(open_good("org/tiny-1.5_b"));
	}
}

static void says_where_it_looked_for_a_hub_id(void **state)
{
	char cache[512];

	(void)state;
	clear_environment();
	setenv("HF_HUB_CACHE", folder, 1);
	snprintf(cache, sizeof cache, "%s/models--org--none", folder);
	refuse("org/none", cache);
	refuse("../org/none", "no such folder");
	refuse("/nowhere/else", "no such folder");
	write_snapshot(folder, "models--org--bad", "abc");
	snprintf(cache, sizeof cache, "%s/models--org--bad/refs", folder);
	ck_write_text(cache, "main", "../../elsewhere\n");
	refuse("org/bad", "no revision");
	ck_write_text(cache, "main", "0123\n");
	refuse("org/bad", "snapshots/0123");
	unsetenv("HF_HUB_CACHE");
	unsetenv("HOME");
	refuse("org/none", "HF_HUB_CACHE");
}

static void prefers_a_folder_to_a_hub_id(void **state)
{
	char path[PATH_MAX], before[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(before, sizeof before));
	clear_environment();
	setenv("HF_HUB_CACHE", folder, 1);
	write_snapshot(folder, "models--org--both", "abc");
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(mkdir("org", 0755) || mkdir("org/both", 0755), 0);
	assert_int_equal(ps_model_resolve("org/both", path, NULL), 0);
	assert_string_equal(path, "org/both");
	assert_int_equal(chdir(before), 0);
}

/* --- refusals --- */

#define L0 "model.layers.0."

static void drop_norm(ck_model *m)
{
	ck_remove(m, L0 "input_layernorm.weight");
}

static void drop_projection(ck_model *m)
{
	ck_remove(m, "model.layers.1.mlp.up_proj.weight");
}

static void drop_embedding(ck_model *m)
{
	ck_remove(m, "model.embed_tokens.weight");
}

static void drop_final_norm(ck_model *m)
{
	ck_remove(m, "model.norm.weight");
}

static void swap_shape(ck_model *m)
{
	ck_tensor *tensor = ck_find(m, L0 "mlp.down_proj.weight");

	tensor->shape[0] = 10;
	tensor->shape[1] = 8;
}

static void flatten(ck_model *m)
{
	ck_tensor *tensor = ck_find(m, L0 "self_attn.q_proj.weight");

	tensor->rank = 1;
	tensor->shape[0] = 64;
}

static void change_dtype(ck_model *m)
{
	ck_find(m, L0 "self_attn.k_proj.weight")->dtype = "I32";
}

static void change_vocabulary(ck_model *m)
{
	ck_find(m, "model.embed_tokens.weight")->shape[0] = 17;
}

static void add_bias(ck_model *m)
{
	ck_add(m, L0 "self_attn.q_proj.bias", "BF16", 1, 0, 8);
}

static void add_norm_of_another_family(ck_model *m)
{
	ck_add(m, L0 "self_attn.q_norm.weight", "BF16", 1, 0, 4);
}

static void add_layer(ck_model *m)
{
	ck_add(m, "model.layers.2.self_attn.q_proj.weight", "BF16", 2, 8, 8);
}

static void add_odd_layer(ck_model *m)
{
	ck_add(m, "model.layers.zero.weight", "BF16", 1, 0, 8);
}

static void add_embedding(ck_model *m)
{
	ck_add(m, "language_model.model.embed_tokens.weight", "BF16", 2, 16, 8);
}

static void add_wrong_head(ck_model *m)
{
	ck_add(m, "lm_head.weight", "BF16", 2, 15, 8);
}

static void add_head_bias(ck_model *m)
{
	ck_add(m, "lm_head.bias", "BF16", 1, 0, 16);
}

static void add_norm_bias(ck_model *m)
{
	ck_add(m, "model.norm.bias", "BF16", 1, 0, 8);
}

static void add_attention_bias(ck_model *m)
{
	ck_add(m, L0 "self_attn.bias", "BF16", 1, 0, 8);
}

static void add_lora(ck_model *m)
{
	ck_add(m, L0 "self_attn.q_proj.lora_A.default.weight", "BF16", 2, 2, 8);
}

static void add_lora_outside(ck_model *m)
{
	ck_add(m, "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight", "BF16", 2, 10, 2);
}

static void add_projection(ck_model *m)
{
	ck_add(m, L0 "mlp.extra_proj.weight", "BF16", 2, 8, 8);
}

static void quantize_as_gptq(ck_model *m)
{
	strcpy(ck_find(m, L0 "mlp.up_proj.weight")->name, L0 "mlp.up_proj.qweight");
}

static void quantize_as_bitsandbytes(ck_model *m)
{
	ck_add(m, L0 "mlp.up_proj.weight.absmax", "F32", 1, 0, 2);
}

static void quantize_as_fp8(ck_model *m)
{
	ck_add(m, L0 "mlp.up_proj.weight_scale_inv", "F32", 2, 1, 1);
}

static void put_a_prefix_before_everything(ck_model *m)
{
	char name[160];

	for (int i = 0; i < m->count; i++) {
		snprintf(name, sizeof name, "module.%.100s", m->tensors[i].name);
		strcpy(m->tensors[i].name, name);
	}
}

static void keep_only_an_adapter(ck_model *m)
{
	m->count = 0;
	add_lora_outside(m);
}

static void refuses_tensors_that_do_not_fit_the_config(void **state)
{
	static const struct {
		void (*change)(ck_model *);
		const char *want;
	} cases[] = {
		{drop_norm, L0 "input_layernorm.weight is missing"},
		{drop_projection, "model.layers.1.mlp.up_proj.weight is missing"},
		{drop_embedding, "model.embed_tokens.weight is missing"},
		{drop_final_norm, "model.norm.weight is missing"},
		{swap_shape, L0 "mlp.down_proj.weight"},
		{flatten, L0 "self_attn.q_proj.weight"},
		{change_dtype, L0 "self_attn.k_proj.weight is I32"},
		{change_vocabulary, "model.embed_tokens.weight"},
		{add_bias, L0 "self_attn.q_proj.bias is a bias"},
		{add_norm_of_another_family, L0 "self_attn.q_norm.weight is unknown"},
		{add_layer, "model.layers.2.self_attn.q_proj.weight is beyond the 2 layers"},
		{add_odd_layer, "model.layers.zero.weight"},
		{add_embedding, "several token embeddings"},
		{add_wrong_head, "lm_head.weight"},
		{add_head_bias, "lm_head.bias is a bias"},
		{add_norm_bias, "model.norm.bias is a bias"},
		{add_attention_bias, L0 "self_attn.bias is a bias"},
		{add_lora, "lora_A.default.weight is part of a LoRA adapter"},
		{add_lora_outside, "lora_B.weight is part of a LoRA adapter"},
		{add_projection, L0 "mlp.extra_proj.weight is unknown in a llama model"},
		{quantize_as_gptq, "qweight is part of quantized weights (GPTQ or AWQ)"},
		{quantize_as_bitsandbytes, "absmax is part of quantized weights (bitsandbytes)"},
		{quantize_as_fp8, "weight_scale_inv is part of quantized weights (fp8)"},
		{put_a_prefix_before_everything, "prefix of module.model.embed_tokens.weight"},
		{keep_only_an_adapter, "lora_B.weight is part of a LoRA adapter"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_model model;

		ck_llama(&model);
		cases[i].change(&model);
		ck_write_llama(folder, &model);
		refuse(folder, cases[i].want);
	}
}

static void passes_over_tensors_that_cannot_change_the_result(void **state)
{
	static const struct {
		const char *name, *dtype;
		int rank;
	} others[] = {
		{"vision_tower.layers.0.weight", "BF16", 1},
		{"vision_tower.layers.0.q_proj.bias", "BF16", 1},
		{"model.rotary_emb.inv_freq", "F32", 1},
		{L0 "self_attn.rotary_emb.inv_freq", "F32", 1},
		{L0 "self_attn.rotary_emb.cos_cached", "F32", 2},
		{L0 "self_attn.rotary_emb.sin_cached", "F32", 2},
		{L0 "self_attn.rotary_emb.cos_sin_cache", "F32", 2},
		{L0 "self_attn.k_scale", "F32", 2},
		{L0 "self_attn.attn.k_scale", "F32", 1},
		{L0 "self_attn.v_scale", "F32", 1},
		{L0 "self_attn.masked_bias", "F32", 1},
		{L0 "self_attn.bias", "U8", 2},
		{L0 "attn.masked_bias", "F32", 1},
		{L0 "attn.bias", "U8", 2},
		{"score.weight", "BF16", 2},
	};
	ck_model model;

	(void)state;
	ck_llama(&model);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		ck_add(&model, others[i].name, others[i].dtype, others[i].rank, 4, 4);
	ck_write_llama(folder, &model);
	ps_checkpoint_close(open_good(folder));
}

/* Names as AutoModel saves a decoder, and as checkpoints with a vision tower have them. */
static void knows_the_prefixes_of_published_checkpoints(void **state)
{
	static const char *const prefixes[] = {"", "language_model.", "model.language_model.",
					       "language_model.model."};

	(void)state;
	for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
		ps_checkpoint *checkpoint;
		ps_projection projection;
		ck_model model;
		char name[160];
		int layer;

		ck_llama(&model);
		for (int i = 0; i < model.count; i++) {
			snprintf(name, sizeof name, "%s%.100s", prefixes[p],
				 model.tensors[i].name + strlen("model."));
			strcpy(model.tensors[i].name, name);
		}
		ck_add(&model, "vision_tower.encoder.layers.1.mlp.up_proj.weight", "BF16", 2, 9, 9);
		ck_write_llama(folder, &model);
		checkpoint = open_good(folder);
		snprintf(name, sizeof name, "%slayers.1.mlp.up_proj.weight", prefixes[p]);
		assert_true(ps_checkpoint_find_projection(checkpoint, name, &layer, &projection));
		assert_true(layer == 1 && projection == PS_UP);
		assert_false(ps_checkpoint_find_projection(
			checkpoint, "vision_tower.encoder.layers.1.mlp.up_proj.weight", &layer,
			&projection));
		assert_true(ps_checkpoint_has_head(checkpoint));
		ps_checkpoint_close(checkpoint);
	}
}

/* A decoder that was saved alone can be pruned and cached. Who needs its head asks. */
static void says_whether_there_is_a_head(void **state)
{
	const char *tied = strstr(ck_llama_config, "true");
	ps_checkpoint *checkpoint;
	char config[1024];
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	checkpoint = open_good(folder);
	assert_true(ps_checkpoint_has_head(checkpoint));
	ps_checkpoint_close(checkpoint);
	snprintf(config, sizeof config, "%.*sfalse%s", (int)(tied - ck_llama_config),
		 ck_llama_config, tied + 4);
	ck_write_text(folder, "config.json", config);
	checkpoint = open_good(folder);
	assert_false(ps_checkpoint_has_head(checkpoint));
	ps_checkpoint_close(checkpoint);
}

static void write_shards(void)
{
	ck_model model;

	ck_llama(&model);
	for (int i = 0; i < model.count; i++)
		snprintf(model.tensors[i].file, sizeof model.tensors[i].file, "part-%d.safetensors",
			 i % 3);
	ck_write_llama(folder, &model);
}

static void refuses_an_index_that_does_not_fit_its_shards(void **state)
{
	static const struct {
		const char *index, *want;
	} cases[] = {
		{"{}", "no weight_map"},
		{"[]", "no weight_map"},
		{"{\"weight_map\": {}}", "names 0 files"},
		{"{\"weight_map\": {\"a\": 3}}", "tensor a is not a plain file name"},
		{"{\"weight_map\": {\"a\": \"..\\\\part-0.safetensors\"}}",
		 "tensor a is not a plain file name"},
		{"{\"weight_map\": {\"a\": \"..\"}}", "tensor a is not a plain file name"},
		{"{\"weight_map\": {\"a\": \"\"}}", "tensor a is not a plain file name"},
		{"{\"metadata\": {\"x\": NaN}, \"weight_map\": {\"a\": "
		 "\"part-0.safetensors\"}}",
		 "places tensor a in part-0.safetensors, which lacks it"},
		{"\xef\xbb\xbf{\"weight_map\": {}}", "byte order mark"},
		{"{\"weight_map\": {\"a\": \"../part-0.safetensors\"}}",
		 "tensor a is not a plain file name"},
		{"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "tensor a is not a plain file name"},
		{"{\"weight_map\": {\"a\": \"part-0.safetensors\"}}",
		 "places tensor a in part-0.safetensors, which lacks it"},
		{"{\"weight_map\": {\"model.norm.weight\": \"part-2.safetensors\"}}",
		 "model.norm.weight in part-2.safetensors"},
		{"{\"weight_map\": {\"model.norm.weight\": \"part-1.safetensors\"}}", "is missing"},
		{"{\"weight_map\": {\"model.norm.weight\": \"part-9.safetensors\"}}",
		 "part-9.safetensors"},
		{"{\"weight_map\": {\"a\": \"b\", \"a\": \"b\"}}", "index.json"},
		{"{\"weight_map\": {\"a\": ", "index.json"},
	};
	char command[640];

	(void)state;
	write_shards();
	ps_checkpoint_close(open_good(folder));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_write_text(folder, "model.safetensors.index.json", cases[i].index);
		refuse(folder, cases[i].want);
	}
	write_shards();
	snprintf(command, sizeof command, "cp %s/part-0.safetensors %s/part-1.safetensors", folder,
		 folder);
	assert_int_equal(system(command), 0);
	refuse(folder, "stands in");
}

static void refuses_folders_without_their_files(void **state)
{
	char path[512];
	ck_model model;

	(void)state;
	refuse(folder, "config.json");
	ck_write_text(folder, "config.json", ck_llama_config);
	refuse(folder, "model.safetensors");
	ck_llama(&model);
	ck_write_llama(folder, &model);
	snprintf(path, sizeof path, "%s/model.safetensors", folder);
	ps_checkpoint_close(open_good(path)); /* one file and its config are a model */
}

static void refuses_every_truncation(void **state)
{
	char path[512];
	struct stat st;
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	snprintf(path, sizeof path, "%s/model.safetensors", folder);
	assert_int_equal(stat(path, &st), 0);
	for (off_t length = st.st_size - 1; length >= 0; length--) {
		assert_int_equal(truncate(path, length), 0);
		refuse(folder, "model.safetensors");
	}
}

/* --- digest --- */

static uint64_t digest_of_folder(void)
{
	ps_checkpoint *checkpoint = open_good(folder);
	uint64_t digest = 0;

	assert_int_equal(ps_checkpoint_digest(checkpoint, NULL, &digest, NULL), 0);
	ps_checkpoint_close(checkpoint);
	return digest;
}

static void every_byte_of_the_weights_counts(void **state)
{
	uint64_t right, changed;
	char path[300], byte;
	struct stat st;
	ck_model model;
	int fd;

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	right = digest_of_folder();
	snprintf(path, sizeof path, "%s/model.safetensors", folder);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = st.st_size - 1; at > st.st_size - 2000; at -= 37) {
		fd = open(path, O_RDWR);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		changed = digest_of_folder();
		assert_true(changed != right);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		assert_true(digest_of_folder() == right);
	}
}

static void digest_is_of_the_contents_alone(void **state)
{
	uint64_t digests[5];
	char config[1024], second[256];
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	digests[0] = digest_of_folder();
	snprintf(config, sizeof config, "%s ", ck_llama_config);
	ck_write_text(folder, "config.json", config);
	digests[1] = digest_of_folder();
	model.tensors[3].dtype = "F16";
	ck_write_llama(folder, &model);
	digests[2] = digest_of_folder();
	ck_llama(&model);
	model.metadata = "{\"format\":\"pt\"}";
	ck_write_llama(folder, &model);
	digests[3] = digest_of_folder();
	write_shards();
	unlink(strcat(strcpy(config, folder), "/model.safetensors"));
	digests[4] = digest_of_folder();
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < i; j++)
			assert_true(digests[i] != digests[j]);
	strcpy(second, folder);
	remove_folder(NULL);
	make_folder(NULL);
	assert_string_not_equal(second, folder);
	ck_llama(&model);
	ck_write_llama(folder, &model);
	assert_true(digest_of_folder() == digests[0]);
}

/* --- what export writes --- */

#define EXPORTED                                                                                   \
	"{\"prunescope\": \"{\\\"kind\\\": \\\"checkpoint\\\", \\\"provenance\\\": "               \
	"{\\\"inputs\\\": "                                                                        \
	"{\\\"model\\\": \\\"00112233445566ff\\\", \\\"mask\\\": \\\"ff00112233445566\\\"}}}\"}"

/* Writes a checkpoint into a folder of ours, whose manifest names its files. */
static void write_exported(ck_model *model)
{
	static const char *const names[] = {"config.json", "model-00001-of-00002.safetensors",
					    "model-00002-of-00002.safetensors",
					    "model.safetensors.index.json"};
	json_t *provenance = json_pack("{s:s}", "command", "export");
	ps_folder *out;
	bool done;

	model->metadata = EXPORTED;
	for (int i = 0; i < model->count; i++)
		strcpy(model->tensors[i].file, names[1 + i % 2]);
	assert_int_equal(ps_folder_begin(&out, &ps_sys_linux,
					 &(ps_folder_spec){.path = folder,
							   .kind = "checkpoint",
							   .provenance = provenance},
					 &done, NULL),
			 0);
	ck_write_llama(folder, model);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ps_folder_note(out, names[i], NULL), 0);
	assert_int_equal(ps_folder_finish(out, NULL, NULL), 0);
	ps_folder_close(out);
	json_decref(provenance);
}

/* Says which of its files differs from the manifest. */
static void refuse_digest(const char *want)
{
	ps_checkpoint *checkpoint = open_good(folder);
	ps_diag diag = {{0}};
	uint64_t digest;
	int rc = ps_checkpoint_digest(checkpoint, NULL, &digest, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
	ps_checkpoint_close(checkpoint);
}

static void an_exported_checkpoint_says_what_it_was_made_from(void **state)
{
	ps_checkpoint *checkpoint;
	ck_model model;
	uint64_t exported;

	(void)state;
	ck_llama(&model);
	write_exported(&model);
	checkpoint = open_good(folder);
	assert_string_equal(ps_checkpoint_source(checkpoint), "00112233445566ff");
	assert_string_equal(ps_checkpoint_mask(checkpoint), "ff00112233445566");
	assert_int_equal(ps_checkpoint_digest(checkpoint, NULL, &exported, NULL), 0);
	ps_checkpoint_close(checkpoint);
	ck_find(&model, "model.norm.weight")->dtype = "F32";
	ck_write_llama(folder, &model);
	refuse_digest(".safetensors: has ");
	ck_find(&model, "model.norm.weight")->dtype = "BF16";
	ck_write_llama(folder, &model);
	assert_true(digest_of_folder() == exported);
	ck_write_text(folder, "config.json", strcat((char[1024]){0}, ck_llama_config));
	assert_true(digest_of_folder() == exported);
	ck_write_text(folder, "manifest.json", "{}");
	refuse_digest("manifest.json");
}

static void an_offset_belongs_to_one_tensor_or_none(void **state)
{
	ps_safetensors file;
	ck_model model;
	char path[300];

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	snprintf(path, sizeof path, "%s/model.safetensors", folder);
	assert_int_equal(ps_safetensors_open(&file, &ps_sys_linux, path, NULL), 0);
	for (size_t i = 0; i < file.count; i++) {
		const ps_tensor_info *tensor = &file.tensors[i];

		assert_string_equal(ps_shard_tensor_at(&file, tensor->offset), tensor->name);
		assert_string_equal(ps_shard_tensor_at(&file, tensor->offset + tensor->bytes - 1),
				    tensor->name);
	}
	assert_string_equal(ps_shard_tensor_at(&file, 0), ""); /* the header */
	assert_string_equal(ps_shard_tensor_at(&file, file.file_bytes), "");
	ps_safetensors_close(&file);
}

static void another_tool_s_metadata_say_nothing(void **state)
{
	static const char *const metadata[] = {
		"{\"format\": \"pt\"}",
		"{\"prunescope\": \"{\\\"kind\\\": \\\"mask\\\", \\\"provenance\\\": "
		"{\\\"inputs\\\": "
		"{\\\"model\\\": \\\"00112233445566ff\\\"}}}\"}",
	};
	ps_checkpoint *checkpoint;
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_write_text(folder, "manifest.json", "not ours");
	for (int i = 0; i < 2; i++) {
		model.metadata = metadata[i];
		ck_write_llama(folder, &model);
		checkpoint = open_good(folder);
		assert_null(ps_checkpoint_source(checkpoint));
		assert_null(ps_checkpoint_mask(checkpoint));
		ps_checkpoint_close(checkpoint);
		(void)digest_of_folder();
	}
}

/* --- what a checkpoint says of itself --- */

static void tensors_that_are_used_are_known(void **state)
{
	ps_checkpoint *checkpoint;
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_add(&model, "model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 1, 0, 2);
	ck_write_llama(folder, &model);
	checkpoint = open_good(folder);
	for (int i = 0; i < model.count; i++)
		assert_int_equal(ps_checkpoint_uses(checkpoint, model.tensors[i].name),
				 i < model.count - 1);
	assert_false(ps_checkpoint_uses(checkpoint, "lm_head.weight"));
	assert_string_equal(ps_checkpoint_backend(checkpoint), "none");
	ps_checkpoint_close(checkpoint);
}

static void only_weights_that_are_all_bf16_are_bf16(void **state)
{
	ps_checkpoint *checkpoint;
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	checkpoint = open_good(folder);
	assert_int_equal(ps_checkpoint_weights_dtype(checkpoint), PS_BF16);
	ps_checkpoint_close(checkpoint);
	ck_find(&model, "model.layers.1.mlp.down_proj.weight")->dtype = "F16";
	ck_write_llama(folder, &model);
	checkpoint = open_good(folder);
	assert_int_equal(ps_checkpoint_weights_dtype(checkpoint), PS_F32);
	ps_checkpoint_close(checkpoint);
}

static void a_layer_that_is_not_there_is_told(void **state)
{
	ps_checkpoint *checkpoint;
	ps_diag diag = {{0}};
	ps_weight view;
	ck_model model;

	(void)state;
	ck_llama(&model);
	ck_write_llama(folder, &model);
	checkpoint = open_good(folder);
	assert_int_equal(ps_checkpoint_projection(checkpoint, -1, PS_DOWN, &view, NULL), PS_EINPUT);
	assert_int_equal(ps_checkpoint_projection(checkpoint, 2, PS_DOWN, &view, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "has no layer 2 (0 to 1)"));
	ps_checkpoint_close(checkpoint);
}

static void backends_have_names(void **state)
{
	ps_backend backend = PS_IO_AUTO;

	(void)state;
	assert_int_equal(ps_backend_parse("mmap", &backend, NULL), 0);
	assert_int_equal(backend, PS_IO_MMAP);
	assert_int_equal(ps_backend_parse("uring", &backend, NULL), 0);
	assert_int_equal(backend, PS_IO_URING);
	assert_int_equal(ps_backend_parse("aio", &backend, NULL), PS_EUSAGE);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_transformers_saved),
		in_folder(finds_hub_ids_in_the_cache),
		in_folder(says_where_it_looked_for_a_hub_id),
		in_folder(prefers_a_folder_to_a_hub_id),
		in_folder(refuses_tensors_that_do_not_fit_the_config),
		in_folder(passes_over_tensors_that_cannot_change_the_result),
		in_folder(knows_the_prefixes_of_published_checkpoints),
		in_folder(says_whether_there_is_a_head),
		in_folder(refuses_an_index_that_does_not_fit_its_shards),
		in_folder(refuses_folders_without_their_files),
		in_folder(refuses_every_truncation),
		in_folder(every_byte_of_the_weights_counts),
		in_folder(digest_is_of_the_contents_alone),
		in_folder(an_exported_checkpoint_says_what_it_was_made_from),
		in_folder(an_offset_belongs_to_one_tensor_or_none),
		in_folder(another_tool_s_metadata_say_nothing),
		in_folder(tensors_that_are_used_are_known),
		in_folder(only_weights_that_are_all_bf16_are_bf16),
		in_folder(a_layer_that_is_not_there_is_told),
		cmocka_unit_test(backends_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
