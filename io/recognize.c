#include "io/recognize.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "io/file.h"

#define LISTED 3 /* names of files that a message gives */

#define RESAVE ": save the model as safetensors (save_pretrained of transformers does)"
#define CONVERT                                                                                    \
	", which is not supported: AutoTokenizer's save_pretrained of transformers writes "        \
	"tokenizer.json"

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

/* --- files --- */

/* Files that begin with these bytes, whatever their name. */
static const struct {
	const char *bytes;
	size_t length;
	const char *what;
} beginnings[] = {
	{"GGUF", 4, PS_RECOGNIZED_GGUF},
	{"lmgg", 4, "a GGML file"},
	{"tjgg", 4, "a GGML file"},
	{"\x93NUMPY", 6, "a NumPy array (npy)"},
	{"\x89HDF", 4, "an HDF5 file (TensorFlow, Keras)"},
	{"PAR1", 4, "a Parquet file"},
	{"ARROW1", 6, "an Arrow file"},
	{"\x1f\x8b", 2, "a file compressed with gzip"},
	{"\x28\xb5\x2f\xfd", 4, "a file compressed with zstd"},
	{"<!DOCTYPE", 8, "an HTML page, perhaps of a download that failed"},
	{"<html", 5, "an HTML page, perhaps of a download that failed"},
	{"\x80\x02", 2, "a pickle (torch)"},
	{"\x80\x03", 2, "a pickle (torch)"},
	{"\x80\x04", 2, "a pickle (torch)"},
	{"\x80\x05", 2, "a pickle (torch)"},
	{"/annex/o", 8, "a git-annex pointer (git annex get fetches the file)"},
};

/* Files that only their name tells. */
static const struct {
	const char *end, *what;
} endings[] = {
	{".gguf", PS_RECOGNIZED_GGUF},  {".onnx", "an ONNX file"},
	{".msgpack", "a Flax file"},    {".h5", "an HDF5 file (TensorFlow, Keras)"},
	{".npz", "a NumPy archive"},    {".npy", "a NumPy array (npy)"},
	{".pt", "a torch file"},        {".pth", "a torch file"},
	{".ckpt", "a torch file"},      {".bin", "a torch file"},
	{".pkl", "a pickle"},           {".model", "a SentencePiece model"},
	{".parquet", "a Parquet file"},
};

/* Text is UTF-8 and has no control characters but white space. The bytes may end within a
 * character. Too few bytes tell nothing. */
static bool is_text(const char *bytes, size_t length)
{
	enum { CUT_BYTES_MAX = 3 };

	if (ps_utf8_invalid(bytes, length) + CUT_BYTES_MAX < length)
		return false;
	for (size_t i = 0; i < length; i++) {
		const unsigned char byte = (unsigned char)bytes[i];

		if ((byte < ' ' && (byte < '\t' || byte > '\r')) || byte == 0x7f)
			return false;
	}
	return length >= 8;
}

const char *ps_recognize_bytes(const char *bytes, size_t length, const char *path)
{
	if (length >= 4 && !memcmp(bytes, "PK\3\4", 4))
		return ends_with(path, ".npz") ? "a NumPy archive (npz)"
					       : "a zip archive, as of torch.save or NumPy (npz)";
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (length >= beginnings[i].length &&
		    !memcmp(bytes, beginnings[i].bytes, beginnings[i].length))
			return beginnings[i].what;
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (ends_with(path, endings[i].end))
			return endings[i].what;
	return is_text(bytes, length) ? "a text file" : NULL;
}

const char *ps_recognize_file(const ps_sys *sys, const char *path)
{
	char bytes[16];
	uint64_t size = 0;
	int fd = ps_file_open(sys, path, &size, NULL), rc;
	size_t length = ps_min_size(sizeof bytes, (size_t)size);

	if (fd < 0)
		return NULL;
	rc = ps_sys_pread_full(sys, fd, bytes, length, 0);
	(void)sys->close(fd);
	return rc ? NULL : ps_recognize_bytes(bytes, length, path);
}

/* --- folders --- */

/* A file that tells what a folder is. name: the whole name, or "*" and the end of it. */
struct sign {
	const char *name, *what;
};

/* The first that matches is named. */
static const struct sign model_signs[] = {
	{"adapter_config.json",
	 "a PEFT (LoRA) adapter: merge it into its base model and save that"},
	{"*.gguf", "a GGUF file: give its own path as the model"},
	{"pytorch_model.bin", "a torch file" RESAVE},
	{"pytorch_model.bin.index.json", "an index of torch files" RESAVE},
	{"*.pth", "a torch file" RESAVE},
	{"*.pt", "a torch file" RESAVE},
	{"*.ckpt", "a torch file" RESAVE},
	{"flax_model.msgpack", "a Flax file" RESAVE},
	{"*.msgpack", "a Flax file" RESAVE},
	{"*.h5", "an HDF5 file of TensorFlow" RESAVE},
	{"*.onnx", "an ONNX file" RESAVE},
	{"*.npz", "a NumPy archive" RESAVE},
	{"*.bin", "a torch file" RESAVE},
	{"sae_weights.safetensors", "an SAE, not a model"},
	{"cfg.json", "an SAE, not a model"},
	{"shard-00000.safetensors", "an activation cache, not a model"},
	{"snapshots", "a folder of the Hugging Face cache: name the model by its hub id"},
};

