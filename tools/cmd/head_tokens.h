/* tools/cmd/head_tokens.h: the columns of a table of features that say which tokens each latent
 * promotes and suppresses (analysis/promoted.h).
 *
 * They belong to an SAE and a model's output head, not to any activations. So they are either found
 * in the head, or taken from another table of the same SAE and model: the numbers are the same, and
 * so is what the provenance says.
 *
 *   open -> (memory planned with bytes) -> check -> find -> fill for each latent -> close */
#ifndef PS_TOOLS_CMD_HEAD_TOKENS_H
#define PS_TOOLS_CMD_HEAD_TOKENS_H

#include "core/base/digest.h"
#include "sae/sae.h"
#include "tools/cmd/feature_file.h"
#include "tools/engine/engine.h"

typedef struct ps_head_tokens {
	const char *sae, *head, *table; /* paths; borrowed */
	size_t latents;
	ps_engine engine;     /* with a head; its checkpoint alone is used */
	ps_feature_file file; /* with a table */
	ps_arena arena;
	ps_promoted found;
	const char *precision; /* of the products behind them */
	char model[PS_DIGEST_TEXT];
} ps_head_tokens;

/* sae: the folder, of this shape. head: the model's path, or NULL. table: of features, with these
 * columns; NULL: they are found in the head. Without either there are none. PS_EINPUT: the head
 * does not belong to the SAE, the table does not belong to the head, has no such columns, or no
 * provenance. All paths must outlive tokens. */
int ps_head_tokens_open(ps_head_tokens *tokens, ps_session *session, const ps_sae *shape,
			const char *sae, const char *head, const char *table) PS_MUST_USE;
/* Whether there are any. */
bool ps_head_tokens_any(const ps_head_tokens *tokens);
/* Bytes that finding them takes. */
size_t ps_head_tokens_bytes(const ps_head_tokens *tokens, const ps_session *session);
/* PS_EINPUT where the table is not of the SAE with this digest. */
int ps_head_tokens_check(const ps_head_tokens *tokens, ps_session *session,
			 uint64_t sae) PS_MUST_USE;
/* Finds them in the head, unless a table has them. dec (F, D): the SAE's decoder. */
int ps_head_tokens_find(ps_head_tokens *tokens, ps_session *session, const float *dec) PS_MUST_USE;
/* Sets promoted_token and promoted_logit. */
void ps_head_tokens_fill(const ps_head_tokens *tokens, size_t latent, ps_feature_row *row);
/* Adds the model to a provenance's inputs and the precision to its options. Not 0 when memory ran
 * out. */
int ps_head_tokens_note(const ps_head_tokens *tokens, json_t *provenance) PS_MUST_USE;
void ps_head_tokens_close(ps_head_tokens *tokens); /* a zeroed one is allowed */

#endif
