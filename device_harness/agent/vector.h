/* Which input is vector number k of a seed? Generated on the device, so that it need not cross the line.
 *
 * Specified bit for bit in protocol.h (VECTORS); the host's coverify/conformance/vectors.py says the same.
 */
#ifndef COVERIFY_VECTOR_H
#define COVERIFY_VECTOR_H

#include <stdint.h>

struct cv_vector {
    uint64_t seed;
    uint32_t number;
    uint8_t zero; /* the input's zero point, as a byte */
};

/* Fills the n bytes of model input `ordinal`. */
void cv_vector_fill(const struct cv_vector *v, uint32_t ordinal, uint8_t *to, uint32_t n);

#endif
