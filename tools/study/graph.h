/* tools/study/graph.h: a study as a graph of steps, all of it known before anything runs.
 *
 * A node is a step: one call of one command (tools/study/steps.h). It stands after the nodes whose
 * outputs it reads.
 *
 * Key. It is the digest of
 *   - the arguments that the command gets; the key of a node that it reads stands for that node's
 *     path, and the digest of a model or text for its path (tools/study/arguments.h),
 *   - the precision, if it determines the bits,
 *   - the version of the command's code (tools/run/code_version.h).
 * So a key changes when something changes that the result's bits depend on, and only then. A
 * step whose result decides a number that later steps use (a mask matched to a perplexity) is a
 * node as well: its key comes from its inputs, and theirs from its key.
 *
 * Names. MODEL/CONDITION/STEP, of letters, digits, '.', '_' and '-'. CONDITION is dense,
 * magnitude-0.5, wanda-0.3, ..., or a control: random-0.5, rtn-int4, retrain, ..., or the name of a
 * checkpoint. STEP is a command's, with the seed of the dense SAE that it looks at: train-7,
 * transfer-42. Of the first seed it is transfer and ablation alone. The steps of the study as a
 * whole are study/all/STEP.
 *
 * Files. Outputs are OUT/runs/MODEL/{tokens,calibration}.safetensors and
 * OUT/runs/MODEL/CONDITION/{mask.safetensors, cache/, sae/seed-N/, features.safetensors,
 * features.csv, cards.json}, and of the dense model promoted.safetensors. A step's record
 * (tools/study/record.h) is STEP.json in the folder of its condition. The records of the tokenize
 * steps are in OUT/runs/MODEL, those of the study as a whole in OUT/runs.
 *
 * States. ps_graph_look reads them from the disk. The executor changes them as it works:
 *
 *                         outputs made, record written
 *   TODO, STALE, CHANGED, GONE ------------------------> DONE
 *              ^                                          |
 *              +------------------------------------------+
 *                caches: after the last reader the cache and its record are removed
 *
 *        TODO    no record, a damaged one, that of another step, or one without its outputs. A
 *                summary also where an output is not the recorded one, or a record that it was
 *                made from has been made anew
 *        STALE   the record has another key
 *        CHANGED an output is not the recorded one: it is replaced only with --force
 *        GONE    a cache's record without the cache: somebody else removed it */
#ifndef PS_TOOLS_STUDY_GRAPH_H
#define PS_TOOLS_STUDY_GRAPH_H

#include "core/model/config.h"
#include "sae/sae.h"
#include "tools/run/session.h"
#include "tools/study/record.h"
#include "tools/study/steps.h"
#include "tools/study/study_file.h"

enum { PS_FAULT_BYTES = 256 };

enum { PS_NODE_BESIDE = 2 };

typedef enum ps_node_state {
	PS_NODE_TODO,
	PS_NODE_STALE,
	PS_NODE_CHANGED,
	PS_NODE_DONE,
	PS_NODE_GONE
} ps_node_state;

struct ps_node {
	const ps_step_kind *kind;
	const char *id;     /* llama/wanda-0.5/train-7 */
	const char *record; /* path */
	const char *output; /* the file or folder that it makes; NULL: it leaves a record only */
	bool folder;        /* the output is a folder with a manifest */
	/* Files that it makes beside its output, up to the first NULL. */
	const char *beside[PS_NODE_BESIDE + 1];
	size_t model;     /* index in the study file */
	size_t condition; /* index in the model's conditions; 0: dense */
	void *args;       /* the command's argument struct */
	size_t *after;    /* indices of the nodes that it reads, each before this one */
	size_t after_count;
	json_t *inputs; /* what the key is the digest of; owned */
	char key[PS_DIGEST_TEXT];
	ps_node_state state;
	bool damaged;               /* there is a record, but it is not whole or another step's */
	char fault[PS_FAULT_BYTES]; /* what is not as recorded; empty: nothing is */
	json_t *result;             /* owned; NULL while not done */
	/* Of the record on the disk, owned; NULL: no record. */
	json_t *past; /* inputs */
	json_t *cache_kernels;
	char *kernel;
	char checksum[PS_DIGEST_TEXT]; /* of that record; empty: none */
};

