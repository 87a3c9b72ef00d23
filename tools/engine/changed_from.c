#include "tools/engine/changed_from.h"

#include <stdio.h>
#include <string.h>

#include "tools/engine/model_files.h"
#include "tools/run/belonging.h"

int ps_changed_from_check(const ps_model_config *a, const char *path, const ps_model_config *b,
			  const char *from_path, ps_diag *diag)
{
	const struct {
		const char *what;
		long long value, from;
	} numbers[] = {
		{"decoder layers", (long long)a->layers, (long long)b->layers},
		{"width", (long long)a->width, (long long)b->width},
		{"query heads", (long long)a->heads, (long long)b->heads},
		{"key/value heads", (long long)a->kv_heads, (long long)b->kv_heads},
		{"head width", (long long)a->head_width, (long long)b->head_width},
		{"MLP width", (long long)a->mlp_width, (long long)b->mlp_width},
		{"vocabulary", (long long)a->vocab, (long long)b->vocab},
		{"bos_token_id", a->bos, b->bos},
	};

	if (a->family != b->family)
		return ps_fail(diag, PS_EINPUT,
			       "%s and %s are not of the same shapes: family %s and %s", path,
			       from_path, ps_family_name(a->family), ps_family_name(b->family));
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (numbers[i].value != numbers[i].from)
			return ps_fail(diag, PS_EINPUT,
				       "%s and %s are not of the same shapes: %s %lld and %lld",
				       path, from_path, numbers[i].what, numbers[i].value,
				       numbers[i].from);
	return 0;
}

static int check_tokenizer(const ps_engine *e, const char *from)
{
	const char *own = ps_checkpoint_path(e->checkpoint);
	char text[PS_DIGEST_TEXT], from_text[PS_DIGEST_TEXT];
	bool there, from_there = false;
	uint64_t digest, from_digest;
	int rc = ps_model_tokenizer_digest(own, &there, &digest, &e->session->diag);

	if (!rc)
		rc = ps_model_tokenizer_digest(from, &from_there, &from_digest, &e->session->diag);
	if (rc || !there || !from_there || digest == from_digest)
		return rc;
	return ps_session_mismatch(e->session,
				   &(ps_mismatch){"tokenizer", own, ps_digest_format(digest, text),
						  from, ps_digest_format(from_digest, from_text)});
}

int ps_changed_from_open(const ps_engine *e, const char *path, char text[PS_DIGEST_TEXT])
{
	ps_diag *diag = &e->session->diag;
	ps_checkpoint *from = NULL;
	uint64_t digest;
	int rc;

	*text = 0;
	if (!path)
		return 0;
	rc = ps_checkpoint_open(&from, &ps_sys_linux, path, diag);
	if (!rc)
		rc = ps_changed_from_check(e->config, ps_checkpoint_path(e->checkpoint),
					   ps_checkpoint_config(from), ps_checkpoint_path(from),
					   diag);
	if (!rc)
		rc = check_tokenizer(e, path);
	if (!rc)
		rc = ps_checkpoint_digest(from, &e->session->context, &digest, diag);
	if (!rc && ps_checkpoint_source(from))
		snprintf(text, PS_DIGEST_TEXT, "%s", ps_checkpoint_source(from));
	else if (!rc)
		ps_digest_format(digest, text);
	ps_checkpoint_close(from);
	return rc;
}
