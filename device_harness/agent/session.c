/* The state machine of protocol.h: one handler per request. See session.h. */
#include "session.h"

#include <string.h>

#include "bytes.h"
#include "check.h"
#include "invocation.h"
#include "reply.h"

#ifndef CV_BUILD_ID
#error "the build must pass -DCV_BUILD_ID"
#endif

#define PLAN 16u    /* bytes of MODEL_END's answer before the inputs' and outputs' */
#define PLAN_END 8u /* of an input or output */

struct request {
    uint32_t n;
    const uint8_t *p;
};

static bool model_is_loaded(const struct cv_session *s)
{
    return s->state == CV_READY || s->state == CV_STEPPING || s->state == CV_DONE;
}

static enum cv_status on_hello(struct cv_session *s, struct request q, struct cv_reply *r)
{
    static const uint8_t none[CV_SHA256_BYTES] = {0};
    const struct cv_board *b = s->board;
    uint32_t features = CV_FEATURE_TRACE | CV_FEATURE_CHECK | (b->cycles != NULL ? CV_FEATURE_CYCLES : 0u) |
                        (b->store != NULL ? CV_FEATURE_SLOW_STORE : 0u);
    if (q.n != 4 || cv_load_u32(q.p) == 0)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "HELLO takes one number that is not 0");
    if (s->boot == 0)
        s->boot = cv_load_u32(q.p);
    cv_reply_u16(r, CV_PROTOCOL_VERSION);
    cv_reply_u16(r, CV_WINDOW);
    cv_reply_u32(r, CV_MAX_PAYLOAD);
    cv_reply_u32(r, b->model_capacity);
    cv_reply_u32(r, b->arena_capacity);
    cv_reply_u32(r, features);
    cv_reply_u32(r, b->clock_hz);
    cv_reply_bytes(r, model_is_loaded(s) ? s->model_digest : none, CV_SHA256_BYTES);
    cv_reply_string(r, b->name);
    cv_reply_string(r, b->core);
    cv_reply_string(r, b->engine->name);
    cv_reply_string(r, b->engine->rounding);
    cv_reply_string(r, "gcc " __VERSION__);
    cv_reply_string(r, CV_BUILD_ID);
    cv_reply_string(r, b->counter != NULL ? b->counter : "");
    return CV_OK;
}

static enum cv_status on_model_begin(struct cv_session *s, struct request q, struct cv_reply *r)
{
    if (q.n != 4 + CV_SHA256_BYTES || cv_load_u32(q.p) == 0)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "MODEL_BEGIN takes a size and a digest");
    uint32_t size = cv_load_u32(q.p);
    const uint8_t *digest = q.p + 4;
    if (size > s->board->model_capacity)
        return cv_reply_refuse(r, CV_TOO_BIG, s->board->model_capacity, "the model does not fit");
    bool already =
        model_is_loaded(s) && size == s->model_size && memcmp(digest, s->model_digest, CV_SHA256_BYTES) == 0;
    cv_invocation_lose(s);
    if (already) {
        s->state = CV_READY;
    } else {
        s->state = CV_LOADING;
        s->model_size = size;
        s->model_received = 0;
        memcpy(s->model_digest, digest, CV_SHA256_BYTES);
    }
    cv_reply_u8(r, already ? 1 : 0);
    return CV_OK;
}

/* Puts a piece of the model where it belongs: into RAM, or into what the board has to write to. */
static bool store(const struct cv_session *s, uint32_t offset, const uint8_t *from, uint32_t n)
{
    const struct cv_board *b = s->board;
    if (b->store == NULL) {
        memcpy(b->model + offset, from, n);
        return true;
    }
    if (s->model_received == 0 && !b->store(b->port, 0, NULL, s->model_size))
        return false;
    return b->store(b->port, offset, from, n);
}

static enum cv_status on_model_data(struct cv_session *s, struct request q, struct cv_reply *r)
{
    if (s->state != CV_LOADING)
        return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "MODEL_DATA is for LOADING");
    if (q.n < 4)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "MODEL_DATA takes an offset and bytes");
    uint32_t offset = cv_load_u32(q.p);
    uint32_t n = q.n - 4;
    if (offset > s->model_received || n > s->model_size - offset)
        return cv_reply_refuse(r, CV_RANGE, s->model_received, "model bytes out of order or too many");
    if (n > 0 && !store(s, offset, q.p + 4, n))
        return cv_reply_refuse(r, CV_ENGINE, offset, "the model memory cannot be written");
    if (offset + n > s->model_received)
        s->model_received = offset + n;
    cv_reply_u32(r, s->model_received);
    return CV_OK;
}

