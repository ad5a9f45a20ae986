/* How does a frame travel over the line? COBS between zero bytes, with a CRC-32 at its end.
 *
 * The receiver takes one byte at a time and never needs more than CV_MAX_FRAME bytes. What is damaged,
 * too long or inconsistent is dropped in silence; the next zero byte always brings it back in step.
 * The sender encodes while it sends and needs no buffer of its own.
 * The layout of a frame is in protocol.h.
 */
#ifndef COVERIFY_FRAME_H
#define COVERIFY_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

/* CRC-32 as in zlib, continued from `crc` (0 to begin). */
uint32_t cv_crc32(uint32_t crc, const uint8_t *data, uint32_t n);

struct cv_receiver {
    uint8_t frame[CV_MAX_FRAME]; /* the decoded bytes so far */
    uint32_t n;
    uint8_t code;  /* of the present COBS block; 0: no block yet */
    uint8_t left;  /* bytes of the present block still to come */
    bool damaged;  /* drop everything up to the next zero byte */
    bool complete; /* the last byte ended a frame; the next byte starts afresh */
};

/* One frame as it was received; `payload` points into the receiver and lives until its next byte. */
struct cv_frame {
    uint8_t type;
    uint16_t seq;
    uint32_t n;
    const uint8_t *payload;
    uint32_t crc;
};

void cv_receiver_reset(struct cv_receiver *rx);

/* Takes one byte from the line; true: `frame` is a whole frame with a good CRC. */
bool cv_receiver_push(struct cv_receiver *rx, uint8_t byte, struct cv_frame *frame);

/* Writes header and CRC around the n payload bytes that already stand at frame + CV_FRAME_HEADER.
 * Needs n <= CV_MAX_PAYLOAD and CV_FRAME_HEADER + n + CV_FRAME_CRC bytes at `frame`; returns that sum. */
uint32_t cv_frame_seal(uint8_t *frame, uint8_t type, uint16_t seq, uint32_t n);

/* Sends 0x00 COBS(frame) 0x00 through `write`. */
void cv_frame_send(const uint8_t *frame, uint32_t n,
                   void (*write)(void *port, const uint8_t *from, uint32_t n), void *port);

#endif
