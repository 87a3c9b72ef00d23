/* convert: between the formats of other tools and ours. Each kind of data has its module. */
#include <string.h>

#include "tools/cmd/commands.h"
#include "tools/cmd/convert_bitmask.h"
#include "tools/cmd/convert_cache.h"
#include "tools/cmd/convert_mask.h"
#include "tools/cmd/convert_sae.h"

static int convert_sae(ps_session *s, const ps_convert_args *args, json_t **result)
{
	if (args->model || args->bits || args->from_zeros)
		return ps_fail(&s->diag, PS_EUSAGE,
			       "--model, --bits and --from-zeros belong to masks, not to --to %s",
			       args->to);
	return ps_convert_sae(s, args, ps_sae_form_of(args->to), result);
}

int ps_run_convert(ps_session *s, const ps_convert_args *args, json_t **result)
{
	if (ps_sae_form_of(args->to) != PS_SAE_FORMS)
		return convert_sae(s, args, result);
	if (!strcmp(args->to, "mask") || !strcmp(args->to, "torch"))
		return ps_convert_mask(s, args, *args->to == 't', result);
	if (!strcmp(args->to, "cache"))
		return ps_convert_cache(s, args, result);
	if (!strcmp(args->to, "compressed-tensors"))
		return ps_convert_bitmask(s, args, result);
	return ps_fail(&s->diag, PS_EUSAGE,
		       "--to %s: of an SAE saelens, sparsify or gemma-scope is wanted, of a mask "
		       "mask, torch or compressed-tensors, of activations cache",
		       args->to);
}
