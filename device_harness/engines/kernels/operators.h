/* Which operators does the engine have? One row each; an operator without a row is refused by name. */
#ifndef COVERIFY_OPERATORS_H
#define COVERIFY_OPERATORS_H

#include "graph.h"

/* NULL: not in this engine. */
const struct k_operator *k_operator_find(uint32_t builtin);

/* A custom operator by its name of n bytes; NULL likewise. */
const struct k_operator *k_operator_find_custom(const uint8_t *name, uint32_t n);

#define K_DECLARE_PREPARE(name) enum cv_status k_##name##_prepare(struct k_load *l, struct k_op *op)
#define K_DECLARE_RUN(name) enum cv_status k_##name##_run(const struct k_graph *g, const struct k_op *op)
#define K_DECLARE(name)                                                                                      \
    K_DECLARE_PREPARE(name);                                                                                 \
    K_DECLARE_RUN(name)

K_DECLARE(abs);
K_DECLARE(add);
K_DECLARE(add_n);
K_DECLARE(arg_max);
K_DECLARE(assign_variable);
K_DECLARE(average_pool_2d);
K_DECLARE(batch_matmul);
K_DECLARE(cast);
K_DECLARE(circular_buffer);
K_DECLARE(comparison);
K_DECLARE(concatenation);
K_DECLARE(conv_2d);
K_DECLARE(cumsum);
K_DECLARE(depthwise_conv_2d);
K_DECLARE(dequantize);
K_DECLARE(div);
K_DECLARE(fully_connected);
K_DECLARE(gather);
K_DECLARE(l2_normalization);
K_DECLARE(leaky_relu);
K_DECLARE(logical);
K_DECLARE(logical_not);
K_DECLARE(max_pool_2d);
K_DECLARE(mean);
K_DECLARE(mirror_pad);
K_DECLARE(mul);
K_DECLARE(pack);
K_DECLARE(pad);
K_DECLARE(prelu);
K_DECLARE(quantize);
K_DECLARE(read_variable);
K_DECLARE(reshape);
K_DECLARE(resize_bilinear);
K_DECLARE(resize_nearest_neighbor);
K_DECLARE(rsqrt);
K_DECLARE(select_v2);
K_DECLARE(shape);
K_DECLARE(signal_delay);
K_DECLARE(signal_energy);
K_DECLARE(signal_fft_auto_scale);
K_DECLARE(signal_filter_bank);
K_DECLARE(signal_filter_bank_log);
K_DECLARE(signal_filter_bank_spectral_subtraction);
K_DECLARE(signal_filter_bank_square_root);
K_DECLARE(signal_framer);
K_DECLARE(signal_overlap_add);
K_DECLARE(signal_pcan);
K_DECLARE(signal_rfft);
K_DECLARE(signal_stacker);
K_DECLARE(signal_window);
K_DECLARE(slice);
K_DECLARE(softmax);
K_DECLARE(space_to_batch_nd);
K_DECLARE(squared_difference);
K_DECLARE(strided_slice);
K_DECLARE(sub);
K_DECLARE(svdf);
K_DECLARE(transpose);
K_DECLARE(transpose_conv);
K_DECLARE(unidirectional_sequence_lstm);
K_DECLARE(var_handle);
K_DECLARE_PREPARE(sum_of);

/* Of REDUCE_MAX and REDUCE_MIN, and of REDUCE_ALL, which the run of the latter is for, too. */
K_DECLARE_PREPARE(reduce_all);
K_DECLARE_PREPARE(reduce_extreme);
K_DECLARE_RUN(reduce_max);
K_DECLARE_RUN(reduce_min);

/* Run by k_arg_max_run. */
K_DECLARE_PREPARE(arg_min);

/* Run by k_var_handle_run: there is nothing to do. */
K_DECLARE_PREPARE(call_once);

/* Run by k_signal_rfft_run. */
K_DECLARE_PREPARE(signal_irfft);

/* Run by k_space_to_batch_nd_run. */
K_DECLARE_PREPARE(batch_to_space_nd);

/* Run by k_copied_run. */
K_DECLARE_PREPARE(broadcast_to);
K_DECLARE_PREPARE(depth_to_space);
K_DECLARE_PREPARE(space_to_depth);

/* Run by k_extreme_run. */
K_DECLARE_PREPARE(maximum);
K_DECLARE_PREPARE(minimum);

/* Run by k_parting_run. */
K_DECLARE_PREPARE(split);
K_DECLARE_PREPARE(split_v);
K_DECLARE_PREPARE(unpack);

/* Run by k_lookup_run. */
K_DECLARE_PREPARE(elu);
K_DECLARE_PREPARE(hard_swish);
K_DECLARE_PREPARE(logistic);
K_DECLARE_PREPARE(relu);
K_DECLARE_PREPARE(relu6);
K_DECLARE_PREPARE(tanh);

#endif
