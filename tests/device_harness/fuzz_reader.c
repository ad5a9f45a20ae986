/* Does the engine survive any file? Loads each model from stdin, runs what loads twice from a reset on, says how it went.
 *
 * stdin: per model u32 n | n bytes. stdout: per model one line "status detail message".
 * Every buffer is allocated to its exact size, so that ASan sees the first byte too far. A model that takes
 * longer than 30 seconds ends the program by SIGALRM.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "engine.h"

#define ARENA (1u << 20)
#define MAX_SECONDS 30u

static enum cv_status run(const struct cv_model_facts *facts, struct cv_refusal *why)
{
    struct cv_span span;
    for (uint32_t i = 0; i < facts->n_inputs; i++)
        if (cv_engine_linked.tensor(cv_engine_linked.input(i), &span))
            memset(span.data, (int)(0x5Au + i), span.n);
    for (uint32_t op = 0; op < facts->n_operators; op++) {
        enum cv_status status = cv_engine_linked.run(op, why);
        if (status != CV_OK)
            return status;
        if (cv_engine_linked.op_n_outputs(op) > 0 &&
            !cv_engine_linked.tensor(cv_engine_linked.op_output(op, 0), &span))
            abort();
    }
    for (uint32_t i = 0; i < facts->n_outputs; i++)
        if (!cv_engine_linked.tensor(cv_engine_linked.output(i), &span))
            abort();
    return CV_OK;
}

int main(void)
{
    uint8_t head[4];
    void *arena = NULL;
    if (posix_memalign(&arena, 16, ARENA) != 0)
        return 2;
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        uint32_t n = cv_load_u32(head);
        uint8_t *model = malloc(n + (n == 0));
        struct cv_model_facts facts;
        struct cv_refusal why = {CV_NO_DETAIL, {0, {0}}};
        if (model == NULL || fread(model, 1, n, stdin) != n)
            return 2;
        alarm(MAX_SECONDS);
        enum cv_status status = cv_engine_linked.load(model, n, arena, ARENA, &facts, &why);
        for (int twice = 0; status == CV_OK && twice < 2; twice++) {
            status = run(&facts, &why);
            (void)cv_engine_linked.reset(&why);
        }
        alarm(0);
        printf("%d %lu %.*s\n", (int)status, (unsigned long)why.detail, (int)why.message.n, why.message.text);
        free(model);
    }
    free(arena);
    return 0;
}
