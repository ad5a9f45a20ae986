/* Which machine is this? Names, memory map and UART of QEMU's mps2 and mps3 boards.
 *
 * One block per machine; read by C and by the linker script (through the preprocessor), so no C syntax here.
 * CODE holds program and vectors, DATA data and stack, MODEL the model, ARENA the engine's working memory.
 * Sources: Arm's application notes AN385, AN386, AN500, AN505, AN547; QEMU hw/arm/mps2.c and mps2-tz.c.
 */
#ifndef COVERIFY_MPS2_MACHINE_H
#define COVERIFY_MPS2_MACHINE_H

#define CV_MODEL_BYTES 0x400000
#define CV_ARENA_BYTES 0xA00000
#define CV_RING_BYTES 0x8000
#define CV_STACK_BYTES 0x10000
#define CV_FAULT_STACK_BYTES 0x1000
#define CV_WATCHDOG_S 25u

#if defined(CV_MPS2_an385)
#define CV_BOARD "mps2-an385"
#define CV_CORE "cortex-m3"
#elif defined(CV_MPS2_an386)
#define CV_BOARD "mps2-an386"
#define CV_CORE "cortex-m4f"
#elif defined(CV_MPS2_an500)
#define CV_BOARD "mps2-an500"
#define CV_CORE "cortex-m7"
#elif defined(CV_MPS2_an505)
#define CV_BOARD "mps2-an505"
#define CV_CORE "cortex-m33"
#elif defined(CV_MPS2_an547)
#define CV_BOARD "mps3-an547"
#define CV_CORE "cortex-m55"
#endif

#if defined(CV_MPS2_an385) || defined(CV_MPS2_an386)
#define CV_CODE_AT 0x00000000
#define CV_CODE_BYTES 0x400000
#define CV_DATA_AT 0x20000000
#define CV_DATA_BYTES 0x400000
#define CV_MODEL_AT 0x21000000
#define CV_ARENA_AT 0x21400000
#define CV_CLOCK_HZ 25000000u
#define CV_UART_AT 0x40004000
#define CV_UART_RX_IRQ 0
#elif defined(CV_MPS2_an500)
#define CV_CODE_AT 0x00000000
#define CV_CODE_BYTES 0x400000
#define CV_DATA_AT 0x20000000
#define CV_DATA_BYTES 0x400000
#define CV_MODEL_AT 0x60000000
#define CV_ARENA_AT 0x60400000
#define CV_CLOCK_HZ 25000000u
#define CV_UART_AT 0x40004000
#define CV_UART_RX_IRQ 0
#elif defined(CV_MPS2_an505)
#define CV_CODE_AT 0x10000000
#define CV_CODE_BYTES 0x400000
#define CV_DATA_AT 0x38000000
#define CV_DATA_BYTES 0x20000
#define CV_MODEL_AT 0x80000000
#define CV_ARENA_AT 0x80400000
#define CV_CLOCK_HZ 20000000u
#define CV_UART_AT 0x50200000
#define CV_UART_RX_IRQ 32
#elif defined(CV_MPS2_an547)
#define CV_CODE_AT 0x00000000
#define CV_CODE_BYTES 0x80000
#define CV_DATA_AT 0x21000000
#define CV_DATA_BYTES 0x400000
#define CV_MODEL_AT 0x60000000
#define CV_ARENA_AT 0x60400000
#define CV_CLOCK_HZ 32000000u
#define CV_UART_AT 0x49303000
#define CV_UART_RX_IRQ 33
#else
#error "define one of CV_MPS2_an385, _an386, _an500, _an505, _an547"
#endif

#endif
