#include "tools/cmd/prune_plan.h"

#include <stdio.h>
#include <string.h>

#include "core/base/number.h"

#define GROUP_MAX 1024    /* M of N:M */
#define GROUP_COLUMNS 128 /* of --group 128 */

static const char *const method_names[] = {[PS_PRUNE_MAGNITUDE] = "magnitude",
					   [PS_PRUNE_WANDA] = "wanda",
					   [PS_PRUNE_RANDOM] = "random",
					   [PS_PRUNE_RTN] = "rtn"};
static const char *const scope_names[] = {
	[PS_SCOPE_ROW] = "row", [PS_SCOPE_MATRIX] = "matrix", [PS_SCOPE_GLOBAL] = "global"};
static const char *const calibration_names[] = {
	[PS_CALIBRATION_SEQUENTIAL] = "sequential", [PS_CALIBRATION_DENSE] = "dense"};

/* The index of text among count names; -1: it is none of them. */
static int find_name(const char *text, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -1;
}

static int parse_method(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag)
{
	const int method = find_name(args->method, method_names, PS_PRUNE_METHODS);

	if (method < 0)
		return ps_fail(diag, PS_EUSAGE,
			       "--method %s: must be magnitude, wanda, random or rtn",
			       args->method);
	plan->method = (ps_prune_method)method;
	return 0;
}

/* Rounding takes nothing of what pruning takes. */
static int parse_rounding(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag)
{
	static const char *const groups[] = {"row", "128"};
	const int group = args->group ? find_name(args->group, groups, 2) : 0;

	if (args->bits < PS_ROUNDING_BITS_LEAST || args->bits > PS_ROUNDING_BITS_MOST)
		return ps_fail(diag, PS_EUSAGE, "--bits %lld: --method rtn wants %d to %d",
			       (long long)args->bits, PS_ROUNDING_BITS_LEAST,
			       PS_ROUNDING_BITS_MOST);
	if (group < 0)
		return ps_fail(diag, PS_EUSAGE, "--group %s: must be row or 128", args->group);
	if (args->nm || args->sparsity >= 0 || args->scope || args->like || args->match_ppl ||
	    args->text || args->pool_embedding)
		return ps_fail(
			diag, PS_EUSAGE,
			"rtn takes no --sparsity, --nm, --scope, --like, --match-ppl, --text or "
			"--pool-embedding: it rounds, and prunes nothing");
	plan->rounding =
		(ps_rounding_rule){.bits = (int)args->bits, .group = group ? GROUP_COLUMNS : 0};
	return 0;
}

static int parse_nm(const char *text, ps_prune_options *options, ps_diag *diag)
{
	const size_t colon = strcspn(text, ":");
	int64_t n = 0, m = 0;

	if (!text[colon] || ps_number_whole(text, colon, &n) ||
	    ps_number_whole(text + colon + 1, strlen(text + colon + 1), &m) || n < 1 || n >= m ||
	    m > GROUP_MAX)
		return ps_fail(
			diag, PS_EUSAGE,
			"--nm %s: N:M with 0 < N < M <= %d is wanted (2:4 drops two of four)", text,
			GROUP_MAX);
	options->n = (unsigned)n;
	options->m = (unsigned)m;
	options->sparsity = (double)options->n / options->m;
	return 0;
}

/* As much goes as gives the perplexity of another mask. */
static int parse_match(const ps_prune_args *args, const ps_prune_plan *plan, ps_diag *diag)
{
	if (plan->method != PS_PRUNE_MAGNITUDE && plan->method != PS_PRUNE_RANDOM)
		return ps_fail(diag, PS_EUSAGE,
			       "--match-ppl goes with --method magnitude or random");
	if (args->nm || args->sparsity >= 0 || args->like)
		return ps_fail(diag, PS_EUSAGE,
			       "--match-ppl finds the sparsity: it takes no --sparsity, --nm or "
			       "--like");
	if (!args->text)
		return ps_fail(diag, PS_EUSAGE, "--match-ppl wants --text");
	if (!(args->tolerance > 0))
		return ps_fail(diag, PS_EUSAGE, "--tolerance %g: must be above 0", args->tolerance);
	return 0;
}