/* What a model's nodes have in common. */
typedef struct ps_graph_model {
	const ps_study_model *spec;
	ps_model_config config;
	char digest[PS_DIGEST_TEXT], tokenizer[PS_DIGEST_TEXT];
	uint64_t weight_bytes;
	ps_sae dictionary;     /* the shape of spec->dictionary, if there is one */
	bool dictionary_lacks; /* the number that rows are multiplied by is to be estimated */
	const char *name;      /* as steps' names have it */
	const char *folder;    /* OUT/runs/NAME */
	/* [0]: dense; then the pruned ones; then controls. The first cache_count have a cache of
	 * their own, the others read the dense one. */
	struct ps_graph_condition *conditions;
	size_t condition_count, pruned_count, cache_count;
	size_t tokens, calibration, promoted, seeds; /* nodes; PS_NO_NODE: none */
	size_t ablations;             /* dense SAEs, from the first, whose latents are ablated */
	size_t ablation[PS_LIST_MAX]; /* (ablations): the node of each */
	size_t spliced_ablation;      /* node: the first of them, the SAE's error left out */
} ps_graph_model;

/* What a condition is. Controls are there to be compared with pruned models. */
typedef enum ps_condition_kind {
	PS_CONDITION_DENSE,
	PS_CONDITION_PRUNED,
	PS_CONDITION_RANDOM,     /* a random mask with as many zeros as another condition's */
	PS_CONDITION_ROUNDED,    /* weights rounded instead of pruned */
	PS_CONDITION_MATCHED,    /* pruned to the perplexity of another condition */
	PS_CONDITION_CHECKPOINT, /* weights of another checkpoint, of the same shapes */
	PS_CONDITION_RETRAIN, /* the dense model's SAE again: same start, another order of rows */
	PS_CONDITION_FROZEN,  /* the same start and order, half of the SAE frozen */
} ps_condition_kind;

typedef struct ps_graph_condition {
	ps_condition_kind kind;
	const char *model;    /* path of the weights: the model's, or a checkpoint's */
	size_t checkpoint;    /* index in the study file; PS_NO_NODE: the weights are the model's */
	const char *method;   /* NULL: the model is the dense one */
	double sparsity;      /* asked for; NaN: none was */
	size_t like;          /* index of the condition that it is made after; 0: none */
	const char *rounding; /* as the study file has it; NULL: none */
	const char *freeze;   /* half of its SAEs that is frozen; NULL: none */
	const char *name, *folder;
	size_t mask, zeros, ppl, cache, features, survival; /* nodes; PS_NO_NODE: none */
	size_t dictionary;            /* node: transfer of the model's pretrained dictionary */
	size_t seeds;                 /* number of SAEs */
	size_t train[PS_LIST_MAX];    /* (seeds): the node of each SAE */
	size_t splices;               /* SAEs that are spliced into a forward pass */
	size_t splice[PS_LIST_MAX];   /* (splices): the node of each */
	size_t transfers;             /* dense SAEs that look at the model */
	size_t transfer[PS_LIST_MAX]; /* (transfers): the node of each */
} ps_graph_condition;

#define PS_NO_NODE ((size_t)-1)

typedef struct ps_graph {
	ps_session *session;
	const ps_study_file *file;
	const char *path;    /* of the study file */
	const char *out;     /* study folder */
	bool read_all;       /* outputs are read whole, whatever their state on the disk */
	bool keep_caches;    /* caches stay: one that lies there must be what its record says */
	bool texts_may_lack; /* a text that is not there is named, and the graph is made */
	ps_node *nodes;      /* every node stands after those that it reads */
	size_t count, capacity;
	ps_graph_model *models;
	json_t *identity; /* {path: what stands for it in a key} */
	json_t *states;   /* {path: state on the disk} of models and texts */
	json_t *digests;  /* {path and state: digest} of outputs that were read */
	/* The perplexity text is the same file as a training text, or has the same bytes. */
	bool ppl_text_trained;
	size_t assemble, report; /* nodes */
	size_t sort_bytes; /* disk that a training may take to sort rows; the executor sets it */
	struct ps_costs *costs;        /* tools/study/cost.h; NULL: not asked for */
	struct ps_graph_block *blocks; /* memory of ps_graph_take */
} ps_graph;

