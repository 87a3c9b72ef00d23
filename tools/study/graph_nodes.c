#include "tools/study/graph_nodes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/kernel.h"
#include "tools/cmd/prune_plan.h"
#include "tools/run/code_version.h"
#include "tools/study/check.h"
#include "tools/study/results.h"

/* Added to the dense SAE's seed if a pruned model's SAE starts on its own, and to the seed of the
 * order if the dense model's SAE is trained in another one. So large a step makes no two seeds of a
 * study the same. */
enum { OWN_START_OFFSET = 1000003, OTHER_ORDER_OFFSET = 1000003 };

#define MATCH_TOLERANCE 0.01 /* nats a token, between a matched control and its reference */

static int no_memory(ps_graph *g)
{
	return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the study's graph");
}

int ps_graph_identify(ps_graph *g, const char *path, json_t *value)
{
	/* A path may hold any bytes. */
	return json_object_set_new_nocheck(g->identity, path, value) ? no_memory(g) : 0;
}

static json_t *identify(void *context, const char *path, ps_argument_role role)
{
	const ps_graph *g = context;
	json_t *value = json_object_get(g->identity, path);

	if (role == PS_ROLE_MODEL)
		value = json_object_get(value, "weights");
	else if (role == PS_ROLE_TOKENIZER)
		value = json_object_get(value, "tokenizer");
	return json_incref(value);
}

/* --- making a node --- */

/* What a node is made from. */
struct making {
	ps_step step;
	size_t model, condition;
	const char *name; /* of the step: "train-7" */
	const char *id_model, *id_condition;
	const char *folder; /* of its record */
	const char *output; /* path, or NULL */
	bool folder_output; /* it is a folder with a manifest */
	const char *beside[PS_NODE_BESIDE];
	const void *args;   /* copied */
	size_t after[8];    /* nodes that it reads, up to the first PS_NO_NODE */
	const size_t *more; /* (more_count): further nodes that it reads */
	size_t more_count;
	/* What else the key digests: options that follow from the arguments. NULL: none. */
	json_t *resolved;
};

static int copy_after(ps_graph *g, const struct making *m, ps_node *n)
{
	size_t few = 0;

	while (few < 8 && m->after[few] != PS_NO_NODE)
		few++;
	n->after = ps_graph_take(g, (few + m->more_count + 1) * sizeof *n->after);
	if (!n->after)
		return no_memory(g);
	memcpy(n->after, m->after, few * sizeof *n->after);
	if (m->more_count)
		memcpy(n->after + few, m->more, m->more_count * sizeof *n->after);
	n->after_count = few + m->more_count;
	return 0;
}

/* {id: key} of the nodes that the node reads: for kinds without a table of arguments. */
static json_t *after_json(const ps_graph *g, const ps_node *n)
{
	json_t *keys = json_object();

	for (size_t i = 0; i < n->after_count && keys; i++) {
		const ps_node *input = &g->nodes[n->after[i]];

		if (json_object_set_new(keys, input->id, json_string(input->key))) {
			json_decref(keys);
			return NULL;
		}
	}
	return keys;
}

bool ps_step_uses_kernel(const ps_node *n)
{
	const ps_step step = n->kind->step;

	return ps_step_uses_precision(n) || step == PS_STEP_TRAIN || step == PS_STEP_TRANSFER ||
	       step == PS_STEP_SEEDS || step == PS_STEP_SURVIVAL;
}

bool ps_step_uses_precision(const ps_node *n)
{
	if (n->kind->step == PS_STEP_PRUNE)
		return ((const ps_prune_args *)n->args)->tokens ||
		       ((const ps_prune_args *)n->args)->match_ppl;
	return n->kind->forward;
}