/* How much goes: by number, or as in the mask of --like, which is not open yet. */
static int parse_sparsity(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag)
{
	const int given = !!args->nm + !(args->sparsity < 0) + !!args->like;

	if (args->match_ppl)
		return parse_match(args, plan, diag);
	if (args->text)
		return ps_fail(diag, PS_EUSAGE, "--text goes with --match-ppl");
	if (args->like && plan->method != PS_PRUNE_RANDOM)
		return ps_fail(diag, PS_EUSAGE, "--like goes with --method random");
	if (given != 1 && plan->method == PS_PRUNE_RANDOM)
		return ps_fail(diag, PS_EUSAGE, "either --like, --sparsity or --nm is wanted");
	if (given != 1)
		return ps_fail(diag, PS_EUSAGE, "either --sparsity or --nm is wanted");
	if (args->nm)
		return parse_nm(args->nm, &plan->options, diag);
	if (args->like)
		return 0;
	if (!(args->sparsity < 1)) /* NaN as well */
		return ps_fail(diag, PS_EUSAGE, "--sparsity %g: must be at least 0 and below 1",
			       args->sparsity);
	plan->options.sparsity = args->sparsity;
	return 0;
}

static int parse_scope(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag)
{
	int scope = plan->method == PS_PRUNE_WANDA ? PS_SCOPE_ROW : PS_SCOPE_MATRIX;

	if (args->scope)
		scope = find_name(args->scope, scope_names, 3);
	if (scope < 0)
		return ps_fail(diag, PS_EUSAGE, "--scope %s: must be row, matrix or global",
			       args->scope);
	if (args->scope && args->like)
		return ps_fail(
			diag, PS_EUSAGE,
			"--scope does not go with --like: the scope is that of the other mask");
	if (plan->method != PS_PRUNE_MAGNITUDE && scope == PS_SCOPE_GLOBAL)
		return ps_fail(diag, PS_EUSAGE, "--scope global is for magnitude only");
	if (args->nm && args->scope && scope != PS_SCOPE_ROW)
		return ps_fail(diag, PS_EUSAGE,
			       "--scope %s does not go with --nm, which drops in groups of a row",
			       args->scope);
	plan->options.scope = (ps_scope)scope;
	return 0;
}

static int parse_pruning(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag)
{
	int rc;

	if (args->bits || args->group)
		return ps_fail(diag, PS_EUSAGE, "--bits and --group go with --method rtn");
	rc = parse_sparsity(args, plan, diag);
	return rc ? rc : parse_scope(args, plan, diag);
}

static int parse_calibration(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag)
{
	int calibration = args->stats ? PS_CALIBRATION_DENSE : PS_CALIBRATION_SEQUENTIAL;

	if (args->calibration)
		calibration = find_name(args->calibration, calibration_names, 2);
	if (calibration < 0)
		return ps_fail(diag, PS_EUSAGE, "--calibration %s: must be sequential or dense",
			       args->calibration);
	if (args->stats && calibration == PS_CALIBRATION_SEQUENTIAL)
		return ps_fail(diag, PS_EUSAGE,
			       "--stats holds statistics of the dense model: --calibration "
			       "sequential needs --tokens");
	plan->calibration = (ps_calibration)calibration;
	return 0;
}

/* Checks the arguments that go with one method only. */
static int check_method(const ps_prune_args *args, const ps_prune_plan *plan, ps_diag *diag)
{
	const bool wanda = plan->method == PS_PRUNE_WANDA;

	if (wanda && !args->tokens == !args->stats)
		return ps_fail(diag, PS_EUSAGE, "wanda needs either --tokens or --stats");
	if (!wanda && (args->tokens || args->stats || args->calibration))
		return ps_fail(diag, PS_EUSAGE, "%s takes no --tokens, --stats or --calibration",
			       args->method);
	if (args->assume && (!wanda || plan->calibration != PS_CALIBRATION_SEQUENTIAL))
		return ps_fail(diag, PS_EUSAGE,
			       "--assume goes with --method wanda --calibration sequential");
	if (args->pool_embedding &&
	    (plan->method != PS_PRUNE_MAGNITUDE || plan->options.scope != PS_SCOPE_GLOBAL))
		return ps_fail(diag, PS_EUSAGE,
			       "--pool-embedding goes with --method magnitude --scope global");
	return 0;
}

