/* AVERAGE_POOL_2D, int8: the mean of the positions inside the image, half away from zero; no requantization.
 *
 * Source: TFLM reference/integer_ops/pooling.h.
 */
#include "fixedpoint.h"
#include "operators.h"
#include "pool.h"

enum cv_status k_average_pool_2d_prepare(struct k_load *l, struct k_op *op)
{
    return k_pool_prepare(l, op);
}

/* |sum| <= 2^23 * 128 = 2^30; n <= 2^23. */
static int32_t rounded_mean(int32_t sum, int32_t n)
{
    return sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n;
}

/* Needs at least one position inside the image. */
static int32_t mean(const struct k_pool *p, const int8_t *plane, int32_t at_y, int32_t at_x)
{
    int32_t sum = 0;
    int32_t n = 0;
    for (int32_t y = k_pool_begin(&p->y, at_y); y < k_pool_end(&p->y, at_y); y++)
        for (int32_t x = k_pool_begin(&p->x, at_x); x < k_pool_end(&p->x, at_x); x++) {
            sum += plane[(y * p->x.in + x) * p->depth];
            n++;
        }
    return rounded_mean(sum, n);
}

static bool is_empty(const struct k_axis *axis, int32_t at)
{
    return k_pool_begin(axis, at) >= k_pool_end(axis, at);
}

enum cv_status k_average_pool_2d_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_pool *p = op->plan;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *out = k_write(g, op->output);
    for (int32_t b = 0; b < p->batches; b++, image += p->y.in * p->x.in * p->depth)
        for (int32_t y = 0; y < p->y.out; y++)
            for (int32_t x = 0; x < p->x.out; x++) {
                if (is_empty(&p->y, y) || is_empty(&p->x, x))
                    return CV_ENGINE; /* as TFLM does */
                for (int32_t c = 0; c < p->depth; c++)
                    *out++ = k_clamp(mean(p, image + c, y, x), p->limits.lo, p->limits.hi);
            }
    return CV_OK;
}
