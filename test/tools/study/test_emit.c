/* The files that `study --emit` writes: quoting, refused paths, what is asked of an engine, and
 * that the order which an engine is told is the graph's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/support/support_study.h"
#include "tools/study/emission.h"
#include "tools/study/emit.h"

/* What the study's graph is emitted as, to be freed; *rc: the code. */
static char *emit(test_study *s, ps_engine_kind kind, const ps_execute_options *options, int *rc)
{
	FILE *out = tmpfile();
	char *text;
	long length;

	assert_non_null(out);
	s->session.diag = (ps_diag){{0}};
	*rc = ps_emit(&s->graph, kind, options, out);
	length = ftell(out);
	text = calloc(1, (size_t)length + 1);
	assert_non_null(text);
	rewind(out);
	assert_int_equal(fread(text, 1, (size_t)length, out), length);
	fclose(out);
	return text;
}

static char *emitted(test_study *s, ps_engine_kind kind, const ps_execute_options *options)
{
	int rc;
	char *text = emit(s, kind, options, &rc);

	if (rc)
		fail_msg("%s", s->session.diag.text);
	return text;
}

static const ps_execute_options plain;

/* How often text has the word. */
static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		n++;
	return n;
}

static void engines_have_names(void **state)
{
	ps_engine_kind kind;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_emit_parse("make", &kind, &diag), 0);
	assert_int_equal(kind, PS_EMIT_MAKE);
	assert_int_equal(ps_emit_parse("slurm", &kind, &diag), 0);
	assert_int_equal(kind, PS_EMIT_SLURM);
	assert_int_equal(ps_emit_parse("ninja", &kind, &diag), PS_EUSAGE);
	assert_non_null(strstr(diag.text, "ninja"));
}

static void a_shell_reads_back_what_is_quoted(void **state)
{
	static const char *const words[] = {"plain", "",  "two words",
					    "it's",  "'", "$HOME `x` \"\\"};
	char command[512], read[128];

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		FILE *out = fmemopen(command, sizeof command, "w"), *shell;

		fputs("printf %s ", out);
		ps_emit_quoted(out, words[i]);
		fclose(out);
		shell = popen(command, "r");
		assert_non_null(shell);
		read[fread(read, 1, sizeof read - 1, shell)] = 0;
		assert_int_equal(pclose(shell), 0);
		assert_string_equal(read, words[i]);
	}
}

static int code_of(test_study *s, ps_engine_kind kind)
{
	int rc;

	free(emit(s, kind, &plain, &rc));
	return rc;
}

static void paths_that_a_file_cannot_hold_are_refused(void **state)
{
	static const struct {
		const char *path;
		int make, snakemake, slurm;
	} cases[] = {
		{"out-1.2_b/c", 0, 0, 0},         {"two words", PS_EUSAGE, 0, 0},
		{"a=b", PS_EUSAGE, 0, 0},         {"a$b", PS_EUSAGE, 0, 0},
		{"it's", PS_EUSAGE, 0, 0},        {"\"", PS_EUSAGE, 0, 0},
		{"a\\b", PS_EUSAGE, 0, 0},        {"a%b", PS_EUSAGE, 0, 0},
		{"{a}", PS_EUSAGE, PS_EUSAGE, 0}, {"a\nb", PS_EUSAGE, PS_EUSAGE, PS_EUSAGE},
		{"gr\303\274n", 0, 0, 0},
	};
	test_study s;

	(void)state;
	test_study_open(&s, "[0.5]");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		s.graph.out = cases[i].path;
		assert_int_equal(code_of(&s, PS_EMIT_MAKE), cases[i].make);
		assert_int_equal(code_of(&s, PS_EMIT_SNAKEMAKE), cases[i].snakemake);
		assert_int_equal(code_of(&s, PS_EMIT_SLURM), cases[i].slurm);
		assert_int_equal(code_of(&s, PS_EMIT_JSON), 0);
	}
	s.graph.out = s.out;
	s.graph.path = "a b";
	assert_int_equal(code_of(&s, PS_EMIT_MAKE), PS_EUSAGE);
	assert_non_null(strstr(s.session.diag.text, "0x20"));
	test_study_close(&s);
}

