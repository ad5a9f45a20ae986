/* Sums in units of 2^-19: see units.h. */
#include "units.h"

#include "fixedpoint.h"
#include "quantize.h"
#include "refuse.h"

#define UNIT 524288 /* 2^19 */

enum cv_status k_units_prepare(struct k_load *l, const struct k_op *op, struct k_units *p)
{
    const struct k_graph *g = l->graph;
    double ratio = (double)k_scale(g, op->inputs[0]) / (UNIT * (double)k_scale(g, op->output));
    struct k_rescale_side side = {0, 0, 1};
    if (!(ratio > 0.0 && ratio < 1.0))
        return k_refuse(l, CV_UNSUPPORTED, "the output's scale is too small for the input's");
    enum cv_status status = k_quantize_multiplier(l, ratio, &side.multiplier, &side.shift);
    if (status == CV_OK && side.shift > 0)
        status = k_refuse(l, CV_UNSUPPORTED, "the output's scale is too small for the input's");
    p->z_in = k_zero_point(g, op->inputs[0]);
    p->stage.below = p->stage.above = side;
    p->stage.z_out = k_zero_point(g, op->output);
    return status;
}

bool k_units_output(const struct k_units *p, int64_t total, int8_t *y)
{
    int64_t acc = (total - p->z_in) * UNIT; /* |total| < 2^37 */
    int32_t scaled = 0;
    if (acc < INT32_MIN || acc > INT32_MAX || !k_rescaled(&p->stage, (int32_t)acc, &scaled))
        return false;
    *y = k_clamp(scaled, INT8_MIN, INT8_MAX);
    return true;
}
