#include "tools/shard_npz.h"

#include "core/base/checked.h"
#include "io/npz.h"
#include "tools/shard_json.h"

enum { PART = 1 << 16 };

static void describe(json_t *tensors, const ps_npz_array *array)
{
	json_t *shape = json_array();

	for (int d = 0; d < array->info.rank; d++)
		ps_shard_append(shape, json_integer((json_int_t)array->info.shape[d]));
	ps_shard_append(tensors,
			json_pack("{s:o, s:s, s:o, s:b}", "name", ps_text_json(array->info.name),
				  "dtype", array->info.dtype_name, "shape", shape, "fortran_order",
				  array->fortran_order));
}

/* Reads an array to its end, where its checksum is compared. */
static int check(ps_npz *npz, size_t index, ps_diag *diag)
{
	char part[PART];
	int rc = ps_npz_begin(npz, index, diag);

	while (!rc && npz->left)
		rc = ps_npz_read(npz, part, ps_min_size(sizeof part, (size_t)npz->left), diag);
	return rc;
}

int ps_shard_npz(json_t *entry, const char *path, bool verify, ps_diag *diag)
{
	ps_npz npz;
	int rc = ps_npz_open(&npz, &ps_sys_linux, path, diag);

	if (rc)
		return rc;
	ps_shard_put(entry, "bytes", json_integer((json_int_t)npz.file_bytes));
	for (size_t i = 0; i < npz.count; i++)
		describe(json_object_get(entry, "tensors"), &npz.arrays[i]);
	for (size_t i = 0; i < npz.count && verify && !rc; i++)
		rc = check(&npz, i, diag);
	ps_shard_put(entry, "checksums",
		     json_string(!verify ? "not read"
				 : rc    ? "wrong"
					 : "right"));
	ps_npz_close(&npz);
	return rc;
}
