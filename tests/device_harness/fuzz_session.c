/* Does the agent survive any bytes, and is every answer a frame as protocol.h says? Frame decoder and session.
 *
 * An input is a list of records: u8 kind | u16 n | n bytes. Kind with bit 7 set: the bytes as they are on the
 * line. Else a request of type kind % 16, well framed, whose payload is the bytes after the first, which is its
 * seq. The session begins with the model of $COVERIFY_FUZZ_MODEL loaded when the input's first byte is odd.
 * Model memory and arena are heap blocks of their exact size, so that ASan sees the first byte too far.
 *
 * With clang's -fsanitize=fuzzer and -DCV_LIBFUZZER, libFuzzer makes the inputs. Else `fuzz_session FIRST COUNT`
 * makes COUNT inputs from the seeds FIRST, FIRST + 1, ...
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "engine.h"
#include "session.h"

#define MODEL_BYTES 8192u
#define ARENA_BYTES 8192u
#define INPUT_MAX 6000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    const uint8_t *p; /* what the line has for the device */
    uint32_t n;
} line;
static struct cv_receiver sent; /* what the device says */
static struct cv_session session;
static uint32_t n_answers;

static uint32_t line_read(void *port, uint8_t *to, uint32_t capacity)
{
    (void)port;
    uint32_t n = line.n < capacity ? line.n : capacity;
    if (n > 0)
        memcpy(to, line.p, n);
    line.p += n;
    line.n -= n;
    return n;
}

static void require(bool good)
{
    if (!good)
        abort();
}

static void line_write(void *port, const uint8_t *from, uint32_t n)
{
    struct cv_frame f;
    (void)port;
    for (uint32_t i = 0; i < n; i++) {
        bool in_frame = sent.n > 0 && !sent.complete;
        if (!cv_receiver_push(&sent, from[i], &f)) {
            require(from[i] != 0 || !in_frame); /* a zero byte ends a whole frame or none */
            continue;
        }
        n_answers++;
        require(f.type >= CV_ANSWER && f.n >= CV_ANSWER_PREAMBLE && f.payload[0] <= CV_NOT_NEXT);
        require(f.payload[1] <= CV_DONE && cv_load_u16(f.payload + 2) == 0);
        require(cv_load_u32(f.payload + 4) == session.boot);
    }
}

static struct cv_board board = {.name = "fuzz",
                                .core = "host",
                                .read = line_read,
                                .write = line_write,
                                .model_capacity = MODEL_BYTES,
                                .arena_capacity = ARENA_BYTES,
                                .engine = &cv_engine_linked};

static void receive(const uint8_t *p, uint32_t n)
{
    line.p = p;
    line.n = n;
    while (cv_session_poll(&session) > 0)
        ;
}

static struct {
    uint8_t bytes[2u * CV_MAX_FRAME];
    uint32_t n;
} framed;

static void frame_write(void *port, const uint8_t *from, uint32_t n)
{
    (void)port;
    memcpy(framed.bytes + framed.n, from, n);
    framed.n += n;
}

static void request(uint8_t type, uint8_t seq, const uint8_t *payload, uint32_t n)
{
    static uint8_t frame[CV_MAX_FRAME];
    n = n < CV_MAX_PAYLOAD ? n : CV_MAX_PAYLOAD;
    if (n > 0)
        memcpy(frame + CV_FRAME_HEADER, payload, n);
    framed.n = 0;
    cv_frame_send(frame, cv_frame_seal(frame, type, seq, n), frame_write, NULL);
    receive(framed.bytes, framed.n);
}

