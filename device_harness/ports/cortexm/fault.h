/* Faults of the core, reported over the link: see fault.c. */
#ifndef COVERIFY_CORTEXM_FAULT_H
#define COVERIFY_CORTEXM_FAULT_H

#include <stdint.h>

/* `boot` is where the session keeps its nonce. Enables the faults finer than HardFault. */
void fault_init(const uint32_t *boot);

/* The handler of every fault. */
void cv_fault(void);

#endif
