/* test/support/support_alloc_double.h: an allocator that fails on demand, and counts what is held.
 *
 * It stands for malloc, calloc, realloc and free in the whole test program, the C library and
 * jansson included. Under a sanitizer it does not exist, because a sanitizer has its own
 * allocator. */
#ifndef PS_TEST_SUPPORT_SUPPORT_ALLOC_DOUBLE_H
#define PS_TEST_SUPPORT_SUPPORT_ALLOC_DOUBLE_H

#include <stdbool.h>

/* Makes something, looks at it, and frees it. Returns the code of the function under test. A result
 * that is not the right one must fail the test. */
typedef int alloc_attempt(void *context);

/* Calls prepare(context) (NULL: nothing), then attempt(context), which must return 0. Then does the
 * same once for each allocation of the attempt, which fails. Each of these attempts must return
 * PS_EBUDGET, or 0 if it could do without the memory, and must hold no more memory afterwards. The
 * same attempt, made again at once after every eighth, must return 0. Fails the test otherwise.
 * Returns the number of attempts that ended in PS_EBUDGET.
 *
 * The program calls ps_json_memory_watch before it makes any JSON: a lack of memory in jansson is
 * PS_EBUDGET too, as for the programs. Under a sanitizer this makes the first attempt alone, and
 * returns a number that is large enough for any test. */
long alloc_double_sweep(void (*prepare)(void *context), alloc_attempt *attempt, void *context);

/* For the test's own allocations in an attempt: with `paused` none is counted, and none fails. */
void alloc_double_pause(bool paused);

/* For a library that loses memory where it lacks some: a sweep does not look for it. */
void alloc_double_allow_loss(bool allowed);

#endif
