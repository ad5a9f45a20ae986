/* The board of every STM32F4 with 128 KB of SRAM: see board.h and machine.h. */
#include <stddef.h>

#include "clock.h"
#include "cycles.h"
#include "fault.h"
#include "engine.h"
#include "machine.h"
#include "session.h"
#include "stack.h"
#include "uart.h"
#include "usart.h"
#include "watchdog.h"

/* Not static: a loader finds the model's place by this name. */
uint8_t cv_model_memory[CV_MODEL_BYTES] __attribute__((section(".cv.model"), aligned(16)));
static uint8_t arena_memory[CV_ARENA_BYTES] __attribute__((section(".cv.arena"), aligned(16)));

static struct cv_board board = {
    .name = CV_BOARD,
    .core = CV_CORE,
    .read = uart_read,
    .write = uart_write,
    .idle = uart_idle,
    .cycles = cycles_now,
    .alive = watchdog_kick,
    .stack_used = stack_used,
    .model = cv_model_memory,
    .model_capacity = CV_MODEL_BYTES,
    .arena = arena_memory,
    .arena_capacity = CV_ARENA_BYTES,
    .engine = &cv_engine_linked,
};

static struct cv_session session;

int main(void)
{
    struct clocks clocks = clock_init();
    usart_clocks(&clocks);
    fault_init(&session.boot);
    uart_init();
    board.counter = cycles_init();
    /* Every STM32F4 has a DWT; without one this is an emulator, of unknown speed. */
    if (board.counter[0] == 'D')
        board.clock_hz = clocks.core_hz;
    watchdog_init(clocks.core_hz, CV_WATCHDOG_S);
    board.stack_bytes = stack_bytes();
    cv_session_init(&session, &board);
    cv_session_serve(&session);
    return 0;
}
