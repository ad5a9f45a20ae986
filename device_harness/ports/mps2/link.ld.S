/* Where does everything stand? Run through the preprocessor with the machine's memory map. */
#include "machine.h"

ENTRY(cv_reset)

MEMORY
{
    CODE (rx)  : ORIGIN = CV_CODE_AT, LENGTH = CV_CODE_BYTES
    DATA (rwx) : ORIGIN = CV_DATA_AT, LENGTH = CV_DATA_BYTES
    BIG (rw)   : ORIGIN = CV_BIG_AT, LENGTH = CV_BIG_BYTES
}

cv_stack_top = ORIGIN(DATA) + LENGTH(DATA);

SECTIONS
{
    .text :
    {
        KEEP(*(.vectors))
        *(.text*)
        *(.rodata*)
        . = ALIGN(8);
    } > CODE

    .ARM.exidx : { *(.ARM.exidx*) } > CODE

    .data : ALIGN(8)
    {
        cv_data_begin = .;
        *(.data*)
        . = ALIGN(8);
        cv_data_end = .;
    } > DATA AT > CODE
    cv_data_load = LOADADDR(.data);

    .bss (NOLOAD) : ALIGN(8)
    {
        cv_bss_begin = .;
        *(.bss*)
        *(COMMON)
        . = ALIGN(8);
        cv_bss_end = .;
    } > DATA

    /* A stack of its own for the fault handlers: the main one may be what broke. */
    .fault_stack (NOLOAD) : ALIGN(8)
    {
        . += 0x1000;
        cv_fault_stack_top = .;
    } > DATA

    /* Neither loaded nor cleared: a loader may have put a model here before reset. */
    .big (NOLOAD) : ALIGN(16)
    {
        KEEP(*(.big.model))
        . = ALIGN(16);
        KEEP(*(.big.arena))
    } > BIG

    ASSERT(cv_stack_top - cv_fault_stack_top >= 0x4000, "less than 16 KiB of stack")
}