static void a_file_that_cannot_be_written_is_an_error(void **state)
{
	test_study s;
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	test_study_open(&s, "[0.5]");
	for (int kind = PS_EMIT_MAKE; kind <= PS_EMIT_JSON; kind++)
		assert_int_equal(ps_emit(&s.graph, (ps_engine_kind)kind, &plain, full), PS_EOUTPUT);
	fclose(full);
	test_study_close(&s);
}

static void limits_leave_room(void **state)
{
	ps_session session = {.memory_bytes = (size_t)3 << 30};
	ps_graph graph = {.session = &session};
	const ps_emission e = {.graph = &graph};

	(void)state;
	assert_int_equal(ps_emit_minutes(0), 0);
	assert_int_equal(ps_emit_minutes(1), 10);
	assert_int_equal(ps_emit_minutes(3600), 240);
	assert_int_equal(ps_emit_minutes(1e12), 100000);
	assert_int_equal(ps_emit_mib(&e, &(ps_cost){0}), 3072);
	assert_int_equal(ps_emit_mib(&e, &(ps_cost){.memory_bytes = 400 << 20}), 500);
	assert_int_equal(ps_emit_mib(&e, &(ps_cost){.memory_bytes = 1}), 256);
	assert_int_equal(ps_emit_disk_mib(&(ps_cost){0}), 1);
	assert_int_equal(ps_emit_disk_mib(&(ps_cost){.disk_bytes = (1 << 20) + 1}), 2);
}

/* --- make --- */

/* The rule whose target is the node's record: from the start of its line to its recipe. */
static char *rule_of(const char *text, const ps_node *n)
{
	char start[256], *rule;
	const char *at;

	snprintf(start, sizeof start, "\n%s:", n->record);
	at = strstr(text, start);
	if (!at)
		fail_msg("no rule makes %s", n->record);
	assert_null(strstr(at + 1, start));
	rule = strndup(at + 1, (size_t)(strstr(at, "\n\t$(STEP)") - at));
	assert_non_null(rule);
	return rule;
}

static void a_makefile_has_a_rule_for_each_step(void **state)
{
	test_study s;
	char *text;

	(void)state;
	test_study_open(&s, "[0.3, 0.5]");
	text = emitted(&s, PS_EMIT_MAKE, &plain);
	for (size_t i = 0; i < s.graph.count; i++) {
		const ps_node *n = &s.graph.nodes[i];
		char *rule = rule_of(text, n), *bar = strstr(rule, " |");

		assert_int_equal(count(rule, ".json"), 1 + n->after_count);
		for (size_t j = 0; j < n->after_count; j++) {
			const ps_node *input = &s.graph.nodes[n->after[j]];
			const char *at = strstr(rule, input->record);

			/* A cache, and nothing else, is an order-only prerequisite. */
			assert_non_null(at);
			assert_int_equal(bar && at > bar, input->kind->transient);
		}
		assert_null(strstr(rule, "stale"));
		/* An output that is gone is noticed, but for caches: they come and go. */
		assert_int_equal(strstr(rule, "$(call gone,") != NULL,
				 n->output && !n->kind->transient);
		free(rule);
	}
	free(text);
	test_study_close(&s);
}

/* A study file of which k changed, as the records see it. */
static void make_other(test_study *s, const char *id)
{
	ps_node *n = test_study_find(s, id);
	char key[PS_DIGEST_TEXT];

	memcpy(key, n->key, sizeof key);
	memset(n->key, '0', sizeof n->key - 1);
	test_study_make(s, n);
	memcpy(n->key, key, sizeof key);
	assert_int_equal(ps_graph_look(&s->graph, n), 0);
	assert_int_equal(n->state, PS_NODE_STALE);
}

static void records_of_other_inputs_are_not_taken_for_results(void **state)
{
	test_study s;
	char *text, *rule;
	const ps_node *n;

	(void)state;
	test_study_open(&s, "[0.5]");
	make_other(&s, "llama/dense/ppl");
	n = test_study_find(&s, "llama/dense/ppl");
	text = emitted(&s, PS_EMIT_MAKE, &plain);
	rule = rule_of(text, n);
	assert_non_null(strstr(rule, "$(call stale,"));
	assert_non_null(strstr(rule, n->key));
	assert_int_equal(count(text, "$(call stale,"), 1);
	free(rule);
	free(text);
	text = emitted(&s, PS_EMIT_SNAKEMAKE, &plain);
	assert_int_equal(count(text, "os.remove(record)"), 2);
	assert_int_equal(count(text, n->key), 2);
	free(text);
	test_study_close(&s);
}

