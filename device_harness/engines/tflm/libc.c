/* What does the C library find where there is no system? No heap, and an end that is a fault.
 *
 * TFLM allocates nothing, but its log is formatted by vsnprintf, behind which newlib links malloc: whatever asks for
 * memory is told that there is none. `abort` is TFLM's: where the engine does not wait for it, it and `_exit` end in
 * an undefined instruction, so that the FAULT frame says at once who called them; newlib's would loop until the
 * watchdog bites. On the native port the host's own library is used.
 */
#if defined(__arm__) && !defined(__linux__)
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

void cv_tflm_halt(void);
void *_sbrk(ptrdiff_t more);
_Noreturn void _exit(int status);

void *_sbrk(ptrdiff_t more)
{
    (void)more;
    errno = ENOMEM;
    return (void *)UINTPTR_MAX; /* -1 */
}

_Noreturn void abort(void)
{
    cv_tflm_halt();
    __builtin_trap();
}

_Noreturn void _exit(int status)
{
    (void)status;
    __builtin_trap();
}
#else
typedef int cv_libc_is_the_hosts; /* ISO C wants a declaration in every file */
#endif
