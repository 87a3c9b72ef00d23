/* core/base/error: the first message stays, and is one line of plain text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/error.h"

static void the_first_message_stays(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_fail(&diag, PS_EINPUT, "%s: %d", "file", 3), PS_EINPUT);
	assert_int_equal(ps_fail(&diag, PS_EUSAGE, "later"), PS_EUSAGE);
	assert_string_equal(diag.text, "file: 3");
	assert_int_equal(ps_fail(NULL, PS_EFAILED, "nobody listens"), PS_EFAILED);
}

static void an_errno_adds_its_reason(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_fail_errno(&diag, ENOENT, "a file"), -ENOENT);
	assert_string_equal(diag.text, "a file: No such file or directory");
	assert_int_equal(ps_exit_code(-ENOENT), 4);
}

static void control_characters_do_not_reach_a_terminal(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	(void)ps_fail(&diag, PS_EINPUT, "key '%s'",
		      "a\033[2Jb\nc\x7f d\xc2\x9b"
		      "31me");
	assert_string_equal(diag.text, "key 'a?[2Jb?c? d??31me'");
	diag = (ps_diag){{0}};
	(void)ps_fail(&diag, PS_EINPUT, "%s", "caf\xc3\xa9 \xe4\xb8\xad\xc2\xa0.");
	assert_string_equal(diag.text, "caf\xc3\xa9 \xe4\xb8\xad\xc2\xa0.");
}

static void a_long_message_is_cut(void **state)
{
	ps_diag diag = {{0}};
	char name[2000];

	(void)state;
	memset(name, 'x', sizeof name);
	name[sizeof name - 1] = 0;
	(void)ps_fail_errno(&diag, EIO, "%s", name);
	assert_int_equal(strlen(diag.text), sizeof diag.text - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_message_stays),
		cmocka_unit_test(an_errno_adds_its_reason),
		cmocka_unit_test(control_characters_do_not_reach_a_terminal),
		cmocka_unit_test(a_long_message_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