/* Sets inputs and key. Takes resolved over. */
static int set_key(ps_graph *g, ps_node *n, json_t *resolved)
{
	ps_diag *diag = &g->session->diag;
	json_t *arguments = NULL;
	int rc = 0;

	if (n->kind->arguments)
		rc = ps_arguments_json(n->kind->arguments, n->args, identify, g, &arguments, diag);
	else
		arguments = after_json(g, n);
	if (rc) {
		json_decref(resolved);
		return rc;
	}
	n->inputs = json_pack("{s:s, s:i, s:o}", "command", n->kind->command, "code",
			      ps_code_version(n->kind->command), "arguments", arguments);
	if (n->inputs && ps_step_uses_precision(n) &&
	    json_object_set_new(n->inputs, "precision",
				json_string(ps_precision_name(g->session->precision))))
		rc = no_memory(g);
	if (resolved && (!n->inputs || json_object_set_new(n->inputs, "resolved", resolved)))
		rc = no_memory(g);
	if (!n->inputs)
		rc = no_memory(g);
	return rc ? rc : ps_json_digest(n->inputs, n->key, diag);
}

static int grow(ps_graph *g)
{
	size_t capacity = g->capacity ? 2 * g->capacity : 64;
	ps_node *grown;

	if (g->count < g->capacity)
		return 0;
	grown = realloc(g->nodes, capacity * sizeof *grown);
	if (!grown)
		return no_memory(g);
	g->nodes = grown;
	g->capacity = capacity;
	return 0;
}

static int make_args(ps_graph *g, const struct making *m, ps_node *n)
{
	size_t bytes = n->kind->arguments ? n->kind->arguments->struct_size : 0;

	if (!m->args)
		return 0;
	n->args = ps_graph_take(g, bytes);
	if (!n->args)
		return no_memory(g);
	memcpy(n->args, m->args, bytes);
	return 0;
}

/* Adds a node. *index: its place. */
static int make(ps_graph *g, const struct making *m, size_t *index)
{
	ps_node *n;
	int rc = grow(g);

	if (rc) {
		json_decref(m->resolved);
		return rc;
	}
	*index = g->count;
	n = &g->nodes[g->count++];
	*n = (ps_node){.kind = &ps_step_kinds[m->step],
		       .model = m->model,
		       .condition = m->condition,
		       .output = m->output,
		       .folder = m->folder_output};
	memcpy(n->beside, m->beside, sizeof m->beside);
	n->id = ps_graph_text(g, "%s/%s/%s", m->id_model, m->id_condition, m->name);
	n->record = ps_graph_text(g, "%s/%s.json", m->folder, m->name);
	rc = n->id && n->record ? copy_after(g, m, n) : no_memory(g);
	if (!rc)
		rc = make_args(g, m, n);
	if (rc) {
		json_decref(m->resolved);
		return rc;
	}
	rc = set_key(g, n, m->resolved);
	if (!rc && n->output)
		rc = ps_graph_identify(g, n->output, json_string(n->key));
	else if (!rc)
		rc = ps_graph_identify(g, n->record, json_string(n->key));
	return rc;
}

/* Begins to make a step of a condition. It reads no node yet. */
static struct making of_condition(const ps_graph *g, size_t model, size_t condition, ps_step step,
				  const char *name)
{
	const ps_graph_model *m = &g->models[model];
	const ps_graph_condition *c = &m->conditions[condition];

	return (struct making){.step = step,
			       .model = model,
			       .condition = condition,
			       .name = name,
			       .id_model = m->name,
			       .id_condition = c->name,
			       .folder = c->folder,
			       .after = {PS_NO_NODE}};
}

/* --- one model --- */

static int add_tokens(ps_graph *g, size_t model, const char *name, int64_t tokens, size_t *index)
{
	const ps_study_file *f = g->file;
	const ps_graph_model *m = &g->models[model];
	const char *out = ps_graph_text(g, "%s/%s.safetensors", m->folder, name);
	struct making making = of_condition(g, model, 0, PS_STEP_TOKENIZE, name);
	ps_tokenize_args args = {
		.model = m->spec->path,
		.out = out,
		.window = f->window,
		.windows = tokens / f->window,
		.allow_fewer = f->allow_fewer,
		.bos_window = !strcmp(f->bos, "window"),
		.per_line = !strcmp(f->documents, "line"),
		.min_chars = f->min_chars,
		.replace = true, /* what lies in a study's folder is an earlier result of it */
	};

	for (unsigned i = 0; i < f->text_count; i++)
		args.texts.item[args.texts.count++] = f->text[i];
	making.folder = m->folder;
	making.output = out;
	making.args = &args;
	return out ? make(g, &making, index) : no_memory(g);
}

