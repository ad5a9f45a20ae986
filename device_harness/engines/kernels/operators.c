/* The operator table: see operators.h. */
#include "operators.h"

#include "schema.h"

static const struct k_operator table[] = {
    /* operator, options, fewest and most inputs, prepare, run */
    {BUILTIN_ADD, OPTIONS_ADD, 2, 2, k_add_prepare, k_add_run},
    {BUILTIN_AVERAGE_POOL_2D, OPTIONS_POOL_2D, 1, 1, k_average_pool_2d_prepare, k_average_pool_2d_run},
    {BUILTIN_CONV_2D, OPTIONS_CONV_2D, 2, 3, k_conv_2d_prepare, k_conv_2d_run},
    {BUILTIN_DEPTHWISE_CONV_2D, OPTIONS_DEPTHWISE_CONV_2D, 2, 3, k_depthwise_conv_2d_prepare,
     k_depthwise_conv_2d_run},
    {BUILTIN_FULLY_CONNECTED, OPTIONS_FULLY_CONNECTED, 2, 3, k_fully_connected_prepare,
     k_fully_connected_run},
    {BUILTIN_MAX_POOL_2D, OPTIONS_POOL_2D, 1, 1, k_max_pool_2d_prepare, k_max_pool_2d_run},
    {BUILTIN_RESHAPE, OPTIONS_RESHAPE, 1, 2, k_reshape_prepare, k_reshape_run},
    {BUILTIN_SOFTMAX, OPTIONS_SOFTMAX, 1, 1, k_softmax_prepare, k_softmax_run},
};

const struct k_operator *k_operator_find(uint32_t builtin)
{
    for (uint32_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].builtin == builtin)
            return &table[i];
    return NULL;
}
