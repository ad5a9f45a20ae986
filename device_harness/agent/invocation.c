/* One run of the network: see invocation.h. */
#include "invocation.h"

#include <stddef.h>
#include <string.h>

static uint64_t now(const struct cv_session *s)
{
    return s->board->cycles == NULL ? 0 : s->board->cycles(s->board->port);
}

void cv_invocation_forget(struct cv_session *s)
{
    s->invoked = false;
    s->stepped = false;
    s->next_op = 0;
    s->cycles = 0;
    memset(s->input_received, 0, sizeof s->input_received);
}

void cv_invocation_lose(struct cv_session *s)
{
    cv_invocation_forget(s);
    s->has_history = false;
}

bool cv_invocation_is_next(const struct cv_session *s, const uint8_t *before)
{
    return before == NULL || (s->has_history && memcmp(before, s->history, CV_DIGEST_BYTES) == 0);
}

bool cv_invocation_has_inputs(const struct cv_session *s)
{
    const struct cv_engine *e = s->board->engine;
    struct cv_span span;
    for (uint32_t i = 0; i < s->facts.n_inputs; i++)
        if (!e->tensor(e->input(i), &span) || s->input_received[i] != span.n)
            return false;
    return true;
}

static void digest_inputs(struct cv_session *s, const uint8_t *before)
{
    const struct cv_engine *e = s->board->engine;
    uint8_t all[CV_DIGEST_BYTES + CV_MAX_INPUTS * CV_SHA256_BYTES];
    uint32_t n_before = before != NULL ? CV_DIGEST_BYTES : 0u;
    uint8_t *each = all + n_before;
    if (before != NULL)
        memcpy(all, before, CV_DIGEST_BYTES);
    for (uint32_t i = 0; i < s->facts.n_inputs; i++) {
        struct cv_span span = {NULL, 0};
        (void)e->tensor(e->input(i), &span);
        cv_sha256(span.data, span.n, each + i * CV_SHA256_BYTES);
    }
    cv_sha256(all, n_before + s->facts.n_inputs * CV_SHA256_BYTES, s->inputs_digest);
}

enum cv_status cv_invocation_begin(struct cv_session *s, uint32_t id, bool stepped, const uint8_t *before,
                                   struct cv_reply *r)
{
    struct cv_refusal why = {CV_NO_DETAIL, {0, {0}}};
    cv_invocation_lose(s);
    enum cv_status status = before == NULL ? s->board->engine->reset(&why) : CV_OK;
    if (status != CV_OK) {
        s->state = CV_READY;
        return cv_reply_why(r, status, &why);
    }
    digest_inputs(s, before);
    s->invoked = true;
    s->invoke_id = id;
    s->stepped = stepped;
    s->state = CV_STEPPING;
    return CV_OK;
}

enum cv_status cv_invocation_run_next(struct cv_session *s, uint64_t *cycles, struct cv_reply *r)
{
    struct cv_refusal why = {s->next_op, {0, {0}}};
    if (s->board->alive != NULL)
        s->board->alive(s->board->port);
    uint64_t before = now(s);
    enum cv_status status = s->board->engine->run(s->next_op, &why);
    *cycles = now(s) - before;
    if (status != CV_OK) {
        cv_invocation_lose(s);
        s->state = CV_READY;
        return cv_reply_why(r, status, &why);
    }
    s->next_op++;
    if (s->next_op == s->facts.n_operators) {
        s->state = CV_DONE;
        s->has_history = true;
        memcpy(s->history, s->inputs_digest, CV_DIGEST_BYTES);
    }
    return CV_OK;
}