static const char *output_of(const ps_graph *g, size_t node)
{
	return node == PS_NO_NODE ? NULL : g->nodes[node].output;
}

/* What a checkpoint was changed from. NULL: the weights are the model's own. */
static const char *origin_of(const ps_graph_model *m, const ps_graph_condition *c)
{
	return c->checkpoint == PS_NO_NODE ? NULL : m->spec->path;
}

/* Refuses here what `prune` would refuse, and the message names the study file's key. */
static int check_mask(ps_graph *g, const ps_graph_model *m, const ps_prune_args *args)
{
	ps_diag *diag = &g->session->diag;
	ps_prune_plan plan;
	int rc = ps_prune_plan_make(args, &plan, diag);

	if (!rc)
		rc = ps_prune_plan_check(&plan, &m->config, diag);
	return rc == PS_EUSAGE ? ps_study_blame(g, args->method, diag) : rc;
}

/* The arguments of the condition's edit, by what kind of condition it is. */
static ps_prune_args prune_args(ps_graph *g, const ps_graph_model *m, const ps_graph_condition *c)
{
	const ps_study_file *f = g->file;
	const bool wanda = !strcmp(c->method, "wanda"), magnitude = !strcmp(c->method, "magnitude");
	ps_prune_args args = {
		.model = m->spec->path,
		.method = c->method,
		.sparsity = isnan(c->sparsity) ? -1 : c->sparsity,
		.scope = wanda       ? f->wanda.scope
			 : magnitude ? f->magnitude.scope
				     : NULL,
		.pool_embedding = magnitude && f->magnitude.pool_embedding,
		.calibration = wanda ? f->wanda.calibration : NULL,
		.tokens = wanda ? output_of(g, m->calibration) : NULL,
		.out = ps_graph_text(g, "%s/mask.safetensors", c->folder),
		.replace = true, /* as for tokens */
	};

	if (c->kind == PS_CONDITION_RANDOM) {
		args.like = output_of(g, m->conditions[c->like].mask);
		args.sparsity = -1;
	} else if (c->kind == PS_CONDITION_ROUNDED) {
		args.bits = c->rounding[strlen("int")] - '0';
		args.group = strstr(c->rounding, "-g") ? "128" : "row";
	} else if (c->kind == PS_CONDITION_MATCHED) {
		args.match_ppl = output_of(g, m->conditions[c->like].mask);
		args.text = f->ppl.text;
		args.window = f->ppl.window;
		args.stride = f->ppl.stride;
		args.max_tokens = f->ppl.max_tokens;
		args.tolerance = MATCH_TOLERANCE;
		args.nearest = true;
	}
	if (!strcmp(c->method, "random"))
		args.seed = (uint64_t)f->seeds[0];
	return args;
}

static int add_mask(ps_graph *g, size_t model, size_t condition)
{
	ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	struct making making = of_condition(g, model, condition, PS_STEP_PRUNE, "mask");
	const ps_prune_args args = prune_args(g, m, c);
	const size_t reads = args.tokens ? m->calibration
			     : c->like   ? m->conditions[c->like].mask
					 : PS_NO_NODE;
	int rc;

	making.output = args.out;
	making.args = &args;
	making.after[0] = reads;
	making.after[1] = PS_NO_NODE;
	if (!args.out)
		return no_memory(g);
	rc = check_mask(g, m, &args);
	return rc ? rc : make(g, &making, &c->mask);
}

/* How many weights of a checkpoint are zero. */
static int add_zeros(ps_graph *g, size_t model, size_t condition)
{
	ps_graph_condition *c = &g->models[model].conditions[condition];
	struct making making = of_condition(g, model, condition, PS_STEP_SPARSITY, "sparsity");
	const ps_sparsity_args args = {.model = c->model};

	making.args = &args;
	return make(g, &making, &c->zeros);
}

