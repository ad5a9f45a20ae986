/* The engine of our own int8 kernels: reads a .tflite file itself and computes what TFLM's reference does.
 *
 * Exact or refused: operators, types and options outside the table in operators.c are CV_UNSUPPORTED.
 * Rounding is TFLM's default (double). Integer arithmetic only once a model is loaded.
 */
#ifndef COVERIFY_KERNELS_H
#define COVERIFY_KERNELS_H

#include "engine.h"

/* It is the cv_engine_linked of engine.h. */

#endif
