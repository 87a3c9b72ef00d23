/* Folders whose path leaves no room for the names below it: every reader and writer of a folder
 * refuses them by name, and nothing is cut off silently. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "io/cache_store.h"
#include "io/checkpoint.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/hub.h"
#include "io/shard_index.h"
#include "io/temporary.h"
#include "test/support/support_sys_double.h"
#include "tools/train/sae_folder.h"

static char scratch[256];
static char deep[PATH_MAX];        /* a folder that is there; its path has PATH_MAX - 6 bytes */
static char beyond[PATH_MAX + 64]; /* longer than any path */

static int set_up(void **state)
{
	size_t length;

	(void)state;
	scratch_make(scratch, sizeof scratch);
	length = (size_t)snprintf(deep, sizeof deep, "%s", scratch);
	while (length < PATH_MAX - 6)
		deep[length++] = '/';
	deep[length] = 0;
	memset(beyond, '/', sizeof beyond - 2);
	beyond[sizeof beyond - 2] = 'x';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

/* A refusal has the code of an input, an output or a usage, and a message. */
static void assert_refused(int rc, const ps_diag *diag)
{
	assert_true(rc < 0);
	assert_true(ps_exit_code(rc) >= 2 && ps_exit_code(rc) <= 4);
	assert_true(diag->text[0]);
}

static void readers_of_folders_refuse_them(void **state)
{
	const char *const paths[] = {deep, beyond};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ps_shard_set set = {0};
		ps_cache cache = {0};
		ps_checkpoint *checkpoint = NULL;
		ps_sae_folder sae = {0};
		ps_sae shape;
		size_t bytes;
		json_t *manifest = NULL;
		ps_diag diag[6] = {{{0}}};

		assert_refused(ps_shard_set_open(&set, &ps_sys_linux, paths[i], &diag[0]),
			       &diag[0]);
		assert_refused(ps_cache_open(&cache, &ps_sys_linux, paths[i], NULL, &diag[1]),
			       &diag[1]);
		assert_refused(ps_checkpoint_open(&checkpoint, &ps_sys_linux, paths[i], &diag[2]),
			       &diag[2]);
		assert_refused(ps_sae_folder_load(&sae, paths[i], &diag[3]), &diag[3]);
		assert_refused(ps_sae_folder_measure(paths[i], &shape, &bytes, &diag[4]), &diag[4]);
		assert_refused(
			ps_folder_read_manifest(&ps_sys_linux, paths[i], &manifest, &diag[5]),
			&diag[5]);
	}
}

static void writers_of_folders_refuse_them(void **state)
{
	const char *const paths[] = {deep, beyond};
	json_t *provenance = json_pack("{s:s}", "command", "test");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ps_cache_writer *writer;
		ps_folder *folder;
		bool done;
		ps_diag diag[4] = {{{0}}};

		assert_refused(ps_folder_begin(&folder, &ps_sys_linux,
					       &(ps_folder_spec){.path = paths[i],
								 .kind = "test",
								 .provenance = provenance},
					       &done, &diag[0]),
			       &diag[0]);
		assert_refused(ps_cache_writer_create(&writer, &ps_sys_linux,
						      &(ps_cache_spec){.path = paths[i],
								       .provenance = provenance,
								       .dtype = PS_F32,
								       .rows = 4,
								       .width = 3,
								       .shard_rows = 4},
						      &done, &diag[1]),
			       &diag[1]);
		if (i)
			assert_refused(ps_folder_make(&ps_sys_linux, paths[i], &diag[2]), &diag[2]);
		assert_refused(ps_folder_remove(&ps_sys_linux, paths[i], &diag[3]), &diag[3]);
	}
	json_decref(provenance);
	assert_int_equal(scratch_count(scratch), 0);
}

static void writers_of_files_refuse_them(void **state)
{
	ps_temporary temporary;
	ps_diag diag[2] = {{{0}}};

	(void)state;
	assert_refused(ps_file_replace(&ps_sys_linux, beyond, "x", 1, &diag[0]), &diag[0]);
	assert_refused(ps_temporary_open(&temporary, &ps_sys_linux, beyond, &diag[1]), &diag[1]);
	ps_temporary_sweep(&ps_sys_linux, deep);
	assert_int_equal(scratch_count(scratch), 0);
}

static void sizes_that_overflow_are_refused(void **state)
{
	static const struct {
		uint64_t rows;
		size_t width, shard_rows;
	} cases[] = {{0, 3, 4},
		     {4, 0, 4},
		     {4, 3, 0},
		     {4, SIZE_MAX / 2, 4},
		     {4, SIZE_MAX / 8, 4},
		     {UINT64_MAX, 3, SIZE_MAX / 2}};
	char path[300];
	json_t *provenance = json_pack("{s:s}", "command", "test");

	(void)state;
	snprintf(path, sizeof path, "%s/cache", scratch);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_cache_writer *writer = NULL;
		ps_diag diag = {{0}};
		bool done;

		assert_int_equal(
			ps_cache_writer_create(&writer, &ps_sys_linux,
					       &(ps_cache_spec){.path = path,
								.provenance = provenance,
								.dtype = PS_F32,
								.rows = cases[i].rows,
								.width = cases[i].width,
								.shard_rows = cases[i].shard_rows},
					       &done, &diag),
			PS_EFAILED);
		assert_true(diag.text[0]);
	}
	assert_int_equal(scratch_count(scratch), 0);
	json_decref(provenance);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(readers_of_folders_refuse_them),
		TEST(writers_of_folders_refuse_them),
		TEST(writers_of_files_refuse_them),
		TEST(sizes_that_overflow_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
