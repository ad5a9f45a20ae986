/* SignalFilterBankLog: the natural logarithm of x * 2^correction times a scale; 0 of 0 and 1, at most 32767.
 *
 * Source: TFLM signal/micro/kernels/filter_bank_log.cc, signal/src/filter_bank_log.cc, log.cc.
 */
#include "elements.h"
#include "fixedpoint.h"
#include "operators.h"
#include "signal_checks.h"

#define LN_2 45426u
#define HALF 0x8000u

struct plan {
    int32_t correction;
    int32_t scale;
};

/* round(2^16 (log2(1 + i / 128) - i / 128)) */
static const uint16_t excess[] = {
    0,    224,  442,  654,  861,  1063, 1259, 1450, 1636, 1817, 1992, 2163, 2329, 2490, 2646, 2797, 2944,
    3087, 3224, 3358, 3487, 3611, 3732, 3848, 3960, 4068, 4172, 4272, 4368, 4460, 4549, 4633, 4714, 4791,
    4864, 4934, 5001, 5063, 5123, 5178, 5231, 5280, 5326, 5368, 5408, 5444, 5477, 5507, 5533, 5557, 5578,
    5595, 5610, 5622, 5631, 5637, 5640, 5641, 5638, 5633, 5626, 5615, 5602, 5586, 5568, 5547, 5524, 5498,
    5470, 5439, 5406, 5370, 5332, 5291, 5249, 5203, 5156, 5106, 5054, 5000, 4944, 4885, 4825, 4762, 4697,
    4630, 4561, 4490, 4416, 4341, 4264, 4184, 4103, 4020, 3935, 3848, 3759, 3668, 3575, 3481, 3384, 3286,
    3186, 3084, 2981, 2875, 2768, 2659, 2549, 2437, 2323, 2207, 2090, 1971, 1851, 1729, 1605, 1480, 1353,
    1224, 1094, 963,  830,  695,  559,  421,  282,  142,  0,
};

enum cv_status k_signal_filter_bank_log_prepare(struct k_load *l, struct k_op *op)
{
    struct k_options options;
    enum cv_status status = k_check_elementwise(l, op, K_UINT32, K_INT16, 1);
    if (status == CV_OK)
        status = k_options_open(l, op, &options);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    status = k_option(l, &options, 0, 0, 31, &p->correction);
    return status == CV_OK ? k_option(l, &options, 1, INT32_MIN, INT32_MAX, &p->scale) : status;
}

/* log2(x) in 16 fractional bits, x > 1 */
static uint32_t log2_of(uint32_t x)
{
    uint32_t whole = k_bit_length(x) - 1u;
    uint32_t rest = x - ((uint32_t)1 << whole);
    uint32_t part = whole < 16u ? rest << (16u - whole) : rest >> (whole - 16u);
    uint32_t segment = part >> 9;
    int32_t slope = (int32_t)excess[segment + 1u] - (int32_t)excess[segment];
    int32_t rise = k_shr(slope * (int32_t)(part - (segment << 9)), 16);
    return (whole << 16) + part + excess[segment] + (uint32_t)rise;
}

static uint32_t scaled_log(uint32_t x, uint32_t scale)
{
    uint32_t natural = (uint32_t)(((uint64_t)LN_2 * log2_of(x) + HALF) >> 16); /* < 2^21 */
    return (scale * natural + HALF) >> 16;
}

enum cv_status k_signal_filter_bank_log_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *in = k_read(g, op->inputs[0]);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        uint32_t x = k_load_u32(in, i) << p->correction;
        uint32_t y = x > 1u ? scaled_log(x, (uint32_t)p->scale) : 0u;
        k_store_i16(k_write(g, op->output), i, (int32_t)(y < INT16_MAX ? y : INT16_MAX));
    }
    return CV_OK;
}
