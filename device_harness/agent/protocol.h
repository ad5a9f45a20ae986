/* coverify link protocol, version 4: what the two ends of the serial line say to each other.
 *
 * The host asks, the device answers; the device never speaks first, save for FAULT after a crash.
 * Every request is idempotent: the host may send it again (same seq) when an answer is late, and gets
 * the same answer. Frames that are damaged are dropped in silence; resending is the host's business.
 * The device keeps its last `window` answers for that, so a new request needs a new seq. Not kept are HELLO,
 * which also forgets the others, USAGE, and BAD_REQUEST, BAD_STATE, RANGE and NOT_NEXT, which changed nothing:
 * the same request may be legal later.
 *
 * On the wire      0x00  COBS(frame)  0x00        the leading 0x00 ends whatever garbage came before;
 *                                                  an empty frame is ignored.
 * frame            u8 type | u8 0 | u16 seq | u32 n | n payload bytes | u32 CRC-32
 *                  little-endian throughout; CRC-32 as in zlib (0xEDB88320, reflected, init and xorout
 *                  0xFFFFFFFF) over everything before it; n <= CV_MAX_PAYLOAD
 * answer           type = request | 0x80, seq = the request's seq, payload =
 *                  u8 status | u8 state | u16 0 | u32 boot | u32 detail | body
 *                  status CV_OK: body as below; else: detail says where (an op index, an offset, or
 *                  0xFFFFFFFF) and body is an ASCII message without terminator (may be empty).
 *
 *             MODEL_BEGIN              MODEL_END ok                INVOKE (run)
 *      EMPTY ------------> LOADING ---------------> READY -------------------------------> DONE
 *        ^                  |   ^                   ^  |  ^                                 |
 *        +--- any error ----+   |      INPUT (all)  |  |  +------------ INPUT --------------+
 *                               +-- MODEL_BEGIN ----+  |                                    ^
 *                                                      |  INVOKE (stepped)                  | last op
 *                                                      +-------------------> STEPPING ------+
 *                                                                             | ^  STEP
 *                                                                             +-+
 *      MODEL_BEGIN is legal in every state. A request that is illegal in the present state is answered
 *      CV_BAD_STATE and changes nothing. HELLO is legal in every state and changes nothing but `boot`.
 *
 * A network's inputs are those of its file, in their order there. The bytes of an input are its elements in row-major
 * order, little-endian, an int8, uint8 or bool in one byte, an int16 in two, an int32, uint32 or float32 in four, a
 * uint64 in eight; the bytes of all inputs are those of the first, then those of the second, and so on, with nothing
 * between them.
 *
 * A network may keep state between invocations, so every invocation says what it comes after. `follows` 0: the
 * state is that after the load (the engine is reset first), so that it means the same whatever came before.
 * `follows` 1: a 16-byte digest comes with it, `before`, the inputs digest of the invocation that it continues. That
 * one must be the last that was run, and run to its end; else CV_NOT_NEXT, and nothing changes. As an inputs
 * digest is over all inputs since the reset, an old request that comes late, or twice, cannot advance the state
 * unseen. A network without state may be run either way.
 *
 * HELLO        request: u32 proposal (not 0).  If the device's boot nonce is 0 (it has just started) it
 *              takes the proposal; every answer carries the nonce, so a reset in between is always seen.
 *              body: u16 protocol version | u16 window (requests that may be outstanding) |
 *                    u32 max payload | u32 model capacity | u32 arena capacity | u32 features |
 *                    u32 clock (Hz of what counts cycles; 0: unknown) | u8 model sha256[32] (zeros: none loaded) |
 *                    7 strings, each u8 length + ASCII: board, core, engine, rounding, compiler, build id,
 *                    counter (what counts cycles: "DWT", "SysTick", ...; empty: nothing does)
 * MODEL_BEGIN  request: u32 size | u8 sha256[32].   body: u8 already
 *              already = 1: a model of this digest is loaded (state READY), no upload is needed.
 *              already = 0: state LOADING, the old model is gone.
 * MODEL_DATA   request: u32 offset | bytes.   offset must be <= the bytes received so far (a resent chunk
 *              overwrites itself); body: u32 bytes received so far. CV_RANGE (a gap, or too many bytes):
 *              nothing changes, the state stays LOADING
 * MODEL_END    request: empty. The device hashes what it holds, parses it and plans its arena. It hashes the
 *              announced size whatever was received, so a model that a loader has put into the model memory
 *              needs no MODEL_DATA. An error leaves EMPTY
 *              body: u32 n_operators | u32 n_tensors | u32 arena bytes used | u16 n_inputs | u16 n_outputs |
 *                    per input, then per output: u32 tensor index | u32 n bytes
 *              legal in LOADING, and again in READY (same answer). Errors: CV_BAD_DIGEST, CV_BAD_MODEL,
 *              CV_UNSUPPORTED (detail = op index, message names operator and reason), CV_NO_ARENA.
 * INPUT        request: u16 input ordinal | u16 0 | u32 offset | bytes.   Legal in READY and DONE (and
 *              STEPPING: abandons the invocation). Chunks of one input come in order; a resent chunk is
 *              accepted. offset 0 starts that input afresh.  body: u32 bytes of that input received so far
 *              An invocation uses its inputs up: in DONE and STEPPING every input has to be sent again.
 * INVOKE       request: u32 id | u8 mode | u8 follows | u16 0 | if follows: u8 before[16].   mode 0 run all ops, 1
 *              stepped. All inputs must be complete. The same id as the last INVOKE, no INPUT since: the stored
 *              answer is sent again, nothing runs.
 *              body: u32 id | u32 operators executed | u64 cycles (0: the board has no cycle counter) |
 *                    u8 inputs digest[16]: the first 16 bytes of SHA-256 over (if follows: before, then) the
 *                    SHA-256 of each input in turn, so that the host knows what was computed on, whatever the
 *                    line did to old requests
 * STEP         request: u32 id | u32 op.   op == the next op: runs it. op == the op just run: answers
 *              again. Else CV_BAD_STATE.
 *              body: u32 op | u64 cycles | u16 n_outputs | u8 inlined | u8 0 |
 *                    per output: u32 tensor index | u32 n bytes | then, if inlined, the bytes of all outputs
 *              (inlined = 1 whenever they fit into one payload; else the host READs them)
 * READ         request: u32 id | u32 tensor | u32 offset | u32 n.  id: of the invocation.   body: u32 tensor | u32 offset | n bytes.
 *              Legal for the model's outputs in DONE, for the outputs of the op just run in STEPPING (and
 *              in the DONE that the last STEP led to). CV_RANGE when the tensor has fewer bytes.
 * CHECK        request: u32 id | u32 first op | u32 n ops | u8 source | u8 0 | u8 follows | u8 0 |
 *              if follows: u8 before[16] | source's bytes.
 *              Gives the model its inputs, runs operators 0 ... first + n - 1 and answers with digests of what
 *              the last n of them wrote, each taken right after its operator: the first 16 bytes of SHA-256
 *              (FIPS 180-4) over the tensor's bytes. source 0: inputs are those sent by INPUT (none may be
 *              missing), no bytes; 1: vectors, u64 seed | u32 number | per input: u8 width | u8 bits | u8 kind |
 *              i8 exponent | u32 least | u32 zero; 2: the bytes of all inputs, one after the other; 3: no bytes,
 *              the invocation `id` goes on, whose next op must be `first` (else CV_NOT_NEXT) and `follows` 0.
 *              Legal whenever a model is loaded; sources 1 and 2 without `follows` mean the same whatever came
 *              before, others are refused out of their order, so several may be outstanding. Afterwards it is as
 *              if `id` had been stepped to that op.
 *              body: u32 id | u32 operators executed | u64 cycles of them all | u8 inputs digest[16], as INVOKE |
 *                    per op: u32 cycles (0xFFFFFFFF: that or more) | per output: u8 digest[16]
 *              CV_RANGE: no such ops; or detail = how many from `first` on have their digests in one answer.
 * VECTORS      element e of input ordinal i of vector k under seed s has `width` w bytes (1, 2 or 4, and w must divide the
 *              input's bytes) and 2^`bits` values (bits <= 8 w), from l = `least` to g = l + 2^bits - 1. Modulo 2^(8 w)
 *              it is, k = 0: l.  k = 1: g.  k = 2: `zero`.  k = 3: l for even e, g for odd e.  k >= 4:
 *              l + ((r - l) mod 2^bits), where r are w bytes of a stream from byte w e on, the first one the least
 *              significant. Byte j of the stream is byte j % 8, the least significant being 0, of
 *              M(b + (j / 8 + 1) * 0x9E3779B97F4A7C15), where b = M(M(M(s) + k) + i), all modulo 2^64, and
 *              M(x) is: x ^= x >> 30; x *= 0xBF58476D1CE4E5B9; x ^= x >> 27; x *= 0x94D049BB133111EB; x ^= x >> 31.
 *              kind 0: an integer, exponent 0. kind 1: a binary32, w = 4, bits <= 24: the element, read as an int32
 *              of magnitude at most 2^24, times 2^exponent (-100 <= exponent <= 100); there is no negative zero.
 * USAGE        request: empty. Legal in every state.  body: u32 arena bytes used (0: no model) |
 *                    u32 most bytes of stack ever used | u32 bytes of stack (0 and 0: not measured)
 * FAULT        device only, seq 0, no answer preamble:  u32 boot | u32 exception number |
 *              u32 r0 r1 r2 r3 r12 lr pc xpsr | u32 cfsr hfsr mmfar bfar | u32 sp |
 *              u32 end of the stack | u32 trail[8].  Registers that could not be stacked are 0; the trail is what on the stack looks
 *              like return addresses, the innermost first, then 0.  Exception 14 is the watchdog: no operator
 *              ended in its time.  Sent when the core faults and again for every 0x00 received after that;
 *              nothing else is answered until a reset.  Older firmware stops before sp.
 */
