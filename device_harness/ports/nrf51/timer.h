/* How many cycles has the core run? TIMER0 counts the same 16 MHz: see timer.c. */
#ifndef COVERIFY_NRF51_TIMER_H
#define COVERIFY_NRF51_TIMER_H

#include <stdint.h>

void timer_init(void);
uint64_t timer_now(void *port);

#endif
