/* The discrete Fourier transform in 16-bit fixed point, bit for bit as KISS FFT computes it.
 *
 * Every stage divides by its radix before it multiplies, rounds each product to 15 fractional bits, and stores 16
 * bits: a sum that leaves them wraps around, as in the C++ that TFLM is. Lengths are those of radices 2, 4 and 5: for
 * others KISS FFT needs memory that TFLM does not give it; and of a radix of 3 the twiddle factors of 60 degrees lie on
 * a boundary of rounding (32767 / 2), where the C library's last bit decides them. All others are at least 10^-6 of
 * their unit away from one (the tests say so), so that it does not matter how a double's cosine is rounded.
 * Source: KISS FFT v130 (kiss_fft.c, kiss_fftr.c, _kiss_fft_guts.h with FIXED_POINT of 16).
 */
#ifndef COVERIFY_FIXED_FFT_H
#define COVERIFY_FIXED_FFT_H

#include "graph.h"

#define K_FFT_MAX_LENGTH 0x8000
#define K_FFT_MAX_STAGES 16u

struct k_complex {
    int16_t re;
    int16_t im;
};

struct k_fft {
    uint32_t half; /* complex points: half of the real ones */
    bool inverse;
    uint32_t n_stages;
    uint32_t radix[K_FFT_MAX_STAGES];
    struct k_complex *inner; /* half twiddle factors of the complex transform */
    struct k_complex *outer; /* half / 2 of the step between it and the real points */
    struct k_complex *work;  /* half points */
};

/* Memory and twiddle factors for transforms of `length` real points; refuses a length that is not supported. */
enum cv_status k_fft_prepare(struct k_load *l, int32_t length, bool inverse, struct k_fft *fft);

/* n <= 2 half INT16 at x, zeros behind them, to half + 1 complex numbers at y. */
void k_fft_forward(const struct k_fft *fft, const int8_t *x, uint32_t n, int8_t *y);

/* half + 1 complex numbers at x to 2 half INT16 at y. */
void k_fft_backward(const struct k_fft *fft, const int8_t *x, int8_t *y);

/* Multiplications of one transform, about. */
uint64_t k_fft_macs(const struct k_fft *fft);

#endif
