/* RESIZE_NEAREST_NEIGHBOR: every output pixel is a copy of one of the input's; positions are found at load time.
 *
 * The scale and the position are float32, as in TFLM. Source: TFLM resize_nearest_neighbor.cc,
 * reference/resize_nearest_neighbor.h (GetNearestNeighbor).
 */
#include <string.h>

#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "resize.h"
#include "schema.h"

struct plan {
    int32_t *rows;    /* of the input, for each row of the output */
    int32_t *columns; /* as well */
};

/* Sizes are below 2^28, so positions are within int32. */
static int32_t nearest(int32_t i, float scale, float offset, bool align, int32_t size)
{
    float at = ((float)i + offset) * scale;
    int32_t position = align ? (int32_t)((double)at + 0.5) : (int32_t)at; /* at >= 0 */
    return position < size - 1 ? position : size - 1;
}

static int32_t *positions(struct k_load *l, int32_t size, int32_t out, bool align, bool half)
{
    int32_t *at = k_alloc(l, (uint64_t)out * sizeof *at);
    float scale = align && out > 1 ? (float)(size - 1) / (float)(out - 1) : (float)size / (float)out;
    for (int32_t i = 0; at != NULL && i < out; i++)
        at[i] = nearest(i, scale, half ? 0.5f : 0.0f, align, size);
    return at;
}

enum cv_status k_resize_nearest_neighbor_prepare(struct k_load *l, struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    enum cv_status status = k_resize_check(l, op);
    if (status == CV_OK && in->type == K_INT32)
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[0], "INT32");
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    bool align = fb_u8(fb, op->options, NEAREST_ALIGN_CORNERS, 0) != 0;
    bool half = fb_u8(fb, op->options, NEAREST_HALF_PIXEL_CENTERS, 0) != 0;
    p->rows = positions(l, in->dims[1], out->dims[1], align, half);
    p->columns = positions(l, in->dims[2], out->dims[2], align, half);
    return p->rows == NULL || p->columns == NULL ? CV_NO_ARENA : CV_OK;
}

enum cv_status k_resize_nearest_neighbor_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    const struct k_tensor *out = &g->tensors[op->output];
    uint32_t pixel = (uint32_t)in->dims[3] * k_movable_width(in);
    uint32_t row = (uint32_t)in->dims[2] * pixel;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *to = k_write(g, op->output);
    for (int32_t b = 0; b < out->dims[0]; b++, image += (uint32_t)in->dims[1] * row)
        for (int32_t y = 0; y < out->dims[1]; y++)
            for (int32_t x = 0; x < out->dims[2]; x++, to += pixel)
                memcpy(to, image + (uint32_t)p->rows[y] * row + (uint32_t)p->columns[x] * pixel, pixel);
    return CV_OK;
}