static void options_of_the_study_are_passed_on(void **state)
{
	const ps_execute_options both = {.force = true, .keep_caches = true};
	test_study s;

	(void)state;
	test_study_open(&s, "[0.5]");
	for (int kind = PS_EMIT_MAKE; kind <= PS_EMIT_JSON; kind++) {
		char *with = emitted(&s, (ps_engine_kind)kind, &both);
		char *without = emitted(&s, (ps_engine_kind)kind, &plain);

		assert_true(count(with, "--force") > 0);
		assert_int_equal(count(without, "--force"), 0);
		assert_true(count(with, "--keep-caches") > count(without, "--keep-caches"));
		free(with);
		free(without);
	}
	test_study_close(&s);
}

static void snakemake_removes_caches_unless_they_are_kept(void **state)
{
	const ps_execute_options keep = {.keep_caches = true};
	test_study s;
	char *text;

	(void)state;
	test_study_open(&s, "[0.5]");
	text = emitted(&s, PS_EMIT_SNAKEMAKE, &plain);
	/* Of the dense model, both pruned ones and the random mask. */
	assert_int_equal(count(text, "temp(directory("), 4);
	assert_int_equal(count(text, "\nrule "), 1 + s.graph.count);
	/* Only the report's step removes what a killed Snakemake left. */
	assert_int_equal(count(text, "caches=\"\""), 1);
	free(text);
	text = emitted(&s, PS_EMIT_SNAKEMAKE, &keep);
	assert_int_equal(count(text, "temp("), 0);
	assert_int_equal(count(text, "caches=\"\""), 0);
	free(text);
	test_study_close(&s);
}

/* --- Slurm --- */

enum { ARRAYS_MAX = 64 };

/* An emitted script, read back. */
struct script {
	size_t arrays;
	size_t array_of[256];               /* of each node; ARRAYS_MAX: none */
	bool waits[ARRAYS_MAX][ARRAYS_MAX]; /* also through others */
};

static void read_arrays(test_study *s, const char *text, struct script *script)
{
	char line[256];
	const char *at = text;

	assert_true(s->graph.count <= sizeof script->array_of / sizeof *script->array_of);
	for (size_t i = 0; i < s->graph.count; i++)
		script->array_of[i] = ARRAYS_MAX;
	while ((at = strstr(at, "\narray_"))) {
		size_t array = strtoul(at + strlen("\narray_"), NULL, 10);

		assert_true(array < ARRAYS_MAX);
		script->arrays++;
		for (at = strchr(at + 1, '\n'); at[1] == '\t'; at = strchr(at + 1, '\n')) {
			assert_int_equal(sscanf(at, " %255s", line), 1);
			script->array_of[test_study_find(s, line) - s->graph.nodes] = array;
		}
	}
}

/* "job_A_0=$(submit A_0 ... "$job_B_0" ...)": what is waited for must have been submitted
 * before. */
static void read_submissions(const char *text, struct script *script)
{
	bool submitted[ARRAYS_MAX] = {false};
	const char *at = text;

	while ((at = strstr(at, "\njob_"))) {
		size_t array = strtoul(at + strlen("\njob_"), NULL, 10), other;
		const char *end = strstr(at, ")\n");

		while ((at = strstr(at, "\"$job_")) && at < end) {
			other = strtoul(at + strlen("\"$job_"), NULL, 10);
			assert_true(submitted[other]);
			script->waits[array][other] = true;
			for (size_t i = 0; i < ARRAYS_MAX; i++)
				script->waits[array][i] |= script->waits[other][i];
			at++;
		}
		submitted[array] = true;
		at = end;
	}
	for (size_t i = 0; i < script->arrays; i++)
		assert_true(submitted[i]);
}

