/* TANH, int8 to int8: Q4.27 to Q0.31 to steps of 1/128, whatever the output's quantization, as in TFLM.
 *
 * See sigmoid.h.
 */
#include "exponential.h"
#include "fixedpoint.h"
#include "operators.h"
#include "sigmoid.h"

/* a in Q4.27; 2a is the same integer in Q5.26 */
static int32_t hyperbolic_tangent(int32_t a)
{
    int32_t magnitude = k_one_minus_over_one_plus(k_exp_negative(a > 0 ? -a : a, 5));
    return k_round_shr(a == 0 ? 0 : a > 0 ? magnitude : -magnitude, 24);
}

enum cv_status k_tanh_prepare(struct k_load *l, struct k_op *op)
{
    return k_sigmoid_prepare(l, op, hyperbolic_tangent);
}
