/* core/model/blis_kernel.h: the one place where BLIS is called. Private to core/model/kernel.c. */
#ifndef PS_CORE_MODEL_BLIS_KERNEL_H
#define PS_CORE_MODEL_BLIS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/* C (+)= A B on packed panels: A is (k, mr), B is (k, nr), each k-slice contiguous.
 * C (mr, nr) is row-major when rows, else column-major; without add, what it held is not read. */
typedef struct ps_blis_kernel {
	size_t mr, nr;
	bool rows;
	const char *arch;
	void (*kernel)(
		void); /* BLIS's function and its context, which live as long as the process */
	void *context;
} ps_blis_kernel;

/* The sgemm micro-kernel of BLIS's context for this CPU. */
ps_blis_kernel ps_blis_kernel_query(void);

void ps_blis_kernel_run(const ps_blis_kernel *blis, size_t k, const float *a, const float *b,
			float *c, bool add);

#endif
