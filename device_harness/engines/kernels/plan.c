/* Greedy-by-size memory planning (as in Pisarchyk and Lee, 2020): see plan.h. */
#include "plan.h"

#include "refuse.h"

#define ALIGN 16u

struct placed {
    uint32_t tensor;
    uint32_t n; /* bytes, rounded up to ALIGN */
    uint32_t offset;
};

static uint32_t collect(const struct k_graph *g, struct placed *all)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_tensors; i++) {
        if (g->tensors[i].first == K_NEVER)
            continue;
        all[n].tensor = i;
        all[n].n = (g->tensors[i].n_bytes + ALIGN - 1u) / ALIGN * ALIGN; /* n_bytes <= 2^28 */
        n++;
    }
    return n;
}

/* Insertion sort: largest first, the order of the file among equals. */
static void sort_by_size(struct placed *all, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct placed p = all[i];
        uint32_t at = i;
        for (; at > 0 && all[at - 1].n < p.n; at--)
            all[at] = all[at - 1];
        all[at] = p;
    }
}

static bool overlap_in_time(const struct k_graph *g, uint32_t a, uint32_t b)
{
    return g->tensors[a].first <= g->tensors[b].last && g->tensors[b].first <= g->tensors[a].last;
}

/* Keeps all[0..n) sorted by offset when all[n] has got its offset. */
static void insert_by_offset(struct placed *all, uint32_t n)
{
    struct placed p = all[n];
    for (; n > 0 && all[n - 1].offset > p.offset; n--)
        all[n] = all[n - 1];
    all[n] = p;
}

/* The lowest offset for all[n] beside all[0..n), which are sorted by offset. */
static uint64_t find_gap(const struct k_graph *g, const struct placed *all, uint32_t n)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!overlap_in_time(g, all[i].tensor, all[n].tensor))
            continue;
        if (all[i].offset >= offset + all[n].n)
            break;
        uint64_t end = (uint64_t)all[i].offset + all[i].n;
        offset = end > offset ? end : offset;
    }
    return offset;
}

enum cv_status k_plan(struct k_load *l)
{
    struct k_graph *g = l->graph;
    struct placed *all = k_alloc(l, (uint64_t)(g->n_written + g->n_inputs + g->n_kept) * sizeof *all);
    uint64_t top = 0;
    if (all == NULL)
        return CV_NO_ARENA;
    uint32_t n = collect(g, all); /* a tensor is written once, so it fits */
    sort_by_size(all, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t offset = find_gap(g, all, i);
        if (offset + all[i].n > UINT32_MAX / 2u)
            return k_refuse(l, CV_UNSUPPORTED, "the tensors need more than 2 GiB");
        all[i].offset = (uint32_t)offset;
        top = offset + all[i].n > top ? offset + all[i].n : top;
        if (l->used + offset + all[i].n <= l->capacity)
            g->tensors[all[i].tensor].data = l->arena + l->used + offset;
        insert_by_offset(all, i);
    }
    if (l->used + top > l->capacity) {
        (void)k_refuse_number(l, CV_NO_ARENA, "arena bytes needed:", (int64_t)(l->used + top));
        l->why->detail = (uint32_t)(l->used + top);
        return CV_NO_ARENA;
    }
    l->used += (uint32_t)top;
    return CV_OK;
}
