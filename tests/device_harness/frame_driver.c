/* What does the C code make of bytes on stdin? For comparison with Python's cobs, zlib and hashlib.
 *
 * decode: the line's bytes -> per frame accepted "type seq hexpayload".
 * encode: per frame u8 type | u16 seq | u16 n | n bytes -> the line's bytes.
 * sha256: the bytes -> their digest in hex.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "frame.h"
#include "sha256.h"

static void write_stdout(void *port, const uint8_t *from, uint32_t n)
{
    (void)port;
    if (fwrite(from, 1, n, stdout) != n)
        exit(2);
}

static void print_hex(const uint8_t *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        printf("%02x", p[i]);
    printf("\n");
}

static int decode(void)
{
    static struct cv_receiver rx;
    struct cv_frame frame;
    int byte;
    cv_receiver_reset(&rx);
    while ((byte = getchar()) != EOF)
        if (cv_receiver_push(&rx, (uint8_t)byte, &frame)) {
            printf("%u %u ", (unsigned)frame.type, (unsigned)frame.seq);
            print_hex(frame.payload, frame.n);
        }
    return 0;
}

static int encode(void)
{
    uint8_t head[5];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        uint32_t n = cv_load_u16(head + 3);
        uint8_t *frame = malloc(CV_FRAME_HEADER + n + CV_FRAME_CRC); /* exact, so that ASan sees an overrun */
        if (frame == NULL || fread(frame + CV_FRAME_HEADER, 1, n, stdin) != n)
            return 2;
        cv_frame_send(frame, cv_frame_seal(frame, head[0], cv_load_u16(head + 1), n), write_stdout, NULL);
        free(frame);
    }
    return 0;
}

static int sha256(void)
{
    static uint8_t data[1 << 20];
    uint8_t digest[CV_SHA256_BYTES];
    uint32_t n = (uint32_t)fread(data, 1, sizeof data, stdin);
    uint8_t *exact = malloc(n + 1u);
    if (exact == NULL)
        return 2;
    memcpy(exact, data, n);
    cv_sha256(exact, n, digest);
    print_hex(digest, sizeof digest);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "decode") == 0)
        return decode();
    if (argc == 2 && strcmp(argv[1], "encode") == 0)
        return encode();
    if (argc == 2 && strcmp(argv[1], "sha256") == 0)
        return sha256();
    return 2;
}
