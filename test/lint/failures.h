/* test/lint/failures.h: what the analyzers of gcc and clang have to know of ps_fail. They look at
 * one source at a time, so they do not see that it never returns 0. */
#include <stdlib.h>

#include "core/base/error.h"

static inline int ps_is_failure(int code)
{
	if (code >= 0)
		abort();
	return code;
}

#define ps_fail(...) ps_is_failure(ps_fail(__VA_ARGS__))
#define ps_fail_errno(...) ps_is_failure(ps_fail_errno(__VA_ARGS__))