/* Opens the models, digests texts and tokenizers, checks the study's options against the models,
 * and makes all nodes. Of the graph that is handed in, read_all, keep_caches and texts_may_lack are
 * kept, so they must be set. Writes nothing. Call ps_graph_close whatever it returns. PS_EINPUT: a
 * model or text cannot be read, or an option does not fit, with file, line and key named. */
int ps_graph_build(ps_graph *graph, ps_session *session, const ps_study_file *file,
		   const char *path, const char *out) PS_MUST_USE;
/* Likewise, but lays out no more than one step needs: where the step's name begins with a model's
 * name, that model's steps alone. Other models are not opened then, and there is no assemble or
 * report (PS_NO_NODE). In a study of a hundred models each step would open them all. */
int ps_graph_build_for(ps_graph *graph, ps_session *session, const ps_study_file *file,
		       const char *path, const char *out, const char *step) PS_MUST_USE;
void ps_graph_close(ps_graph *graph); /* a zeroed one is allowed */

/* Reads the node's record and compares its outputs with it. Sets all that the node has of its
 * record, and state, damaged and fault. A summary is compared with the records that it reads as
 * they were when these were looked at. PS_EINPUT: an output cannot be read. */
int ps_graph_look(ps_graph *graph, ps_node *node) PS_MUST_USE;
/* The same for all nodes. */
int ps_graph_look_all(ps_graph *graph) PS_MUST_USE;

/* Bytes of the graph, and of all records there are as values in memory. Reads no record. */
size_t ps_graph_bytes(const ps_graph *graph);
/* So much of them goes beyond what every plan counts for the program. A step's command has so much
 * less. */
size_t ps_graph_excess(const ps_graph *graph);

/* Whether the node must run: it is not done and, if it is a cache, a node that reads it must run,
 * or it lies there and is not the recorded one. Of caches that are kept, also where its record is
 * damaged or gone. */
bool ps_graph_wanted(const ps_graph *graph, const ps_node *node);
/* How many nodes need not run. */
size_t ps_graph_done(const ps_graph *graph);
/* Whether a cache, or the folder of one that is to come, is there. A link to a folder elsewhere
 * stays when its cache goes. */
bool ps_graph_on_disk(const ps_node *node);
/* Whether a node that must run reads the node's output. */
bool ps_graph_is_read(const ps_graph *graph, const ps_node *node);
/* The first node among those it reads that is not done. NULL: it can run. */
const ps_node *ps_graph_missing(const ps_graph *graph, const ps_node *node);
/* Whether node a reads node b's output. */
bool ps_graph_reads(const ps_graph *graph, const ps_node *a, const ps_node *b);

/* Finds the node of that id, or the only one whose id ends in /NAME. PS_EUSAGE: there is none, and
 * the nearest id is named; or several fit, and two of them are named. */
int ps_graph_find(ps_graph *graph, const char *name, ps_node **node) PS_MUST_USE;

/* Writes why the node must run: "new", "k: 16 -> 8", "text.txt has changed", "output
 * runs/llama/dense/mask.safetensors is gone". For a node that need not run: "done" or "not needed
 * any more". */
void ps_graph_reason(const ps_graph *graph, const ps_node *node, char *out, size_t size);

/* Zeroed bytes that live until the graph is closed. NULL: no memory. */
void *ps_graph_take(ps_graph *graph, size_t bytes);
/* Formatted text that lives as long. NULL: no memory. */
const char *ps_graph_text(ps_graph *graph, const char *format, ...) PS_PRINTF(2, 3);

/* Bytes of one activation cache of the model. */
uint64_t ps_graph_cache_bytes(const ps_graph *graph, const ps_graph_model *model);

#endif
