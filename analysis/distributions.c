#include "analysis/distributions.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

/* --- the incomplete beta function --- */

/* Below 60 are taken, whatever df. */
enum { TERMS = 1000 };

/* The factor f of I_x(a, b) = f x^a y^b / B(a, b), with y = 1 - x, as a continued fraction
 *   f = 1 / (beta_0 + alpha_1 / (beta_1 + alpha_2 / (beta_2 + ...)))
 *   alpha_n = (a + n - 1) (a + b + n - 1) n (b - n) x^2 / (a + 2n - 1)^2
 *   beta_n  = n + n (b - n) x / (a + 2n - 1) + (a + n) (lambda + 1 + n (1 + y)) / (a + 2n + 1)
 *   lambda  = a - (a + b) x = (a + b) y - b
 * from DiDonato and Morris, Algorithm 708, ACM Transactions on Mathematical Software 18 (1992),
 * equation 9. It converges fast for x < (a + 1) / (a + b + 2). Both x and y are given, and lambda
 * comes from the smaller: so no digits are lost where x is near 1. Summed by Lentz's method, with
 * the ratios of successive numerators and denominators. */
static double beta_fraction(double x, double y, double a, double b)
{
	const double lambda = y < x ? (a + b) * y - b : a - (a + b) * x;
	const double first = a / (a + 1) * (lambda + 1);
	double numerators = first, denominators = 0, value = first;

	for (int n = 1; n < TERMS; n++) {
		const double at = a + 2. * n - 1;
		const double alpha =
			(a + n - 1) * (a + b + n - 1) * n * (b - n) * x * x / (at * at);
		const double beta =
			n + n * (b - n) * x / at + (a + n) / (at + 2) * (lambda + 1 + n * (1 + y));
		double step;

		denominators = 1 / (beta + alpha * denominators);
		numerators = beta + alpha / numerators;
		step = numerators * denominators;
		value *= step;
		if (!(fabs(step - 1) > DBL_EPSILON))
			break;
	}
	return 1 / value;
}

/* --- Student's distribution --- */

/* From here on the series below is exact to the last bit. */
#define SERIES_FROM 64

/* Gamma(a + 1/2) / Gamma(a), which is sqrt(pi) / B(a, 1/2). The difference of two values of lgamma
 * would lose digits as a grows. The series is sqrt(a) (1 - 1 / 8a + 1 / 128a^2 + ...) (Graham,
 * Knuth, Patashnik: Concrete Mathematics, exercise 9.60). Smaller a are raised by
 * Gamma(a + 1) = a Gamma(a). */
static double gamma_ratio(double a)
{
	static const double term[] = {
		1.,           -1. / 8,        1. / 128,       5. / 1024,
		-21. / 32768, -399. / 262144, 869. / 4194304, 39325. / 33554432};
	double raised = 1, sum = 0;

	while (a < SERIES_FROM) {
		raised *= a / (a + 0.5);
		a += 1;
	}
	for (int i = sizeof term / sizeof *term; i-- > 0;)
		sum = sum / a + term[i];
	return raised * sqrt(a) * sum;
}

/* A point t >= 0, as the tail and the density need it. s = t / sqrt(df) */
struct student {
	double df;
	double inner, outer; /* 1 / (1 + s^2) and s^2 / (1 + s^2), which are 1 together */
	double share;        /* s / sqrt(1 + s^2) */
	double logarithm;    /* of 1 + s^2 */
	double ratio;        /* Gamma((df + 1) / 2) / (Gamma(df / 2) sqrt(pi)) */
};

static double student_ratio(double df)
{
	return gamma_ratio(df / 2) / sqrt(M_PI);
}

static struct student student_at(double t, double df, double ratio)
{
	const double s = t / sqrt(df), root = hypot(1, s);
	/* The square of s would be infinite, and 1 does not count beside it. */
	const bool far = s > 1e100;
	const double share = far ? 1 : s / root;

	return (struct student){.df = df,
				.inner = 1 / (root * root),
				.outer = share * share,
				.share = share,
				.logarithm = far ? 2 * log(s) : log1p(s * s),
				.ratio = ratio};
}

/* Of I_x(a, 1/2) and 1 - I_y(1/2, a) it takes the one that converges. */
static double upper_tail(const struct student *at)
{
	const double a = at->df / 2, b = 0.5, x = at->inner, y = at->outer;
	const double half = at->ratio * exp(-a * at->logarithm) * at->share / 2;

	if (y * (a + b + 2) > b + 1)
		return half * beta_fraction(x, y, a, b);
	return 0.5 - half * beta_fraction(y, x, b, a);
}

static double density(const struct student *at)
{
	return at->ratio / sqrt(at->df) * exp(-(at->df + 1) / 2 * at->logarithm);
}

double ps_student_tail(double t, double df)
{
	const struct student at = student_at(fabs(t), df, student_ratio(df));

	return t < 0 ? 1 - upper_tail(&at) : upper_tail(&at);
}

/* The t >= 0 whose tail is q. The tail is convex there, and Student's quantile lies above the
 * normal one. So Newton's steps from the normal quantile only rise, and stop where rounding hides
 * the rest. */
static double upper_quantile(double q, double df)
{
	const double ratio = student_ratio(df);
	double t = -ps_normal_quantile(q), next = t;

	do {
		struct student at;

		t = next;
		if (isinf(t))
			break;
		at = student_at(t, df, ratio);
		next = t + (upper_tail(&at) - q) / density(&at);
	} while (next > t);
	return isnan(next) ? next : t;
}

double ps_student_quantile(double p, double df)
{
	return p < 0.5 ? -upper_quantile(p, df) : upper_quantile(1 - p, df);
}

/* --- the normal distribution --- */

enum { COEFFICIENTS = 8 };

struct rational {
	double above[COEFFICIENTS], below[COEFFICIENTS]; /* from the constant term */
};

static double rational_at(const struct rational *f, double r)
{
	double above = 0, below = 0;

	for (int i = COEFFICIENTS; i-- > 0;) {
		above = above * r + f->above[i];
		below = below * r + f->below[i];
	}
	return above / below;
}

/* |p - 1/2| <= 0.425, as a function of 0.425^2 - (p - 1/2)^2 */
static const struct rational near_median = {
	{3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
	 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
	 3.3430575583588128105e4, 2.5090809287301226727e3},
	{1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
	 2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
	 5.2264952788528545610e3}};

/* r = sqrt(-ln min(p, 1 - p)) <= 5, as a function of r - 1.6 */
static const struct rational in_tail = {
	{1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
	 3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
	 2.27238449892691845833e-2, 7.74545014278341407640e-4},
	{1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
	 1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
	 1.05075007164441684324e-9}};

/* r > 5, as a function of r - 5 */
static const struct rational far_out = {
	{6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
	 2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
	 2.71155556874348757815e-5, 2.01033439929228813265e-7},
	{1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
	 7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
	 2.04426310338993978564e-15}};

double ps_normal_quantile(double p)
{
	const double q = p - 0.5;
	double r, z;

	if (fabs(q) <= 0.425)
		return q * rational_at(&near_median, 0.180625 - q * q);
	r = sqrt(-log(q < 0 ? p : 1 - p));
	if (isinf(r))
		z = r;
	else if (r <= 5)
		z = rational_at(&in_tail, r - 1.6);
	else
		z = rational_at(&far_out, r - 5);
	return q < 0 ? -z : z;
}
