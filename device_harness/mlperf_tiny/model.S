/* The network of an image that speaks MLPerf Tiny's commands: the file MT_MODEL, as it is. */
    .section .rodata.mt_model, "a"
    .global mt_model, mt_model_end
    .balign 16
mt_model:
    .incbin MT_MODEL
mt_model_end:
    .byte 0
