/* DEQUANTIZE, int8 to float: scale * (x - zero point) in double, rounded once to float32.
 *
 * The only operator that computes in floating point while it runs: its output is floating point.
 * Source: TFLM dequantize_common.cc, reference/dequantize.h.
 */
#include <string.h>

#include "bytes.h"
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

enum cv_status k_dequantize_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *out = &l->graph->tensors[op->output];
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK && (out->type != K_FLOAT32 || out->n_bytes == 0))
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->output, "only FLOAT32 of known size is supported");
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    return status == CV_OK ? k_count_macs(l, out->n_elements) : status;
}

enum cv_status k_dequantize_run(const struct k_graph *g, const struct k_op *op)
{
    const int8_t *x = k_read(g, op->inputs[0]);
    uint8_t *y = g->tensors[op->output].data;
    double scale = (double)k_scale(g, op->inputs[0]);
    int32_t zero = k_zero_point(g, op->inputs[0]);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        float real = (float)(scale * (double)(x[i] - zero));
        uint32_t bits;
        memcpy(&bits, &real, sizeof bits);
        cv_store_u32(y + 4u * i, bits);
    }
    return CV_OK;
}