int ps_prune_plan_make(const ps_prune_args *args, ps_prune_plan *plan, ps_diag *diag)
{
	int rc;

	*plan = (ps_prune_plan){.options.pool_embedding = args->pool_embedding,
				.seed = args->seed,
				.match = args->match_ppl,
				.window = args->window,
				.stride = args->stride,
				.max_tokens = args->max_tokens,
				.tolerance = args->tolerance,
				.nearest = args->nearest,
				.like = args->like};
	rc = parse_method(args, plan, diag);
	if (!rc)
		rc = plan->method == PS_PRUNE_RTN ? parse_rounding(args, plan, diag)
						  : parse_pruning(args, plan, diag);
	if (!rc)
		rc = parse_calibration(args, plan, diag);
	return rc ? rc : check_method(args, plan, diag);
}

int ps_prune_plan_adopt(ps_prune_plan *plan, const json_t *metadata, double share, ps_diag *diag)
{
	const json_t *options = json_object_get(json_object_get(metadata, "provenance"), "options");
	const char *nm = json_string_value(json_object_get(options, "nm")),
		   *scope = json_string_value(json_object_get(options, "scope"));

	if (nm)
		return parse_nm(nm, &plan->options, diag);
	plan->options.sparsity = share;
	plan->options.scope =
		scope && !strcmp(scope, scope_names[PS_SCOPE_ROW]) ? PS_SCOPE_ROW : PS_SCOPE_MATRIX;
	return 0;
}

int ps_prune_plan_check(const ps_prune_plan *plan, const ps_model_config *config, ps_diag *diag)
{
	const ps_prune_options *options = &plan->options;
	char name[96];

	for (int p = 0; options->m && p < PS_PROJECTIONS; p++) {
		size_t rows, cols;

		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		if (cols % options->m)
			return ps_fail(diag, PS_EINPUT,
				       "%s has %zu columns, no multiple of %u (--nm %u:%u)",
				       ps_projection_tensor(0, (ps_projection)p, name), cols,
				       options->m, options->n, options->m);
	}
	return 0;
}

static json_t *rounding_options(const ps_rounding_rule *rule)
{
	json_t *json =
		json_pack("{s:s, s:i}", "method", method_names[PS_PRUNE_RTN], "bits", rule->bits);
	json_t *group = rule->group ? json_integer((json_int_t)rule->group) : json_string("row");

	if (!json_object_set_new(json, "group", group))
		return json;
	json_decref(json);
	return NULL;
}

static json_t *match_options(const ps_prune_plan *plan)
{
	return json_pack("{s:s, s:{s:I, s:I, s:I, s:o, s:b}}", "method", method_names[plan->method],
			 "match_ppl", "window", (json_int_t)plan->window, "stride",
			 (json_int_t)plan->stride, "max_tokens", (json_int_t)plan->max_tokens,
			 "tolerance", ps_number_json(plan->tolerance), "nearest", plan->nearest);
}

static json_t *pruning_options(const ps_prune_plan *plan)
{
	const ps_prune_options *options = &plan->options;
	json_t *json = plan->match ? match_options(plan)
				   : json_pack("{s:s, s:o}", "method", method_names[plan->method],
					       "sparsity", ps_number_json(options->sparsity));
	int lost = !json;

	if (options->m)
		lost |= json_object_set_new(json, "nm",
					    json_sprintf("%u:%u", options->n, options->m));
	else
		lost |= json_object_set_new(json, "scope",
					    json_string(scope_names[options->scope]));
	if (plan->method == PS_PRUNE_WANDA)
		lost |= json_object_set_new(json, "calibration",
					    json_string(calibration_names[plan->calibration]));
	if (plan->method == PS_PRUNE_RANDOM)
		lost |= json_object_set_new(json, "seed", json_integer((json_int_t)plan->seed));
	if (options->pool_embedding)
		lost |= json_object_set_new(json, "pool_embedding", json_true());
	if (!lost)
		return json;
	json_decref(json);
	return NULL;
}

json_t *ps_prune_plan_options(const ps_prune_plan *plan)
{
	return plan->method == PS_PRUNE_RTN ? rounding_options(&plan->rounding)
					    : pruning_options(plan);
}
