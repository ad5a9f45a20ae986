/* How far is the network run? Inputs, operators one after the other, cycles: what INVOKE, STEP and CHECK share. */
#ifndef COVERIFY_INVOCATION_H
#define COVERIFY_INVOCATION_H

#include "reply.h"
#include "session.h"

/* No inputs, nothing run. */
void cv_invocation_forget(struct cv_session *s);

/* True when every byte of every input has come. */
bool cv_invocation_has_inputs(const struct cv_session *s);

/* Nothing run yet of invocation `id`; the inputs stay. Leaves STEPPING. */
void cv_invocation_begin(struct cv_session *s, uint32_t id, bool stepped);

/* Runs the next operator. Not CV_OK: the answer is a refusal, the invocation forgotten, the state READY. */
enum cv_status cv_invocation_run_next(struct cv_session *s, uint64_t *cycles, struct cv_reply *r);

#endif
