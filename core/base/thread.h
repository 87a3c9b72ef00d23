/* core/base/thread.h: threads that work beside the one that computes. */
#ifndef PS_CORE_BASE_THREAD_H
#define PS_CORE_BASE_THREAD_H

#include <pthread.h>

#include "core/base/error.h"

/* Starts a thread with signals blocked, so that the computing thread receives them. SIGBUS and
 * SIGSEGV stay: they belong to the thread that causes them. -ENOMEM if there is no memory for its
 * stack or no process is left; else -errno. */
int ps_thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument) PS_MUST_USE;

#endif
