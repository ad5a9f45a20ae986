/* How does a model get into flash? Pages are erased, then words written: see flash.c. */
#ifndef COVERIFY_NRF51_FLASH_H
#define COVERIFY_NRF51_FLASH_H

#include <stdbool.h>
#include <stdint.h>

/* `store` of struct cv_board, for the memory at CV_MODEL_AT. */
bool flash_store(void *port, uint32_t offset, const uint8_t *from, uint32_t n);

#endif
