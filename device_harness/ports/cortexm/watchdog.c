/* Where does the core hang? SysTick counts its own wraps since the last sign of life.
 *
 * When it is too many, PendSV is pended, whose vector is the fault handler: it is taken as soon as SysTick's
 * handler returns, so what is stacked is the program counter of the code that hangs. Code that hangs with
 * interrupts masked is not seen; a part's independent watchdog would be.  Arm DDI 0403E: B3.2.4 (ICSR).
 */
#include "watchdog.h"

#define ICSR (*(volatile uint32_t *)0xE000ED04u)
#define PENDSVSET (1u << 28)
#define CYCLES_PER_TICK (1u << 24)

static uint32_t limit; /* in ticks; 0: off */
static volatile uint32_t ticks;

void watchdog_init(uint32_t core_hz, uint32_t seconds)
{
    uint64_t cycles = (uint64_t)core_hz * seconds;
    ticks = 0;
    limit = (uint32_t)(cycles / CYCLES_PER_TICK) + 1u;
}

void watchdog_kick(void *port)
{
    (void)port;
    ticks = 0;
}

void watchdog_tick(void)
{
    ticks = ticks + 1u;
    if (limit != 0 && ticks == limit)
        ICSR = PENDSVSET;
}
