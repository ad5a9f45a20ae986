/* Which line does an STM32F4 speak on? Both USARTs listen; the one that spoke last is answered: see usart.c. */
#ifndef COVERIFY_STM32F4_USART_H
#define COVERIFY_STM32F4_USART_H

#include "clock.h"

/* To be called before uart_init. */
void usart_clocks(const struct clocks *clocks);

#endif
