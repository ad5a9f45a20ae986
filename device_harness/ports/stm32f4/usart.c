/* USART1 (PA9, PA10) and USART2 (PA2, PA3), 8N1 at CV_BAUD: see uart.h.
 *
 * QEMU's machines and the Netduino have USART1 as their line; on Nucleo-64 boards USART2 goes to the ST-LINK's
 * virtual COM port, on the STM32F4-Discovery its pins are free. Both listen, so that one image runs on all.
 * RM0090: 30.6.1 ... 30.6.4 (SR, DR, BRR, CR1), 30.3.3 (overrun), 8.4.1, 8.4.4, 8.4.9, 8.4.10 (MODER, PUPDR, AFRL, AFRH);
 * DS8626, table 9 (alternate function 7); UM1724, 6.8 (Nucleo-64: USART2 to the ST-LINK).
 */
#include "usart.h"

#include "machine.h"
#include "uart.h"

#ifndef CV_BAUD
#define CV_BAUD 115200u
#endif

struct usart {
    volatile uint32_t sr;
    volatile uint32_t dr;
    volatile uint32_t brr;
    volatile uint32_t cr1;
};

#define USART1 ((struct usart *)0x40011000u)
#define USART2 ((struct usart *)0x40004400u)
#define GPIOA_MODER (*(volatile uint32_t *)0x40020000u)
#define GPIOA_PUPDR (*(volatile uint32_t *)0x4002000Cu)
#define GPIOA_AFRL (*(volatile uint32_t *)0x40020020u)
#define GPIOA_AFRH (*(volatile uint32_t *)0x40020024u)
#define NVIC_ENABLE ((volatile uint32_t *)0xE000E100u)

#define SR_RECEIVED (1u << 5)
#define SR_OVERRUN (1u << 3) /* cleared by reading SR, then DR */
#define SR_MAY_SEND (1u << 7)
#define CR1_ON (1u << 13)
#define CR1_SEND (1u << 3)
#define CR1_RECEIVE (1u << 2)
#define CR1_RECEIVE_INTERRUPT (1u << 5)

static struct clocks clocks;
static struct usart *volatile active = USART1;

void usart_clocks(const struct clocks *known)
{
    clocks = *known;
}

/* A pin's two bits in MODER and PUPDR, its four in AFR. */
static void route(uint32_t pin)
{
    volatile uint32_t *afr = pin < 8u ? &GPIOA_AFRL : &GPIOA_AFRH;
    *afr = (*afr & ~(15u << pin % 8u * 4u)) | 7u << pin % 8u * 4u;
    GPIOA_PUPDR = (GPIOA_PUPDR & ~(3u << pin * 2u)) | 1u << pin * 2u; /* up: a line that is open is silent */
    GPIOA_MODER = (GPIOA_MODER & ~(3u << pin * 2u)) | 2u << pin * 2u;
}

static void start(struct usart *u, uint32_t hz, uint32_t irq)
{
    u->brr = (hz + CV_BAUD / 2u) / CV_BAUD;
    u->cr1 = CR1_ON | CR1_SEND | CR1_RECEIVE | CR1_RECEIVE_INTERRUPT;
    NVIC_ENABLE[irq / 32u] = 1u << irq % 32u;
}

void uart_init(void)
{
    static const uint8_t pins[] = {2, 3, 9, 10};
    for (uint32_t i = 0; i < sizeof pins; i++)
        route(pins[i]);
    start(USART1, clocks.apb2_hz, CV_UART_RX_IRQ);
    start(USART2, clocks.apb1_hz, CV_UART2_RX_IRQ);
}

static bool take(struct usart *u, uint8_t *byte)
{
    uint32_t sr = u->sr;
    if ((sr & (SR_RECEIVED | SR_OVERRUN)) == 0)
        return false;
    *byte = (uint8_t)(u->dr & 0xFFu);
    active = u;
    return (sr & SR_RECEIVED) != 0;
}

bool uart_poll(uint8_t *byte)
{
    return take(USART1, byte) || take(USART2, byte);
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
        while ((active->sr & SR_MAY_SEND) == 0)
            ;
        active->dr = from[i];
    }
}
