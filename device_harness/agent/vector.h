/* Which input is vector number k of a seed? Generated on the device, so that it need not cross the line.
 *
 * Specified bit for bit in protocol.h (VECTORS); the host's coverify/conformance/vectors.py says the same.
 */
#ifndef COVERIFY_VECTOR_H
#define COVERIFY_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

struct cv_vector {
    uint64_t seed;
    uint32_t number;
};

/* The values of one model input: what the request says of its elements. */
struct cv_element {
    uint8_t width; /* bytes */
    uint8_t bits;  /* 2^bits values from `least` on */
    bool is_float; /* binary32: the integer times 2^exponent */
    int8_t exponent;
    uint32_t least; /* two's complement, as is `zero` */
    uint32_t zero;
};

#define CV_ELEMENT_BYTES 12u /* in a request */

/* Reads CV_ELEMENT_BYTES at p; false: no such element, or an input of n bytes is no whole number of them. */
bool cv_element_read(const uint8_t *p, uint32_t n, struct cv_element *e);

/* Fills the n bytes of model input `ordinal`; needs an element that cv_element_read has passed for n. */
void cv_vector_fill(const struct cv_vector *v, const struct cv_element *e, uint32_t ordinal, uint8_t *to,
                    uint32_t n);

#endif
