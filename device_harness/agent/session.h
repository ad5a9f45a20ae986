/* What does the device answer? The state machine of protocol.h, over one board and one engine.
 *
 * One request gets one answer. The last CV_WINDOW answers are kept: the same request again (same seq,
 * same bytes) gets the same answer and nothing is done twice. All memory is in struct cv_session.
 */
#ifndef COVERIFY_SESSION_H
#define COVERIFY_SESSION_H

#include "board.h"
#include "frame.h"
#include "sha256.h"

#ifndef CV_WINDOW
#define CV_WINDOW 4u /* requests that may be outstanding; answers that are kept */
#endif
#define CV_MAX_INPUTS 16u /* a model with more inputs is refused with CV_UNSUPPORTED */

/* An answer as it went over the line. */
struct cv_answer {
    uint32_t request_crc; /* of the request's frame: covers type, seq and payload */
    uint32_t n;           /* bytes of `frame`; 0: no answer kept here */
    uint16_t seq;
    uint8_t frame[CV_MAX_FRAME];
};

struct cv_session {
    const struct cv_board *board;
    enum cv_state state;
    uint32_t boot; /* 0: just started */

    uint32_t model_size;
    uint32_t model_received;
    uint8_t model_digest[CV_SHA256_BYTES]; /* announced in LOADING, proven in READY and after */
    struct cv_model_facts facts;           /* valid in READY, STEPPING, DONE */

    uint32_t input_received[CV_MAX_INPUTS]; /* bytes, in order from 0 */
    bool invoked;                           /* the fields below hold the last INVOKE or CHECK */
    bool stepped;
    uint32_t invoke_id;
    uint8_t inputs_digest[CV_SHA256_BYTES]; /* of what it and those that it follows were given */
    bool has_history;                       /* an invocation has ended, and none has begun since: */
    uint8_t history[CV_DIGEST_BYTES];       /* its inputs digest, which names the engine's state */
    uint32_t next_op;                       /* operators executed */
    uint64_t cycles;                        /* of all operators, or of the last STEP if stepped */

    struct cv_receiver receiver;
    struct cv_answer answers[CV_WINDOW];
    uint32_t oldest; /* the slot that the next answer takes */
};

void cv_session_init(struct cv_session *s, const struct cv_board *board);

/* Handles what the line has now; returns the bytes taken (0: nothing was waiting). */
uint32_t cv_session_poll(struct cv_session *s);

/* Polls for ever, idling when nothing waits. */
void cv_session_serve(struct cv_session *s);

/* Handles one request and sends the answer. For cv_session_poll and for tests. */
void cv_session_request(struct cv_session *s, const struct cv_frame *frame);

#endif
