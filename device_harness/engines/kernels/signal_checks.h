/* What do the operators of TFLM's signal library share? Checks of types and shapes, and of bit lengths. */
#ifndef COVERIFY_SIGNAL_CHECKS_H
#define COVERIFY_SIGNAL_CHECKS_H

#include "flexbuffer.h"

#define K_ANY_RANK 0xFFu

/* Of known size, of that type and rank. */
enum cv_status k_check_elements(struct k_load *l, uint32_t tensor, enum k_type type, uint32_t rank);

/* Both of known size, of these types and one shape, of that rank; counts their elements as multiplications. */
enum cv_status k_check_elementwise(struct k_load *l, const struct k_op *op, enum k_type in, enum k_type out,
                                   uint32_t rank);

/* Refuses other options than T, which must say INT16, and `second`: TFLM looks T up by its key. */
enum cv_status k_check_int16_option(struct k_load *l, const struct k_options *options, const char *second);

/* Both tensors are INT16 of one rank or more; *n: the elements of the input's last dimension. */
enum cv_status k_check_samples(struct k_load *l, const struct k_op *op, uint32_t *n);

/* The second output is a BOOL, which every run sets. */
enum cv_status k_check_valid(struct k_load *l, const struct k_op *op);

/* Whether the output's dimensions are the input's without the last `without`, and then the n given ones. */
bool k_has_dimensions(const struct k_load *l, const struct k_op *op, uint32_t without, const uint32_t *dims,
                      uint32_t n);

/* The only option of an operator. */
enum cv_status k_one_option(struct k_load *l, const struct k_op *op, int32_t lo, int32_t hi, int32_t *value);

/* The number of x's bits up to the leading one; 0 of 0. */
static inline uint32_t k_bit_length(uint32_t x)
{
    uint32_t n = 0;
    for (; x != 0; x >>= 1)
        n++;
    return n;
}

#endif
