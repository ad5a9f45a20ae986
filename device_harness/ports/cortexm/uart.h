/* How do bytes get to and from the host? Receive by interrupt into a ring, transmit by polling.
 *
 * A port gives uart_init, uart_write, uart_poll and its interrupt handler, which calls uart_received for
 * every byte; uart_read and uart_idle (ring.c) are the same everywhere. CV_RING_BYTES of machine.h holds
 * more than a window of the longest frames, so a host that keeps to the window that HELLO reports overruns
 * nothing while the core computes.
 */
#ifndef COVERIFY_CORTEXM_UART_H
#define COVERIFY_CORTEXM_UART_H

#include <stdbool.h>
#include <stdint.h>

void uart_init(void);
void uart_write(void *port, const uint8_t *from, uint32_t n);

/* Without interrupts, for the fault handler: true and a byte, if one waits. */
bool uart_poll(uint8_t *byte);

/* The receive interrupt. */
void uart_interrupt(void);

/* To be called by uart_interrupt only. */
void uart_received(uint8_t byte);

uint32_t uart_read(void *port, uint8_t *to, uint32_t capacity);
void uart_idle(void *port);

#endif
