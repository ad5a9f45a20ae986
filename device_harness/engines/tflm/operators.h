/* Which operators does the engine register? Those of the schema's that the linked library has.
 *
 * CV_TFLM_OPERATORS is a list of words, made by the Makefile from the library's symbols: "ABS ADD CONV_2D". What is
 * not in it is not referred to, so that a library with fewer kernels links; what is in it but not below
 * (control flow, variables of several subgraphs, custom operators) is refused by name when a model has it.
 */
#ifndef COVERIFY_TFLM_OPERATORS_H
#define COVERIFY_TFLM_OPERATORS_H

#ifndef CV_TFLM_OPERATORS
#error "CV_TFLM_OPERATORS: the library's operators, as a string of names (the Makefile lists them)"
#endif

namespace operators
{

constexpr bool is_letter(char c)
{
    return c != ' ' && c != '\0';
}

/* Is the word `name` in the list? */
constexpr bool listed(const char *list, const char *name)
{
    for (const char *word = list; *word != '\0';) {
        const char *n = name;
        while (is_letter(*word) && *word == *n) {
            word++;
            n++;
        }
        if (!is_letter(*word) && *n == '\0')
            return true;
        while (is_letter(*word))
            word++;
        while (*word == ' ')
            word++;
    }
    return false;
}

constexpr bool in_library(const char *name)
{
    return listed(CV_TFLM_OPERATORS, name);
}

/* X(name in the schema, method of the resolver) */
#define CV_EACH_OPERATOR(X)                                                                                  \
    X(ABS, AddAbs)                                                                                           \
    X(ADD, AddAdd)                                                                                           \
    X(ADD_N, AddAddN)                                                                                        \
    X(ARG_MAX, AddArgMax)                                                                                    \
    X(ARG_MIN, AddArgMin)                                                                                    \
    X(AVERAGE_POOL_2D, AddAveragePool2D)                                                                     \
    X(BATCH_MATMUL, AddBatchMatMul)                                                                          \
    X(BATCH_TO_SPACE_ND, AddBatchToSpaceNd)                                                                  \
    X(BROADCAST_ARGS, AddBroadcastArgs)                                                                      \
    X(BROADCAST_TO, AddBroadcastTo)                                                                          \
    X(CAST, AddCast)                                                                                         \
    X(CEIL, AddCeil)                                                                                         \
    X(CONCATENATION, AddConcatenation)                                                                       \
    X(CONV_2D, AddConv2D)                                                                                    \
    X(COS, AddCos)                                                                                           \
    X(CUMSUM, AddCumSum)                                                                                     \
    X(DEPTHWISE_CONV_2D, AddDepthwiseConv2D)                                                                 \
    X(DEPTH_TO_SPACE, AddDepthToSpace)                                                                       \
    X(DEQUANTIZE, AddDequantize)                                                                             \
    X(DIV, AddDiv)                                                                                           \
    X(DYNAMIC_UPDATE_SLICE, AddDynamicUpdateSlice)                                                           \
    X(ELU, AddElu)                                                                                           \
    X(EMBEDDING_LOOKUP, AddEmbeddingLookup)                                                                  \
    X(EQUAL, AddEqual)                                                                                       \
    X(EXP, AddExp)                                                                                           \
    X(EXPAND_DIMS, AddExpandDims)                                                                            \
    X(FILL, AddFill)                                                                                         \
    X(FLOOR, AddFloor)                                                                                       \
    X(FLOOR_DIV, AddFloorDiv)                                                                                \
    X(FLOOR_MOD, AddFloorMod)                                                                                \
    X(FULLY_CONNECTED, AddFullyConnected)                                                                    \
    X(GATHER, AddGather)                                                                                     \
    X(GATHER_ND, AddGatherNd)                                                                                \
    X(GREATER, AddGreater)                                                                                   \
    X(GREATER_EQUAL, AddGreaterEqual)                                                                        \
    X(HARD_SWISH, AddHardSwish)                                                                              \
    X(L2_NORMALIZATION, AddL2Normalization)                                                                  \
    X(L2_POOL_2D, AddL2Pool2D)                                                                               \
    X(LEAKY_RELU, AddLeakyRelu)                                                                              \
    X(LESS, AddLess)                                                                                         \
    X(LESS_EQUAL, AddLessEqual)                                                                              \
    X(LOG, AddLog)                                                                                           \
    X(LOGICAL_AND, AddLogicalAnd)                                                                            \
    X(LOGICAL_NOT, AddLogicalNot)                                                                            \
    X(LOGICAL_OR, AddLogicalOr)                                                                              \
    X(LOGISTIC, AddLogistic)                                                                                 \
    X(LOG_SOFTMAX, AddLogSoftmax)                                                                            \
    X(MAXIMUM, AddMaximum)                                                                                   \
    X(MAX_POOL_2D, AddMaxPool2D)                                                                             \
    X(MEAN, AddMean)                                                                                         \
    X(MINIMUM, AddMinimum)                                                                                   \
    X(MIRROR_PAD, AddMirrorPad)                                                                              \
    X(MUL, AddMul)                                                                                           \
    X(NEG, AddNeg)                                                                                           \
    X(NOT_EQUAL, AddNotEqual)                                                                                \
    X(PACK, AddPack)                                                                                         \
    X(PAD, AddPad)                                                                                           \
    X(PADV2, AddPadV2)                                                                                       \
    X(PRELU, AddPrelu)                                                                                       \
    X(QUANTIZE, AddQuantize)                                                                                 \
    X(REDUCE_ALL, AddReduceAll)                                                                              \
    X(REDUCE_MAX, AddReduceMax)                                                                              \
    X(REDUCE_MIN, AddReduceMin)                                                                              \
    X(RELU, AddRelu)                                                                                         \
    X(RELU6, AddRelu6)                                                                                       \
    X(RESHAPE, AddReshape)                                                                                   \
    X(RESIZE_BILINEAR, AddResizeBilinear)                                                                    \
    X(RESIZE_NEAREST_NEIGHBOR, AddResizeNearestNeighbor)                                                     \
    X(REVERSE_V2, AddReverseV2)                                                                              \
    X(ROUND, AddRound)                                                                                       \
    X(RSQRT, AddRsqrt)                                                                                       \
    X(SELECT_V2, AddSelectV2)                                                                                \
    X(SHAPE, AddShape)                                                                                       \
    X(SIN, AddSin)                                                                                           \
    X(SLICE, AddSlice)                                                                                       \
    X(SOFTMAX, AddSoftmax)                                                                                   \
    X(SPACE_TO_BATCH_ND, AddSpaceToBatchNd)                                                                  \
    X(SPACE_TO_DEPTH, AddSpaceToDepth)                                                                       \
    X(SPLIT, AddSplit)                                                                                       \
    X(SPLIT_V, AddSplitV)                                                                                    \
    X(SQRT, AddSqrt)                                                                                         \
    X(SQUARE, AddSquare)                                                                                     \
    X(SQUARED_DIFFERENCE, AddSquaredDifference)                                                              \
    X(SQUEEZE, AddSqueeze)                                                                                   \
    X(STRIDED_SLICE, AddStridedSlice)                                                                        \
    X(SUB, AddSub)                                                                                           \
    X(SUM, AddSum)                                                                                           \
    X(SVDF, AddSvdf)                                                                                         \
    X(TANH, AddTanh)                                                                                         \
    X(TRANSPOSE, AddTranspose)                                                                               \
    X(TRANSPOSE_CONV, AddTransposeConv)                                                                      \
    X(UNIDIRECTIONAL_SEQUENCE_LSTM, AddUnidirectionalSequenceLSTM)                                           \
    X(UNPACK, AddUnpack)                                                                                     \
    X(ZEROS_LIKE, AddZerosLike)

#define CV_COUNT(name, method) +(in_library(#name) ? 1u : 0u)
constexpr unsigned n_operators = 0u CV_EACH_OPERATOR(CV_COUNT);
#undef CV_COUNT
static_assert(n_operators > 0, "CV_TFLM_OPERATORS names no operator that is known here");

/* A template, so that a method which this TFLM's resolver does not have yet matters only where it is called. */
template <class Resolver> void add_to(Resolver *resolver)
{
#define CV_ADD(name, method)                                                                                 \
    if constexpr (in_library(#name))                                                                         \
        (void)resolver->method();
    CV_EACH_OPERATOR(CV_ADD)
#undef CV_ADD
}

} // namespace operators

#endif
