/* TIMER0 as a cycle counter: the nRF51's core has neither a DWT counter nor SysTick.
 *
 * nRF51 Series reference manual 3.0, 18: timer mode, 32 bits, prescaler 0, so 16 MHz as the core. It wraps after
 * 268 s; a wrap is seen when it is read, so no single operator may take longer than that.
 */
#include "timer.h"

#define REGISTER(offset) (*(volatile uint32_t *)(0x40008000u + (offset)))
#define START REGISTER(0x000u)
#define CAPTURE_0 REGISTER(0x040u)
#define MODE REGISTER(0x504u)
#define BITMODE REGISTER(0x508u)
#define PRESCALER REGISTER(0x510u)
#define CC_0 REGISTER(0x540u)

#define MODE_TIMER 0u
#define BITMODE_32 3u

static uint32_t wraps;
static uint32_t last;

void timer_init(void)
{
    MODE = MODE_TIMER;
    BITMODE = BITMODE_32;
    PRESCALER = 0;
    START = 1;
}

uint64_t timer_now(void *port)
{
    (void)port;
    CAPTURE_0 = 1;
    uint32_t now = CC_0;
    if (now < last)
        wraps++;
    last = now;
    return ((uint64_t)wraps << 32) | now;
}
