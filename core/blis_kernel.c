#include "core/blis_kernel.h"

#include <stdlib.h>

#include <blis.h>

typedef void (*sgemm_kernel)(dim_t m, dim_t n, dim_t k, float *alpha, float *a, float *b, float *beta, float *c, inc_t rs, inc_t cs,
			     auxinfo_t *data, cntx_t *cntx);

/* BLIS keeps its context for the life of the process; so does this reference to it. */
static struct {
	sgemm_kernel kernel;
	cntx_t *context;
	dim_t mr, nr;
	inc_t rs, cs;
} native;

static void run(size_t k, const float *a, const float *b, const float *next_a, const float *next_b, float *c)
{
	float one = 1, zero = 0;
	auxinfo_t data;

	bli_auxinfo_set_next_a((void *)next_a, &data);
	bli_auxinfo_set_next_b((void *)next_b, &data);
	bli_auxinfo_set_is_a(0, &data);
	bli_auxinfo_set_is_b(0, &data);
	native.kernel(native.mr, native.nr, (dim_t)k, &one, (float *)a, (float *)b, &zero, c, native.rs, native.cs, &data, native.context);
}

ps_blis_kernel ps_blis_kernel_query(void)
{
	bool rows;

	/* A value that BLIS does not know aborts the process, one that it knows changes the kernel. */
	unsetenv("BLIS_ARCH_TYPE");
	unsetenv("BLIS_ARCH_DEBUG");
	native.context = bli_gks_query_cntx();
	native.kernel = (sgemm_kernel)bli_cntx_get_l3_nat_ukr_dt(BLIS_FLOAT, BLIS_GEMM_UKR, native.context);
	native.mr = bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_MR, native.context);
	native.nr = bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_NR, native.context);
	rows = bli_cntx_l3_nat_ukr_prefers_rows_dt(BLIS_FLOAT, BLIS_GEMM_UKR, native.context);
	native.rs = rows ? native.nr : 1;
	native.cs = rows ? 1 : native.mr;
	return (ps_blis_kernel){.mr = (size_t)native.mr, .nr = (size_t)native.nr, .rows = rows, .arch = bli_arch_string(bli_arch_query_id()), .run = run};
}
