/* tools/engine/engine.h: a model opened for computing: checkpoint, mask, plan, forward pass and head in one arena.
 *
 * open -> (what the command needs is known) start -> passes -> close. A pass is as many windows as the budget
 * allows, at most PS_PASS_TOKENS tokens, so that the weights are read once for all of them. */
#ifndef PS_TOOLS_ENGINE_ENGINE_H
#define PS_TOOLS_ENGINE_ENGINE_H

#include "core/model/head.h"
#include "io/token_file.h"
#include "tools/run/session.h"

#define PS_PASS_TOKENS ((size_t)16384)
#define PS_CHUNK_TOKENS ((size_t)1024)

typedef struct ps_engine {
	ps_session *session;
	ps_checkpoint *checkpoint;
	const ps_model_config *config;
	uint64_t model_digest;
	ps_mask_file mask;
	bool masked;
	ps_arena arena;
	ps_weight_source source;
	ps_forward *forward;
	ps_head *head;
	size_t pass_tokens; /* rows of hidden */
	size_t *starts;     /* pass_tokens + 1 entries */
	float *hidden;      /* (pass_tokens, D), the first of the copies; the next ones follow */
	size_t spill_bytes; /* of the mapped file behind hidden, 0: in the arena */
	size_t planned_bytes;
} ps_engine;

/* Opens the checkpoint and the mask (NULL: dense); checks that they belong together. */
int ps_engine_open(ps_engine *engine, ps_session *session, const char *model,
		   const char *mask_path) PS_MUST_USE;

typedef struct ps_engine_need {
	size_t window;        /* longest window, in tokens */
	size_t tokens;        /* in all */
	size_t hidden_copies; /* hidden states kept per token of a pass; 1 at least */
	size_t pass_tokens;   /* upper bound of a pass; 0: PS_PASS_TOKENS */
	bool head;            /* the output head is used, and the source streams it */
	bool holds_layers; /* a layer is kept while it is computed: there are two slots then, else one */
	bool spill; /* all tokens in one pass; hidden states go to a file when the budget is too small */
	const char *spill_folder;
	size_t extra_bytes; /* the command's own, taken from engine->arena after the start */
	size_t extra_token_bytes; /* the same, per token of a pass; up to 8 parts in all, their rounding is counted */
	size_t held_bytes;    /* what the command holds besides the arena */
	size_t earlier_bytes; /* the most it held in all before the start: the plan is no smaller */
} ps_engine_need;

/* What a start with this need would take: the largest pass and chunk within the budget, or the smallest there are. */
typedef struct ps_engine_plan {
	ps_plan parts;
	size_t pass_tokens, chunk_tokens;
	size_t spill_bytes; /* of hidden states in a file, 0: in memory */
} ps_engine_plan;

/* Rows that the head takes at a time: its whole matrix streams by once for them. */
static inline size_t ps_engine_head_tokens(size_t chunk_tokens, size_t pass_tokens)
{
	return chunk_tokens < pass_tokens / 4 ? 4 * chunk_tokens : pass_tokens;
}

ps_engine_plan ps_engine_choose(const ps_engine *engine, const ps_engine_need *need);
/* Whether the budget is enough for a start with this need; PS_EBUDGET names the least that would do. */
int ps_engine_check(const ps_engine *engine, const ps_engine_need *need) PS_MUST_USE;
/* Plans, checks the budget (PS_EBUDGET), allocates, starts streaming. */
int ps_engine_start(ps_engine *engine, const ps_engine_need *need) PS_MUST_USE;
void ps_engine_close(ps_engine *engine);

/* Windows [first, first + count) of a token file as the engine's ps_windows (valid until the next call). */
ps_windows ps_engine_windows(ps_engine *engine, const ps_token_file *tokens, size_t first,
			     size_t count);

/* Checks that every id of the file is below the vocabulary: PS_EINPUT naming window, position and id. */
int ps_engine_check_tokens(const ps_engine *engine, const ps_token_file *tokens) PS_MUST_USE;

/* {"inputs": {"model": digest, "mask": digest?, "tokens": digest?}, "code": version}: the provenance's beginning. */
json_t *ps_engine_provenance(const ps_engine *engine, const char *command,
			     const ps_token_file *tokens);
/* The same with another mask than the engine's; NULL: dense. */
json_t *ps_engine_provenance_masked(const ps_engine *engine, const char *command,
				    const ps_mask_file *mask, const ps_token_file *tokens);

/* The folder part of a path ("." when it has none) into out (PATH_MAX bytes); returns out. */
char *ps_path_folder(const char *path, char *out);

/* Layer within range, or PS_EUSAGE. */
int ps_engine_check_layer(const ps_engine *engine, int64_t layer) PS_MUST_USE;

#endif
