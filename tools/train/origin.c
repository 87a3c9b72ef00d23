#include "tools/train/origin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/run/belonging.h"
#include "tools/train/sae_folder.h"

/* --- names of models --- */

/* "organisation/model", and no path. */
static bool is_hub_id(const char *name)
{
	const char *slash = strchr(name, '/');
	struct stat status;

	return slash && slash != name && slash[1] && !strchr(slash + 1, '/') && *name != '.' &&
	       *name != '~' && (stat(name, &status) || !S_ISDIR(status.st_mode));
}

static void lower(const char *text, char *out, size_t size)
{
	size_t i;

	for (i = 0; text[i] && i + 1 < size; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	out[i] = 0;
}

/* Families that this program does not read: an SAE of theirs belongs to no model here. */
static const char *other_family(const char *name)
{
	static const char *const others[] = {
		"attn-only", "bloom", "falcon-", "gelu-", "gemma-2b",   "gemma-7b", "gpt-j",
		"gpt-neo",   "gpt2",  "gptj",    "mamba", "mistral",    "mixtral",  "olmo",
		"opt-",      "phi-",  "pythia",  "qwen",  "santacoder", "solu-",    "tiny-stories"};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strncmp(name, others[i], strlen(others[i])))
			return others[i];
	return "";
}

/* What a model's name tells of its family; "" if it tells nothing. Only its last part counts: an
 * organisation or a folder may have any name. */
static const char *family_of_name(const char *name)
{
	static const struct {
		const char *part;
		ps_family family;
	} parts[] = {{"gemma-3-", PS_FAMILY_GEMMA3},
		     {"gemma-2-", PS_FAMILY_GEMMA2},
		     {"llama", PS_FAMILY_LLAMA}};
	const char *slash = strrchr(name, '/');

	if (slash)
		name = slash + 1;
	for (int f = 0; f <= PS_FAMILY_GEMMA3; f++)
		if (!strcmp(name, ps_family_name((ps_family)f)))
			return name;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(name, parts[i].part))
			return ps_family_name(parts[i].family);
	return other_family(name);
}

static void set_name(ps_origin *o, const char *name)
{
	char small[sizeof o->model_name];

	lower(name, small, sizeof small);
	if (is_hub_id(name))
		strcpy(o->model_name, small);
	if (!*o->family)
		snprintf(o->family, sizeof o->family, "%.31s", family_of_name(small));
}

static void set_hook(ps_origin *o, const char *name)
{
	snprintf(o->hook_name, sizeof o->hook_name, "%s", name);
	o->hook = ps_hook_parse(o->hook_name);
}

/* --- origins --- */

/* Says which parts of an SAE's origin are the path's word alone. */
static void say_path(const ps_session *s, const char *path, const ps_sae_about *about)
{
	const bool model = about->model_from_path, hook = about->hook_from_path;

	if (model || hook)
		ps_session_say(s, "%s: no file there says its %s: taken from the path: %s%s%s",
			       path,
			       model && hook ? "model and hook"
			       : model       ? "model"
					     : "hook",
			       model ? about->model_name : "", model && hook ? ", " : "",
			       hook ? about->hook_name : "");
}

int ps_origin_of_sae(ps_session *s, const char *path, ps_origin *o)
{
	const size_t noted = json_array_size(s->unverified);
	ps_sae_about about;
	bool foreign;
	int rc = ps_sae_folder_about(path, &about, &foreign, &s->diag);

	*o = (ps_origin){.path = path};
	if (rc)
		return rc;
	snprintf(o->model_digest, sizeof o->model_digest, "%s", about.model_digest);
	snprintf(o->mask_digest, sizeof o->mask_digest, "%s", about.mask_digest);
	set_name(o, about.model_name);
	set_hook(o, about.hook_name);
	if (!foreign)
		return 0;
	rc = ps_session_unverified(s, path);
	if (json_array_size(s->unverified) > noted)
		say_path(s, path, &about);
	return rc;
}

static void copy_text(const char *text, char *out, size_t size)
{
	snprintf(out, size, "%s", text ? text : "");
}

