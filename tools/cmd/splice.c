#include "tools/cmd/splice.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "tools/cmd/norm_factor.h"
#include "tools/engine/changed_from.h"
#include "tools/engine/meter.h"
#include "tools/train/origin.h"

static int last_layer(const ps_splice *p)
{
	return (int)p->engine.config->layers - 1;
}

const char *ps_splice_mask(const ps_splice *p, char out[PS_DIGEST_TEXT])
{
	const ps_engine *e = &p->engine;
	const bool changed = *p->changed_from;
	const char *before = ps_checkpoint_mask(e->checkpoint);

	if (e->masked && (before || changed))
		return "";
	if (changed)
		return ps_digest_format(e->model_digest, out);
	if (e->masked)
		return ps_digest_format(e->mask.digest, out);
	return before ? before : PS_NO_MASK;
}

static int check_origin(const ps_splice *p)
{
	const ps_splice_inputs *inputs = p->inputs;
	const ps_engine *e = &p->engine;
	const char *source =
		*p->changed_from ? p->changed_from : ps_checkpoint_source(e->checkpoint);
	char mask[PS_DIGEST_TEXT];
	char digest[PS_DIGEST_TEXT];
	ps_origin sae, model;
	int rc = ps_origin_of_sae(e->session, inputs->sae, &sae);

	if (rc)
		return rc;
	ps_digest_format(e->model_digest, digest);
	ps_origin_of_model(&(ps_origin_model){.path = inputs->model,
					      .digest = source ? source : digest,
					      .mask = ps_splice_mask(p, mask),
					      .family = e->config->family},
			   p->layer, &model);
	return ps_origin_check_input(e->session, &sae, &model, PS_MASK_TOLD);
}

int ps_splice_open(ps_splice *p, ps_session *s, const ps_splice_inputs *inputs)
{
	ps_diag *diag = &s->diag;
	int rc;

	*p = (ps_splice){.inputs = inputs, .layer = (int)inputs->layer};
	rc = ps_engine_open(&p->engine, s, inputs->model, inputs->mask);
	if (!rc)
		rc = ps_engine_check_layer(&p->engine, inputs->layer);
	if (!rc)
		rc = ps_changed_from_open(&p->engine, inputs->changed_from, p->changed_from);
	if (!rc)
		rc = ps_token_file_open(&p->tokens, &ps_sys_linux, inputs->tokens, diag);
	if (!rc)
		rc = ps_engine_check_tokens(&p->engine, &p->tokens);
	if (!rc)
		rc = ps_sae_folder_measure(inputs->sae, &p->shape, &p->sae_bytes, diag);
	if (!rc)
		rc = ps_sae_check_width(&p->shape, inputs->sae, p->engine.config->width,
					inputs->model, diag);
	if (!rc)
		rc = check_origin(p);
	if (!rc && p->tokens.window < 2)
		rc = ps_fail(diag, PS_EINPUT, "%s: windows of one token predict nothing",
			     inputs->tokens);
	if (!rc && !inputs->allow_fewer && inputs->windows > 0 &&
	    (size_t)inputs->windows > p->tokens.windows)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: %zu windows, fewer than the %lld asked for (--allow-fewer takes "
			     "what there is)",
			     inputs->tokens, p->tokens.windows, (long long)inputs->windows);
	p->window = p->tokens.window;
	p->windows = inputs->windows > 0 ? ps_min_size((size_t)inputs->windows, p->tokens.windows)
					 : p->tokens.windows;
	return rc;
}

int ps_splice_load(ps_splice *p, const ps_engine_need *need)
{
	int rc = ps_engine_check(&p->engine, need);

	return rc ? rc
		  : ps_norm_factor_load(p->engine.session, &p->folder, p->inputs->sae,
					p->inputs->norm_cache, p->inputs->keep_special);
}

void ps_splice_close(ps_splice *p)
{
	ps_sae_folder_close(&p->folder);
	ps_token_file_close(&p->tokens);
	ps_engine_close(&p->engine);
}

int ps_splice_reach(ps_splice *p, const ps_windows *windows, float *hidden)
{
	const int next = p->layer < last_layer(p) ? p->layer + 1 : -1;
	int rc = ps_forward_embed(p->engine.forward, windows, hidden);

	return rc ? rc : ps_forward_layers(p->engine.forward, 0, p->layer, next, windows, hidden);
}

int ps_splice_finish(ps_splice *p, const ps_windows *windows, float *hidden)
{
	const size_t width = p->engine.config->width, predicted = p->window - 1;
	int rc = 0;

	if (p->layer < last_layer(p))
		rc = ps_forward_layers(p->engine.forward, p->layer + 1, last_layer(p), p->layer + 1,
				       windows, hidden);
	for (size_t w = 0; w < windows->count && !rc; w++)
		memmove(hidden + w * predicted * width, hidden + w * p->window * width,
			predicted * width * sizeof *hidden);
	return rc;
}

void ps_splice_targets(const ps_splice *p, size_t window, int32_t *targets)
{
	memcpy(targets, p->tokens.ids + window * p->window + 1, (p->window - 1) * sizeof *targets);
}

int ps_splice_check_losses(const ps_splice *p, const double *nll, size_t first, size_t count,
			   const char *what)
{
	const size_t predicted = p->window - 1;

	for (size_t i = 0; i < count * predicted; i++)
		if (!isfinite(nll[i]))
			return ps_fail(&p->engine.session->diag, PS_EFAILED,
				       "window %zu, position %zu: the loss of the %s overflows",
				       first + i / predicted, i % predicted, what);
	return 0;
}

bool ps_splice_is_special(const ps_splice *p, size_t window, size_t row)
{
	return ps_config_is_special(p->engine.config, p->tokens.ids[window * p->window + row]);
}

double ps_splice_reach_work(const ps_splice *p, double windows)
{
	return ps_layers_work(p->engine.config, 0, p->layer, p->window,
			      windows * (double)p->window);
}

double ps_splice_finish_work(const ps_splice *p, double windows)
{
	return ps_layers_work(p->engine.config, p->layer + 1, last_layer(p), p->window,
			      windows * (double)p->window);
}

double ps_splice_head_work(const ps_splice *p, double windows)
{
	return ps_head_work(p->engine.config, windows * (double)(p->window - 1));
}
