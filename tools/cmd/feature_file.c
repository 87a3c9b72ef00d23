#include "tools/cmd/feature_file.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/artefact.h"
#include "io/file.h"
#include "io/verified_file.h"
#include "tools/run/json.h"
#include "tools/run/text_stream.h"

/* What the values of a column may be. */
enum rule {
	NUMBER,  /* finite, or NaN: not defined */
	FINITE,  /* finite */
	INDEX,   /* at least -1 */
	COUNT,   /* at least 0 */
	FLAG,    /* 0 or 1 */
	OF_CLASS /* a ps_feature_class */
};

/* A column: a tensor [F, shape...]. */
struct column {
	const char *name;
	size_t offset; /* in ps_feature_row */
	ps_dtype dtype;
	ps_feature_group group;
	enum rule rule;
	bool large;
	int rank; /* of shape */
	uint64_t shape[4];
};

/* The shape of `survival`: as many as there are values of tau. */
#define TAUS 0

#define AT(member) #member, offsetof(ps_feature_row, member)

/* In the order of the file: wider dtypes first. */
static const struct column columns[PS_FEATURE_COLUMNS] = {
	{AT(rows_dense), PS_I64, PS_FEATURE_STATS, COUNT, false, 0, {0}},
	{AT(rows_pruned), PS_I64, PS_FEATURE_STATS, COUNT, false, 0, {0}},
	{AT(rows_both), PS_I64, PS_FEATURE_STATS, COUNT, false, 0, {0}},
	{AT(rate_dense), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(rate_pruned), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(peak_dense), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(peak_pruned), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(mean_dense), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(mean_pruned), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(rate_change), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(mean_change), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(pearson), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(jaccard), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(decoder_norm), PS_F64, PS_FEATURE_STATS, NUMBER, false, 0, {0}},
	{AT(ablation_effect), PS_F64, PS_FEATURE_ABLATION, NUMBER, false, 0, {0}},
	{AT(ablation_per_firing), PS_F64, PS_FEATURE_ABLATION, NUMBER, false, 0, {0}},
	{AT(pruned_ablation_effect), PS_F64, PS_FEATURE_PRUNED_ABLATION, NUMBER, false, 0, {0}},
	{AT(pruned_ablation_per_firing), PS_F64, PS_FEATURE_PRUNED_ABLATION, NUMBER, false, 0, {0}},
	{AT(cosine), PS_F32, PS_FEATURE_MATCH, FINITE, false, 0, {0}},
	{AT(context_activation), PS_F32, PS_FEATURE_STATS, FINITE, true, 2, {2, PS_CONTEXTS}},
	{AT(context_value),
	 PS_F32,
	 PS_FEATURE_STATS,
	 FINITE,
	 true,
	 4,
	 {2, PS_CONTEXTS, 2, PS_CONTEXT_TOKENS}},
	{AT(promoted_logit), PS_F32, PS_FEATURE_HEAD, FINITE, true, 2, {2, PS_PROMOTED_TOKENS}},
	{AT(nearest), PS_I32, PS_FEATURE_MATCH, COUNT, false, 0, {0}},
	{AT(histogram), PS_I32, PS_FEATURE_STATS, COUNT, true, 2, {2, PS_ACTIVATION_BINS}},
	{AT(context_window), PS_I32, PS_FEATURE_STATS, INDEX, true, 2, {2, PS_CONTEXTS}},
	{AT(context_position), PS_I32, PS_FEATURE_STATS, INDEX, true, 2, {2, PS_CONTEXTS}},
	{AT(context_token),
	 PS_I32,
	 PS_FEATURE_STATS,
	 INDEX,
	 true,
	 3,
	 {2, PS_CONTEXTS, PS_CONTEXT_TOKENS}},
	{AT(promoted_token), PS_I32, PS_FEATURE_HEAD, INDEX, true, 2, {2, PS_PROMOTED_TOKENS}},
	{AT(mutual), PS_U8, PS_FEATURE_MATCH, FLAG, false, 0, {0}},
	{AT(survival), PS_U8, PS_FEATURE_MATCH, FLAG, false, 1, {TAUS}},
	{AT(class), PS_U8, PS_FEATURE_STATS, OF_CLASS, false, 0, {0}},
};

/* Values of a column's row. */
static size_t values_of(const struct column *c, size_t taus)
{
	size_t values = 1;

	for (int d = 0; d < c->rank; d++)
		values *= c->shape[d] == TAUS ? taus : (size_t)c->shape[d];
	return values;
}

static size_t row_bytes(const struct column *c, size_t taus)
{
	return values_of(c, taus) * ps_dtype_size(c->dtype);
}