static const struct sign tokenizer_signs[] = {
	{"tokenizer.model", "a SentencePiece model" CONVERT},
	{"spiece.model", "a SentencePiece model" CONVERT},
	{"sentencepiece.bpe.model", "a SentencePiece model" CONVERT},
	{"*.tiktoken", "a tiktoken vocabulary" CONVERT},
	{"tekken.json", "a tekken vocabulary" CONVERT},
	{"vocab.txt", "a WordPiece vocabulary" CONVERT},
	{"merges.txt", "the merges of a tokenizer in several files" CONVERT},
};

#define SAE_FORMATS                                                                                \
	": safetensors files of SAELens and sparsify are read, and Gemma Scope's params.npz"

#define PICKLED                                                                                    \
	"a torch file (pickle), which is not read, because loading it may run its code. Two "      \
	"lines "                                                                                   \
	"of Python: t = torch.load(FILE, map_location=\"cpu\", weights_only=True); "               \
	"safetensors.torch.save_file({k: v.contiguous() for k, v in t.items()}, "                  \
	"\"sae_weights.safetensors\"), and a cfg.json beside it" SAE_FORMATS

static const struct sign sae_signs[] = {
	{"ae.pt",
	 "a torch file (pickle) of dictionary_learning, which is not read, because loading it may "
	 "run its code. For an AutoEncoderTopK two lines of Python make sparsify's form of it: "
	 "import json, torch, safetensors.torch as s; t = torch.load(\"ae.pt\", "
	 "map_location=\"cpu\", weights_only=True); s.save_file({\"encoder.weight\": "
	 "t[\"encoder.weight\"], \"encoder.bias\": t[\"encoder.bias\"], \"W_dec\": "
	 "t[\"decoder.weight\"].T.contiguous(), \"b_dec\": t[\"b_dec\"]}, \"sae.safetensors\"); "
	 "json.dump({\"d_in\": len(t[\"b_dec\"]), \"num_latents\": len(t[\"encoder.bias\"]), "
	 "\"k\": int(t[\"k\"])}, open(\"cfg.json\", \"w\"))"},
	{"*.pt", PICKLED},
	{"*.pth", PICKLED},
	{"*.ckpt", PICKLED},
	{"*.bin", PICKLED},
	{"*.pkl", "a pickle, which is not read" SAE_FORMATS},
	{"*.npz", "a NumPy archive of another name" SAE_FORMATS},
};

#define A_MODEL "a model, no activations: `prunescope cache` makes a cache of it"

static const struct sign no_cache_signs[] = {
	{"model.safetensors", A_MODEL},
	{"model.safetensors.index.json", A_MODEL},
	{"*.gguf", A_MODEL},
	{"sae_weights.safetensors", "an SAE, no activations"},
	{"sae.safetensors", "an SAE, no activations"},
	{"cfg.json", "an SAE, no activations"},
};

#define SAVE_ACTIVATIONS                                                                           \
	", which is not read: save its tensor [rows, width] with "                                 \
	"safetensors.torch.save_file({\"activations\": x}, FILE)"

static const struct sign unread_cache_signs[] = {
	{"*.npy", "a NumPy array: give its own path"},
	{"*.pt", "a torch file (pickle)" SAVE_ACTIVATIONS},
	{"*.pth", "a torch file (pickle)" SAVE_ACTIVATIONS},
	{"*.bin", "a torch file (pickle)" SAVE_ACTIVATIONS},
	{"*.pkl", "a pickle" SAVE_ACTIVATIONS},
	{"*.npz", "a NumPy archive" SAVE_ACTIVATIONS},
	{"*.h5", "an HDF5 file" SAVE_ACTIVATIONS},
	{"*.parquet", "a Parquet file" SAVE_ACTIVATIONS},
	{"*.arrow", "an Arrow file" SAVE_ACTIVATIONS},
	{"results.json", "a study's results; a study keeps its caches only with --keep-caches"},
};

static bool is_sign(const struct sign *sign, const char *name)
{
	return *sign->name == '*' ? ends_with(name, sign->name + 1) : !strcmp(name, sign->name);
}

/* Lists names of safetensors files behind used bytes of text. Returns how many there are. */
static int list_safetensors(struct dirent **entries, int count, char *text, size_t size)
{
	int found = 0;

	text[0] = 0;
	for (int i = 0; i < count; i++) {
		size_t used = strlen(text);

		if (!ends_with(entries[i]->d_name, ".safetensors") || found++ >= LISTED)
			continue;
		(void)snprintf(text + used, size - used, "%s%.60s", used ? ", " : "",
			       entries[i]->d_name);
	}
	return found;
}