static int add_ppl(ps_graph *g, size_t model, size_t condition)
{
	const ps_study_file *f = g->file;
	ps_graph_condition *c = &g->models[model].conditions[condition];
	struct making making = of_condition(g, model, condition, PS_STEP_PPL, "ppl");
	ps_ppl_args args = {
		.model = c->model,
		.text = f->ppl.text,
		.mask = output_of(g, c->mask),
		.window = f->ppl.window,
		.stride = f->ppl.stride,
		.max_tokens = f->ppl.max_tokens,
		.allow_fewer = f->allow_fewer,
		.per_window = true,
	};

	making.args = &args;
	making.after[0] = c->mask;
	making.after[1] = PS_NO_NODE;
	return make(g, &making, &c->ppl);
}

static int add_cache(ps_graph *g, size_t model, size_t condition)
{
	const ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	struct making making = of_condition(g, model, condition, PS_STEP_CACHE, "cache");
	const char *out = ps_graph_text(g, "%s/cache", c->folder);
	ps_cache_args args = {
		.model = c->model,
		.changed_from = origin_of(m, c),
		.tokens = output_of(g, m->tokens),
		.dtype = "f32",
		.order = "sequence",
		.layers = {1, {m->spec->layer}},
		.variant_count = 1,
		.variants = {{output_of(g, c->mask), out}},
		.replace = true,   /* as for tokens */
		.old_first = true, /* the disk holds no more caches than are planned */
	};

	making.output = out;
	making.folder_output = true;
	making.args = &args;
	making.after[0] = m->tokens;
	making.after[1] = c->mask;
	making.after[2] = PS_NO_NODE;
	return out ? make(g, &making, &c->cache) : no_memory(g);
}

/* The seed that an SAE starts from: the dense one's, or one of its own (sae.init). */
static int64_t init_seed(const ps_study_file *f, const ps_graph_condition *c, size_t seed)
{
	bool own = c->method && f->sae.start == PS_INIT_INDEPENDENT;

	return f->seeds[seed] + (own ? OWN_START_OFFSET : 0);
}

/* The seed of the order in which an SAE sees its rows. */
static int64_t data_seed(const ps_study_file *f, const ps_graph_condition *c, size_t seed)
{
	const int64_t own = f->sae.data_seed < 0 ? f->seeds[seed] : f->sae.data_seed;

	return own + (c->kind == PS_CONDITION_RETRAIN ? OTHER_ORDER_OFFSET : 0);
}

/* Makes the options that `train` will use. What it would refuse is refused here, and the message
 * names the study file's key. */
/* Of each SAE of the model. */
static int64_t latents_of(const ps_graph *g, const ps_graph_model *m)
{
	return g->file->sae.d_sae ? g->file->sae.d_sae
				  : g->file->sae.expansion * (int64_t)m->config.width;
}

static int resolve(ps_graph *g, const ps_graph_model *m, const ps_train_args *args, json_t **json)
{
	ps_train_options options;
	int rc = ps_train_options_make(args, m->config.width, (uint64_t)g->file->cache_tokens,
				       (size_t)args->d_sae.item[0], (size_t)args->k.item[0],
				       &options, &g->session->diag);

	if (rc == PS_EUSAGE)
		return ps_study_blame(g, "sae", &g->session->diag);
	if (rc)
		return rc;
	*json = ps_train_options_json(&options);
	return *json ? 0 : no_memory(g);
}

static int add_train(ps_graph *g, size_t model, size_t condition, size_t seed)
{
	const ps_study_file *f = g->file;
	const ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	const char *name = ps_graph_text(g, "train-%lld", (long long)f->seeds[seed]);
	struct making making = of_condition(g, model, condition, PS_STEP_TRAIN, name);
	ps_train_args args = ps_train_args_default();
	int rc;

	args.cache = output_of(g, c->cache);
	args.out = ps_graph_text(g, "%s/sae/seed-%lld", c->folder, (long long)f->seeds[seed]);
	args.arch = f->sae.arch;
	args.d_sae = (ps_int_list){1, {latents_of(g, m)}};
	args.k = (ps_int_list){1, {f->sae.k}};
	args.tokens = f->train_tokens;
	args.batch = f->sae.batch;
	args.lr = f->sae.lr;
	args.data_seed = data_seed(f, c, seed);
	args.freeze = c->freeze;
	args.seeds = (ps_int_list){1, {init_seed(f, c, seed)}};
	args.replace = true; /* as for tokens */
	making.output = args.out;
	making.folder_output = true;
	making.args = &args;
	making.after[0] = c->cache;
	making.after[1] = PS_NO_NODE;
	if (!name || !args.out)
		return no_memory(g);
	rc = resolve(g, m, &args, &making.resolved);
	return rc ? rc : make(g, &making, &c->train[seed]);
}

