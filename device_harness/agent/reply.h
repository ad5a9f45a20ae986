/* How is an answer's payload put together? Preamble, then body or message, never beyond CV_MAX_PAYLOAD.
 *
 * Bytes that do not fit are left out; the handlers check cv_reply_room() where that could happen.
 */
#ifndef COVERIFY_REPLY_H
#define COVERIFY_REPLY_H

#include <stdint.h>

#include "engine.h"
#include "protocol.h"

struct cv_reply {
    uint8_t *payload; /* CV_MAX_PAYLOAD bytes */
    uint32_t n;
    uint32_t detail;
};

void cv_reply_begin(struct cv_reply *r, uint8_t *payload);
uint32_t cv_reply_room(const struct cv_reply *r);
void cv_reply_u8(struct cv_reply *r, uint8_t x);
void cv_reply_u16(struct cv_reply *r, uint16_t x);
void cv_reply_u32(struct cv_reply *r, uint32_t x);
void cv_reply_u64(struct cv_reply *r, uint64_t x);
void cv_reply_bytes(struct cv_reply *r, const uint8_t *data, uint32_t n);
void cv_reply_string(struct cv_reply *r, const char *text); /* u8 length + at most 255 characters */

/* Turns the answer into a refusal and returns `status`, so that a handler can return it. */
enum cv_status cv_reply_refuse(struct cv_reply *r, enum cv_status status, uint32_t detail, const char *text);
enum cv_status cv_reply_why(struct cv_reply *r, enum cv_status status, const struct cv_refusal *why);

/* Writes the preamble; returns the payload's length. */
uint32_t cv_reply_end(struct cv_reply *r, enum cv_status status, enum cv_state state, uint32_t boot);

#endif
