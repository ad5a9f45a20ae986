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

enum cv_status k_one_option(struct k_load *l, const struct k_op *op, int32_t lo, int32_t hi, int32_t *value)
{
    struct k_options options;
    enum cv_status status = k_options_open(l, op, &options);
    return status == CV_OK ? k_option(l, &options, 0, lo, hi, value) : status;
}
