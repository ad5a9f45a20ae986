/* KISS FFT's fixed point: see fixed_fft.h. |a| <= 2^15 and |w| <= 2^15 by parts, of a twiddle factor w as a whole, so
 * that a product's parts are below 2^31 - 2^14. */
#include "fixed_fft.h"

#include "channels.h"
#include "elements.h"
#include "fixedpoint.h"
#include "refuse.h"

#define ONE 32767
#define BITS 15

static int16_t stored(int32_t x)
{
    return (int16_t)k_wrap16(x);
}

static int32_t rounded(int32_t x)
{
    return k_wrap16(k_shr(x + (1 << (BITS - 1)), BITS));
}

static struct k_complex complex_of(int32_t re, int32_t im)
{
    struct k_complex c = {stored(re), stored(im)};
    return c;
}

static struct k_complex scaled(struct k_complex a, int32_t by)
{
    return complex_of(rounded(a.re * by), rounded(a.im * by));
}

static struct k_complex divided(struct k_complex a, uint32_t by)
{
    return scaled(a, ONE / (int32_t)by);
}

static struct k_complex product(struct k_complex a, struct k_complex b)
{
    return complex_of(rounded(a.re * b.re - a.im * b.im), rounded(a.re * b.im + a.im * b.re));
}

static struct k_complex plus(struct k_complex a, struct k_complex b)
{
    return complex_of(a.re + b.re, a.im + b.im);
}

static struct k_complex minus(struct k_complex a, struct k_complex b)
{
    return complex_of(a.re - b.re, a.im - b.im);
}

static struct k_complex conjugate(struct k_complex a)
{
    return complex_of(a.re, -a.im);
}

static struct k_complex load(const int8_t *p, uint32_t i)
{
    return complex_of(k_load_i16(p, 2u * i), k_load_i16(p, 2u * i + 1u));
}

static void store(int8_t *p, uint32_t i, struct k_complex c)
{
    k_store_i16(p, 2u * i, c.re);
    k_store_i16(p, 2u * i + 1u, c.im);
}

/* -- twiddle factors ------------------------------------------------------------------------------------- */

/* 32767 cos and sin of x in 0 ... pi/4, by their series; the first term left out is below 2^-60. */
static void series(double x, double *c, double *s)
{
    double term = ONE;
    double sum[2] = {0.0, 0.0};
    for (int32_t k = 0; k < 20; k++) {
        sum[k % 2] += k % 4 < 2 ? term : -term;
        term *= x / (double)(k + 1);
    }
    *c = sum[0];
    *s = sum[1];
}

/* floor(x + 1/2) of |x| <= 32767 that is no tie */
static int32_t nearest(double x)
{
    return x < 0.0 ? -(int32_t)(0.5 - x) : (int32_t)(0.5 + x);
}

/* The factor of the angle pi/2 * i / half; needs i < 4 half. */
static struct k_complex unit(uint32_t i, uint32_t half)
{
    const double quarter = 1.57079632679489661923;
    uint32_t rest = i % half;
    bool swapped = 2u * rest > half;
    double c = 0.0;
    double s = 0.0;
    series(quarter * (double)(swapped ? half - rest : rest) / (double)half, &c, &s);
    int32_t re = nearest(swapped ? s : c);
    int32_t im = nearest(swapped ? c : s);
    switch (i / half) {
    case 0: return complex_of(re, im);
    case 1: return complex_of(-im, re);
    case 2: return complex_of(-re, -im);
    default: return complex_of(im, -re);
    }
}

static bool find_radices(struct k_fft *fft)
{
    static const uint32_t radices[] = {4, 2, 5};
    uint32_t rest = fft->half;
    for (uint32_t i = 0; i < sizeof radices / sizeof radices[0]; i++)
        for (; rest % radices[i] == 0; rest /= radices[i])
            fft->radix[fft->n_stages++] = radices[i]; /* half <= 2^14: at most 8 */
    return rest == 1 && fft->n_stages > 0;
}

