/* RSQRT, int8: 1 / sqrt(x - z_x) of a fixed-point function, times 1 / (sqrt(s_x) s_y); the largest code for x = z_x, and
 * an end of the run below, where TFLM fails as well.
 *
 * Source: TFLM elementwise.cc.
 */
#include "fixedpoint.h"
#include "inverse_sqrt.h"
#include "lookup.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "square_root.h"

#define SHIFT 20 /* bits behind the point of what the function gives */

enum cv_status k_rsqrt_prepare(struct k_load *l, struct k_op *op)
{
    struct k_lookup *table = NULL;
    int32_t multiplier = 0;
    int32_t shift = 0;
    enum cv_status status = k_lookup_prepare(l, op, &table);
    if (status != CV_OK)
        return status;
    double divisor =
        k_square_root((double)k_scale(l->graph, op->inputs[0])) * (double)k_scale(l->graph, op->output);
    status = k_quantize_multiplier(l, 1.0 / divisor, &multiplier, &shift);
    if (status == CV_OK && shift - SHIFT < -31)
        status = k_refuse(l, CV_UNSUPPORTED, "the output's scale is out of range");
    int32_t z_in = k_zero_point(l->graph, op->inputs[0]);
    int32_t z_out = k_zero_point(l->graph, op->output);
    for (int32_t x = INT8_MIN; status == CV_OK && x <= INT8_MAX; x++) {
        int32_t root_multiplier = 0;
        int32_t root_shift = 0;
        int32_t scaled = 0;
        table->values[x + 128] = INT8_MAX;
        if (x <= z_in)
            continue;
        k_inverse_sqrt(x - z_in, &root_multiplier, &root_shift);
        int32_t root = k_requantize(1, root_multiplier, root_shift + SHIFT); /* <= 2^20 */
        status = k_lookup_scaled(l, root, multiplier, shift - SHIFT, &scaled);
        table->values[x + 128] = k_clamp(scaled + z_out, INT8_MIN, INT8_MAX); /* scaled <= 2^30 */
    }
    return status;
}

enum cv_status k_rsqrt_run(const struct k_graph *g, const struct k_op *op)
{
    const int8_t *x = k_read(g, op->inputs[0]);
    int32_t z_in = k_zero_point(g, op->inputs[0]);
    for (uint32_t i = 0; i < g->tensors[op->inputs[0]].n_elements; i++)
        if (x[i] < z_in)
            return CV_ENGINE;
    return k_lookup_run(g, op);
}