/* Proves the digest of what the model memory holds, then has the engine load it. */
static enum cv_status load_model(struct cv_session *s, struct cv_reply *r)
{
    const struct cv_board *b = s->board;
    uint8_t digest[CV_SHA256_BYTES];
    struct cv_refusal why = {CV_NO_DETAIL, {0, {0}}};
    cv_sha256(b->model, s->model_size, digest);
    if (memcmp(digest, s->model_digest, CV_SHA256_BYTES) != 0)
        return cv_reply_refuse(r, CV_BAD_DIGEST, s->model_received, "these are not the announced bytes");
    enum cv_status status =
        b->engine->load(b->model, s->model_size, b->arena, b->arena_capacity, &s->facts, &why);
    if (status != CV_OK)
        return cv_reply_why(r, status, &why);
    if (s->facts.n_inputs > CV_MAX_INPUTS)
        return cv_reply_refuse(r, CV_UNSUPPORTED, CV_NO_DETAIL, "too many model inputs");
    if (s->facts.n_inputs + s->facts.n_outputs > (CV_MAX_PAYLOAD - CV_ANSWER_PREAMBLE - PLAN) / PLAN_END)
        return cv_reply_refuse(r, CV_UNSUPPORTED, CV_NO_DETAIL, "an answer holds fewer inputs and outputs");
    return CV_OK;
}

static void put_tensor(const struct cv_session *s, uint32_t tensor, struct cv_reply *r)
{
    struct cv_span span = {NULL, 0};
    (void)s->board->engine->tensor(tensor, &span); /* false leaves 0 bytes */
    cv_reply_u32(r, tensor);
    cv_reply_u32(r, span.n);
}

static enum cv_status on_model_end(struct cv_session *s, struct request q, struct cv_reply *r)
{
    const struct cv_engine *e = s->board->engine;
    if (q.n != 0)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "MODEL_END takes nothing");
    if (s->state != CV_LOADING && s->state != CV_READY)
        return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "MODEL_END is for LOADING");
    if (s->state == CV_LOADING) {
        enum cv_status status = load_model(s, r);
        s->state = status == CV_OK ? CV_READY : CV_EMPTY;
        if (status != CV_OK)
            return status;
    }
    cv_reply_u32(r, s->facts.n_operators);
    cv_reply_u32(r, s->facts.n_tensors);
    cv_reply_u32(r, s->facts.arena_used);
    cv_reply_u16(r, (uint16_t)s->facts.n_inputs);
    cv_reply_u16(r, (uint16_t)s->facts.n_outputs);
    for (uint32_t i = 0; i < s->facts.n_inputs; i++)
        put_tensor(s, e->input(i), r);
    for (uint32_t i = 0; i < s->facts.n_outputs; i++)
        put_tensor(s, e->output(i), r);
    return CV_OK;
}

static enum cv_status on_input(struct cv_session *s, struct request q, struct cv_reply *r)
{
    struct cv_span span;
    if (!model_is_loaded(s))
        return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "INPUT needs a model");
    if (q.n < 8 || cv_load_u16(q.p + 2) != 0)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "INPUT takes ordinal, offset and bytes");
    uint32_t ordinal = cv_load_u16(q.p);
    uint32_t offset = cv_load_u32(q.p + 4);
    uint32_t n = q.n - 8;
    if (ordinal >= s->facts.n_inputs || !s->board->engine->tensor(s->board->engine->input(ordinal), &span))
        return cv_reply_refuse(r, CV_RANGE, s->facts.n_inputs, "no such input");
    uint32_t received = s->state == CV_READY ? s->input_received[ordinal] : 0;
    if (offset > received || offset > span.n || n > span.n - offset)
        return cv_reply_refuse(r, CV_RANGE, received, "input bytes out of order or too many");
    if (s->state != CV_READY)
        cv_invocation_forget(s);
    s->state = CV_READY;
    if (n > 0)
        memcpy(span.data + offset, q.p + 8, n);
    if (offset == 0 || offset + n > received)
        received = offset + n;
    s->input_received[ordinal] = received;
    cv_reply_u32(r, received);
    return CV_OK;
}

static enum cv_status run_all(struct cv_session *s, struct cv_reply *r)
{
    while (s->state != CV_DONE) {
        uint64_t cycles = 0;
        enum cv_status status = cv_invocation_run_next(s, &cycles, r);
        if (status != CV_OK)
            return status;
        s->cycles += cycles;
    }
    return CV_OK;
}

