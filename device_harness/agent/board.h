/* What must a board give? This struct, and nothing else is ported.
 *
 * A port fills one struct cv_board, gives the memory of one struct cv_session, and calls
 * cv_session_serve() for ever (or cv_session_poll() from its own loop). No allocation, no stdio.
 * Only `name`, `core`, `read`, `write`, the two memories and `engine` are needed; what is NULL or 0 is
 * left out. docs/porting.md walks through it.
 */
#ifndef COVERIFY_BOARD_H
#define COVERIFY_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

struct cv_board {
    const char *name; /* the board as HELLO reports it, e.g. "mps2-an386"; ASCII, at most 255 characters */
    const char *core; /* the core, e.g. "cortex-m4f" */

    /* Takes up to `capacity` received bytes from the line, at once; returns how many (0: none waiting). */
    uint32_t (*read)(void *port, uint8_t *to, uint32_t capacity);

    /* Hands n bytes to the line; returns when all are accepted. */
    void (*write)(void *port, const uint8_t *from, uint32_t n);

    /* Called when nothing is waiting: sleep until a byte may have come. NULL: spin. */
    void (*idle)(void *port);

    /* Cycles since some fixed moment. NULL: the board cannot count; reported as 0. */
    uint64_t (*cycles)(void *port);
    const char *counter; /* what counts them, e.g. "DWT", "SysTick"; NULL with `cycles` NULL */
    uint32_t clock_hz;   /* how fast it counts; 0: unknown */

    /* Called before every operator and whenever bytes have come: a watchdog's. NULL: there is none. */
    void (*alive)(void *port);

    /* The most bytes of stack ever used, of how many. NULL: not measured. */
    uint32_t (*stack_used)(void *port);
    uint32_t stack_bytes;

    void *port; /* passed to the functions above and to `store` */

    /* Where an uploaded .tflite file is kept. A model that is already there when the device starts
     * (put there by a loader) is found by its digest at MODEL_END; so do not clear this memory. */
    uint8_t *model;
    uint32_t model_capacity;

    /* Writes n bytes at model + offset. NULL: that memory is RAM and plain copying does. For flash: it is
     * called with from = NULL once before the first of n bytes is written, to erase; a resent piece writes
     * the same bytes again. false: it could not. */
    bool (*store)(void *port, uint32_t offset, const uint8_t *from, uint32_t n);

    /* Working memory of the engine, aligned to 16 bytes. */
    uint8_t *arena;
    uint32_t arena_capacity;

    const struct cv_engine *engine;
};

#endif
