/* Which bytes does the device hold? SHA-256 as in FIPS 180-4. */
#ifndef COVERIFY_SHA256_H
#define COVERIFY_SHA256_H

#include <stdint.h>

#define CV_SHA256_BYTES 32u

void cv_sha256(const uint8_t *data, uint32_t n, uint8_t digest[CV_SHA256_BYTES]);

#endif
