/* How much stack was ever used? It is painted before main; the lowest word that changed is the mark.
 *
 * The stack lies above everything else in DATA and grows down to cv_stack_limit.
 */
#include "stack.h"

#define PAINT 0xC0FEC0FEu
#define SPARED 16u /* words below this frame that are in use while painting */

extern uint32_t cv_stack_top[], cv_stack_limit[];

void stack_paint(void)
{
    uint32_t *here = (uint32_t *)__builtin_frame_address(0) - SPARED;
    for (volatile uint32_t *p = cv_stack_limit; p < here; p++)
        *p = PAINT;
}

uint32_t stack_bytes(void)
{
    return (uint32_t)(cv_stack_top - cv_stack_limit) * 4u;
}

uint32_t stack_used(void *port)
{
    const volatile uint32_t *p = cv_stack_limit;
    (void)port;
    while (p < cv_stack_top && *p == PAINT)
        p++;
    return (uint32_t)(cv_stack_top - p) * 4u;
}
