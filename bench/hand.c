/*
 * One element-wise loop for every rule of MXNet's guide, AdamW and Lion, as one would write it by hand: what hand.py
 * compares numoptim with.
 *
 *     hand_<rule>_<f32|f64>(n, w, g, slots ..., c)
 *
 * c are the rule's constants, which become REAL before the loop: wd, rescale_grad, clip_gradient, then the rule's
 * hyper-parameters in the order of numoptim.h, then what it derives from them for a step, in the order of its file in
 * numoptim/rules. Nothing is checked. The arithmetic is numoptim's to the bit, so that only compilers and loops differ:
 * the gradient rescaled and clipped, wd*w added, slot values below the smallest normal number stored as 0.
 * The file includes itself, once for each type.
 */
#ifndef REAL
#include <float.h>
#include <stdint.h>
#include <tgmath.h>

#define REAL float
#define TINY FLT_MIN
#define NAME(name) name##_f32
#include "hand.c"
#undef REAL
#undef TINY
#undef NAME
#define REAL double
#define TINY DBL_MIN
#define NAME(name) name##_f64
#include "hand.c"

#else

#define IN const REAL *restrict
#define IO REAL *restrict
#define GRADIENT const REAL wd = c[0], rescale = c[1], bound = c[2]
#define CLIPPED clip(rescale * g[i], -bound, bound)
#define DECAYED (CLIPPED + wd * w[i])
#define clip NAME(clip)
#define sign NAME(sign)
#define flush NAME(flush)
#define EACH for (int64_t i = 0; i < n; i++)

