/* The nRF51's UART at 115,200 baud on the pins of the micro:bit's USB interface: see uart.h.
 *
 * nRF51 Series reference manual 3.0: 29 (UART), 14 (GPIO), 13 (CLOCK). The crystal is started first: the
 * internal oscillator is too coarse for a UART.
 */
#include "uart.h"

#include "machine.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CLOCK_HFCLKSTART REGISTER(0x40000000u)
#define CLOCK_HFCLKSTARTED REGISTER(0x40000100u)
#define UART_STARTRX REGISTER(0x40002000u)
#define UART_STARTTX REGISTER(0x40002008u)
#define UART_RXDRDY REGISTER(0x40002108u)
#define UART_TXDRDY REGISTER(0x4000211Cu)
#define UART_INTENSET REGISTER(0x40002304u)
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_PSELTXD REGISTER(0x4000250Cu)
#define UART_PSELRXD REGISTER(0x40002514u)
#define UART_RXD REGISTER(0x40002518u)
#define UART_TXD REGISTER(0x4000251Cu)
#define UART_BAUDRATE REGISTER(0x40002524u)
#define GPIO_OUTSET REGISTER(0x50000508u)
#define GPIO_DIRSET REGISTER(0x50000518u)
#define NVIC_ENABLE REGISTER(0xE000E100u)

#define PIN_TX 24u
#define PIN_RX 25u
#define ENABLED 4u
#define BAUD_115200 0x01D7E000u
#define RXDRDY_INTERRUPT (1u << 2)
#define PATIENCE 1000000u /* reads; the crystal is up within 1 ms */

void uart_init(void)
{
    CLOCK_HFCLKSTART = 1;
    for (uint32_t i = 0; i < PATIENCE && CLOCK_HFCLKSTARTED == 0; i++)
        ;
    GPIO_OUTSET = 1u << PIN_TX;
    GPIO_DIRSET = 1u << PIN_TX;
    UART_PSELTXD = PIN_TX;
    UART_PSELRXD = PIN_RX;
    UART_BAUDRATE = BAUD_115200;
    UART_ENABLE = ENABLED;
    UART_INTENSET = RXDRDY_INTERRUPT;
    NVIC_ENABLE = 1u << CV_UART_RX_IRQ;
    UART_STARTTX = 1;
    UART_STARTRX = 1;
}

bool uart_poll(uint8_t *byte)
{
    if (UART_RXDRDY == 0)
        return false;
    UART_RXDRDY = 0; /* before RXD is read: that lets the next byte of the FIFO announce itself */
    *byte = (uint8_t)(UART_RXD & 0xFFu);
    return true;
}

void uart_interrupt(void)
{
    uint8_t byte;
    while (uart_poll(&byte))
        uart_received(byte);
}

void uart_write(void *port, const uint8_t *from, uint32_t n)
{
    (void)port;
    for (uint32_t i = 0; i < n; i++) {
        UART_TXDRDY = 0;
        UART_TXD = from[i];
        while (UART_TXDRDY == 0)
            ;
    }
}
