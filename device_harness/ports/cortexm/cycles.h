/* How many cycles has the core run? The DWT's counter where it counts, else SysTick: see cycles.c. */
#ifndef COVERIFY_CORTEXM_CYCLES_H
#define COVERIFY_CORTEXM_CYCLES_H

#include <stdint.h>

/* Starts counting; returns what counts: "DWT" or "SysTick". */
const char *cycles_init(void);

/* Cycles of the core's clock since cycles_init. */
uint64_t cycles_now(void *port);

/* The SysTick exception. */
void cycles_tick(void);

#endif
