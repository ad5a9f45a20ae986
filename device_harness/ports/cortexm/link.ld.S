/* Where does everything stand? Run through the preprocessor with the machine's memory map. */
#include "machine.h"

ENTRY(cv_reset)

MEMORY
{
    CODE (rx)  : ORIGIN = CV_CODE_AT, LENGTH = CV_CODE_BYTES
    DATA (rwx) : ORIGIN = CV_DATA_AT, LENGTH = CV_DATA_BYTES
    MODEL (rw) : ORIGIN = CV_MODEL_AT, LENGTH = CV_MODEL_BYTES
    ARENA (rw) : ORIGIN = CV_ARENA_AT, LENGTH = CV_ARENA_BYTES
}

#define APART(A, B) (A##_AT + A##_BYTES <= B##_AT || B##_AT + B##_BYTES <= A##_AT)

ASSERT(APART(CV_CODE, CV_DATA), "machine.h: CODE and DATA overlap")
ASSERT(APART(CV_CODE, CV_MODEL), "machine.h: CODE and MODEL overlap")
ASSERT(APART(CV_CODE, CV_ARENA), "machine.h: CODE and ARENA overlap")
ASSERT(APART(CV_DATA, CV_MODEL), "machine.h: DATA and MODEL overlap")
ASSERT(APART(CV_DATA, CV_ARENA), "machine.h: DATA and ARENA overlap")
ASSERT(APART(CV_MODEL, CV_ARENA), "machine.h: MODEL and ARENA overlap")

SECTIONS
{
    .text :
    {
        KEEP(*(.vectors))
        cv_code_begin = .;
        *(.text*)
        cv_code_end = .;
        *(.rodata*)
        . = ALIGN(8);
        cv_init_begin = .;
        KEEP(*(SORT_BY_INIT_PRIORITY(.init_array.*)))
        KEEP(*(.init_array))
        cv_init_end = .;
        . = ALIGN(8);
    } > CODE

    .ARM.exidx : { *(.ARM.exidx*) } > CODE

    /* First, so that a stack that overflows runs out of the memory, which is a fault on every core, and not
     * into somebody's data. */
    .stack (NOLOAD) : ALIGN(8)
    {
        cv_stack_limit = .;
        . += CV_STACK_BYTES;
        cv_stack_top = .;
    } > DATA

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
        . += CV_FAULT_STACK_BYTES;
        cv_fault_stack_top = .;
    } > DATA

    /* Neither loaded nor cleared: a loader may have put a model here before reset. */
    .model (NOLOAD) : { KEEP(*(.cv.model)) } > MODEL
    .arena (NOLOAD) : { KEEP(*(.cv.arena)) } > ARENA
}
