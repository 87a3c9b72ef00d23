/* One SAE of a `train` command and its files: a state that was saved is gone on from if it is whole
 * and of the same run; nothing else is taken for it, and no state is left beside a finished SAE. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/cache_store.h"
#include "io/file.h"
#include "sae/trainers.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_foreign.h"
#include "test/support/support_sys_double.h"
#include "tools/train/train_job.h"

enum { ROWS = 64, WIDTH = 6, LATENTS = 12, K = 2, BATCH = 8, STEPS = ROWS / BATCH };

static char scratch[256], cache[300], out[300], said[300];
static const char *arch; /* of the SAEs */

/* A job with all that it needs, as the command has it. */
struct rig {
	ps_session s;
	ps_train_args args;
	ps_train_data data;
	ps_train_job job;
	ps_trainer *trainer;
	ps_row_source source;
	ps_arena arena;
};

/* --- the rig --- */

static void write_cache(void)
{
	static float values[ROWS * WIDTH];
	static int32_t columns[ROWS];
	json_t *provenance = json_pack("{s:s}", "command", "test");
	ps_cache_writer *writer;
	bool done;

	for (int i = 0; i < ROWS * WIDTH; i++)
		values[i] = (float)(i * 37 % 101) / 50 - 1;
	for (int i = 0; i < ROWS; i++)
		columns[i] = i + 1;
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = cache,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = ROWS,
								 .width = WIDTH,
								 .shard_rows = ROWS},
						&done, NULL),
			 0);
	assert_int_equal(ps_cache_writer_add(writer, values, columns, columns, columns, ROWS, NULL),
			 0);
	assert_int_equal(ps_cache_writer_finish(writer, NULL), 0);
	ps_cache_writer_close(writer);
	json_decref(provenance);
}