#ifndef COVERIFY_PROTOCOL_H
#define COVERIFY_PROTOCOL_H

#define CV_PROTOCOL_VERSION 4u
#ifndef CV_MAX_PAYLOAD
#define CV_MAX_PAYLOAD 4096u /* a port with little RAM has less, at least 256 */
#endif
#define CV_FRAME_HEADER 8u
#define CV_FRAME_CRC 4u
#define CV_MAX_FRAME (CV_FRAME_HEADER + CV_MAX_PAYLOAD + CV_FRAME_CRC)
#define CV_ANSWER_PREAMBLE 12u

enum cv_type {
    CV_HELLO = 0x01,
    CV_MODEL_BEGIN = 0x02,
    CV_MODEL_DATA = 0x03,
    CV_MODEL_END = 0x04,
    CV_INPUT = 0x05,
    CV_INVOKE = 0x06,
    CV_STEP = 0x07,
    CV_READ = 0x08,
    CV_CHECK = 0x09,
    CV_USAGE = 0x0A,
    CV_ANSWER = 0x80, /* bit set in every answer */
    CV_FAULT = 0xFE
};

enum cv_state { CV_EMPTY = 0, CV_LOADING = 1, CV_READY = 2, CV_STEPPING = 3, CV_DONE = 4 };

