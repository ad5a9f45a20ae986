/* SignalFilterBankSquareRoot: the square root to the nearest, but 65535 at most of 32 bits; then shifted right.
 *
 * A shift by other than 0 to 31 bits, which C++ does not define, ends the run with CV_ENGINE.
 * Source: TFLM signal/micro/kernels/filter_bank_square_root.cc, signal/src/square_root_32.cc, square_root_64.cc.
 */
#include "elements.h"
#include "operators.h"
#include "signal_checks.h"

#define ROOTS 32u

enum cv_status k_signal_filter_bank_square_root_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_elementwise(l, op, K_UINT64, K_UINT32, 1);
    return status == CV_OK ? k_check_elements(l, op->inputs[1], K_INT32, 0) : status;
}

static uint32_t root_of(uint64_t x)
{
    uint64_t root = 0;
    uint64_t rest = x;
    for (uint64_t bit = (uint64_t)1 << 62; bit != 0; bit >>= 2) {
        bool fits = rest >= root + bit;
        rest -= fits ? root + bit : 0;
        root = (root >> 1) + (fits ? bit : 0);
    }
    uint64_t most = x >> ROOTS == 0 ? 0xFFFFu : 0xFFFFFFFFu;
    return (uint32_t)(rest > root && root != most ? root + 1u : root);
}

enum cv_status k_signal_filter_bank_square_root_run(const struct k_graph *g, const struct k_op *op)
{
    const int8_t *x = k_read(g, op->inputs[0]);
    uint32_t bits = k_load_u32(k_read(g, op->inputs[1]), 0);
    if (bits > 31u)
        return CV_ENGINE;
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++)
        k_store_u32(k_write(g, op->output), i, root_of(k_load_u64(x, i)) >> bits);
    return CV_OK;
}
