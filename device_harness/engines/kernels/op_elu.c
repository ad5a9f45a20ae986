/* ELU, int8: a table that TFLM fills in float32 with the C library's expf.
 *
 * Such a function is any float32 within 0.51 units in the last place of the true value (glibc and newlib state 0.502):
 * the table is filled with the values at both ends and in the middle of that, and refused if they differ.
 * Source: TFLM elu.cc.
 */
#include <string.h>

#include "fixedpoint.h"
#include "lookup.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

#define UNIT 1.1920928955078125e-7 /* 2^-23 */
#define SLACK 0.02                 /* of a unit */
#define TERMS 14                   /* |r| <= ln(2) / 2: the next is below 2^-60 */
#define LOWEST (-80.0)             /* exp of it, less 1, is -1 in float32 */

/* e^x in double, off by a few of its last places, of LOWEST <= x <= 0. */
static double exponential(double x)
{
    const double ln2_high = 6.93147180369123816490e-01; /* 33 bits: k * ln2_high is exact */
    const double ln2_low = 1.90821492927058770002e-10;
    const double log2_e = 1.44269504088896338700;
    int32_t k = (int32_t)(x * log2_e - 0.5);
    double r = (x - k * ln2_high) - k * ln2_low;
    double sum = 1.0;
    for (int32_t i = TERMS; i > 0; i--)
        sum = 1.0 + sum * r / i;
    uint64_t bits = (uint64_t)(1023 + k) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

/* The function of a float32, where expf errs by SLACK * side. */
static float elu(float x, double side)
{
    if (!(x < 0.0f))
        return x;
    float e = x < (float)LOWEST ? 0.0f : (float)(exponential((double)x) * (1.0 + SLACK * side * UNIT));
    return e - 1.0f;
}

/* False: it leaves int32. */
static bool quantized(float value, float scale, int32_t zero_point, int8_t *y)
{
    float steps = value * (1.0f / scale);
    double magnitude = steps < 0.0f ? -(double)steps : (double)steps;
    if (!(magnitude < 4294967296.0))
        return false;
    float rounded = (float)(int64_t)(magnitude + 0.5);
    float code = (steps < 0.0f ? -rounded : rounded) + (float)zero_point;
    if (!(code < 2147483648.0f && code > -2147483648.0f))
        return false;
    *y = k_clamp((int32_t)code, INT8_MIN, INT8_MAX);
    return true;
}

enum cv_status k_elu_prepare(struct k_load *l, struct k_op *op)
{
    struct k_lookup *table = NULL;
    enum cv_status status = k_lookup_prepare(l, op, &table);
    if (status != CV_OK)
        return status;
    float s_in = k_scale(l->graph, op->inputs[0]);
    float s_out = k_scale(l->graph, op->output);
    int32_t z_in = k_zero_point(l->graph, op->inputs[0]);
    int32_t z_out = k_zero_point(l->graph, op->output);
    for (int32_t x = INT8_MIN; x <= INT8_MAX; x++) {
        float real = s_in * (float)(x - z_in);
        int8_t code[3] = {0, 0, 0};
        for (int32_t i = 0; i < 3; i++)
            if (!quantized(elu(real, i - 1), s_out, z_out, &code[i]))
                return k_refuse(l, CV_UNSUPPORTED, "an entry of its table leaves int32");
        if (code[0] != code[1] || code[1] != code[2])
            return k_refuse(l, CV_UNSUPPORTED,
                            "an entry of its table depends on the last bit of the C library's function");
        table->values[x + 128] = code[1];
    }
    return CV_OK;
}
