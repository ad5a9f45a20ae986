/* How much stack was ever used? It is painted before main; the lowest word that changed is the mark.
 *
 * The stack lies below everything else in DATA and grows down to cv_stack_limit, the memory's end. What is
 * below is out of bounds: by the stack limit of Armv8-M, by the MPU of Armv7-M where the part has one, else by
 * what the part does where it has no memory.  Arm DDI 0403E: B3.5 (MPU); DDI 0553B: MSPLIM.
 */
#include "stack.h"

#define PAINT 0xC0FEC0FEu
#define SPARED 16u /* words below this frame that are in use while painting */

extern uint32_t cv_stack_top[], cv_stack_limit[];

void stack_paint(void)
{
    uint32_t *here = (uint32_t *)__builtin_frame_address(0) - SPARED;
    for (volatile uint32_t *p = cv_stack_limit; p < here; p++)
        *p = PAINT;
}

#if __ARM_ARCH == 7
#define MPU_TYPE (*(const volatile uint32_t *)0xE000ED90u)
#define MPU_CTRL (*(volatile uint32_t *)0xE000ED94u)
#define MPU_RBAR (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_RASR (*(volatile uint32_t *)0xE000EDA0u)
#define MPU_DREGION (0xFFu << 8)
#define MPU_VALID (1u << 4)
#define MPU_NO_ACCESS ((1u << 28) | 1u) /* XN, AP 0, enabled */
#define MPU_ELSE_AS_WITHOUT 5u          /* PRIVDEFENA, ENABLE */
#define GUARD_LOG2 15u                  /* 32 KB, more than any frame */
#endif

void stack_guard(void)
{
#if __ARM_ARCH >= 8
    __asm volatile("msr msplim, %0" ::"r"(cv_stack_limit));
#elif __ARM_ARCH == 7
    uint32_t at = (uint32_t)cv_stack_limit - (1u << GUARD_LOG2);
    if ((MPU_TYPE & MPU_DREGION) == 0 || at % (1u << GUARD_LOG2) != 0)
        return;
    MPU_RBAR = at | MPU_VALID;
    MPU_RASR = MPU_NO_ACCESS | (GUARD_LOG2 - 1u) << 1;
    MPU_CTRL = MPU_ELSE_AS_WITHOUT;
    __asm volatile("dsb\n isb" ::: "memory");
#endif
}

uint32_t stack_bytes(void)
{
    return (uint32_t)(cv_stack_top - cv_stack_limit) * 4u;
}

uint32_t stack_used(void *port)
{
    const volatile uint32_t *p = cv_stack_limit;
    (void)port;
    while (p < cv_stack_top && *p == PAINT)
        p++;
    return (uint32_t)(cv_stack_top - p) * 4u;
}
