/* Room for what is known of a model: see graph.h. */
#include "graph.h"

#include <string.h>

#include "refuse.h"

#define ALIGN 16u

void *k_alloc(struct k_load *l, uint64_t n)
{
    uint64_t end = l->used + (n + ALIGN - 1u) / ALIGN * ALIGN;
    if (end > l->capacity) {
        (void)k_refuse(l, CV_NO_ARENA, "the arena is too small for the model's tables");
        l->why->detail = end > UINT32_MAX ? UINT32_MAX : (uint32_t)end;
        return NULL;
    }
    uint8_t *p = l->arena + l->used;
    memset(p, 0, (size_t)n);
    l->used = (uint32_t)end;
    return p;
}
