/* What does the device say when it refuses? One line of ASCII, built without stdio.
 *
 * Text beyond CV_MESSAGE_MAX is cut. Characters outside printable ASCII become '?', so that a name taken
 * from an untrusted file cannot carry anything else.
 */
#ifndef COVERIFY_MESSAGE_H
#define COVERIFY_MESSAGE_H

#include <stdint.h>

#define CV_MESSAGE_MAX 120u

struct cv_message {
    uint32_t n;
    char text[CV_MESSAGE_MAX]; /* n characters, no terminator */
};

void cv_message_clear(struct cv_message *m);
void cv_message_text(struct cv_message *m, const char *text);
void cv_message_bytes(struct cv_message *m, const uint8_t *text, uint32_t n);
void cv_message_i64(struct cv_message *m, int64_t x); /* decimal */

#endif
