/* core/model/blis_kernel.h: the one place where BLIS is called. core/model/kernel.c calls
 * it; the version is for everyone. */
#ifndef PS_CORE_MODEL_BLIS_KERNEL_H
#define PS_CORE_MODEL_BLIS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/* BLIS's micro-kernel for C (+)= A^T B on packed panels A (k, mr) and B (k, nr), each slice
 * contiguous. */
typedef struct ps_blis_kernel {
	size_t mr, nr;
	bool rows;            /* C (mr, nr) is row-major, else column-major */
	const char *arch;     /* what BLIS calls this CPU; static text */
	void (*kernel)(void); /* BLIS's function and its context live as long as the process */
	void *context;
} ps_blis_kernel;

/* Sets BLIS up, which allocates. BLIS aborts the process where it gets no memory; here that abort
 * is caught. False: there is no memory, and BLIS must not be used. Call it before other threads
 * run. */
bool ps_blis_prepare(void);

/* "0.9.0"; static text. It needs no ps_blis_prepare. */
const char *ps_blis_version(void);

/* The sgemm micro-kernel of BLIS's context for this CPU. */
ps_blis_kernel ps_blis_kernel_query(void);

/* C = A^T B, or C += A^T B with add. Without add the old contents of C are not read. */
void ps_blis_kernel_run(const ps_blis_kernel *blis, size_t k, const float *a, const float *b,
			float *c, bool add);

#endif
