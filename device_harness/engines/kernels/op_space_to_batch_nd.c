/* SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND by constant blocks: every block-th pixel of an image makes up one of several
 * smaller ones, and back, with a border cut off. Paddings, which TFLM fills with a value that it never sets, are refused.
 *
 * Source: TFLM space_to_batch_nd.cc, batch_to_space_nd.cc and their reference headers.
 */
#include <string.h>

#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"

#define MAX_BLOCK 4096

/* Rows or columns. */
struct side {
    int32_t size;  /* of an image */
    int32_t block; /* so many small images lie in it on this side */
    int32_t small; /* size of one of them */
    int32_t cut;   /* pixels of the joined image before the image's first */
};

struct plan {
    int32_t images;
    struct side y;
    struct side x;
    uint32_t pixel; /* bytes */
    bool joins;     /* from the small images to the image */
};

/* sides: of the image and the small ones, of the same rank. */
static enum cv_status read_side(struct k_load *l, const struct k_op *op, uint32_t axis, struct side *s)
{
    s->block = k_integer(l->graph, op->inputs[1], axis);
    s->cut = k_integer(l->graph, op->inputs[2], 2 * axis);
    int64_t behind = k_integer(l->graph, op->inputs[2], 2 * axis + 1);
    if (s->block < 1 || s->block > MAX_BLOCK)
        return k_refuse_number(l, CV_UNSUPPORTED, "block", s->block);
    if (s->cut < 0 || behind < 0 || (int64_t)s->size + s->cut + behind != (int64_t)s->small * s->block)
        return k_refuse(l, CV_BAD_MODEL, "block and borders do not lead to the output's shape");
    return CV_OK;
}

static enum cv_status prepare_plan(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    const struct k_tensor *image = p->joins ? out : in;
    const struct k_tensor *small = p->joins ? in : out;
    uint32_t last = image->rank - 1u;
    struct side none = {1, 1, 1, 0};
    p->y = p->x = none;
    p->y.size = image->dims[1];
    p->y.small = small->dims[1];
    enum cv_status status = read_side(l, op, 0, &p->y);
    if (status == CV_OK && last == 3) {
        p->x.size = image->dims[2];
        p->x.small = small->dims[2];
        status = read_side(l, op, 1, &p->x);
    }
    if (status != CV_OK)
        return status;
    int64_t parts = (int64_t)p->y.block * p->x.block; /* <= 2^24 */
    if (small->dims[last] != image->dims[last] || small->dims[0] != image->dims[0] * parts)
        return k_refuse(l, CV_BAD_MODEL, "the block does not lead to the output's shape");
    p->images = image->dims[0];
    p->pixel = (uint32_t)image->dims[last] * k_movable_width(image);
    return CV_OK;
}

static enum cv_status prepare(struct k_load *l, struct k_op *op, bool joins)
{
    const struct k_graph *g = l->graph;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    enum cv_status status = k_check_moved_of_few_types(l, op->inputs[0], op->output);
    if (status == CV_OK && (in->rank != g->tensors[op->output].rank || in->rank < 3 || in->rank > 4))
        status = k_refuse(l, CV_UNSUPPORTED, "input and output have not 3 or 4 dimensions each");
    if (status == CV_OK)
        status = k_check_integers(l, op->inputs[1], in->rank - 2u);
    if (status == CV_OK)
        status = k_check_integers(l, op->inputs[2], 2u * (in->rank - 2u));
    for (uint32_t i = 0; status == CV_OK && !joins && i < 2u * (in->rank - 2u); i++)
        if (k_integer(g, op->inputs[2], i) != 0)
            status = k_refuse(l, CV_UNSUPPORTED, "paddings, whose value TFLM does not set");
    if (status == CV_OK)
        status = k_count_macs(l, in->n_elements);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->joins = joins;
    return prepare_plan(l, op, p);
}

enum cv_status k_space_to_batch_nd_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, false);
}

enum cv_status k_batch_to_space_nd_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, true);
}

/* Where pixel (y, x) of image n stands among the small images. */
static uint32_t pixel_of(const struct plan *p, int32_t n, int32_t y, int32_t x)
{
    int32_t row = y + p->y.cut;
    int32_t column = x + p->x.cut;
    int32_t part = row % p->y.block * p->x.block + column % p->x.block;
    int32_t place = (part * p->images + n) * p->y.small + row / p->y.block; /* below the number of elements */
    return (uint32_t)(place * p->x.small + column / p->x.block);
}

enum cv_status k_space_to_batch_nd_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *from = k_read(g, op->inputs[0]);
    int8_t *to = k_write(g, op->output);
    uint32_t at = 0;
    for (int32_t n = 0; n < p->images; n++)
        for (int32_t y = 0; y < p->y.size; y++)
            for (int32_t x = 0; x < p->x.size; x++, at++) {
                uint32_t source = p->joins ? pixel_of(p, n, y, x) : at;
                uint32_t target = p->joins ? at : pixel_of(p, n, y, x);
                memcpy(to + target * p->pixel, from + source * p->pixel, p->pixel);
            }
    return CV_OK;
}
