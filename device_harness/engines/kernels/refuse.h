/* How does a load end that must not go on? With one status and one line that names the operator.
 *
 * Each function fills l->why and returns the status, so that the caller can return it.
 */
#ifndef COVERIFY_REFUSE_H
#define COVERIFY_REFUSE_H

#include "graph.h"

/* "op 3 CONV_2D: text", or "text" when no operator is at hand. */
enum cv_status k_refuse(struct k_load *l, enum cv_status status, const char *text);

/* "op 3 CONV_2D: tensor 7: text" */
enum cv_status k_refuse_tensor(struct k_load *l, enum cv_status status, uint32_t tensor, const char *text);

/* "op 3 CONV_2D: text 7" */
enum cv_status k_refuse_number(struct k_load *l, enum cv_status status, const char *text, int64_t number);

/* "op 3 LOGISTIC: not in this engine" */
enum cv_status k_refuse_operator(struct k_load *l, uint32_t builtin, struct fb_vector custom_name);

/* The schema's names; "?" for a number that it does not have. */
const char *k_operator_name(uint32_t builtin);
const char *k_type_name(uint32_t type);

#endif
