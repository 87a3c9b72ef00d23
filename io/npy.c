#include "io/npy.h"

#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"

enum { MAGIC_BYTES = 6, VERSION_BYTES = 2 };

/* What is left of the header, and what messages name. */
struct parser {
	const char *at, *end;
	const char *path, *name;
	ps_diag *diag;
};

static const struct {
	const char *descr, *name;
	ps_dtype dtype;
} types[] = {{"<f4", "F32", PS_F32},  {"<f8", "F64", PS_F64}, {"<f2", "F16", PS_F16},
	     {"<i4", "I32", PS_I32},  {"<i8", "I64", PS_I64}, {"|u1", "U8", PS_U8},
	     {"|b1", "BOOL", PS_BOOL}};

#define TYPES_READ "'<f4', '<f8', '<f2', '<i4', '<i8', '|u1' and '|b1' are read"

/* --- the length --- */

int ps_npy_header_bytes(const unsigned char *start, const char *path, const char *name,
			size_t *bytes, ps_diag *diag)
{
	const unsigned char *length = start + MAGIC_BYTES + VERSION_BYTES;
	const unsigned major = start[MAGIC_BYTES], minor = start[MAGIC_BYTES + 1];

	if (memcmp(start, "\x93NUMPY", MAGIC_BYTES) != 0)
		return ps_fail(diag, PS_EINPUT, "%s: %s is no NumPy array (npy)", path, name);
	if (major < 1 || major > 3 || minor)
		return ps_fail(diag, PS_EINPUT,
			       "%s: %s is of npy version %u.%u: 1.0, 2.0 and 3.0 are known", path,
			       name, major, minor);
	*bytes = MAGIC_BYTES + VERSION_BYTES + (major == 1 ? 2 : 4);
	*bytes += length[0] + ((size_t)length[1] << 8);
	if (major > 1)
		*bytes += ((size_t)length[2] << 16) + ((size_t)length[3] << 24);
	if (*bytes > PS_NPY_HEADER_MAX)
		return ps_fail(diag, PS_EINPUT,
			       "%s: %s has a header of %zu bytes: at most %zu are read", path, name,
			       *bytes, PS_NPY_HEADER_MAX);
	return 0;
}

/* --- the dictionary --- */

static int refuse(const struct parser *p, const char *what)
{
	return ps_fail(p->diag, PS_EINPUT, "%s: %s: the npy header %s", p->path, p->name, what);
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\n'))
		p->at++;
}

/* Takes the character if it is the next one, and the space behind it. */
static bool take(struct parser *p, char c)
{
	if (p->at == p->end || *p->at != c)
		return false;
	p->at++;
	skip_space(p);
	return true;
}

static bool take_word(struct parser *p, const char *word)
{
	const size_t length = strlen(word);

	if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0)
		return false;
	p->at += length;
	skip_space(p);
	return true;
}

/* A text in quotes of either kind, without escapes. */
static bool take_text(struct parser *p, char *out, size_t size)
{
	const char quote = p->at < p->end ? *p->at : 0;
	size_t length = 0;

	if (quote != '\'' && quote != '"')
		return false;
	for (p->at++; p->at < p->end && *p->at != quote; p->at++) {
		if (*p->at < ' ' || *p->at > '~' || *p->at == '\\' || length + 1 >= size)
			return false;
		out[length++] = *p->at;
	}
	out[length] = 0;
	return take(p, quote);
}

/* A count without sign or leading zeros. */
static bool take_count(struct parser *p, uint64_t *out)
{
	const char *start = p->at;
	uint64_t value = 0;

	for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p->at - '0'), &value))
			return false;
	}
	if (p->at == start || (*start == '0' && p->at > start + 1))
		return false;
	skip_space(p);
	*out = value;
	return true;
}

/* --- its three values --- */

static int read_type(struct parser *p, ps_tensor_info *info)
{
	char descr[16];

	if (!take_text(p, descr, sizeof descr))
		return refuse(p, "has a 'descr' that is no simple type: " TYPES_READ);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(descr, types[i].descr)) {
			info->dtype = (int)types[i].dtype;
			info->dtype_name = types[i].name;
			return 0;
		}
	return ps_fail(p->diag, PS_EINPUT, "%s: %s holds numbers of type '%s': " TYPES_READ,
		       p->path, p->name, descr);
}

