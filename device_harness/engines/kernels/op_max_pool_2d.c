/* MAX_POOL_2D, int8: the largest value under the window; positions outside the image do not count.
 *
 * Source: TFLM reference/integer_ops/pooling.h.
 */
#include "fixedpoint.h"
#include "operators.h"
#include "pool.h"

enum cv_status k_max_pool_2d_prepare(struct k_load *l, struct k_op *op)
{
    return k_pool_prepare(l, op);
}

static int8_t largest(const struct k_pool *p, const int8_t *plane, int32_t at_y, int32_t at_x)
{
    int8_t max = INT8_MIN;
    for (int32_t y = k_pool_begin(&p->y, at_y); y < k_pool_end(&p->y, at_y); y++)
        for (int32_t x = k_pool_begin(&p->x, at_x); x < k_pool_end(&p->x, at_x); x++) {
            int8_t value = plane[(y * p->x.in + x) * p->depth];
            max = value > max ? value : max;
        }
    return max;
}

enum cv_status k_max_pool_2d_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_pool *p = op->plan;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *out = k_write(g, op->output);
    for (int32_t b = 0; b < p->batches; b++, image += p->y.in * p->x.in * p->depth)
        for (int32_t y = 0; y < p->y.out; y++)
            for (int32_t x = 0; x < p->x.out; x++)
                for (int32_t c = 0; c < p->depth; c++)
                    *out++ = k_clamp(largest(p, image + c, y, x), p->limits.lo, p->limits.hi);
    return CV_OK;
}
