/* One line of ASCII in a fixed buffer: see message.h. */
#include "message.h"

static void put(struct cv_message *m, uint8_t c)
{
    if (m->n < CV_MESSAGE_MAX)
        m->text[m->n++] = c >= 0x20u && c <= 0x7Eu ? (char)c : '?';
}

void cv_message_clear(struct cv_message *m)
{
    m->n = 0;
}

void cv_message_text(struct cv_message *m, const char *text)
{
    while (*text != '\0')
        put(m, (uint8_t)*text++);
}

void cv_message_bytes(struct cv_message *m, const uint8_t *text, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        put(m, text[i]);
}

void cv_message_i64(struct cv_message *m, int64_t x)
{
    uint8_t digits[20]; /* 2^63 has 19 digits */
    uint32_t n = 0;
    uint64_t left = x < 0 ? 0u - (uint64_t)x : (uint64_t)x;
    do {
        digits[n++] = (uint8_t)('0' + left % 10u);
        left /= 10u;
    } while (left != 0);
    if (x < 0)
        put(m, '-');
    while (n > 0)
        put(m, digits[--n]);
}
