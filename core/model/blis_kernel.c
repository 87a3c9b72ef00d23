#include "core/model/blis_kernel.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#if !__has_include(<omp.h>)
/* A BLIS built with OpenMP includes <omp.h> for the type of its threads' communicators. clang ships
 * that header in a package of its own. This program makes no communicator, so these guards leave
 * the type out. BLIS's inline functions, none of which is called, compile with the stand-in
 * below. */
#define BLIS_THRCOMM_OPENMP_H
#define BLIS_THRCOMM_PTHREADS_H
typedef struct thrcomm_s {
	long n_threads;
} thrcomm_t;
#endif

#include <blis.h>

typedef void (*sgemm_kernel)(dim_t m, dim_t n, dim_t k, float *alpha, float *a, float *b,
			     float *beta, float *c, inc_t rs, inc_t cs, auxinfo_t *data,
			     cntx_t *cntx);

/* The context of this CPU. The first call sets BLIS up. */
static cntx_t *query_context(void)
{
	/* A value that BLIS does not know aborts the process; one that it knows changes the
	 * kernel. */
	unsetenv("BLIS_ARCH_TYPE");
	unsetenv("BLIS_ARCH_DEBUG");
	return bli_gks_query_cntx();
}

static sigjmp_buf before_blis;

static void leave_blis(int signal_number)
{
	(void)signal_number;
	siglongjmp(before_blis, 1);
}

bool ps_blis_prepare(void)
{
	struct sigaction leave = {.sa_handler = leave_blis}, before;
	const bool aborted = sigsetjmp(before_blis, 1);

	if (!aborted) {
		sigaction(SIGABRT, &leave, &before);
		(void)query_context();
		sigaction(SIGABRT, &before, NULL);
		return true;
	}
	signal(SIGABRT, SIG_DFL);
	return false;
}

ps_blis_kernel ps_blis_kernel_query(void)
{
	cntx_t *context = query_context();

	return (ps_blis_kernel){
		.mr = (size_t)bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_MR, context),
		.nr = (size_t)bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_NR, context),
		.rows = bli_cntx_l3_nat_ukr_prefers_rows_dt(BLIS_FLOAT, BLIS_GEMM_UKR, context),
		.arch = bli_arch_string(bli_arch_query_id()),
		.kernel = (void (*)(void))(sgemm_kernel)bli_cntx_get_l3_nat_ukr_dt(
			BLIS_FLOAT, BLIS_GEMM_UKR, context),
		.context = context,
	};
}

void ps_blis_kernel_run(const ps_blis_kernel *blis, size_t k, const float *a, const float *b,
			float *c, bool add)
{
	sgemm_kernel kernel = (sgemm_kernel)blis->kernel;
	dim_t mr = (dim_t)blis->mr, nr = (dim_t)blis->nr;
	float one = 1, beta = add ? 1 : 0;
	auxinfo_t data = {0};

	bli_auxinfo_set_next_a((void *)a, &data);
	bli_auxinfo_set_next_b((void *)(b + k * blis->nr), &data);
	kernel(mr, nr, (dim_t)k, &one, (float *)a, (float *)b, &beta, c, blis->rows ? (inc_t)nr : 1,
	       blis->rows ? 1 : (inc_t)mr, &data, blis->context);
}

const char *ps_blis_version(void)
{
	return bli_info_get_version_str();
}