enum cv_status {
    CV_OK = 0,
    CV_BAD_REQUEST = 1, /* malformed payload or unknown type */
    CV_BAD_STATE = 2,   /* not legal now */
    CV_TOO_BIG = 3,     /* the model does not fit into the board's buffer */
    CV_BAD_DIGEST = 4,  /* the bytes received are not those announced */
    CV_BAD_MODEL = 5,   /* not a valid .tflite file */
    CV_UNSUPPORTED = 6, /* an operator, type or option that the engine does not have; detail = op index */
    CV_NO_ARENA = 7,    /* detail = bytes needed */
    CV_ENGINE = 8,      /* the engine failed at run time; detail = op index */
    CV_RANGE = 9,       /* tensor index, offset or length outside */
    CV_NOT_NEXT = 10    /* not the invocation that comes after the last one */
};

/* HELLO features */
#define CV_FEATURE_TRACE 1u      /* STEP is implemented */
#define CV_FEATURE_CYCLES 2u     /* cycles are counted */
#define CV_FEATURE_CHECK 4u      /* CHECK is implemented */
#define CV_FEATURE_SLOW_STORE 8u /* bytes may be lost while the model is stored: one MODEL_DATA at a time */

#define CV_DIGEST_BYTES 16u /* of a tensor, in CHECK */

#endif
