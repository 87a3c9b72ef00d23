/* tools/engine/engine.h: a model that is ready to compute: checkpoint, mask, memory plan, forward
 * pass, output head. A mask may be a rounding file as well (io/edit_file.h).
 *
 * A command goes through four steps:
 *   1. ps_engine_open reads the headers and checks that model and mask belong together.
 *   2. The command now knows the model's shape, and says in a ps_engine_need what it will need.
 *   3. ps_engine_start plans the memory, compares it with the budget, takes it in one arena and
 *      starts to stream.
 *   4. The command runs pass after pass, then ps_engine_close.
 * A pass is as many windows as the budget allows, at most PS_PASS_TOKENS tokens. The weights are
 * read once a pass. */
#ifndef PS_TOOLS_ENGINE_ENGINE_H
#define PS_TOOLS_ENGINE_ENGINE_H

#include "core/model/head.h"
#include "io/token_file.h"
#include "prune/magnitude.h"
#include "tools/run/session.h"

#define PS_PASS_TOKENS ((size_t)16384)
#define PS_CHUNK_TOKENS ((size_t)1024)

typedef struct ps_engine {
	ps_session *session;
	ps_checkpoint *checkpoint;
	const ps_model_config *config;
	uint64_t model_digest;
	ps_edit_file mask;
	bool masked; /* else dense, and mask is not open */
	ps_arena arena;
	ps_weight_source source;
	ps_forward *forward;
	ps_head *head;      /* NULL: the command needs none */
	size_t pass_tokens; /* rows of hidden */
	size_t *starts;     /* pass_tokens + 1 entries */
	float *hidden;      /* (pass_tokens, D), the first of the copies; the next ones follow */
	size_t spill_bytes; /* of the mapped file behind hidden, 0: in the arena */
	size_t planned_bytes;
} ps_engine;

/* Opens the checkpoint and the mask (NULL: dense); checks that they belong together. */
int ps_engine_open(ps_engine *engine, ps_session *session, const char *model,
		   const char *mask_path) PS_MUST_USE;

/* Opens a mask of the engine's model. One of another tool is noted as unverified, one of another
 * model is PS_EINPUT, or with --force-mismatch noted (tools/run/belonging.h). */
int ps_engine_open_mask(const ps_engine *engine, const char *path, ps_edit_file *mask) PS_MUST_USE;
/* The same two notes for another file that was made from a model. */
int ps_engine_check_source(const ps_engine *engine, const ps_safetensors *file) PS_MUST_USE;
/* The model's digest for readers that compare it; NULL with --force-mismatch. */
const uint64_t *ps_engine_wanted(const ps_engine *engine);

typedef struct ps_engine_need {
	size_t window;        /* longest window, in tokens */
	size_t tokens;        /* in all */
	size_t hidden_copies; /* hidden states kept for each token of a pass; at least 1 */
	size_t pass_tokens;   /* upper bound of a pass; 0: PS_PASS_TOKENS */
	bool head;            /* the output head is used, and its weights are streamed */
	bool holds_layers;    /* a layer is kept while it is computed: two slots then, else one */
	bool spill; /* all tokens in one pass, and the hidden states in a file if they do not fit */
	const char *spill_folder; /* where that file is made */
	/* Lists the command's own buffers for a pass of so many tokens. It runs without an arena
	 * for each plan that is tried, and with the engine's arena once, in ps_engine_start. NULL:
	 * the command has none. */
	void (*lay_out)(void *command, size_t pass_tokens, ps_layout *layout);
	void *command; /* handed to lay_out */
	/* Arena bytes for modules that the command creates itself once the engine is started. */
	size_t extra_bytes;
	size_t held_bytes;    /* what the command holds outside the arena */
	size_t earlier_bytes; /* the most it held before the start: the plan is at least this */
} ps_engine_need;

/* Room in a layout for a module that takes its memory from an arena of its own. */
static inline ps_arena ps_engine_room(ps_layout *layout, size_t bytes)
{
	return (ps_arena){.base = ps_layout_part(layout, bytes, 1), .size_bytes = bytes};
}

/* What a start with this need would take: the largest pass and chunk within the budget, or the
 * smallest there are. */
typedef struct ps_engine_plan {
	ps_plan parts;
	size_t pass_tokens, chunk_tokens;
	size_t spill_bytes; /* of hidden states in a file, 0: in memory */
} ps_engine_plan;

/* Rows that go through the output head together. The head's whole matrix is read once for them. */
static inline size_t ps_engine_head_tokens(size_t chunk_tokens, size_t pass_tokens)
{
	return chunk_tokens < pass_tokens / 4 ? 4 * chunk_tokens : pass_tokens;
}

/* The largest pass and chunk that fit the budget; the smallest when none fits (ps_plan_check then
 * refuses). */
ps_engine_plan ps_engine_choose(const ps_engine *engine, const ps_engine_need *need);
/* PS_EBUDGET, naming the least budget that would do, unless a start with this need fits. PS_EINPUT
 * if the head is needed and the checkpoint has none. */
int ps_engine_check(const ps_engine *engine, const ps_engine_need *need) PS_MUST_USE;
/* Plans, checks the budget (PS_EBUDGET), allocates, starts streaming. */
int ps_engine_start(ps_engine *engine, const ps_engine_need *need) PS_MUST_USE;
/* Releases all of it. An engine whose open failed is allowed. */
void ps_engine_close(ps_engine *engine);

/* Windows [first, first + count) of a token file as the engine's ps_windows (valid until the next
 * call). */
ps_windows ps_engine_windows(ps_engine *engine, const ps_token_file *tokens, size_t first,
			     size_t count);

/* The dense weights as pruning looks them up: in the mapped files, in any order. */
ps_weight_lookup ps_engine_lookup(const ps_engine *engine);

/* PS_EINPUT, naming window, position and id, unless every id of the file is below the vocabulary;
 * naming both, if the tokens are of another tokenizer than the model's (tools/run/belonging.h). */
int ps_engine_check_tokens(const ps_engine *engine, const ps_token_file *tokens) PS_MUST_USE;

/* The beginning of a provenance: {"command", "inputs": {"model": digest, "mask": digest?, "tokens":
 * digest?}, "precision"?, "code": version}. A new object, or NULL when memory ran out. tokens NULL:
 * none. */
json_t *ps_engine_provenance(const ps_engine *engine, const char *command,
			     const ps_token_file *tokens);
/* The same with another mask than the engine's. mask NULL: dense. */
json_t *ps_engine_provenance_masked(const ps_engine *engine, const char *command,
				    const ps_edit_file *mask, const ps_token_file *tokens);

/* The folder part of a path ("." when it has none) into out (PATH_MAX bytes); returns out. */
char *ps_path_folder(const char *path, char *out);

/* PS_EUSAGE unless the model has this layer. */
int ps_engine_check_layer(const ps_engine *engine, int64_t layer) PS_MUST_USE;

#endif
