/* Scales to integers: see quantize.h. */
#include "quantize.h"

#include <string.h>

#include "bytes.h"
#include "refuse.h"
#include "schema.h"

#define FRACTION_BITS 52

static bool is_usable_scale(float scale)
{
    return scale > 0.0f && scale <= 3.0e38f; /* false for NaN and infinity */
}

/* real = q * 2^(exponent - 31) with 2^30 <= q <= 2^31; needs a positive normal number. */
static int64_t split(double real, int32_t *exponent)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    *exponent = (int32_t)(bits >> FRACTION_BITS) - 1022;
    uint64_t fraction = (bits & (((uint64_t)1 << FRACTION_BITS) - 1u)) | ((uint64_t)1 << FRACTION_BITS);
    uint32_t drop = FRACTION_BITS + 1 - 31; /* of 53 bits keep 31; adding half rounds half up = away */
    return (int64_t)((fraction + ((uint64_t)1 << (drop - 1u))) >> drop);
}

bool k_rounds_to_one(double real)
{
    int32_t exponent = 0;
    return split(real, &exponent) == (int64_t)1 << 31;
}

enum cv_status k_quantize_multiplier(struct k_load *l, double real, int32_t *multiplier, int32_t *shift)
{
    if (!(real >= 1.0e-300 && real <= 1.0e300))
        return k_refuse(l, CV_UNSUPPORTED, "the effective scale is zero, infinite or not a number");
    int64_t q = split(real, shift);
    if (q == (int64_t)1 << 31) {
        q /= 2;
        *shift += 1;
    }
    if (*shift < -31) {
        q = 0;
        *shift = 0;
    }
    if (*shift > 30)
        return k_refuse(l, CV_UNSUPPORTED, "the effective scale is 2^30 or more");
    *multiplier = (int32_t)q;
    return CV_OK;
}

/* round(x), half away from zero, of 0 <= x < 2^30: x + 0.5 is exact in double or below 1. */
static int32_t round_f32(float x)
{
    return (int32_t)((double)x + 0.5);
}

int32_t k_code_of(float real, float scale, int32_t zero_point)
{
    float steps = real / scale;
    return zero_point + (steps < 536870912.0f ? round_f32(steps) : 536870912);
}

enum cv_status k_activation_limits(struct k_load *l, uint8_t activation, uint32_t output,
                                   struct k_limits *limits)
{
    float scale = k_scale(l->graph, output);
    int32_t zero = k_zero_point(l->graph, output);
    bool is_wide = l->graph->tensors[output].type == K_INT16;
    const int32_t least = is_wide ? INT16_MIN : INT8_MIN;
    const int32_t most = is_wide ? INT16_MAX : INT8_MAX;
    limits->lo = least;
    limits->hi = most;
    if (activation == ACTIVATION_NONE)
        return CV_OK;
    if (activation != ACTIVATION_RELU && activation != ACTIVATION_RELU6 &&
        activation != ACTIVATION_RELU_N1_TO_1)
        return k_refuse_number(l, CV_UNSUPPORTED, "fused activation", activation);
    if (activation == ACTIVATION_RELU) {
        limits->lo = zero;
        return CV_OK;
    }
    if (6.0f / scale >= 1073741824.0f)
        return k_refuse_tensor(l, CV_UNSUPPORTED, output, "its scale is too small for a fused activation");
    float bottom = activation == ACTIVATION_RELU_N1_TO_1 ? 1.0f : 0.0f;
    float top = activation == ACTIVATION_RELU_N1_TO_1 ? 1.0f : 6.0f;
    int32_t lo = zero - round_f32(bottom / scale);
    int32_t hi = zero + round_f32(top / scale);
    limits->lo = lo > least ? lo : least;
    limits->hi = hi < most ? hi : most;
    return CV_OK;
}

float k_scale(const struct k_graph *g, uint32_t tensor)
{
    return fb_vector_f32(&g->file, g->tensors[tensor].scales, 0);
}

bool k_is_quantized(const struct k_tensor *t)
{
    return t->scales.n > 0 && t->zero_points.n > 0;
}

int32_t k_zero_point(const struct k_graph *g, uint32_t tensor)
{
    return cv_as_i32((uint32_t)(fb_vector_u64(&g->file, g->tensors[tensor].zero_points, 0) & 0xFFFFFFFFu));
}