static int set_up(void **state)
{
	(void)state;
	ps_json_memory_watch();
	signal(SIGPIPE, SIG_IGN); /* as the programs have it */
	arch = "topk";
	scratch_make(scratch, sizeof scratch);
	snprintf(cache, sizeof cache, "%s/cache", scratch);
	snprintf(out, sizeof out, "%s/sae", scratch);
	snprintf(said, sizeof said, "%s/stderr", scratch);
	setenv("XDG_CACHE_HOME", scratch, 1);
	write_cache();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

/* Opens the data and makes the job. latents, hold_out: of it. name: within a command of several. */
static void rig_open(struct rig *r, int latents, int hold_out, const char *name)
{
	*r = (struct rig){.s = {.threads = 1, .quiet = true}};
	assert_int_equal(ps_pool_create(&r->s.pool, 1, &r->s.diag), 0);
	r->s.context = (ps_context){.pool = r->s.pool, .diag = &r->s.diag};
	r->args = ps_train_args_default();
	r->args.arch = arch;
	r->args.cache = cache;
	r->args.out = out;
	r->args.batch = BATCH;
	r->args.hold_out = hold_out;
	r->args.keep_special = true;
	r->job.args = &r->args;
	if (ps_train_data_open(&r->data, &r->s, &r->args, &r->s.diag) ||
	    ps_train_options_make(&r->args, WIDTH, r->data.rows.count, (size_t)latents, K,
				  &r->job.options, &r->s.diag))
		fail_msg("%s", r->s.diag.text);
	r->job.provenance = json_pack("{s:s, s:i}", "command", "train", "hold_out", hold_out);
	assert_non_null(r->job.provenance);
	snprintf(r->job.name, sizeof r->job.name, "%s", name);
	snprintf(r->job.path, sizeof r->job.path, "%s%s%s", out, *name ? "/" : "", name);
}

static int rig_begin(struct rig *r)
{
	const size_t bytes = ps_trainers_bytes(WIDTH, &r->job.options, 1, 1) +
			     ps_train_job_finish_bytes(&r->job, WIDTH, 1) + (1 << 16);
	int rc = ps_train_job_check(&r->job, &r->s.diag);

	if (!rc)
		rc = ps_train_job_begin(&r->job, &r->s);
	if (rc || r->job.over)
		return rc;
	assert_int_equal(ps_arena_create(&r->arena, bytes, &r->s.diag), 0);
	assert_int_equal(ps_trainers_create(&r->trainer, &r->job.options, 1, &r->data.source,
					    &r->data.rows, &r->s.context, &r->arena),
			 0);
	r->job.trainer = r->trainer;
	return 0;
}

static void rig_close(struct rig *r)
{
	ps_train_job_close(&r->job);
	json_decref(r->job.provenance);
	ps_train_data_close(&r->data);
	ps_arena_destroy(&r->arena);
	ps_pool_destroy(r->s.pool);
}

/* Opens, begins and loads; the log has this prefix. */
static int start(struct rig *r, int latents, int hold_out, const char *name, const char *log)
{
	int rc;

	rig_open(r, latents, hold_out, name);
	r->args.log = log;
	rc = rig_begin(r);
	return rc || r->job.over ? rc : ps_train_job_load(&r->job, &r->s);
}

static void take_steps(struct rig *r, uint64_t until)
{
	ps_train_step step;

	while (ps_trainer_done(r->trainer) < until) {
		assert_int_equal(ps_trainers_step(&r->trainer, 1, &step), 0);
		assert_int_equal(ps_train_job_note(&r->job, &r->s, &r->data, &step,
						   (double)step.step, &r->arena),
				 0);
	}
}

static int finish(struct rig *r)
{
	static const ps_sae_about about = {.hook_name = "blocks.0.hook_resid_post"};

	return ps_train_job_finish(&r->job, &r->s, &r->data, &about, &r->arena);
}

static const char *state_file(void)
{
	static char path[400];

	snprintf(path, sizeof path, "%s/checkpoint.safetensors", out);
	return path;
}

/* A run of three steps, whose state is saved. */
static void interrupt(void)
{
	struct rig r;

	assert_int_equal(start(&r, LATENTS, 0, "", NULL), 0);
	take_steps(&r, 3);
	assert_int_equal(ps_train_job_save(&r.job, &r.s.diag), 0);
	rig_close(&r);
	assert_int_equal(access(state_file(), F_OK), 0);
}

static uint64_t digest_of(const char *name)
{
	char path[400];
	uint64_t bytes, digest;

	snprintf(path, sizeof path, "%s/%s", out, name);
	assert_int_equal(ps_file_digest(&ps_sys_linux, path, &bytes, &digest, NULL), 0);
	return digest;
}

/* Trains to the end. Returns the digest of the weights. */
static uint64_t complete(struct rig *r)
{
	take_steps(r, STEPS);
	assert_int_equal(finish(r), 0);
	assert_true(r->job.over);
	rig_close(r);
	assert_int_equal(access(state_file(), F_OK), -1);
	return digest_of("sae_weights.safetensors");
}

/* Goes on with what lies there. The state must count or not; what is said on stderr has `want`. */
static void goes_on(uint64_t done, const char *want)
{
	const int own = dup(STDERR_FILENO), file = open(said, O_CREAT | O_TRUNC | O_RDWR, 0666);
	char text[1024] = "";
	struct rig r;
	int rc;

	assert_true(own >= 0 && file >= 0);
	rig_open(&r, LATENTS, 0, "");
	rc = rig_begin(&r);
	r.s.quiet = false;
	dup2(file, STDERR_FILENO);
	if (!rc)
		rc = ps_train_job_load(&r.job, &r.s);
	dup2(own, STDERR_FILENO);
	assert_true(pread(file, text, sizeof text - 1, 0) >= 0);
	close(own);
	close(file);
	assert_int_equal(rc, 0);
	assert_int_equal(r.job.resumed_at, done);
	if (!strstr(text, want) || (!*want && *text))
		fail_msg("said '%s'; '%s' is expected", text, want);
	rig_close(&r);
}

/* --- states that are taken, and that are not --- */

static void a_saved_state_is_gone_on_from_to_the_same_bytes(void **state)
{
	struct rig r;
	uint64_t whole;

	(void)state;
	assert_int_equal(start(&r, LATENTS, 0, "", NULL), 0);
	assert_int_equal(r.job.resumed_at, 0);
	whole = complete(&r);
	scratch_remove(out);
	interrupt();
	goes_on(3, "");
	assert_int_equal(start(&r, LATENTS, 0, "", NULL), 0);
	assert_int_equal(r.job.resumed_at, 3);
	assert_true(complete(&r) == whole);
}

static void spoil(uint64_t offset)
{
	ps_test_write_at(state_file(), offset, "\x55\xaa\x55", 3);
}

static void a_damaged_state_is_not_used(void **state)
{
	struct stat st;

	(void)state;
	interrupt();
	assert_int_equal(stat(state_file(), &st), 0);
	spoil((uint64_t)st.st_size - 60); /* data: a block's checksum differs */
	goes_on(0, "checkpoint.safetensors: damaged or of another run: training starts anew");
	scratch_remove(out);
	interrupt();
	spoil(0); /* the header's length */
	goes_on(0, "checkpoint.safetensors: not usable (");
	scratch_remove(out);
	interrupt();
	ps_test_make_foreign(state_file()); /* without checksums and provenance */
	goes_on(0, "damaged or of another run");
}

static void a_state_of_another_run_is_not_used(void **state)
{
	char kept[320];
	struct rig r;

	(void)state;
	/* The same provenance, other shapes: only a state of another version can be so. */
	assert_int_equal(start(&r, LATENTS + 1, 0, "", NULL), 0);
	take_steps(&r, 2);
	assert_int_equal(ps_train_job_save(&r.job, &r.s.diag), 0);
	rig_close(&r);
	goes_on(0, "damaged or of another run");
	arch = "gated"; /* which has more parts */
	goes_on(0, "damaged or of another run");
	arch = "topk";
	scratch_remove(out);
	/* Another provenance. */
	assert_int_equal(start(&r, LATENTS, 8, "", NULL), 0);
	take_steps(&r, 2);
	assert_int_equal(ps_train_job_save(&r.job, &r.s.diag), 0);
	rig_close(&r);
	snprintf(kept, sizeof kept, "%s/kept", scratch);
	assert_int_equal(rename(state_file(), kept), 0);
	scratch_remove(out);
	interrupt();
	assert_int_equal(rename(kept, state_file()), 0);
	goes_on(0, "damaged or of another run");
}

static void a_state_that_cannot_be_read_is_not_written_over(void **state)
{
	struct rig r;

	(void)state;
	interrupt();
	assert_int_equal(unlink(state_file()), 0);
	assert_int_equal(mkdir(state_file(), 0777), 0);
	assert_int_equal(start(&r, LATENTS, 0, "", NULL), PS_EINPUT);
	assert_non_null(strstr(r.s.diag.text, "checkpoint.safetensors: is a folder, not a file"));
	rig_close(&r);
}

static void a_state_that_cannot_be_is_refused(void **state)
{
	ps_state_part parts[PS_STATE_PARTS_MAX];
	struct rig r;

	(void)state;
	assert_int_equal(start(&r, LATENTS, 0, "", NULL), 0);
	take_steps(&r, 1);
	ps_trainer_state(r.trainer, parts);
	*(float *)parts[PS_STATE_ENC].data = NAN;
	assert_int_equal(ps_train_job_save(&r.job, &r.s.diag), 0);
	rig_close(&r);
	assert_int_equal(start(&r, LATENTS, 0, "", NULL), PS_EINPUT);
	assert_non_null(strstr(r.s.diag.text, "'enc' holds values that are not finite"));
	rig_close(&r);
}

/* --- what else lies there --- */

static void a_finished_sae_is_found_with_its_measures(void **state)
{
	double fvu, l0, held_out;
	struct rig r;
	json_t *json;

	(void)state;
	assert_int_equal(start(&r, LATENTS, 16, "", NULL), 0);
	take_steps(&r, STEPS - 2);
	assert_int_equal(finish(&r), 0);
	fvu = r.job.evaluation.fvu;
	l0 = r.job.evaluation.l0;
	held_out = r.job.held_out.fvu;
	assert_true(fvu > 0 && l0 > 0 && held_out > 0);
	rig_close(&r);
	/* A state that a killed process left beside the finished SAE goes. */
	assert_int_equal(ps_file_replace(&ps_sys_linux, state_file(), "old", 3, NULL), 0);
	assert_int_equal(start(&r, LATENTS, 16, "", NULL), 0);
	assert_true(r.job.over);
	assert_int_equal(access(state_file(), F_OK), -1);
	assert_true(r.job.evaluation.fvu == fvu && r.job.evaluation.l0 == l0 &&
		    r.job.held_out.fvu == held_out);
	json = ps_train_job_json(&r.job, &r.data);
	assert_true(json_number_value(json_object_get(json, "fvu")) == fvu);
	assert_true(json_number_value(json_object_get(json, "held_out_fvu")) == held_out);
	assert_int_equal(json_integer_value(json_object_get(json, "d_sae")), LATENTS);
	json_decref(json);
	rig_close(&r);
}

static void a_finished_sae_that_was_changed_is_trained_anew(void **state)
{
	struct rig r;
	char weights[400];

	(void)state;
	assert_int_equal(start(&r, LATENTS, 0, "", NULL), 0);
	(void)complete(&r);
	snprintf(weights, sizeof weights, "%s/sae_weights.safetensors", out);
	ps_test_write_at(weights, 200, "xyz", 3);
	rig_open(&r, LATENTS, 0, "");
	assert_int_equal(ps_train_job_begin(&r.job, &r.s), 0);
	assert_false(r.job.over);
	assert_string_equal(ps_folder_dropped(r.job.folder), "sae_weights.safetensors");
	rig_close(&r);
}

static void a_state_that_cannot_be_removed_is_told(void **state)
{
	char file[420];
	struct rig r;

	(void)state;
	snprintf(file, sizeof file, "%s/file", state_file());
	assert_int_equal(start(&r, LATENTS, 0, "", NULL), 0);
	take_steps(&r, STEPS);
	assert_int_equal(mkdir(state_file(), 0777), 0);
	assert_int_equal(ps_file_replace(&ps_sys_linux, file, "x", 1, NULL), 0);
	assert_int_equal(ps_exit_code(finish(&r)), 4);
	assert_non_null(strstr(r.s.diag.text, "checkpoint.safetensors: cannot be removed"));
	rig_close(&r);
	assert_int_equal(ps_exit_code(start(&r, LATENTS, 0, "", NULL)), 4);
	assert_non_null(strstr(r.s.diag.text, "cannot be removed"));
	rig_close(&r);
}

/* --- several SAEs --- */

static bool is_there(const char *name)
{
	char path[320];

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	return ps_file_is_there(path);
}

static void logs_and_folders_have_the_names_of_their_saes(void **state)
{
	char prefix[300];
	struct rig r;

	(void)state;
	snprintf(prefix, sizeof prefix, "%s/log", scratch);
	assert_int_equal(start(&r, LATENTS, 16, "seed-7", prefix), 0);
	take_steps(&r, 2);
	/* The first line after a save has the check on held-out rows. */
	assert_true(isnan(r.job.checked_fvu));
	assert_int_equal(ps_train_job_save(&r.job, &r.s.diag), 0);
	assert_true(r.job.check_due);
	take_steps(&r, STEPS - 2);
	assert_true(r.job.checked_fvu > 0 && !r.job.check_due);
	assert_int_equal(finish(&r), 0);
	rig_close(&r);
	assert_true(is_there("log-7.csv") && is_there("sae/seed-7/sae_weights.safetensors"));
	assert_int_equal(start(&r, LATENTS, 0, "k-2", prefix), 0);
	rig_close(&r);
	assert_true(is_there("log-k-2.jsonl") && is_there("sae/k-2"));
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
	struct rig r;

	(void)state;
	assert_int_equal(ps_file_replace(&ps_sys_linux, out, "x", 1, NULL), 0);
	rig_open(&r, LATENTS, 0, "");
	assert_int_equal(ps_train_job_check(&r.job, &r.s.diag), PS_EUSAGE);
	assert_int_equal(ps_exit_code(ps_train_job_begin(&r.job, &r.s)), 4);
	rig_close(&r);
	rig_open(&r, LATENTS, 0, "k-2"); /* below a file */
	assert_int_equal(ps_exit_code(ps_train_job_begin(&r.job, &r.s)), 4);
	assert_non_null(strstr(r.s.diag.text, "sae: is there and is not a folder"));
	rig_close(&r);
}

/* --- rows that cannot be read, and no gnuplot --- */

static int readings; /* that succeed before one fails */
static int (*gather)(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag);

static int gather_until(void *self, const uint64_t *ids, size_t count, float *to, ps_diag *diag)
{
	if (readings-- <= 0)
		return ps_fail(diag, PS_EINPUT, "the row cannot be read");
	return gather(self, ids, count, to, diag);
}

static void fail_after(struct rig *r, int count)
{
	readings = count;
	gather = r->data.source.gather;
	r->data.source.gather = gather_until;
}

static void rows_that_cannot_be_measured_are_told(void **state)
{
	ps_train_step step = {0};
	char prefix[300];
	struct rig r;
	int rc;

	(void)state;
	snprintf(prefix, sizeof prefix, "%s/log", scratch);
	assert_int_equal(start(&r, LATENTS, 16, "", prefix), 0);
	take_steps(&r, 2);
	assert_int_equal(ps_train_job_save(&r.job, &r.s.diag), 0);
	assert_int_equal(ps_trainers_step(&r.trainer, 1, &step), 0);
	fail_after(&r, 0);
	assert_int_equal(ps_train_job_note(&r.job, &r.s, &r.data, &step, 1, &r.arena), PS_EINPUT);
	assert_true(r.job.check_due);
	r.data.source.gather = gather;
	take_steps(&r, STEPS - 2);
	/* However many readings succeed first: the SAE is not finished, and its state stays. */
	rc = PS_EINPUT;
	for (int n = 0; rc; n++) {
		fail_after(&r, n);
		rc = finish(&r);
		r.data.source.gather = gather;
		assert_int_equal(r.job.over, !rc);
		assert_int_equal(ps_file_is_there(state_file()), rc != 0);
		assert_true(n < 100 && (n > 1 || rc == PS_EINPUT));
	}
	rig_close(&r);
}

static void without_memory_for_the_sae_nothing_is_finished(void **state)
{
	ps_arena none = {0};
	struct rig r;

	(void)state;
	assert_int_equal(start(&r, LATENTS, 16, "", NULL), 0);
	take_steps(&r, STEPS - 2);
	assert_int_equal(
		ps_train_job_finish(&r.job, &r.s, &r.data, &(ps_sae_about){.hook_name = ""}, &none),
		PS_EBUDGET);
	assert_false(r.job.over);
	rig_close(&r);
}

/* The curves are not drawn. That is said, and no failure. */
static void without_gnuplot_there_are_no_curves(void **state)
{
	const char *path = getenv("PATH");
	char *kept = strdup(path ? path : ""), prefix[300], program[300];
	struct rig r;

	(void)state;
	snprintf(prefix, sizeof prefix, "%s/log", scratch);
	snprintf(program, sizeof program, "%s/gnuplot", scratch);
	for (int broken = 0; broken < 2; broken++) {
		if (broken) {
			assert_int_equal(ps_file_replace(&ps_sys_linux, program,
							 "#!/bin/sh\nexit 1\n", 17, NULL),
					 0);
			assert_int_equal(chmod(program, 0755), 0);
		}
		assert_int_equal(start(&r, LATENTS, 0, "", prefix), 0);
		take_steps(&r, STEPS);
		setenv("PATH", scratch, 1);
		assert_int_equal(finish(&r), 0);
		setenv("PATH", kept, 1);
		assert_true(r.job.over && is_there("log.csv") && !is_there("log.svg"));
		rig_close(&r);
		scratch_remove(out);
	}
	free(kept);
}

static void an_input_is_never_the_output(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, LATENTS, 0, "");
	r.args.out = cache;
	assert_int_equal(ps_train_job_check(&r.job, &r.s.diag), PS_EUSAGE);
	r.args.out = out;
	snprintf(r.job.name, sizeof r.job.name, "x");
	snprintf(r.job.path, sizeof r.job.path, "%s", cache);
	assert_int_equal(ps_train_job_check(&r.job, &r.s.diag), PS_EUSAGE);
	rig_close(&r);
}

