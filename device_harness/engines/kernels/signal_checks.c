/* Checks of the signal library's operators: see signal_checks.h. */
#include "signal_checks.h"

#include "channels.h"
#include "movement.h"
#include "quantize.h"
#include "refuse.h"

enum cv_status k_check_elements(struct k_load *l, uint32_t tensor, enum k_type type, uint32_t rank)
{
    enum cv_status status = k_check_type(l, tensor, type);
    if (status == CV_OK && rank != K_ANY_RANK && l->graph->tensors[tensor].rank != rank)
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "the number of its dimensions");
    return status;
}

enum cv_status k_check_elementwise(struct k_load *l, const struct k_op *op, enum k_type in, enum k_type out,
                                   uint32_t rank)
{
    enum cv_status status = k_check_elements(l, op->inputs[0], in, rank);
    if (status == CV_OK)
        status = k_check_elements(l, op->output, out, rank);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

#define OPTION_INT16 7 /* its TensorType */

enum cv_status k_check_int16_option(struct k_load *l, const struct k_options *options, const char *second)
{
    int32_t type = 0;
    if (options->n != 2 || !k_option_is_named(options, 0, "T") || !k_option_is_named(options, 1, second))
        return k_refuse(l, CV_UNSUPPORTED, "its options are other than expected, or in another order");
    return k_option(l, options, 0, OPTION_INT16, OPTION_INT16, &type);
}

enum cv_status k_check_samples(struct k_load *l, const struct k_op *op, uint32_t *n)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    enum cv_status status = k_check_elements(l, op->inputs[0], K_INT16, K_ANY_RANK);
    if (status == CV_OK)
        status = k_check_elements(l, op->output, K_INT16, K_ANY_RANK);
    if (status == CV_OK && (in->rank == 0 || l->graph->tensors[op->output].rank == 0))
        status = k_refuse(l, CV_BAD_MODEL, "a scalar instead of samples");
    if (status != CV_OK)
        return status;
    *n = (uint32_t)in->dims[in->rank - 1u];
    return k_count_macs(l, (uint64_t)in->n_elements + l->graph->tensors[op->output].n_elements);
}

enum cv_status k_check_valid(struct k_load *l, const struct k_op *op)
{
    if (op->n_outputs != 2)
        return k_refuse_number(l, CV_BAD_MODEL, "outputs:", op->n_outputs);
    return k_check_elements(l, op->outputs[1], K_BOOL, 0);
}

bool k_has_dimensions(const struct k_load *l, const struct k_op *op, uint32_t without, const uint32_t *dims,
                      uint32_t n)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    bool same = in->rank >= without && out->rank == in->rank - without + n;
    for (uint32_t i = 0; same && i < out->rank; i++)
        same = i < in->rank - without ? out->dims[i] == in->dims[i]
                                      : (uint32_t)out->dims[i] == dims[i + without - in->rank];
    return same;
}

enum cv_status k_one_option(struct k_load *l, const struct k_op *op, int32_t lo, int32_t hi, int32_t *value)
{
    struct k_options options;
    enum cv_status status = k_options_open(l, op, &options);
    return status == CV_OK ? k_option(l, &options, 0, lo, hi, value) : status;
}
