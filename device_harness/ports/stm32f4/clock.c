/* 16 MHz HSI -> PLL -> 84 MHz, the most that every STM32F4 takes in its power state after reset.
 *
 * The internal oscillator is on every board, whatever crystal it has (8, 12, 25 MHz or none), and is within
 * 1 % of 16 MHz at room temperature, which a UART tolerates. RM0090 revision 21 (F405/407): 7.2.2 (HSI),
 * 7.3.2 (PLL = HSI / 16 * 336 / 4), 7.2 (APB1 <= 42 MHz, APB2 <= 84 MHz), 3.5.1 and table 11 (two wait states
 * above 60 and up to 90 MHz at 2.7 ... 3.6 V). RM0383 (F411), 5.1.3: voltage scale 2, that of reset, allows 84 MHz.
 * RM0383 and RM0390 (F446) have the RCC in chapter 6, with these registers.
 * Where the PLL does not lock (QEMU models no RCC), everything stays at 16 MHz.
 */
#include "clock.h"

#include <stdbool.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_CR REGISTER(0x40023800u)
#define RCC_PLLCFGR REGISTER(0x40023804u)
#define RCC_CFGR REGISTER(0x40023808u)
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define RCC_APB2ENR REGISTER(0x40023844u)
#define FLASH_ACR REGISTER(0x40023C00u)

#define HSI_HZ 16000000u
#define PLL_M 16u
#define PLL_N 336u
#define PLL_P_IS_4 (1u << 16)
#define PLL_Q (7u << 24)
#define PLL_R (2u << 28) /* as after reset (7.3.2); reserved, but for the F446, which wants 2 or more */
#define PLL_ON (1u << 24)
#define PLL_READY (1u << 25)
#define LATENCY 7u
#define TWO_WAITS 2u
#define FLASH_2_WAITS_CACHED (TWO_WAITS | 7u << 8) /* prefetch, instruction and data cache */
#define APB1_HALF (4u << 10)
#define SWITCH 3u
#define SWITCH_PLL 2u
#define SWITCHED (3u << 2)
#define SWITCHED_TO_PLL (2u << 2)
#define PATIENCE 100000u /* reads; the PLL locks within 300 us (DS8626, 5.3.10) */

#define GPIOA_ON 1u
#define USART2_ON (1u << 17)
#define USART1_ON (1u << 4)

static bool becomes(volatile uint32_t *at, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < PATIENCE; i++)
        if ((*at & mask) == value)
            return true;
    return false;
}

static bool start_pll(void)
{
    RCC_PLLCFGR = PLL_M | PLL_N << 6 | PLL_P_IS_4 | PLL_Q | PLL_R;
    RCC_CR |= PLL_ON;
    if (!becomes(&RCC_CR, PLL_READY, PLL_READY))
        return false;
    FLASH_ACR = FLASH_2_WAITS_CACHED;
    if (!becomes(&FLASH_ACR, LATENCY,
                 TWO_WAITS)) /* RM0090, 3.5.1: read back before the core is made faster */
        return false;
    RCC_CFGR = (RCC_CFGR & ~SWITCH) | APB1_HALF | SWITCH_PLL;
    return becomes(&RCC_CFGR, SWITCHED, SWITCHED_TO_PLL);
}

struct clocks clock_init(void)
{
    struct clocks slow = {HSI_HZ, HSI_HZ, HSI_HZ};
    struct clocks fast = {84000000u, 42000000u, 84000000u};
    bool locked = start_pll();
    RCC_AHB1ENR |= GPIOA_ON;
    RCC_APB1ENR |= USART2_ON;
    RCC_APB2ENR |= USART1_ON;
    (void)RCC_APB2ENR; /* ES0182, delay after an RCC peripheral clock enabling: a dummy read */
    return locked ? fast : slow;
}