static enum cv_status on_invoke(struct cv_session *s, struct request q, struct cv_reply *r)
{
    if (q.n < 8 || q.p[4] > 1 || q.p[5] > 1 || q.p[6] != 0 || q.p[7] != 0 ||
        q.n != 8u + q.p[5] * CV_DIGEST_BYTES)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL,
                               "INVOKE takes an id, a mode, what it follows");
    const uint8_t *before = q.p[5] == 1 ? q.p + 8 : NULL;
    uint32_t id = cv_load_u32(q.p);
    bool again = s->invoked && id == s->invoke_id && s->stepped == (q.p[4] == 1);
    if (!again) {
        if (s->state != CV_READY)
            return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "INVOKE is for READY");
        if (!cv_invocation_has_inputs(s))
            return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "an input is not complete");
        if (!cv_invocation_is_next(s, before))
            return cv_reply_refuse(r, CV_NOT_NEXT, CV_NO_DETAIL, "another invocation was run last");
        enum cv_status status = cv_invocation_begin(s, id, q.p[4] == 1, before, r);
        if (status == CV_OK && !s->stepped)
            status = run_all(s, r);
        if (status != CV_OK)
            return status;
    }
    cv_reply_u32(r, id);
    cv_reply_u32(r, s->stepped ? 0 : s->next_op);
    cv_reply_u64(r, s->stepped ? 0 : s->cycles);
    cv_reply_bytes(r, s->inputs_digest, CV_DIGEST_BYTES);
    return CV_OK;
}

/* The outputs of an op: where they are and, when all fit into the answer, what they hold. */
static void put_op_outputs(const struct cv_session *s, uint32_t op, struct cv_reply *r)
{
    const struct cv_engine *e = s->board->engine;
    struct cv_span span = {NULL, 0};
    uint32_t n = e->op_n_outputs(op);
    uint32_t room = cv_reply_room(r) - 4 - 8 * n;
    bool fits = true;
    for (uint32_t i = 0; i < n; i++) {
        fits = fits && e->tensor(e->op_output(op, i), &span) && span.n <= room;
        room = fits ? room - span.n : room;
    }
    cv_reply_u16(r, (uint16_t)n);
    cv_reply_u8(r, fits ? 1 : 0);
    cv_reply_u8(r, 0);
    for (uint32_t i = 0; i < n; i++)
        put_tensor(s, e->op_output(op, i), r);
    for (uint32_t i = 0; fits && i < n; i++)
        if (e->tensor(e->op_output(op, i), &span))
            cv_reply_bytes(r, span.data, span.n);
}

static enum cv_status on_step(struct cv_session *s, struct request q, struct cv_reply *r)
{
    if (q.n != 8)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "STEP takes an id and an op");
    uint32_t id = cv_load_u32(q.p);
    uint32_t op = cv_load_u32(q.p + 4);
    bool stepping = s->state == CV_STEPPING || s->state == CV_DONE;
    if (!stepping || !s->stepped || id != s->invoke_id)
        return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "no such stepped INVOKE");
    bool again = s->next_op > 0 && op == s->next_op - 1;
    if (!again && (op != s->next_op || s->state != CV_STEPPING))
        return cv_reply_refuse(r, CV_BAD_STATE, s->next_op, "STEP is for the next op or the one just run");
    if (!again) {
        enum cv_status status = cv_invocation_run_next(s, &s->cycles, r);
        if (status != CV_OK)
            return status;
    }
    cv_reply_u32(r, op);
    cv_reply_u64(r, s->cycles);
    put_op_outputs(s, op, r);
    return CV_OK;
}

static bool is_readable(const struct cv_session *s, uint32_t tensor)
{
    const struct cv_engine *e = s->board->engine;
    if (s->state == CV_DONE)
        for (uint32_t i = 0; i < s->facts.n_outputs; i++)
            if (e->output(i) == tensor)
                return true;
    if (s->stepped && s->next_op > 0)
        for (uint32_t i = 0; i < e->op_n_outputs(s->next_op - 1); i++)
            if (e->op_output(s->next_op - 1, i) == tensor)
                return true;
    return false;
}

static enum cv_status on_read(struct cv_session *s, struct request q, struct cv_reply *r)
{
    struct cv_span span;
    if (q.n != 16)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "READ takes id, tensor, offset and length");
    uint32_t tensor = cv_load_u32(q.p + 4);
    uint32_t offset = cv_load_u32(q.p + 8);
    uint32_t n = cv_load_u32(q.p + 12);
    if ((s->state != CV_STEPPING && s->state != CV_DONE) || cv_load_u32(q.p) != s->invoke_id)
        return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "READ needs an invocation of this id");
    if (!is_readable(s, tensor) || !s->board->engine->tensor(tensor, &span))
        return cv_reply_refuse(r, CV_RANGE, tensor, "this tensor cannot be read now");
    if (offset > span.n || n > span.n - offset || n > cv_reply_room(r) - 8)
        return cv_reply_refuse(r, CV_RANGE, span.n, "more bytes than the tensor or the answer has");
    cv_reply_u32(r, tensor);
    cv_reply_u32(r, offset);
    cv_reply_bytes(r, span.data + offset, n);
    return CV_OK;
}

