/* Builds the graph from the study file: names the models, adds all nodes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/study/check.h"
#include "tools/study/graph_nodes.h"
#include "tools/study/sources.h"

/* Copies the name, with '_' for each character that a step's name may not have. */
static const char *plain_name(ps_graph *g, const char *name)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	char *out = ps_graph_take(g, strlen(name) + 1);

	for (size_t i = 0; out && name[i]; i++)
		out[i] = strchr(plain, name[i]) ? name[i] : '_';
	return out;
}

static int check_layer(const ps_graph *g, const ps_graph_model *m)
{
	const ps_study_mark *mark;

	if (m->spec->layer < (int64_t)m->config.layers)
		return 0;
	mark = ps_study_mark_of(g->file, "models.layer", (size_t)(m->spec - g->file->models) + 1);
	return ps_fail(&g->session->diag, PS_EINPUT,
		       "%s: line %zu: models.layer: %s: layer %lld, the model has 0 to %zu",
		       g->path, mark ? mark->line : 0, m->spec->name, (long long)m->spec->layer,
		       m->config.layers - 1);
}

/* Every window of perplexity begins with BOS. */
static int check_bos(const ps_graph *g, const ps_graph_model *m)
{
	if (m->config.bos >= 0)
		return 0;
	return ps_fail(&g->session->diag, PS_EINPUT,
		       "%s: bos_token_id is missing or null, and the study's perplexity needs it",
		       m->spec->path);
}

/* "wanda-0.5": with as many digits as tell the sparsity from every other one. */
static const char *name_pruned(ps_graph *g, const ps_graph_condition *c)
{
	char number[32];

	for (int digits = 4; digits <= 17; digits++) {
		snprintf(number, sizeof number, "%.*g", digits, c->sparsity);
		if (strtod(number, NULL) == c->sparsity)
			break;
	}
	return ps_graph_text(g, "%s-%s", c->method, number);
}

/* The conditions before it have their names. */
static const char *name_condition(ps_graph *g, const ps_graph_model *m, const ps_graph_condition *c)
{
	switch (c->kind) {
	case PS_CONDITION_DENSE:
		return "dense";
	case PS_CONDITION_RETRAIN:
		return "retrain";
	case PS_CONDITION_FROZEN:
		return ps_graph_text(g, "frozen-%s", c->freeze);
	case PS_CONDITION_ROUNDED:
		return ps_graph_text(g, "rtn-%s", c->rounding);
	case PS_CONDITION_CHECKPOINT:
		return plain_name(g, g->file->checkpoints[c->checkpoint].name);
	case PS_CONDITION_MATCHED:
		return ps_graph_text(g, "matched-%s-%s", c->method, m->conditions[c->like].name);
	default:
		return name_pruned(g, c);
	}
}

static void list_pruned(const ps_study_file *f, ps_graph_model *m)
{
	for (unsigned i = 0; i < f->methods_count; i++)
		for (unsigned j = 0; j < f->sparsities_count; j++)
			m->conditions[m->condition_count++] =
				(ps_graph_condition){.kind = PS_CONDITION_PRUNED,
						     .method = f->methods[i],
						     .sparsity = f->sparsities[j],
						     .seeds = (size_t)f->pruned_seeds};
	m->pruned_count = m->condition_count - 1;
}

/* The pruned condition that controls look at: of the sparsity that the study file names, by Wanda
 * where that is among the methods. */
static size_t looked_at(const ps_study_file *f, const ps_graph_model *m)
{
	size_t found = 0;

	for (size_t i = 1; i <= m->pruned_count; i++) {
		const ps_graph_condition *c = &m->conditions[i];

		if (fabs(c->sparsity - f->controls.at_sparsity) < 1e-9 &&
		    (!found || !strcmp(c->method, "wanda")))
			found = i;
	}
	return found;
}

/* A control's model is pruned to the perplexity of each condition that is not of its own kind. */
static void list_matched(const ps_study_file *f, ps_graph_model *m, size_t pruned)
{
	const size_t roundings = m->condition_count - f->controls.rounding_count;
	const bool wanda = !strcmp(m->conditions[pruned].method, "wanda");
	ps_graph_condition control = {
		.kind = PS_CONDITION_MATCHED, .sparsity = NAN, .seeds = (size_t)f->pruned_seeds};

	for (unsigned i = 0; i < f->controls.matched_count; i++) {
		control.method = f->controls.matched[i];
		control.like = pruned;
		if (wanda)
			m->conditions[m->condition_count++] = control;
		for (unsigned r = 0; r < f->controls.rounding_count; r++) {
			control.like = roundings + r;
			m->conditions[m->condition_count++] = control;
		}
	}
}

