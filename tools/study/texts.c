#include "tools/study/texts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/cmd/commands.h"
#include "tools/study/sources.h"

/* A text with so many bytes for each token asked for has enough. The longest tokens are longer, but
 * no text consists of them alone. Of such a text one window is taken, as a trial. */
enum { ENOUGH_BYTES = 16 };

/* A number of the study file that says how many tokens a text must have. */
struct wanted {
	const char *key; /* of the study file */
	int64_t tokens;
	bool to_do; /* a step that is to run takes them */
};

/* Whether the texts are so long that they need not be counted. */
static bool has_enough(const char *const *texts, size_t count, int64_t tokens)
{
	uint64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < count; i++)
		if (!stat(texts[i], &st))
			bytes += (uint64_t)st.st_size;
	return bytes / ENOUGH_BYTES >= (uint64_t)tokens;
}

/* Counts the windows that tokenize would make, at most args->windows. */
static int count_windows(ps_graph *g, const ps_tokenize_args *args, int64_t *windows)
{
	json_t *result = NULL;
	int rc = ps_run_tokenize(g->session, args, &result);

	*windows = json_integer_value(json_object_get(result, "windows"));
	json_decref(result);
	return rc;
}

/* Tells that the texts give `there` tokens, fewer than the key asks for. unit: tokens of a window;
 * what does not fill one is not asked for. */
static int tell(ps_graph *g, const ps_graph_model *m, const struct wanted *w, const char *text,
		int64_t unit, int64_t there)
{
	const ps_study_mark *mark = ps_study_mark_of(g->file, w->key, 0);

	if (there / unit >= w->tokens / unit)
		return 0;
	if (g->file->allow_fewer) {
		ps_session_say(g->session, "%s: %s gives %s %lld tokens, fewer than %lld: taken",
			       w->key, text, m->spec->name, (long long)there, (long long)w->tokens);
		return 0;
	}
	return ps_fail(&g->session->diag, PS_EINPUT,
		       "%s: line %zu: %s: %s gives %s %lld tokens, fewer than the %lld asked for "
		       "(allow_fewer: true or --allow-fewer takes what there is)",
		       g->path, mark ? mark->line : 0, w->key, text, m->spec->name,
		       (long long)there, (long long)w->tokens);
}

static int check_windows(ps_graph *g, const ps_graph_model *m, const struct wanted *w, size_t count)
{
	const ps_node *node = &g->nodes[m->tokens];
	ps_tokenize_args args = *(const ps_tokenize_args *)node->args;
	const size_t texts = args.texts.count;
	int64_t there, most = 0;
	bool enough;
	int rc;

	for (size_t i = 0; i < texts; i++)
		if (ps_source_lacks(g, args.texts.item[i]))
			return 0;
	for (size_t i = 0; i < count; i++)
		if (w[i].to_do && w[i].tokens > most)
			most = w[i].tokens;
	if (!most)
		return 0;
	enough = !args.per_line && !args.min_chars && has_enough(args.texts.item, texts, most);
	args.windows = enough ? 1 : most / args.window;
	args.allow_fewer = args.dry_run = true;
	rc = count_windows(g, &args, &there);
	if (enough)
		return rc;
	for (size_t i = 0; i < count && !rc; i++)
		if (w[i].to_do)
			rc = tell(g, m, &w[i], texts > 1 ? "all text" : args.texts.item[0],
				  args.window, there * args.window);
	return rc;
}

static int check_perplexity_text(ps_graph *g, const ps_graph_model *m)
{
	const ps_study_file *f = g->file;
	const struct wanted w = {"ppl.max_tokens", f->ppl.max_tokens, true};
	/* A study without max_tokens takes all of the text: one id at least. */
	const bool enough = !w.tokens || has_enough((const char *[]){f->ppl.text}, 1, w.tokens);
	const ps_tokenize_args args = {.model = m->spec->path,
				       .texts = {1, {f->ppl.text}},
				       .window = 1,
				       .windows = enough ? 1 : w.tokens,
				       .allow_fewer = true,
				       .dry_run = true};
	int64_t there;
	int rc = count_windows(g, &args, &there);

	return rc || enough ? rc : tell(g, m, &w, f->ppl.text, 1, there);
}

static bool to_do(const ps_graph *g, size_t node)
{
	return node != PS_NO_NODE && ps_graph_wanted(g, &g->nodes[node]);
}

static int check_model(ps_graph *g, const ps_graph_model *m)
{
	const struct wanted wanted[] = {
		{ps_study_mark_of(g->file, "cache_tokens", 0) ? "cache_tokens" : "train_tokens",
		 g->file->cache_tokens, to_do(g, m->tokens)},
		{"calibration_tokens", g->file->calibration_tokens, to_do(g, m->calibration)},
	};
	bool perplexity = false;
	int rc = check_windows(g, m, wanted, sizeof wanted / sizeof *wanted);

	for (size_t c = 0; c < m->cache_count && !ps_source_lacks(g, g->file->ppl.text); c++)
		perplexity |= to_do(g, m->conditions[c].ppl);
	return rc || !perplexity ? rc : check_perplexity_text(g, m);
}

/* Whether an earlier model has the same tokenizer, and so the same counts. */
static bool seen(const ps_graph *g, size_t model)
{
	for (size_t i = 0; i < model; i++)
		if (!strcmp(g->models[i].tokenizer, g->models[model].tokenizer))
			return true;
	return false;
}

int ps_study_check_texts(ps_graph *g)
{
	int rc = 0;

	if (g->ppl_text_trained)
		ps_session_say(g->session,
			       "ppl.text: %s is also a text that SAEs are trained on and masks "
			       "made from: perplexities are not those of unseen text",
			       g->file->ppl.text);
	for (size_t i = 0; i < g->file->models_count && !rc; i++)
		if (!seen(g, i))
			rc = check_model(g, &g->models[i]);
	return rc;
}
