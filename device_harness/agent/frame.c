/* COBS (Cheshire and Baker, 1999) and CRC-32 (reflected, 0xEDB88320): see frame.h. */
#include "frame.h"

#include "bytes.h"

#define BLOCK_MAX 254u /* a COBS block holds at most 254 bytes, code 0xFF */

uint32_t cv_crc32(uint32_t crc, const uint8_t *data, uint32_t n)
{
    static const uint32_t nibble[16] = {0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu,
                                        0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
                                        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
                                        0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
    crc = ~crc;
    for (uint32_t i = 0; i < n; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ nibble[crc & 15u];
        crc = (crc >> 4) ^ nibble[crc & 15u];
    }
    return ~crc;
}

void cv_receiver_reset(struct cv_receiver *rx)
{
    rx->n = 0;
    rx->code = 0;
    rx->left = 0;
    rx->damaged = false;
    rx->complete = false;
}

static void append(struct cv_receiver *rx, uint8_t byte)
{
    if (rx->n >= CV_MAX_FRAME)
        rx->damaged = true;
    else
        rx->frame[rx->n++] = byte;
}

/* The decoded bytes as a frame; false: too short, wrong length, reserved byte set or bad CRC. */
static bool open_frame(const struct cv_receiver *rx, struct cv_frame *frame)
{
    const uint8_t *p = rx->frame;
    if (rx->n < CV_FRAME_HEADER + CV_FRAME_CRC || p[1] != 0)
        return false;
    frame->type = p[0];
    frame->seq = cv_load_u16(p + 2);
    frame->n = cv_load_u32(p + 4);
    frame->payload = p + CV_FRAME_HEADER;
    if (frame->n != rx->n - CV_FRAME_HEADER - CV_FRAME_CRC)
        return false;
    frame->crc = cv_load_u32(p + CV_FRAME_HEADER + frame->n);
    return cv_crc32(0, p, CV_FRAME_HEADER + frame->n) == frame->crc;
}

bool cv_receiver_push(struct cv_receiver *rx, uint8_t byte, struct cv_frame *frame)
{
    if (rx->complete)
        cv_receiver_reset(rx);
    if (byte == 0) {
        bool whole = !rx->damaged && rx->left == 0 && open_frame(rx, frame);
        rx->complete = true;
        return whole;
    }
    if (rx->damaged)
        return false;
    if (rx->left > 0) {
        rx->left--;
        append(rx, byte);
        return false;
    }
    if (rx->code != 0 && rx->code != 0xFF)
        append(rx, 0); /* the zero that the last block stood for */
    rx->code = byte;
    rx->left = (uint8_t)(byte - 1u);
    return false;
}

uint32_t cv_frame_seal(uint8_t *frame, uint8_t type, uint16_t seq, uint32_t n)
{
    frame[0] = type;
    frame[1] = 0;
    cv_store_u16(frame + 2, seq);
    cv_store_u32(frame + 4, n);
    cv_store_u32(frame + CV_FRAME_HEADER + n, cv_crc32(0, frame, CV_FRAME_HEADER + n));
    return CV_FRAME_HEADER + n + CV_FRAME_CRC;
}

void cv_frame_send(const uint8_t *frame, uint32_t n,
                   void (*write)(void *port, const uint8_t *from, uint32_t n), void *port)
{
    static const uint8_t zero = 0;
    uint32_t at = 0;
    bool more = true;
    write(port, &zero, 1);
    while (more) {
        uint32_t run = 0;
        while (run < BLOCK_MAX && at + run < n && frame[at + run] != 0)
            run++;
        uint8_t code = (uint8_t)(run + 1u);
        write(port, &code, 1);
        if (run > 0)
            write(port, frame + at, run);
        at += run;
        more = at < n;
        if (more && run < BLOCK_MAX)
            more = ++at <= n; /* skip the zero that ended this block; it may be the last byte */
    }
    write(port, &zero, 1);
}
