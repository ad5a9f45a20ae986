/* CMSDK APB UART (Arm DDI 0479, 4.3): see uart.h. */
#include "uart.h"

#include "machine.h"

#define REGISTER(offset) (*(volatile uint32_t *)(CV_UART_AT + (offset)))
#define UART_DATA REGISTER(0x00u)
#define UART_STATE REGISTER(0x04u)
#define UART_CONTROL REGISTER(0x08u)
#define UART_INTERRUPT REGISTER(0x0Cu) /* read: pending; write 1: clear */
#define UART_DIVIDER REGISTER(0x10u)

#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define CONTROL_TX 1u
#define CONTROL_RX 2u
#define CONTROL_RX_INTERRUPT 8u
#define INTERRUPT_RX 2u
#define CLOCK_PER_BIT (CV_CLOCK_HZ / 921600u) /* the emulator does not wait, but wants at least 16 */

#define NVIC_ENABLE ((volatile uint32_t *)0xE000E100u)

void uart_init(void)
{
    UART_DIVIDER = CLOCK_PER_BIT;
    UART_CONTROL = CONTROL_TX | CONTROL_RX | CONTROL_RX_INTERRUPT;
    /* Bytes that came while reception was off wait outside the emulated UART until DATA is read once. */
    if ((UART_STATE & STATE_RX_FULL) == 0)
        (void)UART_DATA;
    NVIC_ENABLE[CV_UART_RX_IRQ / 32] = 1u << (CV_UART_RX_IRQ % 32);
}

void uart_interrupt(void)
{
    UART_INTERRUPT = INTERRUPT_RX; /* before draining, or a byte that comes in between is never announced */
    while ((UART_STATE & STATE_RX_FULL) != 0)
        uart_received((uint8_t)(UART_DATA & 0xFFu));
}

void uart_write(void *port, const uint8_t *from, uint32_t n)
{
    (void)port;
    for (uint32_t i = 0; i < n; i++) {
        while ((UART_STATE & STATE_TX_FULL) != 0)
            ;
        UART_DATA = from[i];
    }
}

bool uart_poll(uint8_t *byte)
{
    UART_INTERRUPT = INTERRUPT_RX;
    if ((UART_STATE & STATE_RX_FULL) == 0)
        return false;
    *byte = (uint8_t)(UART_DATA & 0xFFu);
    return true;
}
