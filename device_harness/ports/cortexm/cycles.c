/* How many cycles has the core run?  Arm DDI 0403E: C1.8 (DWT), B3.3 (SysTick).
 *
 * DWT_CYCCNT has 32 bits; SysTick, which wraps every 2^24 cycles, looks at it often enough to see each wrap.
 * Where the DWT stands still (QEMU has none, Cortex-M0 neither), SysTick itself counts. QEMU's SysTick is
 * driven by the emulator's clock, so there it measures the emulator's time, not a core's cycles.
 */
#include "cycles.h"

#include <stdbool.h>

#include "watchdog.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define DEMCR REGISTER(0xE000EDFCu)
#define DWT_CTRL REGISTER(0xE0001000u)
#define DWT_CYCCNT REGISTER(0xE0001004u)
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)

#define DEMCR_TRCENA (1u << 24)
#define DWT_CYCCNTENA 1u
#define SYST_ENABLE 1u
#define SYST_INTERRUPT 2u
#define SYST_CORE_CLOCK 4u
#define SYST_MAX 0xFFFFFFu

static bool has_dwt;
static volatile uint32_t wraps; /* of the counter in use */
static volatile uint32_t last;  /* DWT_CYCCNT when it was last looked at */

static bool dwt_counts(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CYCCNTENA;
    uint32_t before = DWT_CYCCNT;
    for (volatile int i = 0; i < 16; i++)
        ;
    return DWT_CYCCNT != before;
}

static void look(void)
{
    uint32_t now = DWT_CYCCNT;
    if (now < last)
        wraps = wraps + 1u;
    last = now;
}

const char *cycles_init(void)
{
    has_dwt = dwt_counts();
    SYST_RVR = SYST_MAX;
    SYST_CVR = 0;
    SYST_CSR = SYST_ENABLE | SYST_INTERRUPT | SYST_CORE_CLOCK;
    return has_dwt ? "DWT" : "SysTick";
}

void cycles_tick(void)
{
    watchdog_tick();
    if (has_dwt)
        look();
    else
        wraps = wraps + 1u;
}

static uint64_t dwt_now(void)
{
    __asm volatile("cpsid i" ::: "memory");
    look();
    uint64_t now = ((uint64_t)wraps << 32) | last;
    __asm volatile("cpsie i" ::: "memory");
    return now;
}

uint64_t cycles_now(void *port)
{
    uint32_t before;
    uint32_t left;
    (void)port;
    if (has_dwt)
        return dwt_now();
    do {
        before = wraps;
        left = SYST_CVR & SYST_MAX;
    } while (before != wraps);
    return ((uint64_t)before << 24) + (SYST_MAX - left);
}
