/* What is a resource variable? Bytes with a name, which READ_VARIABLE and ASSIGN_VARIABLE find by a handle.
 *
 * A handle is the output of a VAR_HANDLE: a tensor that has no bytes. A variable takes the type and the size of the
 * first tensor that is read or assigned, and starts with the zero point of the first one assigned in every byte.
 * Its bytes are allocated once and nothing shares them.
 * Source: TFLM micro_resource_variable.cc, var_handle.cc, read_variable.cc, assign_variable.cc, call_once.cc.
 */
#ifndef COVERIFY_RESOURCE_H
#define COVERIFY_RESOURCE_H

#include "graph.h"

struct k_resource {
    struct fb_vector name;
    bool has_container; /* its first handle has one, which is empty */
    uint32_t user;      /* the first operator that reads or assigns it */
    uint8_t type;
    bool is_assigned;
    uint8_t zero;     /* of every byte after a reset */
    uint32_t n_bytes; /* 0: not used yet */
    uint8_t *data;
    struct k_resource *next;
};

/* The name in a VAR_HANDLE's options; refuses none, a container, and a zero byte, where TFLM's name ends. */
enum cv_status k_resource_name(struct k_load *l, struct fb_table options, struct fb_vector *name);

/* The variable of that name; `made` if there was none, in the arena. NULL: none. */
struct k_resource *k_resource_named(const struct k_graph *g, struct fb_vector name);
struct k_resource *k_resource_made(struct k_load *l, struct fb_vector name);

/* The operator at hand reads or assigns `tensor`, by the handle `handle`; refuses another type or size than before.
 * An operator's plan is the variable. */
enum cv_status k_resource_use(struct k_load *l, struct k_op *op, uint32_t handle, uint32_t tensor);

/* After the last operator: every variable is assigned somewhere, and each CALL_ONCE (call_once.h) does nothing. */
enum cv_status k_resources_check(struct k_load *l);

/* Every variable as after the load. */
void k_resources_reset(const struct k_graph *g);

#endif