static void load_model(void)
{
    static uint8_t model[MODEL_BYTES];
    static uint32_t size;
    uint8_t begin[4 + CV_SHA256_BYTES];
    if (size == 0) {
        const char *path = getenv("COVERIFY_FUZZ_MODEL");
        FILE *file = path != NULL ? fopen(path, "rb") : NULL;
        if (file == NULL)
            exit(2);
        size = (uint32_t)fread(model, 1, sizeof model, file);
        fclose(file);
    }
    cv_store_u32(begin, size);
    cv_sha256(model, size, begin + 4);
    memcpy(board.model, model, size); /* as a loader does */
    request(CV_MODEL_BEGIN, 1, begin, sizeof begin);
    request(CV_MODEL_END, 2, NULL, 0);
    require(session.state == CV_READY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *arena = NULL;
    board.model = calloc(1, MODEL_BYTES);
    if (board.model == NULL || posix_memalign(&arena, 16, ARENA_BYTES) != 0)
        exit(2);
    board.arena = arena;
    cv_session_init(&session, &board);
    cv_receiver_reset(&sent);
    if (size > 0 && (data[0] & 1u) != 0)
        load_model();
    for (size_t at = 1; at + 3 <= size;) {
        uint8_t kind = data[at];
        size_t n = cv_load_u16(data + at + 1);
        at += 3;
        n = n < size - at ? n : size - at;
        if ((kind & 0x80u) != 0)
            receive(data + at, (uint32_t)n);
        else if (n > 0)
            request(kind & 15u, data[at], data + at + 1, (uint32_t)n - 1);
        at += n;
    }
    free(board.model);
    free(arena);
    return 0;
}

#ifndef CV_LIBFUZZER
static uint64_t state;

static uint32_t pick(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % below;
}

/* The rest of a CHECK for a vector, of an element that is mostly one. */
static uint32_t make_vector(uint8_t *to)
{
    static const uint8_t widths[] = {1, 2, 4, 3};
    for (uint32_t i = 0; i < 16u; i++)
        to[i] = (uint8_t)(i % 4u == 0 ? pick(4) : 0u);
    to[12] = 1; /* source */
    memset(to + 16, (int)pick(256), 12);
    to[28] = widths[pick(4)];
    to[29] = (uint8_t)pick(34);
    to[30] = (uint8_t)pick(3);
    to[31] = (uint8_t)(to[30] == 0 && pick(8) != 0 ? 0u : pick(256));
    cv_store_u32(to + 32, pick(2) == 0 ? 0xFFFFFF80u << pick(18) : pick(1u << 26));
    cv_store_u32(to + 36, pick(1u << 25));
    return 40;
}

/* A field that a request may have: mostly small, sometimes an edge. */
static uint32_t field(void)
{
    static const uint32_t edges[] = {0xFFFFFFFFu, 0x80000000u, 0x7FFFFFFFu, 4096,    4084,
                                     64,          490,         8192,        0x10000u};
    return pick(6) == 0 ? edges[pick(sizeof edges / sizeof edges[0])] : pick(4);
}

static uint32_t make_payload(uint8_t *to)
{
    if (pick(10) == 0)
        return make_vector(to);
    uint32_t n = pick(8) == 0 ? pick(120) : 4u * pick(8);
    for (uint32_t i = 0; i + 4 <= n; i += 4)
        cv_store_u32(to + i, field());
    if (pick(4) == 0) { /* the bytes of an input, whole */
        memset(to + n, (int)pick(256), 64);
        n += 64;
    }
    if (n > 0 && pick(4) == 0)
        to[pick(n)] = (uint8_t)pick(256);
    return n;
}

static uint32_t make_input(uint8_t *input)
{
    uint32_t at = 1;
    input[0] = (uint8_t)pick(256);
    while (at + 700 < INPUT_MAX && pick(60) != 0) {
        uint8_t *record = input + at;
        uint32_t n = 1 + make_payload(record + 4);
        record[0] = (uint8_t)(pick(20) == 0 ? 0x80u : pick(12));
        record[3] = (uint8_t)pick(8);
        cv_store_u16(record + 1, (uint16_t)n);
        at += 3 + n;
    }
    return at;
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_MAX];
    if (argc != 3)
        return 2;
    uint64_t first = strtoull(argv[1], NULL, 10);
    uint64_t count = strtoull(argv[2], NULL, 10);
    for (uint64_t i = 0; i < count; i++) {
        state = (first + i + 1) * 0x9E3779B97F4A7C15u;
        fprintf(stderr, "seed %llu\r", (unsigned long long)(first + i));
        (void)LLVMFuzzerTestOneInput(input, make_input(input));
    }
    printf("%lu answers\n", (unsigned long)n_answers);
    return 0;
}
#endif
