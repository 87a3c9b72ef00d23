/* convert: between the formats of other tools and ours. Each kind of data has its module. */
#include "tools/cmd/commands.h"
#include "tools/cmd/convert_sae.h"

int ps_run_convert(ps_session *s, const ps_convert_args *args, json_t **result)
{
	const ps_sae_form form = ps_sae_form_of(args->to);

	if (form != PS_SAE_FORMS)
		return ps_convert_sae(s, args, form, result);
	return ps_fail(&s->diag, PS_EUSAGE, "--to %s: saelens, sparsify or gemma-scope is wanted",
		       args->to);
}