/* The first sign of which a file of the folder is one. *name: the file. NULL: there is none. */
static const struct sign *find_sign(struct dirent **entries, int count, const struct sign *signs,
				    size_t sign_count, const char **name)
{
	for (size_t s = 0; s < sign_count; s++)
		for (int i = 0; i < count; i++)
			if (is_sign(&signs[s], entries[i]->d_name)) {
				*name = entries[i]->d_name;
				return &signs[s];
			}
	return NULL;
}

static int explain(struct dirent **entries, int count, const char *folder, const char *missing,
		   const struct sign *signs, size_t sign_count, ps_diag *diag)
{
	const char *name;
	const struct sign *sign = find_sign(entries, count, signs, sign_count, &name);
	char names[256];
	int files;

	if (sign)
		return ps_fail(diag, PS_EINPUT, "%s: has no %s; it holds %.80s, %s", folder,
			       missing, name, sign->what);
	files = list_safetensors(entries, count, names, sizeof names);
	if (signs == model_signs && files)
		return ps_fail(diag, PS_EINPUT,
			       "%s: has no %s; it holds %d safetensors file%s%s (%s%s)", folder,
			       missing, files, files > 1 ? "s" : "",
			       strstr(missing, ".safetensors") ? " of other names" : "", names,
			       files > LISTED ? ", ..." : "");
	return ps_fail(diag, PS_EINPUT, "%s: has no %s", folder, missing);
}

/* Lists a folder; one that is not there is empty. PS_EBUDGET: no memory. */
static int list(const char *folder, struct dirent ***entries, int *count, ps_diag *diag)
{
	*entries = NULL;
	*count = ps_sys_scandir(folder, entries, NULL);
	if (*count < 0 && errno == ENOMEM)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory to list it", folder);
	return 0;
}

static void release(struct dirent **entries, int count)
{
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

static int look(const char *folder, const char *missing, const struct sign *signs,
		size_t sign_count, ps_diag *diag)
{
	struct dirent **entries;
	int count, rc = list(folder, &entries, &count, diag);

	if (rc)
		return rc;
	rc = explain(entries, count, folder, missing, signs, sign_count, diag);
	release(entries, count);
	return rc;
}

int ps_recognize_model(const char *folder, const char *missing, ps_diag *diag)
{
	return look(folder, missing, model_signs, sizeof model_signs / sizeof *model_signs, diag);
}

int ps_recognize_tokenizer(const char *folder, ps_diag *diag)
{
	return look(folder, "tokenizer.json", tokenizer_signs,
		    sizeof tokenizer_signs / sizeof *tokenizer_signs, diag);
}

int ps_recognize_sae(const char *folder, ps_diag *diag)
{
	struct dirent **entries;
	const char *name;
	const struct sign *sign;
	int count, rc = list(folder, &entries, &count, diag);

	if (rc)
		return rc;
	sign = find_sign(entries, count, sae_signs, sizeof sae_signs / sizeof *sae_signs, &name);
	if (sign)
		rc = ps_fail(diag, PS_EINPUT, "%s: holds %.80s, %s", folder, name, sign->what);
	release(entries, count);
	return rc;
}

/* The first folder of this one, by name, that holds a cache of ours. NULL: there is none. */
static const char *inner_cache(struct dirent **entries, int count, const char *folder)
{
	const char *first = NULL;
	char shard[PATH_MAX];

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (snprintf(shard, sizeof shard, "%s/%s/shard-00000.safetensors", folder, name) <
			    (int)sizeof shard &&
		    *name != '.' && !access(shard, F_OK) && (!first || strcmp(name, first) < 0))
			first = name;
	}
	return first;
}

static int refuse_cache(struct dirent **entries, int count, const char *folder, bool empty,
			ps_diag *diag)
{
	const char *name, *inner = empty ? inner_cache(entries, count, folder) : NULL;
	const struct sign *sign = find_sign(entries, count, no_cache_signs,
					    sizeof no_cache_signs / sizeof *no_cache_signs, &name);

	if (inner)
		return ps_fail(diag, PS_EINPUT,
			       "%s: holds caches in folders of their own: name one, such as %s/%s",
			       folder, folder, inner);
	if (!sign && empty)
		sign = find_sign(entries, count, unread_cache_signs,
				 sizeof unread_cache_signs / sizeof *unread_cache_signs, &name);
	if (!sign)
		return 0;
	return ps_fail(diag, PS_EINPUT, "%s: holds %.80s, %s", folder, name, sign->what);
}

int ps_recognize_cache(const char *folder, bool empty, ps_diag *diag)
{
	struct dirent **entries;
	int count, rc = list(folder, &entries, &count, diag);

	if (rc)
		return rc;
	rc = refuse_cache(entries, count, folder, empty, diag);
	release(entries, count);
	return rc;
}
