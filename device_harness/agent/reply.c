/* One answer's payload in the making: see reply.h. */
#include "reply.h"

#include <string.h>

#include "bytes.h"

void cv_reply_begin(struct cv_reply *r, uint8_t *payload)
{
    r->payload = payload;
    r->n = CV_ANSWER_PREAMBLE;
    r->detail = CV_NO_DETAIL;
}

uint32_t cv_reply_room(const struct cv_reply *r)
{
    return CV_MAX_PAYLOAD - r->n;
}

void cv_reply_bytes(struct cv_reply *r, const uint8_t *data, uint32_t n)
{
    if (n == 0 || n > cv_reply_room(r))
        return;
    memcpy(r->payload + r->n, data, n);
    r->n += n;
}

void cv_reply_u8(struct cv_reply *r, uint8_t x)
{
    cv_reply_bytes(r, &x, 1);
}

void cv_reply_u16(struct cv_reply *r, uint16_t x)
{
    uint8_t b[2];
    cv_store_u16(b, x);
    cv_reply_bytes(r, b, sizeof b);
}

void cv_reply_u32(struct cv_reply *r, uint32_t x)
{
    uint8_t b[4];
    cv_store_u32(b, x);
    cv_reply_bytes(r, b, sizeof b);
}

void cv_reply_u64(struct cv_reply *r, uint64_t x)
{
    uint8_t b[8];
    cv_store_u64(b, x);
    cv_reply_bytes(r, b, sizeof b);
}

void cv_reply_string(struct cv_reply *r, const char *text)
{
    size_t n = strlen(text);
    uint8_t kept = (uint8_t)(n < 255 ? n : 255);
    cv_reply_u8(r, kept);
    cv_reply_bytes(r, (const uint8_t *)text, kept);
}

enum cv_status cv_reply_refuse(struct cv_reply *r, enum cv_status status, uint32_t detail, const char *text)
{
    r->n = CV_ANSWER_PREAMBLE;
    r->detail = detail;
    cv_reply_bytes(r, (const uint8_t *)text, (uint32_t)strlen(text));
    return status;
}

enum cv_status cv_reply_why(struct cv_reply *r, enum cv_status status, const struct cv_refusal *why)
{
    r->n = CV_ANSWER_PREAMBLE;
    r->detail = why->detail;
    cv_reply_bytes(r, (const uint8_t *)why->message.text, why->message.n);
    return status;
}

uint32_t cv_reply_end(struct cv_reply *r, enum cv_status status, enum cv_state state, uint32_t boot)
{
    r->payload[0] = (uint8_t)status;
    r->payload[1] = (uint8_t)state;
    cv_store_u16(r->payload + 2, 0);
    cv_store_u32(r->payload + 4, boot);
    cv_store_u32(r->payload + 8, r->detail);
    return r->n;
}