static enum cv_status on_check(struct cv_session *s, struct request q, struct cv_reply *r)
{
    if (!model_is_loaded(s))
        return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "CHECK needs a model");
    return cv_check(s, q.p, q.n, r);
}

static enum cv_status on_usage(struct cv_session *s, struct request q, struct cv_reply *r)
{
    const struct cv_board *b = s->board;
    if (q.n != 0)
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "USAGE takes nothing");
    cv_reply_u32(r, model_is_loaded(s) ? s->facts.arena_used : 0);
    cv_reply_u32(r, b->stack_used != NULL ? b->stack_used(b->port) : 0);
    cv_reply_u32(r, b->stack_used != NULL ? b->stack_bytes : 0);
    return CV_OK;
}

static enum cv_status dispatch(struct cv_session *s, uint8_t type, struct request q, struct cv_reply *r)
{
    switch (type) {
    case CV_HELLO: return on_hello(s, q, r);
    case CV_MODEL_BEGIN: return on_model_begin(s, q, r);
    case CV_MODEL_DATA: return on_model_data(s, q, r);
    case CV_MODEL_END: return on_model_end(s, q, r);
    case CV_INPUT: return on_input(s, q, r);
    case CV_INVOKE: return on_invoke(s, q, r);
    case CV_STEP: return on_step(s, q, r);
    case CV_READ: return on_read(s, q, r);
    case CV_CHECK: return on_check(s, q, r);
    case CV_USAGE: return on_usage(s, q, r);
    default: return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "unknown request");
    }
}

static void send(const struct cv_session *s, const struct cv_answer *answer)
{
    cv_frame_send(answer->frame, answer->n, s->board->write, s->board->port);
}

/* The kept answer to this very request, or NULL. HELLO is always answered anew. */
static const struct cv_answer *find_answer(const struct cv_session *s, const struct cv_frame *f)
{
    for (uint32_t i = 0; i < CV_WINDOW && f->type != CV_HELLO; i++) {
        const struct cv_answer *a = &s->answers[i];
        if (a->n > 0 && a->seq == f->seq && a->request_crc == f->crc)
            return a;
    }
    return NULL;
}

/* Refusals that changed nothing are not kept: sent again, the request may have become legal. */
static bool is_kept(uint8_t type, enum cv_status status)
{
    bool changed_nothing =
        status == CV_BAD_REQUEST || status == CV_BAD_STATE || status == CV_RANGE || status == CV_NOT_NEXT;
    return type != CV_HELLO && type != CV_USAGE && !changed_nothing;
}

static void forget_answers(struct cv_session *s)
{
    for (uint32_t i = 0; i < CV_WINDOW; i++)
        s->answers[i].n = 0;
}

void cv_session_request(struct cv_session *s, const struct cv_frame *f)
{
    if ((f->type & CV_ANSWER) != 0)
        return; /* an echo of our own */
    const struct cv_answer *kept = find_answer(s, f);
    if (kept != NULL) {
        send(s, kept);
        return;
    }
    if (f->type == CV_HELLO)
        forget_answers(s); /* a new host may count its requests from the start again */
    struct cv_answer *a = &s->answers[s->oldest];
    struct cv_reply reply;
    struct request q = {f->n, f->payload};
    a->n = 0;
    cv_reply_begin(&reply, a->frame + CV_FRAME_HEADER);
    enum cv_status status = dispatch(s, f->type, q, &reply);
    uint32_t n = cv_reply_end(&reply, status, s->state, s->boot);
    a->n = cv_frame_seal(a->frame, (uint8_t)(f->type | CV_ANSWER), f->seq, n);
    a->seq = f->seq;
    a->request_crc = f->crc;
    send(s, a);
    if (is_kept(f->type, status))
        s->oldest = (s->oldest + 1u) % CV_WINDOW;
    else
        a->n = 0;
}

void cv_session_init(struct cv_session *s, const struct cv_board *board)
{
    s->board = board;
    s->state = CV_EMPTY;
    s->boot = 0;
    s->model_size = 0;
    s->model_received = 0;
    s->oldest = 0;
    s->invoke_id = 0;
    cv_invocation_lose(s);
    forget_answers(s);
    cv_receiver_reset(&s->receiver);
}

uint32_t cv_session_poll(struct cv_session *s)
{
    uint8_t chunk[64];
    struct cv_frame frame;
    uint32_t n = s->board->read(s->board->port, chunk, sizeof chunk);
    if (s->board->alive != NULL)
        s->board->alive(s->board->port);
    for (uint32_t i = 0; i < n; i++)
        if (cv_receiver_push(&s->receiver, chunk[i], &frame))
            cv_session_request(s, &frame);
    return n;
}

void cv_session_serve(struct cv_session *s)
{
    for (;;)
        if (cv_session_poll(s) == 0 && s->board->idle != NULL)
            s->board->idle(s->board->port);
}
