#include "tools/run/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/base/error.h"
#include "io/map_guard.h"

/* Handlers run on any thread and beside all others: lock-free atomics are all that they may
 * share. */
static atomic_int stop_signal;
static _Atomic(const char *) last_words;
static atomic_bool ending;

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_POINTER_LOCK_FREE == 2 &&
		       ATOMIC_BOOL_LOCK_FREE == 2,
	       "signal handlers need lock-free atomics");

/* write is safe in a handler; stdio is not. */
static void write_text(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

	(void)ignored;
}

static void write_last_words(void)
{
	const char *text = atomic_load(&last_words);

	atomic_store(&ending, true);
	if (text)
		write_text(text);
}

static void on_stop(int signal_number)
{
	if (!atomic_exchange(&stop_signal, signal_number))
		return;
	write_last_words();
	_exit(ps_exit_code(PS_EINTERRUPTED));
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	const char *path = ps_map_guard_find(info->si_addr);

	(void)context;
	write_last_words();
	if (!path) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
		return;
	}
	write_text("prunescope: ");
	write_text(path);
	write_text(": the file shrank or became unreadable while it was read\n");
	_exit(ps_exit_code(PS_EINPUT));
}

void ps_signals_install(void)
{
	struct sigaction stop = {.sa_handler = on_stop},
			 bus = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGBUS, &bus, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

int ps_stop_requested(void)
{
	return atomic_load(&stop_signal);
}

void ps_signals_last_words(const char *text)
{
	atomic_store(&last_words, text);
}

bool ps_signals_ending(void)
{
	return atomic_load(&ending);
}
