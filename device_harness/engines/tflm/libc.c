/* What does the C library find where there is no system? No heap: whatever asks for memory is told that there is none.
 *
 * TFLM allocates nothing, but its log is formatted by vsnprintf, behind which newlib links malloc. On the native
 * port the host's own library is used.
 */
#if defined(__arm__) && !defined(__linux__)
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

void *_sbrk(ptrdiff_t more);

void *_sbrk(ptrdiff_t more)
{
    (void)more;
    errno = ENOMEM;
    return (void *)UINTPTR_MAX; /* -1 */
}
#else
typedef int cv_libc_is_the_hosts; /* ISO C wants a declaration in every file */
#endif
