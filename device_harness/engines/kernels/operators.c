/* The operator table: see operators.h. */
#include "operators.h"

#include <string.h>

#include "extreme.h"
#include "lookup.h"
#include "movement.h"
#include "parting.h"
#include "schema.h"

static const struct k_operator table[] = {
    /* operator, options, fewest and most inputs, most outputs, prepare, run */
    {BUILTIN_ABS, OPTIONS_ABS, 1, 1, 1, k_abs_prepare, k_abs_run},
    {BUILTIN_ADD, OPTIONS_ADD, 2, 2, 1, k_add_prepare, k_add_run},
    {BUILTIN_ADD_N, OPTIONS_ADD_N, 2, K_MAX_INPUTS, 1, k_add_n_prepare, k_add_n_run},
    {BUILTIN_ARG_MAX, OPTIONS_ARG_MAX, 2, 2, 1, k_arg_max_prepare, k_arg_max_run},
    {BUILTIN_ARG_MIN, OPTIONS_ARG_MIN, 2, 2, 1, k_arg_min_prepare, k_arg_max_run},
    {BUILTIN_ASSIGN_VARIABLE, OPTIONS_ASSIGN_VARIABLE, 2, 2, 0, k_assign_variable_prepare,
     k_assign_variable_run},
    {BUILTIN_AVERAGE_POOL_2D, OPTIONS_POOL_2D, 1, 1, 1, k_average_pool_2d_prepare, k_average_pool_2d_run},
    {BUILTIN_BATCH_MATMUL, OPTIONS_BATCH_MATMUL, 2, 2, 1, k_batch_matmul_prepare, k_batch_matmul_run},
    {BUILTIN_BATCH_TO_SPACE_ND, OPTIONS_BATCH_TO_SPACE_ND, 3, 3, 1, k_batch_to_space_nd_prepare,
     k_space_to_batch_nd_run},
    {BUILTIN_BROADCAST_TO, OPTIONS_BROADCAST_TO, 2, 2, 1, k_broadcast_to_prepare, k_copied_run},
    {BUILTIN_CALL_ONCE, OPTIONS_CALL_ONCE, 0, 0, 0, k_call_once_prepare, k_var_handle_run},
    {BUILTIN_CAST, OPTIONS_CAST, 1, 1, 1, k_cast_prepare, k_cast_run},
    {BUILTIN_CONCATENATION, OPTIONS_CONCATENATION, 1, 10, 1, k_concatenation_prepare, k_concatenation_run},
    {BUILTIN_CONV_2D, OPTIONS_CONV_2D, 2, 3, 1, k_conv_2d_prepare, k_conv_2d_run},
    {BUILTIN_DEPTHWISE_CONV_2D, OPTIONS_DEPTHWISE_CONV_2D, 2, 3, 1, k_depthwise_conv_2d_prepare,
     k_depthwise_conv_2d_run},
    {BUILTIN_CUMSUM, OPTIONS_CUMSUM, 2, 2, 1, k_cumsum_prepare, k_cumsum_run},
    {BUILTIN_DEPTH_TO_SPACE, OPTIONS_DEPTH_TO_SPACE, 1, 1, 1, k_depth_to_space_prepare, k_copied_run},
    {BUILTIN_DEQUANTIZE, OPTIONS_DEQUANTIZE, 1, 1, 1, k_dequantize_prepare, k_dequantize_run},
    {BUILTIN_DIV, OPTIONS_DIV, 2, 2, 1, k_div_prepare, k_div_run},
    {BUILTIN_ELU, OPTIONS_NONE, 1, 1, 1, k_elu_prepare, k_lookup_run},
    {BUILTIN_EQUAL, OPTIONS_EQUAL, 2, 2, 1, k_comparison_prepare, k_comparison_run},
    {BUILTIN_EXPAND_DIMS, OPTIONS_EXPAND_DIMS, 2, 2, 1, k_reshape_prepare, k_reshape_run},
    {BUILTIN_FULLY_CONNECTED, OPTIONS_FULLY_CONNECTED, 2, 3, 1, k_fully_connected_prepare,
     k_fully_connected_run},
    {BUILTIN_GATHER, OPTIONS_GATHER, 2, 2, 1, k_gather_prepare, k_gather_run},
    {BUILTIN_GREATER, OPTIONS_GREATER, 2, 2, 1, k_comparison_prepare, k_comparison_run},
    {BUILTIN_GREATER_EQUAL, OPTIONS_GREATER_EQUAL, 2, 2, 1, k_comparison_prepare, k_comparison_run},
    {BUILTIN_HARD_SWISH, OPTIONS_HARD_SWISH, 1, 1, 1, k_hard_swish_prepare, k_lookup_run},
    {BUILTIN_L2_NORMALIZATION, OPTIONS_L2_NORMALIZATION, 1, 1, 1, k_l2_normalization_prepare,
     k_l2_normalization_run},
    {BUILTIN_LEAKY_RELU, OPTIONS_LEAKY_RELU, 1, 1, 1, k_leaky_relu_prepare, k_leaky_relu_run},
    {BUILTIN_LESS, OPTIONS_LESS, 2, 2, 1, k_comparison_prepare, k_comparison_run},
    {BUILTIN_LESS_EQUAL, OPTIONS_LESS_EQUAL, 2, 2, 1, k_comparison_prepare, k_comparison_run},
    {BUILTIN_LOGICAL_AND, OPTIONS_LOGICAL_AND, 2, 2, 1, k_logical_prepare, k_logical_run},
    {BUILTIN_LOGICAL_NOT, OPTIONS_LOGICAL_NOT, 1, 1, 1, k_logical_not_prepare, k_logical_not_run},
    {BUILTIN_LOGICAL_OR, OPTIONS_LOGICAL_OR, 2, 2, 1, k_logical_prepare, k_logical_run},
    {BUILTIN_LOGISTIC, OPTIONS_NONE, 1, 1, 1, k_logistic_prepare, k_lookup_run},
    {BUILTIN_MAXIMUM, OPTIONS_MAXIMUM_MINIMUM, 2, 2, 1, k_maximum_prepare, k_extreme_run},
    {BUILTIN_MAX_POOL_2D, OPTIONS_POOL_2D, 1, 1, 1, k_max_pool_2d_prepare, k_max_pool_2d_run},
    {BUILTIN_MEAN, OPTIONS_REDUCER, 2, 2, 1, k_mean_prepare, k_mean_run},
    {BUILTIN_MINIMUM, OPTIONS_MAXIMUM_MINIMUM, 2, 2, 1, k_minimum_prepare, k_extreme_run},
    {BUILTIN_MIRROR_PAD, OPTIONS_MIRROR_PAD, 2, 2, 1, k_mirror_pad_prepare, k_mirror_pad_run},
    {BUILTIN_MUL, OPTIONS_MUL, 2, 2, 1, k_mul_prepare, k_mul_run},
    {BUILTIN_NOT_EQUAL, OPTIONS_NOT_EQUAL, 2, 2, 1, k_comparison_prepare, k_comparison_run},
    {BUILTIN_PACK, OPTIONS_PACK, 1, K_MAX_INPUTS, 1, k_pack_prepare, k_pack_run},
    {BUILTIN_PAD, OPTIONS_PAD, 2, 2, 1, k_pad_prepare, k_pad_run},
    {BUILTIN_PADV2, OPTIONS_PADV2, 3, 3, 1, k_pad_prepare, k_pad_run},
    {BUILTIN_PRELU, OPTIONS_NONE, 2, 2, 1, k_prelu_prepare, k_prelu_run},
    {BUILTIN_QUANTIZE, OPTIONS_QUANTIZE, 1, 1, 1, k_quantize_prepare, k_quantize_run},
    {BUILTIN_READ_VARIABLE, OPTIONS_READ_VARIABLE, 1, 1, 1, k_read_variable_prepare, k_read_variable_run},
    {BUILTIN_REDUCE_ALL, OPTIONS_REDUCER, 2, 2, 1, k_reduce_all_prepare, k_reduce_min_run},
    {BUILTIN_REDUCE_MAX, OPTIONS_REDUCER, 2, 2, 1, k_reduce_extreme_prepare, k_reduce_max_run},
    {BUILTIN_REDUCE_MIN, OPTIONS_REDUCER, 2, 2, 1, k_reduce_extreme_prepare, k_reduce_min_run},
    {BUILTIN_RELU, OPTIONS_NONE, 1, 1, 1, k_relu_prepare, k_lookup_run},
    {BUILTIN_RELU6, OPTIONS_NONE, 1, 1, 1, k_relu6_prepare, k_lookup_run},
    {BUILTIN_RESHAPE, OPTIONS_RESHAPE, 1, 2, 1, k_reshape_prepare, k_reshape_run},
    {BUILTIN_RESIZE_BILINEAR, OPTIONS_RESIZE_BILINEAR, 2, 2, 1, k_resize_bilinear_prepare,
     k_resize_bilinear_run},
    {BUILTIN_RESIZE_NEAREST_NEIGHBOR, OPTIONS_RESIZE_NEAREST_NEIGHBOR, 2, 2, 1,
     k_resize_nearest_neighbor_prepare, k_resize_nearest_neighbor_run},
    {BUILTIN_RSQRT, OPTIONS_NONE, 1, 1, 1, k_rsqrt_prepare, k_rsqrt_run},
    {BUILTIN_SELECT_V2, OPTIONS_SELECT_V2, 3, 3, 1, k_select_v2_prepare, k_select_v2_run},
    {BUILTIN_SHAPE, OPTIONS_SHAPE, 1, 1, 1, k_shape_prepare, k_shape_run},
    {BUILTIN_SLICE, OPTIONS_SLICE, 3, 3, 1, k_slice_prepare, k_slice_run},
    {BUILTIN_SOFTMAX, OPTIONS_SOFTMAX, 1, 1, 1, k_softmax_prepare, k_softmax_run},
    {BUILTIN_SPACE_TO_BATCH_ND, OPTIONS_SPACE_TO_BATCH_ND, 3, 3, 1, k_space_to_batch_nd_prepare,
     k_space_to_batch_nd_run},
    {BUILTIN_SPACE_TO_DEPTH, OPTIONS_SPACE_TO_DEPTH, 1, 1, 1, k_space_to_depth_prepare, k_copied_run},
    {BUILTIN_SPLIT, OPTIONS_SPLIT, 2, 2, K_MAX_OUTPUTS, k_split_prepare, k_parting_run},
    {BUILTIN_SPLIT_V, OPTIONS_SPLIT_V, 3, 3, K_MAX_OUTPUTS, k_split_v_prepare, k_parting_run},
    {BUILTIN_SQUARED_DIFFERENCE, OPTIONS_SQUARED_DIFFERENCE, 2, 2, 1, k_squared_difference_prepare,
     k_squared_difference_run},
    {BUILTIN_SQUEEZE, OPTIONS_SQUEEZE, 1, 1, 1, k_reshape_prepare, k_reshape_run},
    {BUILTIN_STRIDED_SLICE, OPTIONS_STRIDED_SLICE, 4, 4, 1, k_strided_slice_prepare, k_strided_slice_run},
    {BUILTIN_SUB, OPTIONS_SUB, 2, 2, 1, k_sub_prepare, k_sub_run},
    {BUILTIN_SUM, OPTIONS_REDUCER, 2, 2, 1, k_sum_of_prepare, k_mean_run},
    {BUILTIN_SVDF, OPTIONS_SVDF, 5, 5, 1, k_svdf_prepare, k_svdf_run},
    {BUILTIN_TANH, OPTIONS_NONE, 1, 1, 1, k_tanh_prepare, k_lookup_run},
    {BUILTIN_TRANSPOSE, OPTIONS_TRANSPOSE, 2, 2, 1, k_transpose_prepare, k_transpose_run},
    {BUILTIN_TRANSPOSE_CONV, OPTIONS_TRANSPOSE_CONV, 3, 4, 1, k_transpose_conv_prepare, k_transpose_conv_run},
    {BUILTIN_UNIDIRECTIONAL_SEQUENCE_LSTM, OPTIONS_UNIDIRECTIONAL_SEQUENCE_LSTM, 1, 24, 1,
     k_unidirectional_sequence_lstm_prepare, k_unidirectional_sequence_lstm_run},
    {BUILTIN_UNPACK, OPTIONS_UNPACK, 1, 1, K_MAX_OUTPUTS, k_unpack_prepare, k_parting_run},
    {BUILTIN_VAR_HANDLE, OPTIONS_VAR_HANDLE, 0, 0, 1, k_var_handle_prepare, k_var_handle_run},
};