/* Controls whose models are changed in another way than by the study's methods. */
static void list_models(const ps_study_file *f, ps_graph_model *m)
{
	const size_t pruned = looked_at(f, m);
	ps_graph_condition control = {.sparsity = f->controls.at_sparsity,
				      .seeds = (size_t)f->pruned_seeds};

	if (f->controls.random) {
		control.kind = PS_CONDITION_RANDOM;
		control.method = "random";
		control.like = pruned;
		m->conditions[m->condition_count++] = control;
	}
	control = (ps_graph_condition){.kind = PS_CONDITION_ROUNDED,
				       .method = "rtn",
				       .sparsity = NAN,
				       .seeds = (size_t)f->pruned_seeds};
	for (unsigned i = 0; i < f->controls.rounding_count; i++) {
		control.rounding = f->controls.rounding[i];
		m->conditions[m->condition_count++] = control;
	}
	list_matched(f, m, pruned);
}

/* Checkpoints of the model's shapes, whatever was done to them. */
static void list_checkpoints(const ps_study_file *f, ps_graph_model *m)
{
	ps_graph_condition control = {.kind = PS_CONDITION_CHECKPOINT,
				      .method = "checkpoint",
				      .sparsity = NAN,
				      .seeds = (size_t)f->pruned_seeds};

	for (size_t i = 0; i < f->checkpoints_count; i++) {
		const ps_study_checkpoint *checkpoint = &f->checkpoints[i];

		if (&f->models[checkpoint->of_model] != m->spec)
			continue;
		control.model = checkpoint->path;
		control.checkpoint = i;
		m->conditions[m->condition_count++] = control;
	}
}

/* Controls that train other SAEs on the dense cache. */
static void list_trainings(const ps_study_file *f, ps_graph_model *m)
{
	ps_graph_condition control = {.model = m->spec->path,
				      .checkpoint = PS_NO_NODE,
				      .sparsity = NAN,
				      .seeds = (size_t)f->pruned_seeds};

	if (f->controls.retrain) {
		control.kind = PS_CONDITION_RETRAIN;
		m->conditions[m->condition_count++] = control;
	}
	for (unsigned i = 0; i < f->controls.frozen_count; i++) {
		control.kind = PS_CONDITION_FROZEN;
		control.freeze = f->controls.frozen[i];
		m->conditions[m->condition_count++] = control;
	}
}

/* Two conditions of one name would share their files. */
static int check_condition(const ps_graph *g, const ps_graph_model *m, size_t index)
{
	const ps_graph_condition *own = &m->conditions[index];

	for (size_t i = 0; i < m->condition_count && own->checkpoint != PS_NO_NODE; i++)
		if (i != index && !strcmp(m->conditions[i].name, own->name))
			return ps_study_refuse(g, "checkpoints.name", own->checkpoint + 1,
					       "'%s' is the name of another condition of '%s'",
					       own->name, m->spec->name);
	return 0;
}

/* Opens the model's checkpoints, which have their names, as all conditions have. */
static int open_checkpoints(ps_graph *g, const ps_graph_model *m)
{
	int rc = 0;

	for (size_t i = 1; i < m->cache_count && !rc; i++) {
		rc = check_condition(g, m, i);
		if (!rc && m->conditions[i].checkpoint != PS_NO_NODE)
			rc = ps_source_checkpoint(g, m, &m->conditions[i]);
	}
	return rc;
}

static int open_conditions(ps_graph *g, ps_graph_model *m)
{
	const ps_study_file *f = g->file;
	const size_t most = 3 + f->checkpoints_count +
			    (size_t)f->methods_count * f->sparsities_count +
			    f->controls.frozen_count + f->controls.rounding_count +
			    f->controls.matched_count * (size_t)(1 + f->controls.rounding_count);

	m->conditions = ps_graph_take(g, most * sizeof *m->conditions);
	if (!m->conditions)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for %zu conditions", most);
	m->conditions[m->condition_count++] = (ps_graph_condition){
		.kind = PS_CONDITION_DENSE, .sparsity = NAN, .seeds = f->seeds_count};
	list_pruned(f, m);
	list_models(f, m);
	for (size_t i = 0; i < m->condition_count; i++) {
		m->conditions[i].model = m->spec->path;
		m->conditions[i].checkpoint = PS_NO_NODE;
	}
	list_checkpoints(f, m);
	m->cache_count = m->condition_count;
	list_trainings(f, m);
	for (size_t i = 0; i < m->condition_count; i++) {
		ps_graph_condition *c = &m->conditions[i];

		c->mask = c->zeros = c->ppl = c->cache = c->features = c->survival = c->dictionary =
			PS_NO_NODE;
		c->name = name_condition(g, m, c);
		c->folder = c->name ? ps_graph_text(g, "%s/%s", m->folder, c->name) : NULL;
		if (!c->folder)
			return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a name");
	}
	return open_checkpoints(g, m);
}

/* Two names may become one when their characters are replaced. They would share their files. */
static int check_name(const ps_graph *g, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (!strcmp(g->models[i].name, g->models[index].name))
			return ps_fail(&g->session->diag, PS_EINPUT,
				       "%s: models: the names '%s' and '%s' both give steps the "
				       "name '%s'",
				       g->path, g->models[i].spec->name,
				       g->models[index].spec->name, g->models[i].name);
	return 0;
}

