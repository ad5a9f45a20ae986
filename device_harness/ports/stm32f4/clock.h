/* How fast does an STM32F4 run? 84 MHz from the internal oscillator, or 16 MHz: see clock.c. */
#ifndef COVERIFY_STM32F4_CLOCK_H
#define COVERIFY_STM32F4_CLOCK_H

#include <stdint.h>

struct clocks {
    uint32_t core_hz;
    uint32_t apb1_hz; /* USART2 */
    uint32_t apb2_hz; /* USART1 */
};

/* Starts the PLL, if there is one that locks, and turns on GPIOA and both USARTs. */
struct clocks clock_init(void);

#endif
