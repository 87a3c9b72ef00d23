/* test/support/support_checkpoint.h: tiny checkpoints, written here or by transformers, whose
 * values are given by a formula. */
#ifndef PS_TEST_SUPPORT_SUPPORT_CHECKPOINT_H
#define PS_TEST_SUPPORT_SUPPORT_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/weights.h"

#define CK_FIXTURES "test/fixtures/checkpoint/"
#define CK_TENSORS_MAX 96
#define CK_RANK_MAX 3

typedef struct ck_tensor {
	char name[160];
	const char *dtype; /* "BF16", "F16", "F32", "U8", "I32" */
	int rank;
	size_t shape[CK_RANK_MAX];
	char file[64];    /* name of its shard; "": model.safetensors */
	const void *data; /* NULL: the values of ck_value */
} ck_tensor;

typedef struct ck_model {
	ck_tensor tensors[CK_TENSORS_MAX];
	int count;
	const char *metadata; /* JSON object of __metadata__; NULL: none */
} ck_model;

/* The formula: element i of the tensor that a text model calls name. */
float ck_value(const char *name, size_t i);

/* Makes a Llama of 2 layers: D 8, 2 heads of width 4, MLP 10, vocabulary 16, tied; every tensor
 * BF16. */
void ck_llama(ck_model *model);
extern const char *const ck_llama_config; /* its config.json */
/* Adds a tensor with the values of the formula, and returns it. */
ck_tensor *ck_add(ck_model *model, const char *name, const char *dtype, int rank, size_t rows,
		  size_t cols);
/* The tensor of that name; aborts if there is none. */
ck_tensor *ck_find(ck_model *model, const char *name);
/* Removes the tensor of that name. */
void ck_remove(ck_model *model, const char *name);

/* Makes a new folder under TMPDIR and writes its path. */
void ck_make_folder(char *path, size_t size);
/* Removes a folder with its contents. */
void ck_remove_folder(const char *path);
/* Writes a text file in a folder. */
void ck_write_text(const char *folder, const char *file, const char *text);
/* Writes the tensors of one file ("": model.safetensors). */
void ck_write_file(const char *folder, const char *file, const ck_model *model);
/* Writes config.json and every file that the tensors name; an index as well if there are
 * several. */
void ck_write_llama(const char *folder, const ck_model *model);

/* The number of elements of a view that differ from the formula. */
size_t ck_count_wrong(const ps_weight *view, const char *name, size_t first_row);
/* The same for all views of a layer. A view that should not be there, or is missing, counts too. */
size_t ck_count_wrong_in_layer(const ps_layer_weights *weights, const ps_model_config *config,
			       int layer);

#endif
