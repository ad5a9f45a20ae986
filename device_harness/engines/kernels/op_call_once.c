/* CALL_ONCE: what it does is done before the network runs, or refused. See call_once.h. */
#include "operators.h"
#include "refuse.h"
#include "schema.h"

enum cv_status k_call_once_prepare(struct k_load *l, struct k_op *op)
{
    (void)op;
    for (uint32_t i = 0; i < l->op; i++) {
        uint32_t before = l->graph->ops[i].kind->builtin;
        if (before == BUILTIN_ASSIGN_VARIABLE || before == BUILTIN_CALL_ONCE)
            return k_refuse(l, CV_UNSUPPORTED, "it runs after an assignment, or after another one");
    }
    return CV_OK;
}