/* The name of a step that looks at the dense SAE of a seed. */
static const char *name_of_seed(ps_graph *g, const char *step, size_t seed)
{
	return seed ? ps_graph_text(g, "%s-%lld", step, (long long)g->file->seeds[seed])
		    : ps_graph_text(g, "%s", step);
}

/* The transfer of an SAE to a condition's model. trained: the node of a dense SAE; PS_NO_NODE: the
 * model's pretrained dictionary. */
static int add_transfer(ps_graph *g, size_t model, size_t condition, const char *name,
			size_t trained, size_t *node)
{
	const ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	const ps_graph_condition *dense = &m->conditions[0];
	struct making making = of_condition(g, model, condition, PS_STEP_TRANSFER, name);
	const bool pretrained = trained == PS_NO_NODE;
	ps_transfer_args args = {
		.sae = pretrained ? m->spec->dictionary : output_of(g, trained),
		.norm_cache = pretrained && m->dictionary_lacks ? output_of(g, dense->cache) : NULL,
		.dense = output_of(g, dense->cache),
		.pruned = output_of(g, c->cache),
		.samples = g->file->bootstrap.samples,
		.seed = (uint64_t)g->file->seeds[0],
	};
	const size_t after[] = {dense->cache, c->cache, trained, PS_NO_NODE};

	making.args = &args;
	memcpy(making.after, after, sizeof after);
	return name ? make(g, &making, node) : no_memory(g);
}

/* Which tokens the latents of the first dense SAE promote: once for all that reads it. */
static int add_promoted(ps_graph *g, size_t model)
{
	ps_graph_model *m = &g->models[model];
	const ps_graph_condition *dense = &m->conditions[0];
	struct making making = of_condition(g, model, 0, PS_STEP_FEATURES, "promoted");
	ps_features_args args = {
		.sae = output_of(g, dense->train[0]),
		.head = m->spec->path,
		.out = ps_graph_text(g, "%s/promoted.safetensors", dense->folder),
		.replace = true, /* as for tokens */
	};

	making.output = args.out;
	making.args = &args;
	making.after[0] = dense->train[0];
	making.after[1] = PS_NO_NODE;
	return args.out ? make(g, &making, &m->promoted) : no_memory(g);
}

/* What becomes of the latents of the first dense SAE in a model with a cache of its own. */
static int add_features(ps_graph *g, size_t model, size_t condition)
{
	const ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	const ps_graph_condition *dense = &m->conditions[0];
	struct making making = of_condition(g, model, condition, PS_STEP_FEATURES, "features");
	ps_features_args args = {
		.sae = output_of(g, dense->train[0]),
		.dense = output_of(g, dense->cache),
		.pruned = output_of(g, c->cache),
		.pruned_sae = output_of(g, c->train[0]),
		.ablation = m->ablations ? g->nodes[m->ablation[0]].record : NULL,
		.head = m->spec->path,
		.promoted = output_of(g, m->promoted),
		.out = ps_graph_text(g, "%s/features.safetensors", c->folder),
		.csv = ps_graph_text(g, "%s/features.csv", c->folder),
		.cards = ps_graph_text(g, "%s/cards.json", c->folder),
		.replace = true, /* as for tokens */
	};
	/* The ablation comes last: it may be none. */
	const size_t after[] = {dense->train[0], dense->cache,
				c->train[0],     c->cache,
				m->promoted,     m->ablations ? m->ablation[0] : PS_NO_NODE,
				PS_NO_NODE};

	making.output = args.out;
	making.beside[0] = args.csv;
	making.beside[1] = args.cards;
	making.args = &args;
	memcpy(making.after, after, sizeof after);
	return args.out && args.csv && args.cards ? make(g, &making, &c->features) : no_memory(g);
}

