/* CHECK: inputs, the operators, and a digest of each output right after its operator. See protocol.h.
 *
 * All is in one request, so that several may be under way: each means the same whatever was done before it, or
 * names the invocation that it follows and is refused after any other.
 */
#include "check.h"

#include <stddef.h>

#include "bytes.h"
#include "invocation.h"
#include "sha256.h"
#include "vector.h"

#define HEADER 16u
#define VECTOR_BYTES 12u
#define FACTS (16u + CV_DIGEST_BYTES) /* bytes of an answer before the operators' */

enum source { SOURCE_SENT = 0, SOURCE_VECTOR = 1, SOURCE_INLINE = 2, SOURCE_GOES_ON = 3 };

struct check {
    uint32_t id;
    uint32_t first;
    uint32_t n;
    uint8_t source;
    const uint8_t *before; /* what it follows; NULL: a reset */
    const uint8_t *rest;   /* a vector's seed, number and elements, or the inputs' bytes */
    uint32_t n_rest;
};

static uint32_t input_bytes(const struct cv_session *s)
{
    const struct cv_engine *e = s->board->engine;
    struct cv_span span;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < s->facts.n_inputs; i++)
        sum += e->tensor(e->input(i), &span) ? span.n : 0;
    return sum;
}

/* The element of a model input of that many bytes, in the rest of a request for a vector. */
static bool read_element(const uint8_t *rest, uint32_t ordinal, uint32_t n, struct cv_element *e)
{
    return cv_element_read(rest + VECTOR_BYTES + ordinal * CV_ELEMENT_BYTES, n, e);
}

static bool vector_is_right(const struct cv_session *s, const struct check *c)
{
    const struct cv_engine *e = s->board->engine;
    struct cv_element element;
    bool good = c->n_rest == VECTOR_BYTES + s->facts.n_inputs * CV_ELEMENT_BYTES;
    for (uint32_t i = 0; good && i < s->facts.n_inputs; i++) {
        struct cv_span span = {NULL, 0};
        (void)e->tensor(e->input(i), &span);
        good = read_element(c->rest, i, span.n, &element);
    }
    return good;
}

static bool rest_is_right(const struct cv_session *s, const struct check *c)
{
    switch (c->source) {
    case SOURCE_SENT: return c->n_rest == 0;
    case SOURCE_VECTOR: return vector_is_right(s, c);
    case SOURCE_INLINE: return c->n_rest == input_bytes(s);
    case SOURCE_GOES_ON: return c->n_rest == 0 && c->before == NULL;
    default: return false;
    }
}

static bool parse(const struct cv_session *s, const uint8_t *p, uint32_t n, struct check *c)
{
    if (n < HEADER || p[13] != 0 || p[14] > 1 || p[15] != 0 || n < HEADER + p[14] * CV_DIGEST_BYTES)
        return false;
    uint32_t n_head = HEADER + p[14] * CV_DIGEST_BYTES;
    c->id = cv_load_u32(p);
    c->first = cv_load_u32(p + 4);
    c->n = cv_load_u32(p + 8);
    c->source = p[12];
    c->before = p[14] == 1 ? p + HEADER : NULL;
    c->rest = p + n_head;
    c->n_rest = n - n_head;
    return rest_is_right(s, c);
}

/* How many operators from `first` on fit into one answer. */
static uint32_t fitting(const struct cv_session *s, const struct check *c, uint32_t room)
{
    const struct cv_engine *e = s->board->engine;
    uint32_t n = 0;
    room -= FACTS;
    for (; n < c->n; n++) {
        uint32_t needed = 4u + e->op_n_outputs(c->first + n) * CV_DIGEST_BYTES;
        if (needed > room)
            break;
        room -= needed;
    }
    return n;
}

