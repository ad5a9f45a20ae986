/* Arithmetic on INT32: see integers.h. */
#include "integers.h"

#include "broadcast.h"
#include "elements.h"
#include "quantize.h"
#include "refuse.h"
#include "schema.h"

struct plan {
    struct k_grid grid;
    enum k_arithmetic kind;
    int32_t lo;
    int32_t hi;
};

bool k_writes_integers(const struct k_graph *g, const struct k_op *op)
{
    return g->tensors[op->output].type == K_INT32;
}

static enum cv_status check(struct k_load *l, uint32_t tensor)
{
    enum cv_status status = k_check_type(l, tensor, K_INT32);
    if (status == CV_OK && k_is_quantized(&l->graph->tensors[tensor]))
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is a quantized INT32");
    return status;
}

static enum cv_status read_limits(struct k_load *l, uint8_t activation, struct plan *p)
{
    bool ignored = p->kind == K_SUM;
    if (activation != ACTIVATION_NONE && activation != ACTIVATION_RELU && activation != ACTIVATION_RELU6 &&
        activation != ACTIVATION_RELU_N1_TO_1)
        return k_refuse_number(l, CV_UNSUPPORTED, "fused activation", activation);
    p->lo = ignored || activation == ACTIVATION_NONE ? INT32_MIN
            : activation == ACTIVATION_RELU_N1_TO_1  ? -1
                                                     : 0;
    p->hi = ignored || activation == ACTIVATION_NONE || activation == ACTIVATION_RELU ? INT32_MAX
            : activation == ACTIVATION_RELU6                                          ? 6
                                                                                      : 1;
    return CV_OK;
}

enum cv_status k_integers_prepare(struct k_load *l, struct k_op *op, enum k_arithmetic kind,
                                  uint32_t activation)
{
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    p->kind = kind;
    enum cv_status status = check(l, op->inputs[0]);
    if (status == CV_OK)
        status = check(l, op->inputs[1]);
    if (status == CV_OK)
        status = check(l, op->output);
    if (status == CV_OK)
        status = k_broadcast_grid(l, op, &p->grid);
    uint8_t fused = kind == K_SQUARE ? ACTIVATION_NONE : fb_u8(&l->graph->file, op->options, activation, 0);
    return status == CV_OK ? read_limits(l, fused, p) : status;
}

/* INT64_MAX: beyond int32, and maybe beyond int64. */
static int64_t square(int64_t x)
{
    return x > -UINT16_MAX && x < UINT16_MAX ? x * x : INT64_MAX;
}

/* In int64; false: it leaves int32, or divides by zero. */
static bool compute(enum k_arithmetic kind, int64_t a, int64_t b, int64_t *y)
{
    switch (kind) {
    case K_SUM: *y = a + b; break;
    case K_DIFFERENCE: *y = a - b; break;
    case K_PRODUCT: *y = a * b; break;
    case K_SQUARE: *y = square(a - b); break;
    default: *y = b == 0 ? INT64_MAX : a / b; break;
    }
    return *y >= INT32_MIN && *y <= INT32_MAX;
}

enum cv_status k_integers_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at)) {
        int64_t y = 0;
        if (!compute(p->kind, k_load_i32(a, (uint32_t)at.offset[0]), k_load_i32(b, (uint32_t)at.offset[1]),
                     &y))
            return CV_ENGINE;
        y = y < p->lo ? p->lo : y > p->hi ? p->hi : y;
        k_store_u32(k_write(g, op->output), i, (uint32_t)(int32_t)y);
    }
    return CV_OK;
}