const char *ps_origin_cache_model(const ps_cache *cache)
{
	const json_t *about = ps_cache_about(cache),
		     *model = json_object_get(json_object_get(about, "provenance"), "model");
	const char *source = json_string_value(json_object_get(model, "changed_from"));

	if (!source)
		source = json_string_value(json_object_get(model, "exported_from"));
	return source ? source : ps_provenance_input(about, "model");
}

const char *ps_origin_cache_mask(const ps_cache *cache)
{
	const json_t *about = ps_cache_about(cache),
		     *model = json_object_get(json_object_get(about, "provenance"), "model");
	const char *mask = ps_provenance_input(about, "mask"),
		   *before = json_string_value(json_object_get(model, "exported_mask"));
	const bool exported = json_object_get(model, "exported_from") != NULL,
		   changed = json_object_get(model, "changed_from") != NULL;

	if (mask && (exported || changed))
		return "";
	if (changed)
		return ps_provenance_input(about, "model");
	if (mask || before)
		return mask ? mask : before;
	return exported || !ps_provenance_input(about, "model") ? "" : PS_NO_MASK;
}

int ps_origin_of_cache(ps_session *s, const ps_cache *cache, const char *path, ps_origin *o)
{
	const json_t *about = ps_cache_about(cache),
		     *model = json_object_get(json_object_get(about, "provenance"), "model");
	const char *hook = json_string_value(json_object_get(model, "hook_name"));

	*o = (ps_origin){.path = path};
	if (!about)
		return ps_session_unverified(s, path);
	copy_text(ps_origin_cache_model(cache), o->model_digest, sizeof o->model_digest);
	copy_text(ps_origin_cache_mask(cache), o->mask_digest, sizeof o->mask_digest);
	copy_text(ps_provenance_input(about, "tokens"), o->tokens_digest, sizeof o->tokens_digest);
	copy_text(json_string_value(json_object_get(model, "family")), o->family, sizeof o->family);
	set_hook(o, hook ? hook : "");
	return cache->manifest ? 0 : ps_session_unverified(s, path);
}

void ps_origin_of_model(const ps_origin_model *m, int layer, ps_origin *o)
{
	char hook[64];

	*o = (ps_origin){.path = m->path};
	copy_text(m->digest, o->model_digest, sizeof o->model_digest);
	copy_text(m->mask, o->mask_digest, sizeof o->mask_digest);
	snprintf(o->family, sizeof o->family, "%s", ps_family_name(m->family));
	set_name(o, m->path);
	snprintf(hook, sizeof hook, "blocks.%d.hook_resid_post", layer);
	set_hook(o, hook);
}

/* --- comparisons --- */

/* Two texts that are both known must be equal. */
static int check_text(ps_session *s, const char *what, const ps_origin *a, const char *text_a,
		      const ps_origin *b, const char *text_b)
{
	if (!*text_a || !*text_b || !strcmp(text_a, text_b))
		return 0;
	return ps_session_mismatch(s, &(ps_mismatch){what, a->path, text_a, b->path, text_b});
}

static int check_model(ps_session *s, const ps_origin *a, const ps_origin *b)
{
	if (*a->model_digest && *b->model_digest)
		return check_text(s, "model", a, a->model_digest, b, b->model_digest);
	if (*a->family && *b->family && strcmp(a->family, b->family) != 0)
		return check_text(s, "model", a, a->family, b, b->family);
	return check_text(s, "model", a, a->model_name, b, b->model_name);
}

/* "blocks.3.hook_resid_pre (after layer 2)" */
static const char *describe(const ps_origin *o, char *text, size_t size)
{
	if (o->hook.kind == PS_HOOK_STREAM)
		snprintf(text, size, "%s (after layer %d)", o->hook_name, o->hook.layer);
	else
		snprintf(text, size, "%s", o->hook_name);
	return text;
}

