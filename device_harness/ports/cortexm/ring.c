/* Received bytes on their way from the interrupt to the session: see uart.h. */
#include "machine.h"
#include "session.h"
#include "uart.h"

/* A frame on the line: COBS adds a byte to every 254 that it has, and there is a zero before and after it. */
#define LONGEST_FRAME (CV_MAX_FRAME + CV_MAX_FRAME / 254u + 3u)

static uint8_t ring[CV_RING_BYTES];
static volatile uint32_t head; /* bytes ever put in: written by the interrupt only */
static volatile uint32_t tail; /* bytes ever taken out */

_Static_assert((CV_RING_BYTES & (CV_RING_BYTES - 1)) == 0, "the ring is a power of two");
_Static_assert(CV_RING_BYTES >= CV_WINDOW * LONGEST_FRAME, "the ring holds a window of the longest frames");

void uart_received(uint8_t byte)
{
    if (head - tail >= CV_RING_BYTES)
        return; /* it is lost, its frame fails its CRC, and the host sends again */
    ring[head % CV_RING_BYTES] = byte;
    head = head + 1u;
}

uint32_t uart_read(void *port, uint8_t *to, uint32_t capacity)
{
    (void)port;
    uint32_t n = 0;
    for (; n < capacity && tail != head; n++) {
        to[n] = ring[tail % CV_RING_BYTES];
        tail = tail + 1u;
    }
    return n;
}

/* With interrupts off a byte that comes after the test still ends the wait. */
void uart_idle(void *port)
{
    (void)port;
    __asm volatile("cpsid i" ::: "memory");
    if (head == tail)
        __asm volatile("wfi" ::: "memory");
    __asm volatile("cpsie i" ::: "memory");
}