/* --- no memory --- */

static struct rig swept;

static int save_and_load(void *context)
{
	int rc = ps_train_job_save(&swept.job, &swept.s.diag);

	(void)context;
	if (!rc)
		rc = ps_train_job_load(&swept.job, &swept.s);
	if (!rc && !ps_json_memory_check(NULL))
		assert_int_equal(swept.job.resumed_at, 2);
	return rc;
}

/* The whole SAE, and what is told of it. */
static int finish_and_tell(void *context)
{
	json_t *json;
	int rc = finish(&swept);

	(void)context;
	if (rc)
		return rc;
	json = ps_train_job_json(&swept.job, &swept.data);
	if (!json)
		return PS_EBUDGET;
	if (!ps_json_memory_check(NULL))
		assert_int_equal(json_object_size(json), 8);
	json_decref(json);
	return 0;
}

static void every_allocation_of_an_end_may_fail(void **state)
{
	(void)state;
	assert_int_equal(start(&swept, LATENTS, 0, "", NULL), 0);
	take_steps(&swept, STEPS);
	assert_true(alloc_double_sweep(NULL, finish_and_tell, NULL) > 50);
	rig_close(&swept);
}

static void every_allocation_of_a_state_may_fail(void **state)
{
	(void)state;
	assert_int_equal(start(&swept, LATENTS, 0, "", NULL), 0);
	take_steps(&swept, 2);
	assert_true(alloc_double_sweep(NULL, save_and_load, NULL) > 50);
	rig_close(&swept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_saved_state_is_gone_on_from_to_the_same_bytes),
		TEST(a_damaged_state_is_not_used),
		TEST(a_state_of_another_run_is_not_used),
		TEST(a_state_that_cannot_be_read_is_not_written_over),
		TEST(a_state_that_cannot_be_is_refused),
		TEST(a_finished_sae_is_found_with_its_measures),
		TEST(a_finished_sae_that_was_changed_is_trained_anew),
		TEST(a_state_that_cannot_be_removed_is_told),
		TEST(logs_and_folders_have_the_names_of_their_saes),
		TEST(a_folder_that_cannot_be_made_is_told),
		TEST(rows_that_cannot_be_measured_are_told),
		TEST(without_memory_for_the_sae_nothing_is_finished),
		TEST(without_gnuplot_there_are_no_curves),
		TEST(an_input_is_never_the_output),
		TEST(every_allocation_of_an_end_may_fail),
		TEST(every_allocation_of_a_state_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