/* Custom operators have no number; the names are TFLM's. */
static const struct {
    const char *name;
    struct k_operator kind;
} custom_table[] = {
    {"CIRCULAR_BUFFER",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 1, k_circular_buffer_prepare, k_circular_buffer_run}},
    {"SignalEnergy", {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 1, k_signal_energy_prepare, k_signal_energy_run}},
    {"SignalFftAutoScale",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 2, k_signal_fft_auto_scale_prepare, k_signal_fft_auto_scale_run}},
    {"SignalFilterBank",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 6, 6, 1, k_signal_filter_bank_prepare, k_signal_filter_bank_run}},
    {"SignalFilterBankLog",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 1, k_signal_filter_bank_log_prepare, k_signal_filter_bank_log_run}},
    {"SignalFilterBankSpectralSubtraction",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 2, k_signal_filter_bank_spectral_subtraction_prepare,
      k_signal_filter_bank_spectral_subtraction_run}},
    {"SignalFilterBankSquareRoot",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 2, 2, 1, k_signal_filter_bank_square_root_prepare,
      k_signal_filter_bank_square_root_run}},
    {"SignalIrfft", {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 1, k_signal_irfft_prepare, k_signal_rfft_run}},
    {"SignalDelay", {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 1, k_signal_delay_prepare, k_signal_delay_run}},
    {"SignalFramer", {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 2, k_signal_framer_prepare, k_signal_framer_run}},
    {"SignalOverlapAdd",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 1, k_signal_overlap_add_prepare, k_signal_overlap_add_run}},
    {"SignalStacker",
     {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 2, k_signal_stacker_prepare, k_signal_stacker_run}},
    {"SignalPCAN", {BUILTIN_CUSTOM, OPTIONS_NONE, 3, 3, 1, k_signal_pcan_prepare, k_signal_pcan_run}},
    {"SignalRfft", {BUILTIN_CUSTOM, OPTIONS_NONE, 1, 1, 1, k_signal_rfft_prepare, k_signal_rfft_run}},
    {"SignalWindow", {BUILTIN_CUSTOM, OPTIONS_NONE, 2, 2, 1, k_signal_window_prepare, k_signal_window_run}},
};

const struct k_operator *k_operator_find(uint32_t builtin)
{
    for (uint32_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].builtin == builtin)
            return &table[i];
    return NULL;
}

const struct k_operator *k_operator_find_custom(const uint8_t *name, uint32_t n)
{
    for (uint32_t i = 0; i < sizeof custom_table / sizeof custom_table[0]; i++)
        if (n == strlen(custom_table[i].name) && memcmp(name, custom_table[i].name, n) == 0)
            return &custom_table[i].kind;
    return NULL;
}
