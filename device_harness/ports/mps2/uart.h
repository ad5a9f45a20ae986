/* How do bytes get to and from the host? Arm's CMSDK APB UART: receive by interrupt, transmit by polling.
 *
 * The ring holds more than a window of the longest frames, so a host that keeps to the window that HELLO
 * reports overruns nothing while the core computes.
 */
#ifndef COVERIFY_MPS2_UART_H
#define COVERIFY_MPS2_UART_H

#include <stdbool.h>
#include <stdint.h>

void uart_init(void);
uint32_t uart_read(void *port, uint8_t *to, uint32_t capacity);
void uart_write(void *port, const uint8_t *from, uint32_t n);
void uart_idle(void *port);

/* Without interrupts, for the fault handler: true and a byte, if one waits. */
bool uart_poll(uint8_t *byte);

/* The receive interrupt. */
void uart_interrupt(void);

#endif