enum cv_status k_fft_prepare(struct k_load *l, int32_t length, bool inverse, struct k_fft *fft)
{
    fft->half = (uint32_t)length / 2u;
    fft->inverse = inverse;
    if (length < 4 || length > K_FFT_MAX_LENGTH || length % 2 != 0 || !find_radices(fft))
        return k_refuse_number(l, CV_UNSUPPORTED,
                               "a transform of another length than of 2, 4 and 5:", length);
    fft->inner = k_alloc(l, (uint64_t)fft->half * sizeof *fft->inner);
    fft->outer = k_alloc(l, (uint64_t)(fft->half / 2u) * sizeof *fft->outer);
    fft->work = k_alloc(l, (uint64_t)fft->half * sizeof *fft->work);
    if (fft->inner == NULL || fft->outer == NULL || fft->work == NULL)
        return CV_NO_ARENA;
    for (uint32_t i = 0; i < fft->half; i++) {
        struct k_complex w = unit(4u * i, fft->half);
        fft->inner[i] = inverse ? w : conjugate(w);
    }
    for (uint32_t i = 0; i < fft->half / 2u; i++) {
        struct k_complex w = unit(2u * (i + 1u) + fft->half, fft->half);
        fft->outer[i] = inverse ? w : conjugate(w);
    }
    return CV_OK;
}

uint64_t k_fft_macs(const struct k_fft *fft)
{
    return (uint64_t)fft->half * (8u * fft->n_stages + 8u);
}

/* -- the transform of complex points --------------------------------------------------------------------- */

/* Which point comes to place `place`, so that every stage finds its parts side by side. */
static uint32_t origin(const struct k_fft *fft, uint32_t place)
{
    uint32_t from = 0;
    uint32_t stride = 1;
    uint32_t m = fft->half;
    for (uint32_t i = 0; i < fft->n_stages; i++) {
        m /= fft->radix[i];
        from += place / m * stride;
        place %= m;
        stride *= fft->radix[i];
    }
    return from;
}

static void of_two(struct k_complex *x)
{
    struct k_complex a = x[0];
    x[0] = plus(a, x[1]);
    x[1] = minus(a, x[1]);
}

/* Source: kf_bfly4. */
static void of_four(struct k_complex *x, bool inverse)
{
    struct k_complex first = plus(x[0], x[2]);
    struct k_complex away = minus(x[0], x[2]);
    struct k_complex odd = plus(x[1], x[3]);
    struct k_complex d = minus(x[1], x[3]);
    struct k_complex a = complex_of(away.re + d.im, away.im - d.re);
    struct k_complex b = complex_of(away.re - d.im, away.im + d.re);
    x[0] = plus(first, odd);
    x[2] = minus(first, odd);
    x[1] = inverse ? b : a;
    x[3] = inverse ? a : b;
}

/* a / i */
static struct k_complex turned(struct k_complex a)
{
    return complex_of(a.im, -a.re);
}

/* Source: kf_bfly5; a, b: the factors of a fifth and two fifths of a turn. */
static void of_five(struct k_complex *x, struct k_complex a, struct k_complex b)
{
    struct k_complex outer = plus(x[1], x[4]);
    struct k_complex inner = plus(x[2], x[3]);
    struct k_complex outer_gap = minus(x[1], x[4]);
    struct k_complex inner_gap = minus(x[2], x[3]);
    struct k_complex near = plus(x[0], plus(scaled(outer, a.re), scaled(inner, b.re)));
    struct k_complex far = plus(x[0], plus(scaled(outer, b.re), scaled(inner, a.re)));
    struct k_complex across = turned(plus(scaled(outer_gap, a.im), scaled(inner_gap, b.im)));
    struct k_complex beyond = turned(minus(scaled(inner_gap, a.im), scaled(outer_gap, b.im)));
    x[0] = plus(x[0], plus(outer, inner));
    x[1] = minus(near, across);
    x[2] = plus(far, beyond);
    x[3] = minus(far, beyond);
    x[4] = plus(near, across);
}