/* A seed's dense SAE in the condition's model; in the dense model, the condition's own SAE. */
static int add_splice(ps_graph *g, size_t model, size_t condition, size_t seed)
{
	const ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	const ps_graph_condition *dense = &m->conditions[0];
	const size_t trained = c->method ? dense->train[seed] : c->train[seed];
	const char *name = name_of_seed(g, "splice", seed);
	struct making making = of_condition(g, model, condition, PS_STEP_SPLICE, name);
	ps_eval_args args = {
		.sae = output_of(g, trained),
		.model = c->model,
		.changed_from = origin_of(m, c),
		.tokens = output_of(g, m->tokens),
		.mask = output_of(g, c->mask),
		.layer = m->spec->layer,
		.windows = g->file->splice.windows,
		.allow_fewer = g->file->allow_fewer,
	};
	const size_t after[] = {trained, m->tokens, c->mask, PS_NO_NODE};

	making.args = &args;
	memcpy(making.after, after, sizeof after);
	return name ? make(g, &making, &c->splice[c->splices++]) : no_memory(g);
}

/* One for each SAE that a condition looks at. */
static int add_splices(ps_graph *g, size_t model, size_t condition)
{
	const ps_graph_condition *conditions = g->models[model].conditions;
	const size_t count = conditions[conditions[condition].method ? 0 : condition].seeds;
	int rc = 0;

	for (size_t seed = 0; seed < count && !rc; seed++)
		rc = add_splice(g, model, condition, seed);
	return rc;
}

static int add_ablation(ps_graph *g, size_t model, size_t seed)
{
	ps_graph_model *m = &g->models[model];
	const ps_graph_condition *dense = &m->conditions[0];
	const char *name = name_of_seed(g, "ablation", seed);
	struct making making = of_condition(g, model, 0, PS_STEP_ABLATE, name);
	ps_ablate_args args = {
		.model = m->spec->path,
		.sae = output_of(g, dense->train[seed]),
		.tokens = output_of(g, m->tokens),
		.cache = output_of(g, dense->cache),
		.layer = m->spec->layer,
		.features = g->file->ablation.features,
		.windows = g->file->ablation.windows,
		/* Without the key there may be fewer than its default. */
		.allow_fewer =
			g->file->allow_fewer || !ps_study_mark_of(g->file, "ablation.windows", 0),
		.seed = (uint64_t)g->file->seeds[0],
	};
	const size_t after[] = {dense->train[seed], m->tokens, dense->cache, PS_NO_NODE};
	const int64_t latents = latents_of(g, m);

	if (args.features > latents)
		return ps_study_refuse(g, "ablation.features", 0,
				       "%lld is more than the %lld latents of an SAE of '%s'",
				       (long long)args.features, (long long)latents, m->spec->name);
	making.args = &args;
	memcpy(making.after, after, sizeof after);
	return name ? make(g, &making, &m->ablation[m->ablations++]) : no_memory(g);
}

/* The latents of the first ablation again, in the SAE's reconstruction. */
static int add_spliced_ablation(ps_graph *g, size_t model)
{
	ps_graph_model *m = &g->models[model];
	const ps_node *direct = &g->nodes[m->ablation[0]];
	struct making making = of_condition(g, model, 0, PS_STEP_ABLATE, "ablation-spliced");
	ps_ablate_args args = *(const ps_ablate_args *)direct->args;
	const size_t after[] = {m->conditions[0].train[0], m->tokens, m->ablation[0], PS_NO_NODE};

	args.direct = direct->record;
	args.features = 0;
	args.cache = NULL;
	making.args = &args;
	memcpy(making.after, after, sizeof after);
	return make(g, &making, &m->spliced_ablation);
}

static void list_saes(const ps_graph *g, const ps_graph_condition *c, ps_text_list *list)
{
	for (size_t i = 0; i < c->seeds; i++)
		list->item[list->count++] = output_of(g, c->train[i]);
}