static void shape_of(const struct column *c, size_t latents, size_t taus, uint64_t *shape)
{
	shape[0] = latents;
	for (int d = 0; d < c->rank; d++)
		shape[d + 1] = c->shape[d] == TAUS ? taus : c->shape[d];
}

/* As of a file without any column. */
static void clear(ps_feature_row *row)
{
	memset(row, 0, sizeof *row);
	row->ablation_effect = row->ablation_per_firing = NAN;
	row->pruned_ablation_effect = row->pruned_ablation_per_firing = NAN;
	row->cosine = NAN;
	row->nearest = -1;
	memset(row->context_window, -1, sizeof row->context_window);
	memset(row->context_position, -1, sizeof row->context_position);
	memset(row->context_token, -1, sizeof row->context_token);
	memset(row->promoted_token, -1, sizeof row->promoted_token);
}

/* --- metadata --- */

static json_t *class_names(void)
{
	json_t *names = json_array();

	for (int c = 0; c < PS_FEATURE_CLASSES; c++)
		if (json_array_append_new(names, json_string(ps_feature_class_names[c]))) {
			json_decref(names);
			return NULL;
		}
	return names;
}

json_t *ps_feature_about(uint64_t rows, const double *taus, size_t count)
{
	return json_pack("{s:s, s:I, s:o, s:o, s:{s:o, s:o, s:o}, s:{s:o, s:i}, s:{s:i, s:i}}",
			 "schema", PS_FEATURES_SCHEMA, "rows", (json_int_t)rows, "taus",
			 ps_numbers_json(taus, count), "class_names", class_names(), "thresholds",
			 "kept", ps_number_json(PS_KEPT_PEARSON), "blurred",
			 ps_number_json(PS_BLURRED_PEARSON), "shift",
			 ps_number_json(PS_SHIFT_FACTOR), "histogram", "first",
			 ps_number_json((double)ps_activation_edge(0)), "bins_per_octave", 2,
			 "context", "before", PS_CONTEXT_BEFORE, "after", PS_CONTEXT_AFTER);
}

/* --- writing --- */

size_t ps_feature_file_bytes(size_t latents, size_t taus, const bool has[PS_FEATURE_GROUPS])
{
	size_t bytes = 0;

	for (size_t c = 0; c < PS_FEATURE_COLUMNS; c++)
		if (has[columns[c].group])
			bytes += row_bytes(&columns[c], taus);
	return bytes * latents;
}

static int create(ps_artefact **artefact, const ps_sys *sys, const ps_feature_spec *spec,
		  ps_diag *diag)
{
	ps_tensor_decl decls[PS_FEATURE_COLUMNS];
	size_t count = 0;

	for (size_t c = 0; c < PS_FEATURE_COLUMNS; c++) {
		if (!spec->has[columns[c].group])
			continue;
		decls[count] = (ps_tensor_decl){.name = columns[c].name,
						.dtype = columns[c].dtype,
						.rank = columns[c].rank + 1};
		shape_of(&columns[c], spec->latents, spec->taus, decls[count].shape);
		count++;
	}
	return ps_artefact_create(artefact, sys,
				  &(ps_artefact_spec){.path = spec->path,
						      .kind = "features",
						      .extra = spec->about,
						      .tensors = decls,
						      .count = count},
				  diag);
}

static int write_column(ps_artefact *artefact, const ps_feature_spec *spec, const struct column *c,
			ps_diag *diag)
{
	const size_t bytes = row_bytes(c, spec->taus);
	int rc = 0;

	for (size_t latent = 0; latent < spec->latents && !rc; latent++) {
		ps_feature_row row;

		clear(&row);
		spec->fill(spec->context, latent, c->large, &row);
		rc = ps_artefact_write(artefact, (const char *)&row + c->offset, bytes, diag);
	}
	return rc;
}

int ps_feature_file_write(const ps_sys *sys, const ps_feature_spec *spec, ps_diag *diag)
{
	ps_artefact *artefact;
	int rc = create(&artefact, sys, spec, diag);

	if (rc)
		return rc;
	for (size_t c = 0; c < PS_FEATURE_COLUMNS && !rc; c++)
		if (spec->has[columns[c].group])
			rc = write_column(artefact, spec, &columns[c], diag);
	if (!rc)
		return ps_artefact_commit(artefact, diag);
	ps_artefact_abort(artefact);
	return rc;
}

/* --- reading --- */