/* Whether it is in -half ... half - 1 */
static bool zero_point_is_within(const struct k_graph *g, const struct k_tensor *t, uint64_t half)
{
    return fb_vector_u64(&g->file, t->zero_points, 0) + half < 2u * half;
}

static bool is_int8_zero_point(const struct k_graph *g, const struct k_tensor *t)
{
    return zero_point_is_within(g, t, 128u);
}

enum cv_status k_check_type(struct k_load *l, uint32_t tensor, enum k_type type)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->type != type) {
        (void)k_refuse_tensor(l, CV_UNSUPPORTED, tensor, k_type_name(t->type));
        cv_message_text(&l->why->message, ", only ");
        cv_message_text(&l->why->message, k_type_name(type));
        cv_message_text(&l->why->message, " is supported here");
        return CV_UNSUPPORTED;
    }
    if (t->n_bytes == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "its shape is dynamic, empty or too large");
    return CV_OK;
}

enum cv_status k_check_bool(struct k_load *l, uint32_t tensor)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    enum cv_status status = k_check_type(l, tensor, K_BOOL);
    for (uint32_t i = 0; status == CV_OK && t->constant != NULL && i < t->n_elements; i++)
        if (t->constant[i] > 1)
            status = k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "BOOL that is neither 0 nor 1");
    return status;
}

/* Of that type and of known size, with one scale, which is usable, and one zero point, which may be any. */
static enum cv_status check_one_scale(struct k_load *l, uint32_t tensor, enum k_type type)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    enum cv_status status = k_check_type(l, tensor, type);
    if (status != CV_OK)
        return status;
    if (t->scales.n != 1 || t->zero_points.n != 1)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "needs one scale and one zero point");
    if (!is_usable_scale(k_scale(l->graph, tensor)))
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "its scale is not a positive number");
    return CV_OK;
}

enum cv_status k_check_int8(struct k_load *l, uint32_t tensor)
{
    return k_check_quantized(l, tensor, false);
}

enum cv_status k_check_quantized(struct k_load *l, uint32_t tensor, bool wide)
{
    enum cv_status status = check_one_scale(l, tensor, wide ? K_INT16 : K_INT8);
    if (status == CV_OK && !zero_point_is_within(l->graph, &l->graph->tensors[tensor], wide ? 32768u : 128u))
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "its zero point is not of its type");
    return status;
}

enum cv_status k_check_activations(struct k_load *l, uint32_t tensor, bool wide)
{
    enum cv_status status = k_check_quantized(l, tensor, wide);
    if (status == CV_OK && wide && k_zero_point(l->graph, tensor) != 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "INT16 with a zero point that is not 0");
    return status;
}

enum cv_status k_check_quantized32(struct k_load *l, uint32_t tensor)
{
    enum cv_status status = check_one_scale(l, tensor, K_INT32);
    if (status == CV_OK && !zero_point_is_within(l->graph, &l->graph->tensors[tensor], 0x80000000u))
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "its zero point is not of its type");
    return status;
}

enum cv_status k_check_uint8(struct k_load *l, uint32_t tensor)
{
    enum cv_status status = check_one_scale(l, tensor, K_UINT8);
    if (status == CV_OK && fb_vector_u64(&l->graph->file, l->graph->tensors[tensor].zero_points, 0) > 255u)
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "its zero point is not of its type");
    return status;
}

enum cv_status k_check_filter(struct k_load *l, uint32_t tensor, uint32_t rank, uint32_t dimension)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    enum cv_status status = k_check_type(l, tensor, K_INT8);
    if (status != CV_OK)
        return status;
    if (t->constant == NULL)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the filter is not a constant");
    if (t->rank != rank)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the filter's rank");
    if (t->scales.n == 0 || t->zero_points.n != t->scales.n)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "needs scales and as many zero points");
    if (t->scales.n > 1 &&
        (t->quantized_dimension != (int32_t)dimension || t->scales.n != (uint32_t)t->dims[dimension]))
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "scales that are not per output channel");
    for (uint32_t i = 0; i < t->scales.n; i++)
        if (!is_usable_scale(fb_vector_f32(&l->graph->file, t->scales, i)))
            return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "a scale is not a positive number");
    if (!is_int8_zero_point(l->graph, t))
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "its zero point is not an int8");
    return CV_OK;
}
