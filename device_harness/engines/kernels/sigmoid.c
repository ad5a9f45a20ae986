/* LOGISTIC and TANH: see sigmoid.h.
 *
 * Source: TFLM logistic_common.cc, tanh.cc, reference/integer_ops/logistic.h and tanh.h.
 */
#include "sigmoid.h"

#include "fixedpoint.h"
#include "lookup.h"
#include "quantize.h"
#include "refuse.h"

#define FRACTION_BITS 27
#define LARGEST (15u << FRACTION_BITS)

struct scaling {
    int32_t multiplier;
    int32_t shift;
    int32_t radius;
};

static enum cv_status prepare_scaling(struct k_load *l, float scale, struct scaling *s)
{
    double real = (double)scale * (double)(1 << FRACTION_BITS);
    if (real >= 1073741824.0) /* a shift of 31 or more: the radius is 0, the multiplier never used */
        return CV_OK;
    if (real < 0.5 || k_rounds_to_one(real))
        return k_refuse(l, CV_UNSUPPORTED, "the input's scale is out of range");
    enum cv_status status = k_quantize_multiplier(l, real, &s->multiplier, &s->shift);
    s->radius = (int32_t)(LARGEST >> s->shift); /* 15 * 2^27 < 2^31 */
    return status;
}

enum cv_status k_sigmoid_prepare(struct k_load *l, struct k_op *op, int32_t (*function)(int32_t))
{
    struct k_lookup *table = NULL;
    struct scaling s = {0, 0, 0};
    enum cv_status status = k_lookup_prepare(l, op, &table);
    if (status == CV_OK)
        status = prepare_scaling(l, k_scale(l->graph, op->inputs[0]), &s);
    if (status != CV_OK)
        return status;
    int32_t zero = k_zero_point(l->graph, op->inputs[0]);
    for (int32_t x = INT8_MIN; x <= INT8_MAX; x++) {
        int32_t y = x - zero <= -s.radius ? INT8_MIN : INT8_MAX;
        if (x - zero > -s.radius && x - zero < s.radius)
            y = function(k_requantize(x - zero, s.multiplier, s.shift));
        table->values[x + 128] = k_clamp(y, INT8_MIN, INT8_MAX);
    }
    return CV_OK;
}
