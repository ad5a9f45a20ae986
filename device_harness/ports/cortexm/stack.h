/* How much stack was ever used? What is no longer painted: see stack.c. */
#ifndef COVERIFY_CORTEXM_STACK_H
#define COVERIFY_CORTEXM_STACK_H

#include <stdint.h>

/* Paints what lies below the caller's frame. */
void stack_paint(void);

/* From now on a stack that overflows is a fault, where the core or the part can tell. */
void stack_guard(void);

uint32_t stack_bytes(void);
uint32_t stack_used(void *port);

#endif
