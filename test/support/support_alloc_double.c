#include "test/support/support_alloc_double.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/error.h"
#include "core/base/json_memory.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

long alloc_double_sweep(void (*prepare)(void *context), alloc_attempt *attempt, void *context)
{
	if (prepare)
		prepare(context);
	assert_int_equal(attempt(context), 0);
	return LONG_MAX;
}

void alloc_double_pause(bool paused)
{
	(void)paused;
}

void alloc_double_allow_loss(bool allowed)
{
	(void)allowed;
}

#else

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

static atomic_bool resting, lossy;
static atomic_long held, count, fail_at;

/* Counts an allocation. True if it must fail. */
static bool fails(void)
{
	bool now =
		!atomic_load(&resting) && atomic_fetch_add(&count, 1) + 1 == atomic_load(&fail_at);

	if (now)
		errno = ENOMEM;
	return now;
}

static void *hold(void *memory)
{
	if (memory)
		atomic_fetch_add(&held, 1);
	return memory;
}

void *malloc(size_t bytes)
{
	return fails() ? NULL : hold(__libc_malloc(bytes));
}

void *calloc(size_t number, size_t bytes)
{
	return fails() ? NULL : hold(__libc_calloc(number, bytes));
}

void *realloc(void *old, size_t bytes)
{
	if (old && !bytes) {
		free(old);
		return NULL;
	}
	if (fails())
		return NULL;
	return old ? __libc_realloc(old, bytes) : hold(__libc_malloc(bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	return fails() ? NULL : hold(__libc_memalign(alignment, bytes));
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
	void *memory = aligned_alloc(alignment, bytes);

	if (!memory)
		return ENOMEM;
	*out = memory;
	return 0;
}

void free(void *memory)
{
	if (memory)
		atomic_fetch_sub(&held, 1);
	__libc_free(memory);
}

/* Makes an attempt whose n-th allocation fails. *last: it made fewer. */
static int disturb(alloc_attempt *attempt, void *context, long n, bool *last)
{
	long before = atomic_load(&held), leaked;
	int rc;

	atomic_store(&count, 0);
	atomic_store(&fail_at, n);
	ps_json_memory_watch();
	rc = attempt(context);
	atomic_store(&fail_at, 0);
	*last = atomic_load(&count) < n;
	leaked = atomic_load(&held) - before;
	if (ps_json_memory_check(NULL)) {
		rc = PS_EBUDGET;
		leaked = 0; /* ps_json_load lets it go */
	}
	ps_json_memory_watch();
	if (rc && ps_exit_code(rc) != ps_exit_code(PS_EBUDGET))
		fail_msg("allocation %ld failed: code %d, not %d", n, rc, PS_EBUDGET);
	if (leaked && !atomic_load(&lossy))
		fail_msg("allocation %ld failed: %ld allocations are lost", n, leaked);
	return rc;
}

void alloc_double_pause(bool paused)
{
	atomic_store(&resting, paused);
}

void alloc_double_allow_loss(bool allowed)
{
	atomic_store(&lossy, allowed);
}

long alloc_double_sweep(void (*prepare)(void *context), alloc_attempt *attempt, void *context)
{
	long refused = 0;
	bool last = false;

	if (prepare)
		prepare(context);
	assert_int_equal(attempt(context), 0);
	for (long n = 1; !last; n++) {
		if (prepare)
			prepare(context);
		if (disturb(attempt, context, n, &last))
			refused++;
		if (n % 8 == 1 && attempt(context))
			fail_msg("after allocation %ld failed, the next attempt fails too", n);
	}
	return refused;
}

#endif
