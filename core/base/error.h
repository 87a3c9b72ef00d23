/* core/base/error.h: result codes and the message that goes with them.
 *
 * Every function that can fail returns 0 (or a count >= 0) or a negative code: one of the codes below, or
 * -errno where the kernel gave one. The reason travels up in a ps_diag that the caller owns; the first
 * failure's text stays. Only tools/ prints it or turns the code into an exit status. */
#ifndef PS_CORE_BASE_ERROR_H
#define PS_CORE_BASE_ERROR_H

#define PS_MUST_USE __attribute__((warn_unused_result))
#define PS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum {
	PS_EFAILED = -2001, /* exit 1: failed */
	PS_EUSAGE = -2002,  /* exit 2: flag, combination or range; another provenance in the way */
	PS_EINPUT = -2003,  /* exit 3: missing, invalid, corrupt or unsupported input */
	PS_EOUTPUT = -2004, /* exit 4: I/O failure, disk full, not writable (also every -errno) */
	PS_EBUDGET = -2005, /* exit 5: memory budget too small */
	PS_EINTERRUPTED = -2130, /* exit 130: SIGINT or SIGTERM, state saved */
};

typedef struct ps_diag {
	char text[1024]; /* empty: no failure yet */
} ps_diag;

/* Notes the message unless one is there already (diag may be NULL) and returns code. */
int ps_fail(ps_diag *diag, int code, const char *format, ...) PS_PRINTF(3, 4);

/* As ps_fail with -err, ": " and strerror(err) appended. */
int ps_fail_errno(ps_diag *diag, int err, const char *format, ...) PS_PRINTF(3, 4);

/* The contract's exit status of a code: 0..5 or 130. */
int ps_exit_code(int code);

#endif
