/* MLPerf Tiny's serial commands (mlcommons/tiny, benchmark/api/internally_implemented.cpp describes them).
 *
 * From the host ASCII commands that end with '%', at most 80 characters; to the host lines that end with CR LF,
 * "m-ready" after every command. Commands: name, profile, db load N, db HEX, infer N W, results. The network is
 * part of the image (model.S). Image networks take uint8 pixels, from which 128 is subtracted; keyword spotting
 * takes int8 features. Outputs of scale 1/256 and zero point -128 are printed as probabilities with 3 digits.
 * Every inference starts from the reset state, and a network with several inputs is none for these commands.
 */
#include "mlperf_tiny.h"

#include <string.h>

#define COMMAND_MAX 80u

extern const uint8_t mt_model[], mt_model_end[];

static const struct cv_board *board;
static struct cv_span input, output;
static uint32_t n_operators;
static uint32_t expected; /* bytes that "db load" has announced */
static uint32_t received;
static bool is_image;

static void alive(void)
{
    if (board->alive != NULL)
        board->alive(board->port);
}

static void say(const char *text)
{
    board->write(board->port, (const uint8_t *)text, (uint32_t)strlen(text));
}

static void say_number(uint32_t x)
{
    char digits[11];
    char *p = digits + 10;
    *p = '\0';
    do
        *--p = (char)('0' + x % 10u);
    while ((x /= 10u) != 0);
    say(p);
}

static void say_line(const char *before, uint32_t x, const char *after)
{
    say(before);
    say_number(x);
    say(after);
    say("\r\n");
}

/* (q + 128) / 256 with three digits, as printf's %0.3f: ties to even, since the quotient is exact in binary. */
static void say_probability(int8_t q)
{
    uint32_t scaled = (uint32_t)(q + 128) * 125u; /* in 1/32 of a thousandth */
    uint32_t p = scaled / 32u;
    uint32_t rest = scaled % 32u;
    p += rest > 16u || (rest == 16u && p % 2u == 1u);
    const char text[] = {(char)('0' + p / 1000u),      '.',
                         (char)('0' + p / 100u % 10u), (char)('0' + p / 10u % 10u),
                         (char)('0' + p % 10u),        '\0'};
    say(text);
}

static void say_results(void)
{
    say("m-results-[");
    for (uint32_t i = 0; i < output.n; i++) {
        if (i > 0)
            say(",");
        say_probability((int8_t)output.data[i]);
    }
    say("]\r\n");
}

static bool number(const char **text, uint32_t *x)
{
    uint32_t n = 0;
    for (*x = 0; **text >= '0' && **text <= '9' && n < 8; n++, (*text)++)
        *x = *x * 10u + (uint32_t)(**text - '0');
    return n > 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void db_load(const char *text)
{
    uint32_t n;
    if (!number(&text, &n) || *text != '\0' || n != input.n) {
        say("e-[Wrong size of the input]\r\n");
        return;
    }
    expected = n;
    received = 0;
    say_line("m-[Expecting ", n, " bytes]");
}

static void db_data(const char *hex)
{
    for (; hex[0] != '\0' && hex[1] != '\0' && received < expected; hex += 2) {
        int high = nibble(hex[0]);
        int low = nibble(hex[1]);
        if (high < 0 || low < 0)
            break;
        uint8_t byte = (uint8_t)(high * 16 + low);
        input.data[received++] = is_image ? byte ^ 0x80u : byte;
    }
    if (*hex != '\0' || expected == 0)
        say("e-[Wrong data]\r\n");
    else if (received == expected)
        say("m-load-done\r\n");
}

static bool run_once(const uint8_t *kept)
{
    struct cv_refusal why = {0, {0, {0}}};
    memcpy(input.data, kept, input.n);       /* an inference may use its input up */
    if (board->engine->reset(&why) != CV_OK) /* the commands have none: every inference is the first one */
        return false;
    for (uint32_t op = 0; op < n_operators; op++) {
        alive();
        if (board->engine->run(op, &why) != CV_OK)
            return false;
    }
    return true;
}

static uint32_t microseconds(void)
{
    uint64_t cycles = board->cycles != NULL ? board->cycles(board->port) : 0;
    return board->clock_hz > 0 ? (uint32_t)(cycles * 1000000u / board->clock_hz) : 0;
}

static void infer(const char *text)
{
    static uint8_t kept[4096];
    uint32_t n;
    uint32_t warmups = 0;
    bool good = number(&text, &n) && (*text == '\0' || (*text++ == ' ' && number(&text, &warmups)));
    if (!good || *text != '\0' || n == 0 || received != input.n || input.n > sizeof kept) {
        say("e-[Nothing to infer]\r\n");
        return;
    }
    memcpy(kept, input.data, input.n);
    say_line("m-warmup-start-", warmups, "");
    for (uint32_t i = 0; i < warmups && good; i++)
        good = run_once(kept);
    say("m-warmup-done\r\n");
    say_line("m-infer-start-", n, "");
    say_line("m-lap-us-", microseconds(), "");
    for (uint32_t i = 0; i < n && good; i++)
        good = run_once(kept);
    say_line("m-lap-us-", microseconds(), "");
    say(good ? "m-infer-done\r\n" : "e-[The inference failed]\r\n");
    say_results();
    memcpy(input.data, kept, input.n);
}

static const char *after(const char *command, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(command, prefix, n) == 0 ? command + n : NULL;
}

static void obey(const char *command)
{
    const char *rest;
    if (strcmp(command, "name") == 0)
        say("m-name-dut-[coverify]\r\n");
    else if (strcmp(command, "profile") == 0) {
        say("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[");
        say(is_image ? "ic01]\r\n" : "kws01]\r\n");
    } else if ((rest = after(command, "db load ")) != NULL)
        db_load(rest);
    else if ((rest = after(command, "db ")) != NULL)
        db_data(rest);
    else if ((rest = after(command, "infer ")) != NULL)
        infer(rest);
    else if (strcmp(command, "results") == 0)
        say_results();
    else {
        say("e-[Unknown command: ");
        say(command);
        say("]\r\n");
    }
    say("m-ready\r\n");
}

static void load(void)
{
    struct cv_model_facts facts;
    struct cv_refusal why = {0, {0, {0}}};
    const struct cv_engine *e = board->engine;
    enum cv_status status = e->load(mt_model, (uint32_t)(mt_model_end - mt_model), board->arena,
                                    board->arena_capacity, &facts, &why);
    if (status != CV_OK || facts.n_inputs != 1 || !e->tensor(e->input(0), &input) ||
        !e->tensor(e->output(0), &output))
        for (;;)
            ; /* an image with a network that it cannot run says nothing */
    n_operators = facts.n_operators;
    is_image = input.n == 3072u; /* 32 x 32 x 3; keyword spotting has 490 */
}

_Noreturn void mt_serve(const struct cv_board *given)
{
    static char command[COMMAND_MAX + 1u];
    uint32_t n = 0;
    uint8_t byte;
    board = given;
    load();
    say("m-init-done\r\nm-ready\r\n");
    for (;;) {
        alive();
        if (board->read(board->port, &byte, 1) == 0) {
            board->idle(board->port);
        } else if (byte == '%') {
            command[n] = '\0';
            obey(command);
            n = 0;
        } else if (n < COMMAND_MAX && byte >= ' ') {
            command[n++] = (char)byte;
        }
    }
}
