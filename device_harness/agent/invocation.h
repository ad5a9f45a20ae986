/* How far is the network run? Inputs, operators one after the other, cycles: what INVOKE, STEP and CHECK share. */
#ifndef COVERIFY_INVOCATION_H
#define COVERIFY_INVOCATION_H

#include "reply.h"
#include "session.h"

/* No inputs, nothing run. The state that operators keep is that of the last invocation which ended. */
void cv_invocation_forget(struct cv_session *s);

/* As cv_invocation_forget, and no invocation can be continued: it has another model or was left in the middle. */
void cv_invocation_lose(struct cv_session *s);

/* True when the last invocation run is the one with this inputs digest, and it has ended. NULL: always. */
bool cv_invocation_is_next(const struct cv_session *s, const uint8_t *before);

/* True when every byte of every input has come. */
bool cv_invocation_has_inputs(const struct cv_session *s);

/* Nothing run yet of invocation `id`; the inputs stay. Leaves STEPPING. before: what cv_invocation_is_next has
 * passed; NULL: the engine is reset. Not CV_OK: as below. */
enum cv_status cv_invocation_begin(struct cv_session *s, uint32_t id, bool stepped, const uint8_t *before,
                                   struct cv_reply *r);

/* Runs the next operator. Not CV_OK: the answer is a refusal, the invocation forgotten, the state READY. */
enum cv_status cv_invocation_run_next(struct cv_session *s, uint64_t *cycles, struct cv_reply *r);

#endif