/* Value i of a column's bytes, which may have any alignment. */
static double value_at(const struct column *c, const char *data, size_t i)
{
	double real;
	float single;
	int64_t wide;
	int32_t whole;

	switch (c->dtype) {
	case PS_F64:
		memcpy(&real, data + i * sizeof real, sizeof real);
		return real;
	case PS_F32:
		memcpy(&single, data + i * sizeof single, sizeof single);
		return (double)single;
	case PS_I64:
		memcpy(&wide, data + i * sizeof wide, sizeof wide);
		return (double)wide;
	case PS_I32:
		memcpy(&whole, data + i * sizeof whole, sizeof whole);
		return whole;
	default:
		return (unsigned char)data[i];
	}
}

static bool keeps(enum rule rule, double value)
{
	switch (rule) {
	case NUMBER:
		return !isinf(value);
	case FINITE:
		return isfinite(value);
	case INDEX:
		return value >= -1;
	case COUNT:
		return value >= 0;
	case FLAG:
		return value <= 1;
	case OF_CLASS:
		return value < PS_FEATURE_CLASSES;
	}
	return false;
}

static int check_values(const ps_feature_file *f, size_t c, ps_diag *diag)
{
	static const char *const wanted[] = {[NUMBER] = "finite, or NaN where it is not defined",
					     [FINITE] = "finite",
					     [INDEX] = "-1 or more",
					     [COUNT] = "0 or more",
					     [FLAG] = "0 or 1",
					     [OF_CLASS] = "the number of a class"};
	const char *data = ps_safetensors_data(&f->file, f->tensor[c]);
	const size_t count = f->latents * values_of(&columns[c], f->taus);

	for (size_t i = 0; i < count; i++) {
		const double value = value_at(&columns[c], data, i);

		if (!keeps(columns[c].rule, value))
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s holds %g in element %zu (offset %llu): it "
				       "must be %s",
				       f->file.path, columns[c].name, value, i,
				       (unsigned long long)(f->tensor[c]->offset +
							    i * ps_dtype_size(columns[c].dtype)),
				       wanted[columns[c].rule]);
	}
	return 0;
}

static bool has_thresholds(const json_t *about)
{
	static const char *const names[] = {"kept", "blurred", "shift"};
	const json_t *thresholds = json_object_get(about, "thresholds");

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!json_is_number(json_object_get(thresholds, names[i])))
			return false;
	return true;
}

static int read_metadata(ps_feature_file *f, ps_diag *diag)
{
	const json_t *about = f->file.metadata, *taus = json_object_get(about, "taus"),
		     *rows = json_object_get(about, "rows");
	const char *schema = json_string_value(json_object_get(about, "schema"));

	if (!schema || strcmp(schema, PS_FEATURES_SCHEMA))
		return ps_fail(diag, PS_EINPUT,
			       "%s: is no table of features (its metadata must say the "
			       "schema " PS_FEATURES_SCHEMA ")",
			       f->file.path);
	f->has[PS_FEATURE_STATS] = ps_safetensors_find(&f->file, columns[0].name);
	if (!json_is_integer(rows) || json_integer_value(rows) < f->has[PS_FEATURE_STATS])
		return ps_fail(diag, PS_EINPUT, "%s: rows in its metadata must be 1 or more",
			       f->file.path);
	if (!has_thresholds(about))
		return ps_fail(diag, PS_EINPUT,
			       "%s: thresholds in its metadata must say kept, blurred and shift",
			       f->file.path);
	f->rows = (uint64_t)json_integer_value(rows);
	f->taus = json_array_size(taus);
	if (f->taus < 1 || f->taus > PS_FEATURE_TAUS_MAX)
		return ps_fail(diag, PS_EINPUT,
			       "%s: taus in its metadata must be a list of 1 to %d numbers",
			       f->file.path, PS_FEATURE_TAUS_MAX);
	for (size_t t = 0; t < f->taus; t++) {
		f->tau[t] = ps_json_number(json_array_get(taus, t));
		if (!isfinite(f->tau[t]))
			return ps_fail(diag, PS_EINPUT, "%s: taus in its metadata must be numbers",
				       f->file.path);
	}
	return 0;
}

static int find_columns(ps_feature_file *f, ps_diag *diag)
{
	const char *name = f->has[PS_FEATURE_STATS] ? columns[0].name : "promoted_logit";
	const ps_tensor_info *first = ps_safetensors_find(&f->file, name);
	int rc = 0;

	f->latents = first && first->rank > 0 ? (size_t)first->shape[0] : 0;
	if (!f->latents)
		return ps_fail(diag, PS_EINPUT, "%s: tensor %s is missing, or has no row a latent",
			       f->file.path, f->has[PS_FEATURE_STATS] ? name : columns[0].name);
	f->has[PS_FEATURE_MATCH] = ps_safetensors_find(&f->file, "cosine");
	f->has[PS_FEATURE_ABLATION] = ps_safetensors_find(&f->file, "ablation_effect");
	f->has[PS_FEATURE_PRUNED_ABLATION] =
		ps_safetensors_find(&f->file, "pruned_ablation_effect");
	f->has[PS_FEATURE_HEAD] = ps_safetensors_find(&f->file, "promoted_token");
	for (size_t c = 0; c < PS_FEATURE_COLUMNS && !rc; c++) {
		uint64_t shape[PS_RANK_MAX];

		if (!f->has[columns[c].group])
			continue;
		shape_of(&columns[c], f->latents, f->taus, shape);
		rc = ps_safetensors_expect(&f->file, columns[c].name, columns[c].dtype,
					   columns[c].rank + 1, shape, &f->tensor[c], diag);
		if (!rc)
			rc = check_values(f, c, diag);
	}
	return rc;
}

