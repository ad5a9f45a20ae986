/* LOGISTIC, int8 to int8 with zero point -128: 1 / (1 + exp(-x)), Q4.27 to Q0.31 to steps of 1/256.
 *
 * See sigmoid.h.
 */
#include "exponential.h"
#include "fixedpoint.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "sigmoid.h"

/* a in Q4.27 */
static int32_t logistic(int32_t a)
{
    int32_t above = k_one_over_one_plus(k_exp_negative(a > 0 ? -a : a, 4));
    int32_t raw = a == 0 ? 1 << 30 : a > 0 ? above : INT32_MAX - above;
    return k_round_shr(raw, 23) - 128;
}

enum cv_status k_logistic_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_sigmoid_prepare(l, op, logistic);
    if (status == CV_OK && k_zero_point(l->graph, op->output) != -128)
        status = k_refuse(l, CV_UNSUPPORTED, "the output's zero point is not -128");
    return status;
}
