/* Is this a .tflite file that the engine can run? Reads it into a graph, or refuses.
 *
 * Checked: identifier and version, every index of the first subgraph (call_once.h looks into others), every constant's length, that each tensor is
 * written once and before it is read, and whatever each operator demands. Needs size < 2^31.
 */
#ifndef COVERIFY_MODEL_H
#define COVERIFY_MODEL_H

#include "graph.h"

/* The BuiltinOperator of an operator's table; K_NONE: its code is not among `codes`. */
uint32_t k_model_builtin(struct fb_reader *fb, struct fb_vector codes, struct fb_table op);

enum cv_status k_model_read(struct k_load *l, const uint8_t *model, uint32_t size);

#endif
