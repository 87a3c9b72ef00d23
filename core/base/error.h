/* core/base/error.h: result codes, and the message that goes with them.
 *
 * A function that can fail returns 0 (or a count) if it succeeds, and a negative code if it fails:
 * one of the codes below, or -errno of a system call. The reason goes into a ps_diag that the
 * caller owns. The text of the first failure stays. Only tools/ prints the text and turns the code
 * into an exit status. */
#ifndef PS_CORE_BASE_ERROR_H
#define PS_CORE_BASE_ERROR_H

#define PS_MUST_USE __attribute__((warn_unused_result))
#define PS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum {
	PS_EFAILED = -2001, /* exit 1: failed, for a reason that no other code covers */
	PS_EUSAGE = -2002,  /* exit 2: bad flag, combination or range; another provenance there */
	PS_EINPUT = -2003,  /* exit 3: missing, invalid, corrupt or unsupported input */
	PS_EOUTPUT = -2004, /* exit 4: I/O failure, disk full, not writable (also -errno) */
	PS_EBUDGET = -2005, /* exit 5: memory budget too small, or out of memory (also -ENOMEM) */
	PS_EINTERRUPTED = -2130, /* exit 130: SIGINT or SIGTERM, state saved */
};

typedef struct ps_diag {
	char text[1024]; /* empty: no failure yet */
} ps_diag;

/* Returns code, and writes the message unless diag has one already. diag may be NULL. Control
 * characters in the message become '?': it is one line of plain text, whatever file it quotes. */
int ps_fail(ps_diag *diag, int code, const char *format, ...) PS_PRINTF(3, 4);

/* Returns -err, and writes the message with ": " and strerror(err) behind it, as ps_fail does. */
int ps_fail_errno(ps_diag *diag, int err, const char *format, ...) PS_PRINTF(3, 4);

/* The same for an input that cannot be read: returns PS_EINPUT whatever the kernel's reason is, but
 * PS_EBUDGET for ENOMEM. */
int ps_fail_input(ps_diag *diag, int err, const char *format, ...) PS_PRINTF(3, 4);

/* The exit status of a result code: 0 to 5, or 130. */
int ps_exit_code(int code);

#endif
