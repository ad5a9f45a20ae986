/* From reset to main: the vector table, .data and .bss, the coprocessors.
 *
 * Constructors run if an engine in C++ has some; no semihosting, no C library initialisation: nothing here needs it.
 */
#include <stdint.h>
#include <string.h>

#include "cycles.h"
#include "fault.h"
#include "machine.h"
#include "stack.h"
#include "uart.h"

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define VTOR (*(volatile uint32_t *)0xE000ED08u)
#define CP10_CP11 (0xFu << 20) /* FP and MVE; ignored where there is neither */

#define N_IRQS 64

extern uint32_t cv_stack_top[];
extern uint8_t cv_data_begin[], cv_data_end[], cv_bss_begin[], cv_bss_end[];
extern const uint8_t cv_data_load[];
extern void (*const cv_init_begin[])(void);
extern void (*const cv_init_end[])(void);

int main(void);
void cv_reset(void);

struct vectors {
    uint32_t *stack;
    void (*exception[15])(void); /* 1 ... 15 */
    void (*irq[N_IRQS])(void);
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    cv_stack_top,
    {cv_reset, cv_fault, cv_fault, cv_fault, cv_fault, cv_fault, cv_fault, NULL, NULL, NULL, cv_fault,
     cv_fault, NULL, cv_fault, cycles_tick},
    {
        [CV_UART_RX_IRQ] = uart_interrupt,
#ifdef CV_UART2_RX_IRQ
        [CV_UART2_RX_IRQ] = uart_interrupt,
#endif
    },
};

_Noreturn void cv_start(void);

void cv_reset(void)
{
#if __ARM_ARCH >= 7
    CPACR |= CP10_CP11;
    __asm volatile("dsb\n isb" ::: "memory");
#endif
    cv_start();
}

/* Apart from cv_reset, so that the compiler uses no FP register before the coprocessors are on. */
__attribute__((noinline)) _Noreturn void cv_start(void)
{
#if __ARM_ARCH >= 7
    VTOR = (uint32_t)&vectors; /* a Cortex-M0 has none: its table is where it starts, at CV_CODE_AT */
#endif
    stack_paint();
    stack_guard();
    memcpy(cv_data_begin, cv_data_load, (size_t)(cv_data_end - cv_data_begin));
    memset(cv_bss_begin, 0, (size_t)(cv_bss_end - cv_bss_begin));
    for (void (*const *init)(void) = cv_init_begin; init < cv_init_end; init++)
        (*init)(); /* C++'s static objects; C has none */
    (void)main();
    for (;;)
        ;
}