static int add_seeds(ps_graph *g, size_t model)
{
	ps_graph_model *m = &g->models[model];
	const ps_graph_condition *dense = &m->conditions[0];
	struct making making = of_condition(g, model, 0, PS_STEP_SEEDS, "seeds");
	ps_seeds_args args = {.samples = g->file->bootstrap.samples,
			      .seed = (uint64_t)g->file->seeds[0]};

	list_saes(g, dense, &args.saes);
	for (size_t i = 0; i < dense->seeds; i++)
		args.labels.item[args.labels.count++] = g->file->seeds[i];
	making.args = &args;
	making.more = dense->train;
	making.more_count = dense->seeds;
	return make(g, &making, &m->seeds);
}

/* The condition that trains the dense SAEs again; NULL: there is none. */
static const ps_graph_condition *retrained(const ps_graph_model *m)
{
	for (size_t i = m->cache_count; i < m->condition_count; i++)
		if (m->conditions[i].kind == PS_CONDITION_RETRAIN)
			return &m->conditions[i];
	return NULL;
}

static size_t copy_nodes(size_t *to, const size_t *from, size_t count)
{
	memcpy(to, from, count * sizeof *to);
	return count;
}

static int add_survival(ps_graph *g, size_t model, size_t condition)
{
	ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	const ps_graph_condition *dense = &m->conditions[0];
	struct making making = of_condition(g, model, condition, PS_STEP_SURVIVAL, "survival");
	size_t more[4 * PS_LIST_MAX], count = 0;
	ps_text_list *pruned = ps_graph_take(g, sizeof *pruned);
	/* The dense SAEs trained again are what the others are compared with. */
	const ps_graph_condition *again = c->kind == PS_CONDITION_RETRAIN ? NULL : retrained(m);
	ps_survival_args args = {
		.cache = output_of(g, dense->cache),
		.samples = g->file->bootstrap.samples,
		.seed = (uint64_t)g->file->seeds[0],
		.count = 1,
		.pruned = pruned,
	};

	if (!pruned)
		return no_memory(g);
	list_saes(g, dense, &args.dense);
	list_saes(g, c, pruned);
	count += copy_nodes(more, dense->train, dense->seeds);
	count += copy_nodes(more + count, c->train, c->seeds);
	if (again) {
		list_saes(g, again, &args.controls);
		count += copy_nodes(more + count, again->train, again->seeds);
	}
	for (size_t i = 0; i < m->ablations; i++)
		args.ablations.item[args.ablations.count++] = g->nodes[m->ablation[i]].record;
	count += copy_nodes(more + count, m->ablation, m->ablations);
	making.args = &args;
	making.after[0] = dense->cache;
	making.after[1] = PS_NO_NODE;
	making.more = more;
	making.more_count = count;
	return make(g, &making, &c->survival);
}

/* Adds a condition's cache, if it has one of its own, the SAEs trained on its rows, and what reads
 * both its rows and the dense model's. */
static int add_condition(ps_graph *g, size_t model, size_t condition)
{
	const ps_graph_model *m = &g->models[model];
	ps_graph_condition *c = &m->conditions[condition];
	int rc = 0;

	if (condition < m->cache_count)
		rc = add_cache(g, model, condition);
	else
		c->cache = m->conditions[0].cache;

	for (size_t i = 0; i < c->seeds && !rc; i++)
		rc = add_train(g, model, condition, i);
	for (size_t i = 0; i < m->conditions[0].seeds && c->method && !rc; i++)
		rc = add_transfer(g, model, condition, name_of_seed(g, "transfer", i),
				  m->conditions[0].train[i], &c->transfer[c->transfers++]);
	if (!rc && c->method && m->spec->dictionary)
		rc = add_transfer(g, model, condition, "transfer-dictionary", PS_NO_NODE,
				  &c->dictionary);
	if (!rc && c->method && g->file->features)
		rc = add_features(g, model, condition);
	return rc;
}

static bool uses_wanda(const ps_study_file *f)
{
	for (unsigned i = 0; i < f->methods_count; i++)
		if (!strcmp(f->methods[i], "wanda"))
			return true;
	return false;
}

