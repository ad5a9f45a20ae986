/* Firmware that speaks MLPerf Tiny's serial commands instead of the agent's protocol: see mlperf_tiny.c. */
#ifndef COVERIFY_MLPERF_TINY_H
#define COVERIFY_MLPERF_TINY_H

#include "board.h"

/* Serves the commands for ever, with the network that is built into the image. */
_Noreturn void mt_serve(const struct cv_board *board);

#endif