static void give_inputs(const struct cv_session *s, const struct check *c)
{
    const struct cv_engine *e = s->board->engine;
    const uint8_t *from = c->rest;
    struct cv_span span;
    struct cv_vector v = {0, 0};
    struct cv_element element;
    if (c->source == SOURCE_VECTOR) {
        v.seed = cv_load_u64(c->rest);
        v.number = cv_load_u32(c->rest + 8);
    }
    for (uint32_t i = 0; i < s->facts.n_inputs; i++) {
        if (!e->tensor(e->input(i), &span))
            continue;
        if (c->source == SOURCE_VECTOR && read_element(c->rest, i, span.n, &element))
            cv_vector_fill(&v, &element, i, span.data, span.n);
        for (uint32_t k = 0; c->source == SOURCE_INLINE && k < span.n; k++)
            span.data[k] = *from++;
    }
}

static void put_digests(const struct cv_session *s, uint32_t op, uint64_t cycles, struct cv_reply *r)
{
    const struct cv_engine *e = s->board->engine;
    uint8_t digest[CV_SHA256_BYTES];
    cv_reply_u32(r, cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX);
    for (uint32_t i = 0; i < e->op_n_outputs(op); i++) {
        struct cv_span span = {NULL, 0};
        (void)e->tensor(e->op_output(op, i), &span); /* false: no bytes, and the digest of none */
        cv_sha256(span.data, span.n, digest);
        cv_reply_bytes(r, digest, CV_DIGEST_BYTES);
    }
}

static enum cv_status run(struct cv_session *s, const struct check *c, struct cv_reply *r)
{
    uint64_t total = 0;
    uint8_t *facts = r->payload + r->n;
    cv_reply_u32(r, c->id);
    cv_reply_u32(r, c->first + c->n);
    cv_reply_u64(r, 0);
    cv_reply_bytes(r, s->inputs_digest, CV_DIGEST_BYTES);
    while (s->next_op < c->first + c->n) {
        uint32_t op = s->next_op;
        enum cv_status status = cv_invocation_run_next(s, &s->cycles, r);
        if (status != CV_OK)
            return status;
        total += s->cycles;
        if (op >= c->first)
            put_digests(s, op, s->cycles, r);
    }
    cv_store_u64(facts + 8, total);
    return CV_OK;
}

/* Leaves the invocation where its inputs are given and nothing is run, or where it goes on. */
static enum cv_status begin(struct cv_session *s, const struct check *c, struct cv_reply *r)
{
    bool under_way = s->state == CV_STEPPING && s->stepped && c->id == s->invoke_id && c->first == s->next_op;
    if (c->source == SOURCE_GOES_ON)
        return under_way ? CV_OK
                         : cv_reply_refuse(r, CV_NOT_NEXT, CV_NO_DETAIL, "no such invocation goes on there");
    if (!cv_invocation_is_next(s, c->before))
        return cv_reply_refuse(r, CV_NOT_NEXT, CV_NO_DETAIL, "another invocation was run last");
    if (c->source == SOURCE_SENT && (s->state != CV_READY || !cv_invocation_has_inputs(s)))
        return cv_reply_refuse(r, CV_BAD_STATE, CV_NO_DETAIL, "an input is not complete");
    give_inputs(s, c);
    return cv_invocation_begin(s, c->id, true, c->before, r);
}

enum cv_status cv_check(struct cv_session *s, const uint8_t *p, uint32_t n, struct cv_reply *r)
{
    struct check c;
    if (!parse(s, p, n, &c))
        return cv_reply_refuse(r, CV_BAD_REQUEST, CV_NO_DETAIL, "CHECK takes an id, operators and inputs");
    if (c.n == 0 || c.first >= s->facts.n_operators || c.n > s->facts.n_operators - c.first)
        return cv_reply_refuse(r, CV_RANGE, s->facts.n_operators, "no such operators");
    uint32_t most = fitting(s, &c, cv_reply_room(r));
    if (most < c.n)
        return cv_reply_refuse(r, CV_RANGE, most, "more digests than an answer holds");
    enum cv_status status = begin(s, &c, r);
    return status == CV_OK ? run(s, &c, r) : status;
}
