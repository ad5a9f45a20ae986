/* What does an STM32F4 give? Memory map, registers and the clock, for every part with 128 KB of SRAM.
 *
 * That is STM32F405/407 (Netduino Plus 2, Olimex STM32-H405, STM32F4-Discovery), F411 and F446 (Nucleo-64);
 * core-coupled memory is not used, since F411 and F446 have none. Read by C and by the linker script.
 * Sources: RM0090 (F405/407): 2.3 memory map, 3 flash, 7 RCC, 8 GPIO, 30 USART; the same blocks at the same addresses
 * in RM0383 (F411) and RM0390 (F446): 2.3 memory map, 3 flash, 6 RCC;
 * DS8626 (F405/407): 128 KB are SRAM1 and SRAM2, which follow one another; 512 KB of flash is the least.
 */
#ifndef COVERIFY_STM32F4_MACHINE_H
#define COVERIFY_STM32F4_MACHINE_H

#define CV_BOARD "stm32f4"
#define CV_CORE "cortex-m4f"

#define CV_CODE_AT 0x08000000
#define CV_CODE_BYTES 0x80000
#define CV_DATA_AT 0x20000000
#define CV_MODEL_BYTES 0xE000
#ifdef CV_ENGINE_TFLM /* 32 + 56 + 40 KB: its tables of operators lie in DATA */
#define CV_DATA_BYTES 0x8000
#define CV_MODEL_AT 0x20008000
#define CV_ARENA_AT 0x20016000
#define CV_ARENA_BYTES 0xA000
#else /* 24 + 56 + 48 KB */
#define CV_DATA_BYTES 0x6000
#define CV_MODEL_AT 0x20006000
#define CV_ARENA_AT 0x20014000
#define CV_ARENA_BYTES 0xC000
#endif

#define CV_RING_BYTES 0x2000
#define CV_STACK_BYTES 0x2000
#define CV_FAULT_STACK_BYTES 0x400
#define CV_WATCHDOG_S 25u

#define CV_UART_RX_IRQ 37  /* USART1 */
#define CV_UART2_RX_IRQ 38 /* USART2 */

#endif
