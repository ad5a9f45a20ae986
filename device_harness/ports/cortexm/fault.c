/* What does the device say when its core has faulted? The FAULT frame of protocol.h, and nothing after it.
 *
 * HardFault, MemManage, BusFault, UsageFault and SecureFault come here, as does any interrupt that nobody
 * expects, and PendSV, which the watchdog pends. The frame goes out at once and again for every 0x00 received,
 * until a reset. The handler has a stack of its own and reads the stacked registers only if they lie in the
 * stack: where that has overflowed the core could not store them, and they are reported as 0.
 */
#include "fault.h"

#include <stddef.h>

#include "bytes.h"
#include "frame.h"
#include "machine.h"
#include "uart.h"

#define WORD(address) (*(const volatile uint32_t *)(address))
#define ICSR 0xE000ED04u /* bits 0 ... 8: the active exception */
#define SHCSR (*(volatile uint32_t *)0xE000ED24u)
#define CFSR 0xE000ED28u
#define HFSR 0xE000ED2Cu
#define MMFAR 0xE000ED34u
#define BFAR 0xE000ED38u

#define ENABLE_MEMORY_BUS_USAGE (7u << 16)
#define STACKED_WORDS 8u /* r0 r1 r2 r3 r12 lr pc xpsr */
#define TRAIL_WORDS 8u
#define FAULT_WORDS (2u + STACKED_WORDS + 4u + 2u + TRAIL_WORDS)
#define NOT_STACKED (1u << 4 | 1u << 12 | 1u << 20) /* CFSR: MSTKERR, STKERR, STKOF */

extern uint32_t cv_stack_top[], cv_stack_limit[];
extern const uint16_t cv_code_begin[], cv_code_end[];

static const uint32_t *boot_nonce;
static uint8_t frame[CV_FRAME_HEADER + 4u * FAULT_WORDS + CV_FRAME_CRC];

void fault_init(const uint32_t *boot)
{
    boot_nonce = boot;
#if __ARM_ARCH >= 7
    SHCSR |= ENABLE_MEMORY_BUS_USAGE;
#endif
}

/* A Cortex-M0 has no fault status registers: 0. */
static uint32_t status(uint32_t address)
{
#if __ARM_ARCH >= 7
    return WORD(address);
#else
    (void)address;
    return 0;
#endif
}

static bool is_readable(uint32_t stacked)
{
    return (status(CFSR) & NOT_STACKED) == 0 && stacked % 4u == 0 && stacked >= (uint32_t)cv_stack_limit &&
           stacked <= (uint32_t)cv_stack_top - 4u * STACKED_WORDS;
}

/* Does this word of the stack point behind a call?  BL, or BLX of a register: Arm DDI 0403E, A7.7.18-19. */
static bool is_return(uint32_t word)
{
    uint32_t at = word & ~1u;
    if ((word & 1u) == 0 || at < (uint32_t)cv_code_begin + 4u || at > (uint32_t)cv_code_end)
        return false;
    const uint16_t *next = (const uint16_t *)at;
    return ((next[-2] & 0xF800u) == 0xF000u && (next[-1] & 0xD000u) == 0xD000u) ||
           (next[-1] & 0xFF87u) == 0x4780u;
}

/* What on the stack may be return addresses, the innermost first; 0 where there are no more. */
static void store_trail(uint32_t stacked, uint8_t *to)
{
    const uint32_t *word = cv_stack_limit, *end = cv_stack_top;
    if (is_readable(stacked))
        word = (const uint32_t *)stacked + STACKED_WORDS;
    else if (stacked > (uint32_t)cv_stack_limit)
        word = stacked % 4u == 0 && stacked < (uint32_t)end ? (const uint32_t *)stacked : end;
    for (uint32_t i = 0; i < TRAIL_WORDS; i++, to += 4) {
        while (word < end && !is_return(*word))
            word++;
        cv_store_u32(to, word < end ? *word++ : 0);
    }
}

static uint32_t build(uint32_t stacked)
{
    uint8_t *p = frame + CV_FRAME_HEADER;
    cv_store_u32(p, boot_nonce != NULL ? *boot_nonce : 0);
    cv_store_u32(p + 4, WORD(ICSR) & 0x1FFu);
    p += 8;
    for (uint32_t i = 0; i < STACKED_WORDS; i++, p += 4)
        cv_store_u32(p, is_readable(stacked) ? WORD(stacked + 4u * i) : 0);
    cv_store_u32(p, status(CFSR));
    cv_store_u32(p + 4, status(HFSR));
    cv_store_u32(p + 8, status(MMFAR));
    cv_store_u32(p + 12, status(BFAR));
    cv_store_u32(p + 16, stacked);
    cv_store_u32(p + 20, (uint32_t)cv_stack_limit);
    store_trail(stacked, p + 24);
    return cv_frame_seal(frame, CV_FAULT, 0, 4u * FAULT_WORDS);
}

/* Called by cv_fault with the stack pointer at the fault; does not return. */
__attribute__((used)) _Noreturn void fault_report(uint32_t stacked)
{
    uint32_t n = build(stacked);
    uint8_t byte;
    for (;;) {
        cv_frame_send(frame, n, uart_write, NULL);
        do {
            while (!uart_poll(&byte))
                ;
        } while (byte != 0);
    }
}

/* EXC_RETURN bit 2 tells which stack the registers were put on. */
__attribute__((naked)) void cv_fault(void)
{
#if __ARM_ARCH >= 7
    __asm volatile("tst lr, #4        \n"
                   "ite eq            \n"
                   "mrseq r0, msp     \n"
                   "mrsne r0, psp     \n");
#else
    __asm volatile("movs r0, #4       \n"
                   "mov r1, lr        \n"
                   "tst r1, r0        \n"
                   "mrs r0, msp       \n"
                   "beq 1f            \n"
                   "mrs r0, psp       \n"
                   "1:                \n");
#endif
    __asm volatile("cpsid i           \n"
                   "ldr r1, =cv_fault_stack_top \n"
#if __ARM_ARCH >= 8
                   "movs r2, #0       \n"
                   "msr msplim, r2    \n"
#endif
                   "msr msp, r1       \n"
                   "ldr r1, =fault_report \n"
                   "bx r1             \n"
                   ".ltorg            \n");
}
