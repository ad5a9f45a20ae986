/* Which field number has what meaning? The part of the .tflite schema (version 3) that the engine reads. */
#ifndef COVERIFY_SCHEMA_H
#define COVERIFY_SCHEMA_H

#define SCHEMA_VERSION 3u

enum schema_model { MODEL_VERSION = 0, MODEL_OPERATOR_CODES = 1, MODEL_SUBGRAPHS = 2, MODEL_BUFFERS = 4 };

enum schema_operator_code {
    CODE_DEPRECATED_BUILTIN = 0, /* int8; the operator is the larger of the two numbers */
    CODE_CUSTOM = 1,
    CODE_BUILTIN = 3
};

enum schema_subgraph { GRAPH_TENSORS = 0, GRAPH_INPUTS = 1, GRAPH_OUTPUTS = 2, GRAPH_OPERATORS = 3 };

enum schema_tensor {
    TENSOR_SHAPE = 0,
    TENSOR_TYPE = 1,
    TENSOR_BUFFER = 2,
    TENSOR_QUANTIZATION = 4,
    TENSOR_IS_VARIABLE = 5,
    TENSOR_SPARSITY = 6
};

enum schema_quantization {
    QUANTIZATION_SCALE = 2,
    QUANTIZATION_ZERO_POINT = 3,
    QUANTIZATION_DETAILS = 5,
    QUANTIZATION_DIMENSION = 6
};

enum schema_buffer { BUFFER_DATA = 0, BUFFER_OFFSET = 1, BUFFER_SIZE = 2 };

enum schema_operator {
    OPERATOR_CODE = 0,
    OPERATOR_INPUTS = 1,
    OPERATOR_OUTPUTS = 2,
    OPERATOR_OPTIONS_TYPE = 3,
    OPERATOR_OPTIONS = 4
};

enum schema_conv {
    CONV_PADDING = 0,
    CONV_STRIDE_W = 1,
    CONV_STRIDE_H = 2,
    CONV_ACTIVATION = 3,
    CONV_DILATION_W = 4,
    CONV_DILATION_H = 5
};

enum schema_depthwise {
    DEPTHWISE_PADDING = 0,
    DEPTHWISE_STRIDE_W = 1,
    DEPTHWISE_STRIDE_H = 2,
    DEPTHWISE_MULTIPLIER = 3,
    DEPTHWISE_ACTIVATION = 4,
    DEPTHWISE_DILATION_W = 5,
    DEPTHWISE_DILATION_H = 6
};

enum schema_pool {
    POOL_PADDING = 0,
    POOL_STRIDE_W = 1,
    POOL_STRIDE_H = 2,
    POOL_FILTER_W = 3,
    POOL_FILTER_H = 4,
    POOL_ACTIVATION = 5
};

enum schema_fully_connected { DENSE_ACTIVATION = 0, DENSE_WEIGHTS_FORMAT = 1 };
enum schema_add { ADD_ACTIVATION = 0 };
enum schema_softmax { SOFTMAX_BETA = 0 };

enum schema_builtin {
    BUILTIN_ADD = 0,
    BUILTIN_AVERAGE_POOL_2D = 1,
    BUILTIN_CONV_2D = 3,
    BUILTIN_DEPTHWISE_CONV_2D = 4,
    BUILTIN_FULLY_CONNECTED = 9,
    BUILTIN_MAX_POOL_2D = 17,
    BUILTIN_RESHAPE = 22,
    BUILTIN_SOFTMAX = 25
};

enum schema_options_type {
    OPTIONS_CONV_2D = 1,
    OPTIONS_DEPTHWISE_CONV_2D = 2,
    OPTIONS_POOL_2D = 5,
    OPTIONS_FULLY_CONNECTED = 8,
    OPTIONS_SOFTMAX = 9,
    OPTIONS_ADD = 11,
    OPTIONS_RESHAPE = 17
};

enum schema_padding { PADDING_SAME = 0, PADDING_VALID = 1 };

enum schema_activation {
    ACTIVATION_NONE = 0,
    ACTIVATION_RELU = 1,
    ACTIVATION_RELU_N1_TO_1 = 2,
    ACTIVATION_RELU6 = 3
};

#endif