int ps_graph_add_model(ps_graph *g, size_t model)
{
	const ps_study_file *f = g->file;
	ps_graph_model *m = &g->models[model];
	int rc = add_tokens(g, model, "tokens", f->cache_tokens, &m->tokens);

	if (!rc && uses_wanda(f))
		rc = add_tokens(g, model, "calibration", f->calibration_tokens, &m->calibration);
	for (size_t i = 0; i < m->cache_count && !rc; i++)
		if (m->conditions[i].checkpoint != PS_NO_NODE)
			rc = add_zeros(g, model, i);
		else if (m->conditions[i].method)
			rc = add_mask(g, model, i);
	/* after all masks: one call scores all conditions */
	for (size_t i = 0; i < m->cache_count && !rc; i++)
		rc = add_ppl(g, model, i);
	if (!rc)
		rc = add_condition(g, model, 0);
	if (!rc && f->features && m->condition_count > 1)
		rc = add_promoted(g, model);
	for (size_t i = 0; i < (size_t)f->ablation.seeds && !rc && f->ablation.features; i++)
		rc = add_ablation(g, model, i);
	if (!rc && m->ablations)
		rc = add_spliced_ablation(g, model);
	for (size_t i = 1; i < m->condition_count && !rc; i++)
		rc = add_condition(g, model, i);
	for (size_t i = 0; i < m->condition_count && !rc && f->splice.windows; i++)
		rc = add_splices(g, model, i);
	if (!rc && m->conditions[0].seeds > 1)
		rc = add_seeds(g, model);
	for (size_t i = 1; i < m->condition_count && !rc; i++)
		rc = add_survival(g, model, i);
	return rc;
}

/* --- the study as a whole --- */

static struct making of_study(const ps_graph *g, ps_step step, const char *name)
{
	return (struct making){.step = step,
			       .name = name,
			       .id_model = "study",
			       .id_condition = "all",
			       .folder = g->out,
			       .after = {PS_NO_NODE}};
}

/* A model as results.json names it, with its dictionary if it has one. */
static json_t *model_json(const ps_study_model *model)
{
	return model->dictionary ? json_pack("[s, s]", model->name, model->dictionary)
				 : json_string(model->name);
}

/* What results.json says beside the records: settings and names. */
static json_t *settings_json(const ps_graph *g)
{
	json_t *settings = ps_results_settings(g->file), *names = json_array();

	for (size_t i = 0; i < g->file->models_count && names; i++)
		if (json_array_append_new(names, model_json(g->models[i].spec)))
			break;
	if (!settings || json_array_size(names) != g->file->models_count ||
	    json_object_set(settings, "models", names)) {
		json_decref(settings);
		settings = NULL;
	}
	json_decref(names);
	return settings;
}

/* Whether results.json takes from the record of a node. */
static bool is_in_results(const ps_graph *g, size_t node)
{
	const ps_node *n = &g->nodes[node];

	return n->kind->step != PS_STEP_TOKENIZE && n->kind->step != PS_STEP_CACHE &&
	       node != g->models[n->model].promoted;
}

/* Adds `assemble`. It reads every record that goes into results.json. */
static int add_assemble(ps_graph *g)
{
	struct making making = of_study(g, PS_STEP_ASSEMBLE, "assemble");
	size_t *more = calloc(g->count, sizeof *more), count = 0;
	int rc = more ? 0 : no_memory(g);

	for (size_t i = 0; i < g->count && !rc; i++)
		if (is_in_results(g, i))
			more[count++] = i;
	making.output = ps_graph_text(g, "%s/results.json", g->out);
	making.more = more;
	making.more_count = count;
	making.folder = ps_graph_text(g, "%s/runs", g->out);
	making.resolved = settings_json(g);
	if (!rc && (!making.output || !making.folder || !making.resolved))
		rc = no_memory(g);
	if (!rc)
		rc = make(g, &making, &g->assemble);
	free(more);
	return rc;
}

int ps_graph_add_summary(ps_graph *g)
{
	struct making making = of_study(g, PS_STEP_REPORT, "report");
	int rc = add_assemble(g);

	if (rc)
		return rc;
	making.output = ps_graph_text(g, "%s/report.html", g->out);
	making.folder = ps_graph_text(g, "%s/runs", g->out);
	making.after[0] = g->assemble;
	making.after[1] = PS_NO_NODE;
	return making.output && making.folder ? make(g, &making, &g->report) : no_memory(g);
}