static int read_order(struct parser *p, bool *fortran_order)
{
	*fortran_order = take_word(p, "True");
	if (!*fortran_order && !take_word(p, "False"))
		return refuse(p, "has a 'fortran_order' that is neither True nor False");
	return 0;
}

/* (), (5,), (2, 3), (2, 3,) */
static int read_shape(struct parser *p, ps_tensor_info *info)
{
	static const char wrong[] = "has a 'shape' that is no tuple of at most 8 counts";
	bool comma = true;

	if (!take(p, '('))
		return refuse(p, wrong);
	for (info->rank = 0; !take(p, ')'); info->rank++) {
		if (info->rank == PS_RANK_MAX || !comma || !take_count(p, &info->shape[info->rank]))
			return refuse(p, wrong);
		comma = take(p, ',');
	}
	if (info->rank == 1 && !comma)
		return refuse(p, wrong);
	return 0;
}

static int read_pair(struct parser *p, ps_tensor_info *info, bool *fortran_order, bool seen[3])
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};
	char key[16];
	int k = 0;

	if (!take_text(p, key, sizeof key) || !take(p, ':'))
		return refuse(p, "is no dictionary of 'descr', 'fortran_order' and 'shape'");
	while (k < 3 && strcmp(key, keys[k]) != 0)
		k++;
	if (k == 3 || seen[k])
		return ps_fail(p->diag, PS_EINPUT, "%s: %s: the npy header has %s key '%s'",
			       p->path, p->name, k == 3 ? "the unknown" : "twice the", key);
	seen[k] = true;
	return k == 0   ? read_type(p, info)
	       : k == 1 ? read_order(p, fortran_order)
			: read_shape(p, info);
}

static int read_dictionary(struct parser *p, ps_tensor_info *info, bool *fortran_order)
{
	bool seen[3] = {false}, comma = true;
	int rc = 0;

	if (!take(p, '{'))
		return refuse(p, "is no dictionary of 'descr', 'fortran_order' and 'shape'");
	while (!take(p, '}')) {
		rc = comma ? read_pair(p, info, fortran_order, seen)
			   : refuse(p, "has no comma between two keys");
		if (rc)
			return rc;
		comma = take(p, ',');
	}
	if (p->at != p->end)
		return refuse(p, "has text behind its dictionary");
	if (!seen[0] || !seen[1] || !seen[2])
		return refuse(p, "lacks one of 'descr', 'fortran_order' and 'shape'");
	return 0;
}

int ps_npy_parse(const char *text, size_t length, const char *path, const char *name,
		 ps_tensor_info *info, bool *fortran_order, ps_diag *diag)
{
	struct parser p = {.path = path, .name = name, .diag = diag};
	unsigned char start[PS_NPY_START] = {0};
	size_t bytes, elements = 1;
	int rc;

	memcpy(start, text, ps_min_size(length, sizeof start));
	rc = ps_npy_header_bytes(start, path, name, &bytes, diag);
	if (rc)
		return rc;
	if (length != bytes)
		return ps_fail(diag, PS_EINPUT, "%s: %s ends within its npy header", path, name);
	p.at = text + MAGIC_BYTES + VERSION_BYTES + (text[MAGIC_BYTES] == 1 ? 2 : 4);
	p.end = text + length;
	skip_space(&p);
	rc = read_dictionary(&p, info, fortran_order);
	if (rc)
		return rc;
	for (int i = 0; i < info->rank; i++)
		if (!info->shape[i] || !ps_size_mul(elements, info->shape[i], &elements))
			return refuse(&p, "has a 'shape' whose product is 0 or overflows");
	if (!ps_size_mul(elements, ps_dtype_size((ps_dtype)info->dtype), &bytes))
		return refuse(&p, "has a 'shape' whose product overflows");
	info->bytes = bytes;
	return 0;
}
