/* What does the nRF51822 of a BBC micro:bit give? 256 KB of flash, 16 KB of RAM, one UART.
 *
 * The model lies in the upper half of the flash (RAM would not hold it), so an upload erases and writes flash.
 * Read by C and by the linker script. Sources: nRF51822 product specification 3.4 (QFAA H0: memory sizes),
 * nRF51 Series reference manual 3.0: 5.1 memory map, 6 NVMC, 13 CLOCK, 14 GPIO, 18 TIMER, 29 UART;
 * micro:bit V1.5 schematic (TGT_TX is P0.24, TGT_RX is P0.25).
 */
#ifndef COVERIFY_NRF51_MACHINE_H
#define COVERIFY_NRF51_MACHINE_H

#define CV_BOARD "microbit"
#define CV_CORE "cortex-m0"
#define CV_CLOCK_HZ 16000000u

#define CV_CODE_AT 0x00000000
#define CV_CODE_BYTES 0x20000
#define CV_MODEL_AT 0x00020000
#define CV_MODEL_BYTES 0x20000
#define CV_DATA_AT 0x20000000 /* 6 + 10 KB */
#define CV_DATA_BYTES 0x1800
#define CV_ARENA_AT 0x20001800
#define CV_ARENA_BYTES 0x2800

#define CV_RING_BYTES 0x400
#define CV_STACK_BYTES 0xC00
#define CV_FAULT_STACK_BYTES 0x100

#define CV_UART_RX_IRQ 2

#endif