/* One butterfly: the points at z, z + m, …; u: which of the m, stride: how many parts there are. */
static void butterfly(const struct k_fft *fft, struct k_complex *z, uint32_t p, uint32_t m, uint32_t u,
                      uint32_t stride)
{
    struct k_complex x[5];
    for (uint32_t q = 0; q < p; q++) {
        x[q] = divided(z[q * m], p);
        if (q > 0)
            x[q] = product(x[q], fft->inner[u * stride * q]);
    }
    if (p == 2)
        of_two(x);
    else if (p == 4)
        of_four(x, fft->inverse);
    else
        of_five(x, fft->inner[stride * m], fft->inner[2u * stride * m]);
    for (uint32_t q = 0; q < p; q++)
        z[q * m] = x[q];
}

/* Transforms fft->work, whose points are in the order of `origin`. */
static void transform(const struct k_fft *fft)
{
    uint32_t m = 1;
    for (uint32_t stage = fft->n_stages; stage > 0; stage--) {
        uint32_t p = fft->radix[stage - 1];
        uint32_t stride = fft->half / (p * m);
        for (uint32_t part = 0; part < stride; part++)
            for (uint32_t u = 0; u < m; u++)
                butterfly(fft, fft->work + part * p * m + u, p, m, u, stride);
        m *= p;
    }
}

/* -- real points ----------------------------------------------------------------------------------------- */

static struct k_complex halved(int32_t re, int32_t im)
{
    return complex_of(k_shr(re, 1), k_shr(im, 1));
}

/* Source: kiss_fftr. In the middle both points of a pair are one, and the second is kept. */
void k_fft_forward(const struct k_fft *fft, const int8_t *x, uint32_t n, int8_t *y)
{
    uint32_t half = fft->half;
    for (uint32_t i = 0; i < half; i++) {
        uint32_t from = 2u * origin(fft, i);
        fft->work[i] =
            complex_of(from < n ? k_load_i16(x, from) : 0, from + 1u < n ? k_load_i16(x, from + 1u) : 0);
    }
    transform(fft);
    struct k_complex first = divided(fft->work[0], 2);
    store(y, 0, complex_of(first.re + first.im, 0));
    store(y, half, complex_of(first.re - first.im, 0));
    for (uint32_t k = 1; k <= half / 2u; k++) {
        struct k_complex a = divided(fft->work[k], 2);
        struct k_complex b = divided(conjugate(fft->work[half - k]), 2);
        struct k_complex even = plus(a, b);
        struct k_complex w = product(minus(a, b), fft->outer[k - 1u]);
        store(y, k, halved(even.re + w.re, even.im + w.im));
        store(y, half - k, halved(even.re - w.re, w.im - even.im));
    }
}

/* The complex points of a spectrum, to y. Source: kiss_fftri. */
static void pair(const struct k_fft *fft, const int8_t *x, int8_t *y)
{
    uint32_t half = fft->half;
    int32_t first = k_load_i16(x, 0);
    int32_t last = k_load_i16(x, 2u * half);
    store(y, 0, divided(complex_of(first + last, first - last), 2));
    for (uint32_t k = 1; k <= half / 2u; k++) {
        struct k_complex a = divided(load(x, k), 2);
        struct k_complex b = divided(conjugate(load(x, half - k)), 2);
        struct k_complex even = plus(a, b);
        struct k_complex odd = product(minus(a, b), fft->outer[k - 1u]);
        store(y, k, plus(even, odd));
        store(y, half - k, conjugate(minus(even, odd)));
    }
}

void k_fft_backward(const struct k_fft *fft, const int8_t *x, int8_t *y)
{
    pair(fft, x, y);
    for (uint32_t i = 0; i < fft->half; i++)
        fft->work[i] = load(y, origin(fft, i));
    transform(fft);
    for (uint32_t i = 0; i < fft->half; i++)
        store(y, i, fft->work[i]);
}