static int check_hook(ps_session *s, const ps_origin *a, const ps_origin *b)
{
	const bool streams = a->hook.kind == PS_HOOK_STREAM && b->hook.kind == PS_HOOK_STREAM;
	char text_a[300], text_b[300];

	if (a->hook.kind == PS_HOOK_UNSAID || b->hook.kind == PS_HOOK_UNSAID)
		return 0;
	if (streams ? a->hook.layer == b->hook.layer : !strcmp(a->hook_name, b->hook_name))
		return 0;
	return ps_session_mismatch(s, &(ps_mismatch){streams ? "layer" : "hook", a->path,
						     describe(a, text_a, sizeof text_a), b->path,
						     describe(b, text_b, sizeof text_b)});
}

/* The masks, as the rule says. */
static int check_mask(ps_session *s, const ps_origin *a, const ps_origin *b, ps_mask_rule rule)
{
	const ps_mismatch mismatch = {"mask", a->path, a->mask_digest, b->path, b->mask_digest};

	if (rule == PS_MASK_ANY || !*a->mask_digest || !*b->mask_digest ||
	    !strcmp(a->mask_digest, b->mask_digest))
		return 0;
	if (rule == PS_MASK_SAME)
		return ps_session_mismatch(s, &mismatch);
	return strcmp(a->mask_digest, PS_NO_MASK) ? ps_session_remark(s, &mismatch) : 0;
}

int ps_origin_check_distinct(ps_session *s, const ps_text_list *saes)
{
	struct stat a, b;

	for (size_t i = 1; i < saes->count; i++)
		for (size_t j = 0; j < i; j++)
			if (!stat(saes->item[i], &a) && !stat(saes->item[j], &b) &&
			    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
				return ps_fail(&s->diag, PS_EUSAGE, "%s is the same SAE as %s",
					       saes->item[i], saes->item[j]);
	return 0;
}

int ps_origin_check_role(ps_session *s, const ps_origin *o, bool dense, const char *role)
{
	const bool is_dense = !strcmp(o->mask_digest, PS_NO_MASK);
	const ps_mismatch mismatch = {"mask", o->path, o->mask_digest, role,
				      dense ? PS_NO_MASK : "a pruned model's"};

	if (!*o->mask_digest || is_dense == dense)
		return 0;
	return dense ? ps_session_mismatch(s, &mismatch) : ps_session_remark(s, &mismatch);
}

int ps_origin_check(ps_session *s, const ps_origin *a, const ps_origin *b)
{
	int rc = check_model(s, a, b);

	return rc ? rc : check_hook(s, a, b);
}

int ps_origin_check_tokens(ps_session *s, const ps_origin *a, const ps_origin *b)
{
	int rc = ps_origin_check(s, a, b);

	return rc ? rc : check_text(s, "tokens", a, a->tokens_digest, b, b->tokens_digest);
}

int ps_origin_check_input(ps_session *s, const ps_origin *sae, const ps_origin *input,
			  ps_mask_rule rule)
{
	int rc = ps_origin_check(s, sae, input);

	if (!rc)
		rc = check_mask(s, sae, input, rule);
	if (rc || input->hook.kind != PS_HOOK_UNSAID || sae->hook.kind == PS_HOOK_UNSAID ||
	    sae->hook.kind == PS_HOOK_STREAM)
		return rc;
	return ps_session_mismatch(s, &(ps_mismatch){"hook", sae->path, sae->hook_name, input->path,
						     "the residual stream after a layer"});
}

int ps_origin_check_cache(ps_session *s, const char *sae, const ps_cache *cache, const char *path,
			  ps_mask_rule rule)
{
	ps_origin a, b;
	int rc = ps_origin_of_sae(s, sae, &a);

	if (!rc)
		rc = ps_origin_of_cache(s, cache, path, &b);
	return rc ? rc : ps_origin_check_input(s, &a, &b, rule);
}

int ps_origin_check_saes(ps_session *s, const char *a, const char *b, ps_mask_rule rule)
{
	ps_origin origin_a, origin_b;
	int rc = ps_origin_of_sae(s, a, &origin_a);

	if (!rc)
		rc = ps_origin_of_sae(s, b, &origin_b);
	if (!rc)
		rc = ps_origin_check(s, &origin_a, &origin_b);
	return rc ? rc : check_mask(s, &origin_a, &origin_b, rule);
}
