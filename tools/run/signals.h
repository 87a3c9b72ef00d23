/* tools/run/signals.h: what the process does on signals.
 *
 * SIGINT, SIGTERM: the first one asks to stop; loops see it through ps_stop_requested. The
 * second one ends the process at once with exit status 130. SIGBUS in a mapped file (the file
 * shrank, or its disk failed): names the file, exit status 3. SIGPIPE, SIGXFSZ: ignored, so
 * that the write itself fails with an error that can be reported.
 *
 * Handlers belong to the process, so this module has the state of the process and no context. */
#ifndef PS_TOOLS_RUN_SIGNALS_H
#define PS_TOOLS_RUN_SIGNALS_H

#include <stdbool.h>

/* Installs all handlers. Calling it again changes nothing. */
void ps_signals_install(void);

/* The number of the signal that asked to stop; 0 if none did. Any thread may call it. */
int ps_stop_requested(void);

/* What a handler writes to stderr before it ends the process. The progress line uses it to
 * erase itself. text is static and stays valid; NULL: nothing. Any thread may call it. */
void ps_signals_last_words(const char *text);
/* True from the last words on: threads that still run should write nothing more. */
bool ps_signals_ending(void);

#endif
