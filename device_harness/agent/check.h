/* What did every operator write, in few bytes? The CHECK request of protocol.h: one digest per tensor. */
#ifndef COVERIFY_CHECK_H
#define COVERIFY_CHECK_H

#include "reply.h"
#include "session.h"

/* Handles a CHECK whose payload is the n bytes at p; needs a loaded model. */
enum cv_status cv_check(struct cv_session *s, const uint8_t *p, uint32_t n, struct cv_reply *r);

#endif
