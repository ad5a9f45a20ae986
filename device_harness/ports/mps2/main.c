/* The board of QEMU's mps2 and mps3 machines: see board.h and machine.h. No cycle counter: QEMU has none. */
#include <stddef.h>

#include "fault.h"
#include "kernels.h"
#include "machine.h"
#include "session.h"
#include "uart.h"

/* Not static: a loader finds the model's place by this name. */
uint8_t cv_model_memory[CV_MODEL_BYTES] __attribute__((section(".big.model"), aligned(16)));
static uint8_t arena_memory[CV_ARENA_BYTES] __attribute__((section(".big.arena"), aligned(16)));

static const struct cv_board board = {
    CV_BOARD, CV_CORE,         uart_read,      uart_write,   uart_idle,      NULL,
    NULL,     cv_model_memory, CV_MODEL_BYTES, arena_memory, CV_ARENA_BYTES, &cv_engine_kernels,
};

static struct cv_session session;

int main(void)
{
    cv_session_init(&session, &board);
    fault_init(&session.boot);
    uart_init();
    cv_session_serve(&session);
    return 0;
}
