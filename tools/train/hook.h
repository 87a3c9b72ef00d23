/* tools/train/hook.h: the names of places in a model, as TransformerLens and Hugging Face spell
 * them.
 *
 * The program knows one kind of place: the residual stream after decoder layer L. It has several
 * names:
 *   blocks.L.hook_resid_post, blocks.L.hook_out     after layer L
 *   blocks.M.hook_resid_pre, blocks.M.hook_in       before layer M: after layer M - 1
 *   model.layers.L, transformer.h.L, layers.L       the output of the module: after layer L
 *   model.layers.L.output                           the same */
#ifndef PS_TOOLS_TRAIN_HOOK_H
#define PS_TOOLS_TRAIN_HOOK_H

typedef enum ps_hook_kind {
	PS_HOOK_UNSAID,    /* no name */
	PS_HOOK_STREAM,    /* the residual stream after a layer */
	PS_HOOK_EMBEDDING, /* the residual stream before layer 0 */
	PS_HOOK_OTHER,     /* the output of attention or of an MLP, one head, ... */
} ps_hook_kind;

typedef struct ps_hook {
	ps_hook_kind kind;
	int layer; /* of a STREAM */
} ps_hook;

/* What a name means. "" and "unknown" are no name. */
ps_hook ps_hook_parse(const char *name);
/* The number in a name such as blocks.3.hook_resid_pre; -1 if there is none. */
int ps_hook_block(const char *name);

#endif
