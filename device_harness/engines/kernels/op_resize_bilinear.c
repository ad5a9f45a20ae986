/* RESIZE_BILINEAR, int8: four pixels, weights of ten bits per axis, a rounding division by 2^20.
 *
 * Source: TFLM resize_bilinear.cc, reference/resize_bilinear.h (ResizeBilinearInteger).
 */
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "resize.h"
#include "schema.h"

#define ONE 1024         /* a weight of 1 */
#define MAX_SIZE 0x10000 /* of an axis: positions times ONE fit int32 */

/* What an output position reads on one axis: low and high, the latter with the weight part / ONE. */
struct between {
    int32_t low;
    int32_t high;
    int32_t part;
};

struct plan {
    struct between *rows;
    struct between *columns;
};

/* Source: ComputeInterpolationValuesInteger; / truncates. */
static struct between between(int64_t i, int64_t scale, bool half, int64_t size)
{
    int64_t at = i * scale + (half ? scale / 2 - ONE / 2 : 0);
    int64_t low = at / ONE > 0 ? at / ONE : 0;
    int64_t high = (at + ONE - 1) / ONE < size - 1 ? (at + ONE - 1) / ONE : size - 1;
    struct between b = {(int32_t)low, (int32_t)high, low == high ? 0 : (int32_t)(at - ONE * low)};
    return b;
}

static enum cv_status prepare_axis(struct k_load *l, int64_t size, int64_t out, bool align, bool half,
                                   struct between **axis)
{
    if (size > MAX_SIZE)
        return k_refuse(l, CV_UNSUPPORTED, "an image of more than 65536 pixels across");
    int64_t scale =
        align && out > 1 ? (ONE * (size - 1) + (out - 1) / 2) / (out - 1) : (ONE * size + out / 2) / out;
    struct between *all = k_alloc(l, (uint64_t)out * sizeof *all);
    if (all == NULL)
        return CV_NO_ARENA;
    *axis = all;
    for (int64_t i = 0; i < out; i++) {
        all[i] = between(i, scale, half, size);
        if (all[i].low >= size || all[i].high < 0)
            return k_refuse(l, CV_UNSUPPORTED, "its rounded scale leads outside the image");
    }
    return CV_OK;
}

enum cv_status k_resize_bilinear_prepare(struct k_load *l, struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    enum cv_status status = k_resize_check(l, op);
    bool align = fb_u8(fb, op->options, BILINEAR_ALIGN_CORNERS, 0) != 0;
    bool half = fb_u8(fb, op->options, BILINEAR_HALF_PIXEL_CENTERS, 0) != 0;
    if (status == CV_OK && in->type != K_INT8)
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[0], "only INT8 is supported here");
    if (status == CV_OK && align && half)
        status = k_refuse(l, CV_BAD_MODEL, "align_corners and half_pixel_centers exclude each other");
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    status = prepare_axis(l, in->dims[1], out->dims[1], align, half, &p->rows);
    return status == CV_OK ? prepare_axis(l, in->dims[2], out->dims[2], align, half, &p->columns) : status;
}

/* |sum of weight * weight * x| <= 2^20 * 128 */
static int8_t blend(const int8_t *low, const int8_t *high, const struct between *x, int32_t depth,
                    int32_t part)
{
    int32_t above = low[x->low * depth] * (ONE - x->part) + low[x->high * depth] * x->part;
    int32_t below = high[x->low * depth] * (ONE - x->part) + high[x->high * depth] * x->part;
    int32_t sum = above * (ONE - part) + below * part;
    return (int8_t)((sum + (sum > 0 ? ONE * ONE / 2 : -ONE * ONE / 2)) / (ONE * ONE));
}

enum cv_status k_resize_bilinear_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    const struct k_tensor *out = &g->tensors[op->output];
    int32_t depth = in->dims[3];
    int32_t row = in->dims[2] * depth;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *to = k_write(g, op->output);
    for (int32_t b = 0; b < out->dims[0]; b++, image += in->dims[1] * row)
        for (int32_t y = 0; y < out->dims[1]; y++)
            for (int32_t x = 0; x < out->dims[2]; x++)
                for (int32_t c = 0; c < depth; c++)
                    *to++ = blend(image + p->rows[y].low * row + c, image + p->rows[y].high * row + c,
                                  &p->columns[x], depth, p->rows[y].part);
    return CV_OK;
}
