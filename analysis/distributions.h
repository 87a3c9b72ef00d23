/* analysis/distributions.h: tails and quantiles of Student's and the normal distribution.
 *
 * Relative errors are below 1e-13 (test/analysis/test_distributions.c compares with SciPy). All
 * numbers are f64. Only exp, log, log1p, sqrt and hypot of the C library are used, so two C
 * libraries may differ in the last bits. Threads: pure functions. */
#ifndef PS_ANALYSIS_DISTRIBUTIONS_H
#define PS_ANALYSIS_DISTRIBUTIONS_H

/* P(T > t) of Student's distribution with df > 0 degrees of freedom, which need not be whole:
 *   I_x(df / 2, 1 / 2) / 2,  x = df / (df + t^2)    for t >= 0
 * I is the regularised incomplete beta function, by a continued fraction of at most 60 terms. NaN
 * gives NaN. */
double ps_student_tail(double t, double df);

/* The t with P(T <= t) = p. Infinite for p 0 and 1, and where the density at t is below the
 * smallest f64. NaN for p outside. Newton's method, until no step changes the result. */
double ps_student_quantile(double p, double df);

/* The z with P(Z <= z) = p. Infinite for p 0 and 1, NaN outside. Rational approximations: PPND16
 * of Wichura, Algorithm AS 241, Applied Statistics 37 (1988), 477-484. */
double ps_normal_quantile(double p);

#endif