static inline REAL clip(REAL x, REAL low, REAL high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static inline REAL sign(REAL x)
{
    const REAL up = x > 0 ? 1 : x;
    return x < 0 ? -1 : up;
}

static inline REAL flush(REAL x)
{
    return fabs(x) < TINY ? 0 : x;
}

void NAME(hand_sgd)(int64_t n, IO w, IN g, const double *c)
{
    GRADIENT, rate = c[3];
    EACH w[i] = w[i] - rate * DECAYED;
}

void NAME(hand_sgd_momentum)(int64_t n, IO w, IN g, IO v, const double *c)
{
    GRADIENT, rate = c[3], momentum = c[4];
    EACH {
        const REAL x = DECAYED, b = momentum * v[i] - rate * x;
        w[i] = w[i] + b;
        v[i] = flush(b);
    }
}

void NAME(hand_nag)(int64_t n, IO w, IN g, IO v, const double *c)
{
    GRADIENT, rate = c[3], momentum = c[4];
    EACH {
        const REAL x = DECAYED, b = momentum * v[i] - rate * x;
        w[i] = w[i] + momentum * b - rate * x;
        v[i] = flush(b);
    }
}

void NAME(hand_adagrad)(int64_t n, IO w, IN g, IO s, const double *c)
{
    GRADIENT, rate = c[3], epsilon = c[4];
    EACH {
        const REAL x = DECAYED, b = s[i] + x * x;
        w[i] = w[i] - rate * x / sqrt(b + epsilon);
        s[i] = flush(b);
    }
}

void NAME(hand_rmsprop)(int64_t n, IO w, IN g, IO s, const double *c)
{
    GRADIENT, rate = c[3], gamma1 = c[4], epsilon = c[5], most = c[6], gamma1_c = c[7];
    EACH {
        const REAL x = DECAYED, b = gamma1 * s[i] + gamma1_c * x * x;
        w[i] = clip(w[i] - rate * x / sqrt(b + epsilon), -most, most);
        s[i] = flush(b);
    }
}

void NAME(hand_rmsprop_centered)(int64_t n, IO w, IN g, IO m, IO s, IO v, const double *c)
{
    GRADIENT, rate = c[3], gamma1 = c[4], epsilon = c[5], most = c[6], gamma2 = c[7], gamma1_c = c[8];
    EACH {
        const REAL x = DECAYED, variance = gamma1 * (s[i] + gamma1_c * (x - m[i]) * (x - m[i]));
        const REAL mean = gamma1 * m[i] + gamma1_c * x, b = gamma2 * v[i] - rate * x / sqrt(variance + epsilon);
        w[i] = clip(w[i] + b, -most, most);
        m[i] = flush(mean), s[i] = flush(variance), v[i] = flush(b);
    }
}

void NAME(hand_adadelta)(int64_t n, IO w, IN g, IO s, IO u, const double *c)
{
    GRADIENT, rate = c[3], rho = c[4], epsilon = c[5], rho_c = c[6];
    EACH {
        const REAL x = DECAYED, a = rho * s[i] + rho_c * x * x;
        const REAL d = sqrt((u[i] + epsilon) / (a + epsilon)) * x, b = rho * u[i] + rho_c * d * d;
        w[i] = w[i] - rate * d;
        s[i] = flush(a), u[i] = flush(b);
    }
}

void NAME(hand_adam)(int64_t n, IO w, IN g, IO m, IO v, const double *c)
{
    GRADIENT, beta1 = c[4], beta2 = c[5], beta1_c = c[7], beta2_c = c[8], rate = c[9], epsilon = c[10];
    EACH {
        const REAL x = DECAYED, a = beta1 * m[i] + beta1_c * x, b = beta2 * v[i] + beta2_c * x * x;
        w[i] = w[i] - rate * a / (sqrt(b) + epsilon);
        m[i] = flush(a), v[i] = flush(b);
    }
}

void NAME(hand_adamw)(int64_t n, IO w, IN g, IO m, IO v, const double *c)
{
    GRADIENT, beta1 = c[4], beta2 = c[5], beta1_c = c[7], beta2_c = c[8], decay = c[9], rate = c[10], epsilon = c[11];
    EACH {
        const REAL x = CLIPPED, a = beta1 * m[i] + beta1_c * x, b = beta2 * v[i] + beta2_c * x * x;
        w[i] = w[i] - decay * w[i] - rate * a / (sqrt(b) + epsilon);
        m[i] = flush(a), v[i] = flush(b);
    }
}

void NAME(hand_adamax)(int64_t n, IO w, IN g, IO m, IO u, const double *c)
{
    GRADIENT, beta1 = c[4], beta2 = c[5], epsilon = c[6], beta1_c = c[7], rate = c[8];
    EACH {
        const REAL x = DECAYED, a = beta1 * m[i] + beta1_c * x, old = beta2 * u[i], size = fabs(x);
        const REAL b = (old > size) | (old != old) ? old : size;
        w[i] = w[i] - rate * a / (b + epsilon);
        m[i] = flush(a), u[i] = flush(b);
    }
}

void NAME(hand_nadam)(int64_t n, IO w, IN g, IO m, IO v, const double *c)
{
    GRADIENT, beta1 = c[4], beta2 = c[5], beta1_c = c[8], beta2_c = c[9], look_g = c[10], look_m = c[11];
    const REAL epsilon = c[12];
    EACH {
        const REAL x = DECAYED, a = beta1 * m[i] + beta1_c * x, b = beta2 * v[i] + beta2_c * x * x;
        w[i] = w[i] - (look_g * x + look_m * a) / (sqrt(b) + epsilon);
        m[i] = flush(a), v[i] = flush(b);
    }
}

void NAME(hand_signum)(int64_t n, IO w, IN g, IO m, const double *c)
{
    GRADIENT, rate = c[3], momentum = c[4], momentum_c = c[6], keep = c[7];
    EACH {
        const REAL x = DECAYED, a = momentum * m[i] + momentum_c * x;
        w[i] = keep * w[i] - rate * sign(a);
        m[i] = flush(a);
    }
}

void NAME(hand_signsgd)(int64_t n, IO w, IN g, const double *c)
{
    GRADIENT, rate = c[3], keep = c[5];
    EACH w[i] = keep * w[i] - rate * sign(DECAYED);
}

void NAME(hand_lion)(int64_t n, IO w, IN g, IO m, const double *c)
{
    GRADIENT, rate = c[3], beta1 = c[4], beta2 = c[5], beta1_c = c[6], beta2_c = c[7], decay = c[8];
    EACH {
        const REAL x = CLIPPED, u = sign(beta1 * m[i] + beta1_c * x), a = beta2 * m[i] + beta2_c * x;
        w[i] = w[i] - decay * w[i] - rate * u;
        m[i] = flush(a);
    }
}

void NAME(hand_accumulate)(int64_t n, IO w, IN g, const double *c)
{
    const REAL rescale = c[1];
    EACH w[i] = w[i] + rescale * g[i];
}

void NAME(hand_dcasgd)(int64_t n, IO w, IN g, IO w_bak, const double *c)
{
    GRADIENT, rate = c[3], lamda = c[4];
    EACH {
        const REAL x = CLIPPED, y = w[i];
        w[i] = y - rate * (x + wd * y + lamda * x * x * (y - w_bak[i]));
        w_bak[i] = flush(y);
    }
}

void NAME(hand_dcasgd_momentum)(int64_t n, IO w, IN g, IO v, IO w_bak, const double *c)
{
    GRADIENT, rate = c[3], lamda = c[4], momentum = c[5];
    EACH {
        const REAL x = CLIPPED, y = w[i];
        const REAL b = momentum * v[i] - rate * (x + wd * y + lamda * x * x * (y - w_bak[i]));
        w[i] = y + b;
        v[i] = flush(b), w_bak[i] = flush(y);
    }
}

void NAME(hand_ftrl)(int64_t n, IO w, IN g, IO z, IO s, const double *c)
{
    GRADIENT, lamda1 = c[4], beta = c[5], inverse = c[6];
    EACH {
        const REAL x = CLIPPED, b = s[i] + x * x, root = sqrt(b), a = z[i] + x - (root - sqrt(s[i])) * inverse * w[i];
        const REAL beyond = fabs(a) - lamda1, shrunk = beyond < 0 ? 0 : beyond;
        w[i] = copysign(shrunk, -a) / ((beta + root) * inverse + wd);
        z[i] = flush(a), s[i] = flush(b);
    }
}

void NAME(hand_ftml)(int64_t n, IO w, IN g, IO d, IO v, IO z, const double *c)
{
    GRADIENT, beta1 = c[4], beta2 = c[5], beta1_c = c[7], beta2_c = c[8], scale = c[9], epsilon = c[10];
    EACH {
        const REAL x = DECAYED, b = beta2 * v[i] + beta2_c * x * x, e = scale * sqrt(b) + epsilon;
        const REAL a = beta1 * z[i] + beta1_c * x - (e - beta1 * d[i]) * w[i];
        w[i] = -a / e;
        d[i] = flush(e), v[i] = flush(b), z[i] = flush(a);
    }
}

/* What a division costs, and a square root: only these, on numbers in the first cache. */

void NAME(hand_divide)(int64_t n, IO w, IN g)
{
    EACH w[i] = 3 / g[i];
}

void NAME(hand_root)(int64_t n, IO w, IN g)
{
    EACH w[i] = sqrt(g[i]);
}

#endif
