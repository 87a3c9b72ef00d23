/* tools/study/graph.h: a study as a graph of steps, all of it known before anything runs.
 *
 * A node is a step: one call of one command (tools/study/steps.h), with the steps whose output it reads. Its key is
 * the digest of the arguments that the command gets, with the keys of what it reads in the place of paths, and with
 * the precision and the command's code version. So a key changes when, and only when, something changes that the
 * result's bits depend on. A step whose result chooses a number would be one node too, known by its inputs.
 *
 * Names: MODEL/CONDITION/STEP, in letters, digits, '.', '_', '-'; CONDITION is dense, magnitude-0.5, wanda-0.3, ...
 * Files: OUT/runs/MODEL/{tokens,calibration}.safetensors and OUT/runs/MODEL/CONDITION/{mask.safetensors, cache/,
 * sae/seed-N/}; a step's record is STEP.json beside its outputs (tools/study/record.h). What belongs to the study as
 * a whole stands under study/all.
 *
 * States, set by ps_graph_look and by the executor:
 *
 *              outputs made, record written
 *   TODO, STALE ---------------------------> DONE
 *                                             |
 *   NODE_STALE: the record has another key    | last consumer done (transient outputs)
 *                                             v
 *                                            GONE: made again when a consumer is to do */
#ifndef PS_TOOLS_STUDY_GRAPH_H
#define PS_TOOLS_STUDY_GRAPH_H

#include "core/model/config.h"
#include "tools/run/session.h"
#include "tools/study/record.h"
#include "tools/study/steps.h"
#include "tools/study/study_file.h"

typedef enum ps_node_state {
	PS_NODE_TODO,
	PS_NODE_STALE,
	PS_NODE_DONE,
	PS_NODE_GONE
} ps_node_state;

struct ps_node {
	const ps_step_kind *kind;
	const char *id;     /* llama/wanda-0.5/train-7 */
	const char *record; /* path */
	const char *output; /* the file or folder it makes; NULL: the record is all there is */
	const char *whole;  /* a file that is there once the output is whole; NULL: as output */
	size_t model;       /* index in the study file */
	size_t condition;   /* index in the model's conditions; 0: dense */
	void *args;         /* the command's argument struct */
	size_t *after;      /* indices of the nodes it reads, each before this one */
	size_t after_count;
	json_t *inputs; /* what the key digests; owned */
	char key[PS_DIGEST_TEXT];
	ps_node_state state;
	bool damaged;   /* a record is there and cannot be used */
	json_t *result; /* owned; NULL while not done */
	json_t *past;   /* inputs of the record that is there; owned; NULL: none */
	char *kernel;   /* that the record names; owned */
};

/* What a model's nodes have in common. */
typedef struct ps_graph_model {
	const ps_study_model *spec;
	ps_model_config config;
	char digest[PS_DIGEST_TEXT], tokenizer[PS_DIGEST_TEXT];
	uint64_t weight_bytes;
	const char *name;   /* as step names have it */
	const char *folder; /* OUT/runs/NAME */
	size_t condition_count;
	struct ps_graph_condition *conditions;       /* [0] dense */
	size_t tokens, calibration, seeds, ablation; /* nodes; PS_NO_NODE: none */
} ps_graph_model;

typedef struct ps_graph_condition {
	const char *method; /* NULL: dense */
	double sparsity;
	const char *name, *folder;
	size_t mask, ppl, cache, transfer, splice, survival; /* nodes; PS_NO_NODE: none */
	size_t seeds;                                        /* SAEs */
	size_t train[PS_LIST_MAX];                           /* a node each */
} ps_graph_condition;

#define PS_NO_NODE ((size_t)-1)

typedef struct ps_graph {
	ps_session *session;
	const ps_study_file *file;
	const char *path; /* of the study file */
	const char *out;  /* study folder */
	ps_node *nodes;   /* every node stands after those it reads */
	size_t count, capacity;
	ps_graph_model *models;
	json_t *identity; /* path -> what stands for it in a key */
	size_t assemble, report;
	struct ps_costs *costs;        /* tools/study/cost.h; NULL: not asked for */
	struct ps_graph_block *blocks; /* what nodes point to */
} ps_graph;

/* Opens the models, digests texts and tokenizers, checks the study's options against the models (PS_EINPUT naming file,
 * line and key), lays out all nodes. Nothing is written. graph is closed by ps_graph_close whatever the result. */
int ps_graph_build(ps_graph *graph, ps_session *session, const ps_study_file *file,
		   const char *path, const char *out) PS_MUST_USE;
/* Likewise, but lays out no more than one step needs: where the step's name begins with a model's
 * name, that model's steps alone. Other models are not opened then, and there is no assemble or
 * report (PS_NO_NODE). In a study of a hundred models each step would open them all. */
int ps_graph_build_for(ps_graph *graph, ps_session *session, const ps_study_file *file,
		       const char *path, const char *out, const char *step) PS_MUST_USE;
void ps_graph_close(ps_graph *graph); /* a zeroed one is allowed */

/* Reads the node's record and looks for its output: sets state, result, past. */
int ps_graph_look(ps_graph *graph, ps_node *node) PS_MUST_USE;
int ps_graph_look_all(ps_graph *graph) PS_MUST_USE;

/* Whether the node is to be carried out: it is not done, and, where its output is removed after its last reader, a
 * reader is to do. */
bool ps_graph_wanted(const ps_graph *graph, const ps_node *node);
/* Whether a step that is to do reads the node's output. */
bool ps_graph_is_read(const ps_graph *graph, const ps_node *node);
/* The first node it reads whose output is not there; NULL: it can run. */
const ps_node *ps_graph_missing(const ps_graph *graph, const ps_node *node);
/* Whether node a reads node b's output. */
bool ps_graph_reads(const ps_graph *graph, const ps_node *a, const ps_node *b);

/* The node of that id, or the only one whose id ends in /NAME. PS_EUSAGE naming the nearest, or those that fit. */
int ps_graph_find(ps_graph *graph, const char *name, ps_node **node) PS_MUST_USE;

/* Why the node is to do, in words: "new", "k: 16 -> 8", "mask.safetensors is missing". */
void ps_graph_reason(const ps_graph *graph, const ps_node *node, char *out, size_t size);

/* bytes that live until the graph is closed; NULL when memory runs out. */
void *ps_graph_take(ps_graph *graph, size_t bytes);
/* Likewise text. */
const char *ps_graph_text(ps_graph *graph, const char *format, ...) PS_PRINTF(2, 3);

/* Bytes of one activation cache of the model. */
uint64_t ps_graph_cache_bytes(const ps_graph *graph, const ps_graph_model *model);

#endif