int ps_feature_file_open(ps_feature_file *f, const ps_sys *sys, const char *path, bool verify,
			 ps_diag *diag)
{
	bool verified;
	int rc;

	*f = (ps_feature_file){.file = {.fd = -1}};
	rc = ps_safetensors_open(&f->file, sys, path, diag);
	if (rc)
		return rc;
	if (verify)
		rc = ps_verified_file_check(&f->file, &verified, diag);
	if (!rc)
		rc = read_metadata(f, diag);
	if (!rc)
		rc = find_columns(f, diag);
	if (rc)
		ps_feature_file_close(f);
	return rc;
}

void ps_feature_file_close(ps_feature_file *f)
{
	ps_safetensors_close(&f->file);
	*f = (ps_feature_file){.file = {.fd = -1}};
}

void ps_feature_file_read(const ps_feature_file *f, size_t latent, ps_feature_row *row)
{
	clear(row);
	for (size_t c = 0; c < PS_FEATURE_COLUMNS; c++) {
		const size_t bytes = row_bytes(&columns[c], f->taus);
		const char *data;

		if (!f->tensor[c])
			continue;
		data = ps_safetensors_data(&f->file, f->tensor[c]);
		memcpy((char *)row + columns[c].offset, data + latent * bytes, bytes);
	}
}

/* --- as a table --- */

static const char first_columns[] = "latent,class,rows_dense,";

/* Columns of numbers that a line shows, in the file's order. The class has its name in front. */
static bool is_shown(const ps_feature_file *f, size_t c)
{
	return f->tensor[c] && !columns[c].rank && columns[c].rule != OF_CLASS;
}

static void print_names(FILE *out, const ps_feature_file *f)
{
	fputs("latent,class", out);
	for (size_t c = 0; c < PS_FEATURE_COLUMNS; c++)
		if (is_shown(f, c))
			fprintf(out, ",%s", columns[c].name);
	for (size_t t = 0; t < f->taus && f->has[PS_FEATURE_MATCH]; t++)
		fprintf(out, ",survival_%g", f->tau[t]);
	fputc('\n', out);
}

static void print_row(FILE *out, const ps_feature_file *f, size_t latent)
{
	ps_feature_row row;

	ps_feature_file_read(f, latent, &row);
	fprintf(out, "%zu,%s", latent,
		row.class == PS_CLASS_NONE ? "" : ps_feature_class_names[row.class]);
	for (size_t c = 0; c < PS_FEATURE_COLUMNS; c++) {
		double value;

		if (!is_shown(f, c))
			continue;
		value = value_at(&columns[c], (const char *)&row + columns[c].offset, 0);
		if (isnan(value))
			fputc(',', out);
		else
			fprintf(out, columns[c].dtype == PS_F32 ? ",%.9g" : ",%.17g", value);
	}
	for (size_t t = 0; t < f->taus && f->has[PS_FEATURE_MATCH]; t++)
		fprintf(out, ",%d", row.survival[t]);
	fputc('\n', out);
}

int ps_feature_csv_write(const ps_feature_file *f, const char *path, ps_diag *diag)
{
	ps_text_stream stream;
	int rc = ps_text_stream_open(&stream, diag);

	if (rc)
		return rc;
	print_names(stream.out, f);
	for (size_t latent = 0; latent < f->latents; latent++)
		print_row(stream.out, f, latent);
	rc = ps_text_stream_close(&stream, diag);
	if (!rc)
		rc = ps_file_replace(&ps_sys_linux, path, stream.text, stream.length, diag);
	free(stream.text);
	return rc;
}

bool ps_feature_csv_is_ours(const char *path)
{
	char begin[sizeof first_columns] = {0};
	FILE *file = fopen(path, "re");
	size_t length;

	if (!file)
		return false;
	length = fread(begin, 1, sizeof begin - 1, file);
	fclose(file);
	return length == sizeof begin - 1 && !strcmp(begin, first_columns);
}
