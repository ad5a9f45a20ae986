/* The nRF51's flash, through its NVMC (nRF51 Series reference manual 3.0, 6): pages of 1024 bytes, whole words.
 *
 * A word is written at most twice: once per piece of the model that ends or begins within it. Bits only go
 * from 1 to 0, so the bytes of a word that are not to change are written as 0xFF. The core stands still
 * while the flash is busy; bytes that the UART loses meanwhile are sent again by the host.
 */
#include "flash.h"

#include <string.h>

#include "machine.h"

#define REGISTER(offset) (*(volatile uint32_t *)(0x4001E000u + (offset)))
#define READY REGISTER(0x400u)
#define CONFIG REGISTER(0x504u)
#define ERASEPAGE REGISTER(0x508u)

#define CONFIG_READ 0u
#define CONFIG_WRITE 1u
#define CONFIG_ERASE 2u
#define PAGE 1024u
#define ERASED 0xFFFFFFFFu

static void wait(void)
{
    while ((READY & 1u) == 0)
        ;
}

static void erase(uint32_t n)
{
    CONFIG = CONFIG_ERASE;
    wait();
    for (uint32_t at = 0; at < n; at += PAGE) {
        ERASEPAGE = CV_MODEL_AT + at;
        wait();
    }
    CONFIG = CONFIG_READ;
    wait();
}

/* The word at `at` (a multiple of 4 within the model), with 0xFF where [offset, offset + n) does not reach. */
static uint32_t word_at(uint32_t at, uint32_t offset, const uint8_t *from, uint32_t n)
{
    uint32_t word = ERASED;
    for (uint32_t i = 0; i < 4; i++)
        if (at + i >= offset && at + i - offset < n)
            word = (word & ~(0xFFu << 8 * i)) | (uint32_t)from[at + i - offset] << 8 * i;
    return word;
}

static bool write(uint32_t offset, const uint8_t *from, uint32_t n)
{
    CONFIG = CONFIG_WRITE;
    wait();
    for (uint32_t at = offset & ~3u; at < offset + n; at += 4) {
        volatile uint32_t *to = (volatile uint32_t *)(CV_MODEL_AT + at);
        uint32_t word = word_at(at, offset, from, n);
        if ((*to & word) != *to) {
            *to = word;
            wait();
        }
    }
    CONFIG = CONFIG_READ;
    wait();
    return memcmp((const uint8_t *)CV_MODEL_AT + offset, from, n) == 0;
}

bool flash_store(void *port, uint32_t offset, const uint8_t *from, uint32_t n)
{
    (void)port;
    if (from != 0)
        return write(offset, from, n);
    erase(n);
    return true;
}