static void slurm_starts_a_step_after_those_that_it_reads(void **state)
{
	struct script script = {0};
	test_study s;
	char *text;

	(void)state;
	test_study_open(&s, "[0.3, 0.5]");
	text = emitted(&s, PS_EMIT_SLURM, &plain);
	read_arrays(&s, text, &script);
	read_submissions(text, &script);
	for (size_t i = 0; i < s.graph.count; i++) {
		const ps_node *n = &s.graph.nodes[i];

		assert_true(script.array_of[i] < script.arrays);
		for (size_t j = 0; j < n->after_count; j++)
			assert_true(script.waits[script.array_of[i]][script.array_of[n->after[j]]]);
		for (size_t j = 0; j < i; j++)
			if (script.array_of[j] == script.array_of[i])
				assert_ptr_equal(n->kind, s.graph.nodes[j].kind);
	}
	free(text);
	test_study_close(&s);
}

static void bash_takes_the_script(void **state)
{
	test_study s;
	char *text;
	FILE *bash;

	(void)state;
	test_study_open(&s, "[0.5]");
	s.graph.out = "it's $a `b` \"c\\";
	text = emitted(&s, PS_EMIT_SLURM, &plain);
	bash = popen("bash -n", "w");
	assert_non_null(bash);
	fputs(text, bash);
	assert_int_equal(pclose(bash), 0);
	free(text);
	test_study_close(&s);
}

/* --- JSON --- */

static bool lists(const json_t *list, const char *text)
{
	const json_t *value;
	size_t i;

	json_array_foreach (list, i, value)
		if (!strcmp(json_string_value(value), text))
			return true;
	return false;
}

static void json_names_what_a_step_reads_and_writes(void **state)
{
	test_study s;
	char *text;
	json_t *whole, *steps;

	(void)state;
	test_study_open(&s, "[0.5]");
	text = emitted(&s, PS_EMIT_JSON, &plain);
	whole = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	steps = json_object_get(whole, "steps");
	assert_int_equal(json_array_size(steps), s.graph.count);
	for (size_t i = 0; i < s.graph.count; i++) {
		const json_t *step = json_array_get(steps, i);
		const json_t *inputs = json_object_get(step, "inputs"), *outputs, *command;
		const ps_node *n = &s.graph.nodes[i];

		outputs = json_object_get(step, "outputs");
		command = json_object_get(step, "command");
		assert_string_equal(json_string_value(json_object_get(step, "id")), n->id);
		assert_string_equal(json_string_value(json_object_get(step, "key")), n->key);
		assert_true(json_is_false(json_object_get(step, "done")));
		assert_true(json_is_real(json_object_get(step, "seconds")));
		assert_true(json_is_integer(json_object_get(step, "memory_bytes")));
		assert_true(json_is_integer(json_object_get(step, "disk_bytes")));
		assert_int_equal(json_array_size(json_object_get(step, "after")), n->after_count);
		assert_true(lists(command, "--only") && lists(command, n->id));
		assert_true(lists(outputs, n->record) && (!n->output || lists(outputs, n->output)));
		assert_true(lists(inputs, s.path));
		for (size_t j = 0; j < n->after_count; j++)
			assert_true(lists(inputs, s.graph.nodes[n->after[j]].record));
	}
	assert_true(
		lists(json_object_get(json_array_get(steps, 0), "inputs"), "demo/models/llama"));
	json_decref(whole);
	free(text);
	test_study_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_have_names),
		cmocka_unit_test(a_shell_reads_back_what_is_quoted),
		cmocka_unit_test(paths_that_a_file_cannot_hold_are_refused),
		cmocka_unit_test(a_file_that_cannot_be_written_is_an_error),
		cmocka_unit_test(limits_leave_room),
		cmocka_unit_test(a_makefile_has_a_rule_for_each_step),
		cmocka_unit_test(records_of_other_inputs_are_not_taken_for_results),
		cmocka_unit_test(options_of_the_study_are_passed_on),
		cmocka_unit_test(snakemake_removes_caches_unless_they_are_kept),
		cmocka_unit_test(slurm_starts_a_step_after_those_that_it_reads),
		cmocka_unit_test(bash_takes_the_script),
		cmocka_unit_test(json_names_what_a_step_reads_and_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
