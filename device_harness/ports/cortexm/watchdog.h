/* A core that computes for too long without an end: see watchdog.c. */
#ifndef COVERIFY_CORTEXM_WATCHDOG_H
#define COVERIFY_CORTEXM_WATCHDOG_H

#include <stdint.h>

/* From now on, `seconds` without watchdog_kick are a fault; needs cycles_init. core_hz: SysTick's clock. */
void watchdog_init(uint32_t core_hz, uint32_t seconds);

/* All is well: cv_board's `alive`. */
void watchdog_kick(void *port);

/* To be called by SysTick's handler only. */
void watchdog_tick(void);

#endif