static int name_model(ps_graph *g, size_t index)
{
	ps_graph_model *m = &g->models[index];

	m->spec = &g->file->models[index];
	m->tokens = m->calibration = m->promoted = m->seeds = m->spliced_ablation = PS_NO_NODE;
	m->name = plain_name(g, m->spec->name);
	m->folder = m->name ? ps_graph_text(g, "%s/runs/%s", g->out, m->name) : NULL;
	if (!m->folder)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a model's name");
	return check_name(g, index);
}

static int name_models(ps_graph *g)
{
	int rc = 0;

	for (size_t i = 0; i < g->file->models_count && !rc; i++)
		rc = name_model(g, i);
	return rc;
}

/* A text that stands twice would be trained on twice. */
static int check_text(const ps_graph *g, size_t index)
{
	const ps_study_file *f = g->file;
	const json_t *own = json_object_get(g->identity, f->text[index]);

	for (size_t i = 0; i < index; i++)
		if (json_equal(own, json_object_get(g->identity, f->text[i])))
			return ps_study_refuse(g, "text", index + 1, "%s has the same bytes as %s",
					       f->text[index], f->text[i]);
	return 0;
}

static int digest_texts(ps_graph *g)
{
	const ps_study_file *f = g->file;
	const json_t *measured;
	int rc = ps_source_text(g, f->ppl.text);

	for (unsigned i = 0; i < f->text_count && !rc; i++)
		rc = ps_source_text(g, f->text[i]);
	for (unsigned i = 0; i < f->text_count && !rc; i++)
		rc = check_text(g, i);
	measured = json_object_get(g->identity, f->ppl.text);
	for (unsigned i = 0; i < f->text_count && !rc; i++)
		g->ppl_text_trained |=
			json_equal(measured, json_object_get(g->identity, f->text[i]));
	return rc;
}

/* A model that stands twice would count twice in what is averaged over models. */
static int check_model(const ps_graph *g, size_t first, size_t index)
{
	const ps_graph_model *m = &g->models[index];

	for (size_t i = first; i < index; i++)
		if (!strcmp(m->digest, g->models[i].digest) &&
		    m->spec->layer == g->models[i].spec->layer)
			return ps_study_refuse(
				g, "models.path", index + 1,
				"%s holds the model of '%s', and the layer is the same",
				m->spec->path, g->models[i].spec->name);
	return 0;
}

/* Opens the models from first to before end and lays out their steps. */
static int add_models(ps_graph *g, size_t first, size_t end)
{
	int rc = 0;

	for (size_t i = first; i < end && !rc; i++) {
		rc = ps_source_model(g, &g->models[i]);
		if (!rc)
			rc = check_model(g, first, i);
		if (!rc)
			rc = check_layer(g, &g->models[i]);
		if (!rc)
			rc = check_bos(g, &g->models[i]);
		if (!rc && g->models[i].spec->dictionary)
			rc = ps_source_dictionary(g, &g->models[i]);
		if (!rc)
			rc = open_conditions(g, &g->models[i]);
	}
	for (size_t i = first; i < end && !rc; i++)
		rc = ps_graph_add_model(g, i);
	return rc;
}

/* The model whose step has this name: the part before the first '/'. The number of models where
 * the name begins with none, or is one of the study's own steps. */
static size_t model_of(const ps_graph *g, const char *step)
{
	const size_t count = g->file->models_count, length = step ? strcspn(step, "/") : 0;

	for (size_t i = 0; i < count && length; i++)
		if (step[length] && strlen(g->models[i].name) == length &&
		    !strncmp(g->models[i].name, step, length) &&
		    strncmp(step, "study/", strlen("study/")))
			return i;
	return count;
}

int ps_graph_build_for(ps_graph *g, ps_session *session, const ps_study_file *file,
		       const char *path, const char *out, const char *step)
{
	const size_t count = file->models_count;
	size_t model;
	int rc;

	*g = (ps_graph){.session = session,
			.file = file,
			.path = path,
			.out = out,
			.read_all = g->read_all,
			.texts_may_lack = g->texts_may_lack,
			.keep_caches = g->keep_caches};
	g->assemble = g->report = PS_NO_NODE;
	g->identity = json_object();
	g->states = json_object();
	g->digests = json_object();
	g->models = ps_graph_take(g, count * sizeof *g->models);
	if (!g->identity || !g->states || !g->digests || !g->models)
		return ps_fail(&session->diag, PS_EBUDGET, "no memory for %zu models", count);
	rc = name_models(g);
	if (!rc)
		rc = digest_texts(g);
	if (rc)
		return rc;
	model = model_of(g, step);
	if (model < count)
		return add_models(g, model, model + 1);
	rc = add_models(g, 0, count);
	return rc ? rc : ps_graph_add_summary(g);
}

int ps_graph_build(ps_graph *g, ps_session *session, const ps_study_file *file, const char *path,
		   const char *out)
{
	return ps_graph_build_for(g, session, file, path, out, NULL);
}
