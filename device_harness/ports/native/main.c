/* The device as a host process: serves the link on a pseudo-terminal of its own.
 *
 * Prints "pty PATH" on stdout, then serves until its stdin ends (so it dies with its parent) or SIGTERM or
 * SIGINT comes. Hosts may open, close and reopen the path: the process keeps the slave side open itself.
 * A cycle counter is not offered: a host process has no core of its own. An operator that takes more than 25 s
 * of processor time (COVERIFY_WATCHDOG_S, in the environment, says otherwise) ends it, with a word on stderr.
 */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "engine.h"
#include "session.h"

#define MODEL_CAPACITY (16u << 20)
#define ARENA_CAPACITY (64u << 20)
#define WATCHDOG_S 25

struct port {
    int master; /* non-blocking */
    long watchdog_s;
};

static int stop;
static uint8_t model_memory[MODEL_CAPACITY];
static uint64_t arena_memory[ARENA_CAPACITY / sizeof(uint64_t)] __attribute__((aligned(16)));
static struct cv_session session;

/* At once: a mark that the loop looks at could be set just before it sleeps, and nothing would wake it. */
static void on_signal(int number)
{
    (void)number;
    _exit(0);
}

/* Only what may be called in a signal's handler. */
static void on_hang(int number)
{
    char said[] = "watchdog: too long without a sign of life; it was at operator     ";
    uint32_t rest = session.next_op < 10000u ? session.next_op : 9999u;
    for (size_t at = sizeof said - 2u; at >= sizeof said - 5u; at--, rest /= 10u)
        said[at] = (char)('0' + rest % 10u);
    ssize_t ignored = write(STDERR_FILENO, said, sizeof said - 1u);
    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(3);
}

/* Reads what stdin has, to see its end. */
static void watch_stdin(short events)
{
    char ignored[256];
    if (events == 0)
        return;
    ssize_t n = read(STDIN_FILENO, ignored, sizeof ignored);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        stop = 1;
}

/* Waits until the line is ready for `events`, or for the end. */
static void wait_for(const struct port *port, short events)
{
    struct pollfd fds[2] = {{port->master, events, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) {
        if (errno != EINTR)
            fail("poll");
    } else {
        watch_stdin(fds[1].revents);
    }
    if (stop)
        exit(0);
}

static uint32_t port_read(void *context, uint8_t *to, uint32_t capacity)
{
    const struct port *port = context;
    if (stop)
        exit(0);
    ssize_t n = read(port->master, to, capacity);
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
        fail("read");
    return n > 0 ? (uint32_t)n : 0;
}

static void port_write(void *context, const uint8_t *from, uint32_t n)
{
    const struct port *port = context;
    while (n > 0) {
        ssize_t done = write(port->master, from, n);
        if (done > 0) {
            from += done;
            n -= (uint32_t)done;
        } else if (done < 0 && errno != EAGAIN && errno != EINTR) {
            fail("write");
        } else {
            wait_for(port, POLLOUT);
        }
    }
}

static void port_idle(void *context)
{
    wait_for(context, POLLIN);
}

/* Opens the pair in raw mode; returns the master, non-blocking. The slave stays open for ever. */
static int open_terminal(void)
{
    struct termios raw;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        fail("posix_openpt");
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (slave < 0 || tcgetattr(slave, &raw) != 0)
        fail("pseudo-terminal");
    cfmakeraw(&raw);
    if (tcsetattr(slave, TCSANOW, &raw) != 0 || fcntl(master, F_SETFL, O_NONBLOCK) != 0)
        fail("pseudo-terminal");
    return master;
}

/* Processor time, not time: a host may let it wait. */
static void port_alive(void *context)
{
    const struct port *port = context;
    struct itimerval timer = {{0, 0}, {port->watchdog_s, 0}};
    if (setitimer(ITIMER_VIRTUAL, &timer, NULL) != 0)
        fail("setitimer");
}

static long watchdog_seconds(void)
{
    const char *given = getenv("COVERIFY_WATCHDOG_S");
    long seconds = given != NULL ? strtol(given, NULL, 10) : WATCHDOG_S;
    return seconds > 0 ? seconds : WATCHDOG_S;
}

static void catch_signals(void)
{
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0)
        fail("sigaction");
    action.sa_handler = on_hang;
    if (sigaction(SIGVTALRM, &action, NULL) != 0)
        fail("sigaction");
}

int main(void)
{
    static struct port port;
    static struct cv_board board = {
        .name = "native",
        .core = "host",
        .read = port_read,
        .write = port_write,
        .idle = port_idle,
        .alive = port_alive,
        .port = &port,
        .model = model_memory,
        .model_capacity = MODEL_CAPACITY,
        .arena = (uint8_t *)arena_memory,
        .arena_capacity = ARENA_CAPACITY,
        .engine = &cv_engine_linked,
    };
    catch_signals();
    port.watchdog_s = watchdog_seconds();
    port.master = open_terminal();
    printf("pty %s\n", ptsname(port.master));
    fflush(stdout);
    cv_session_init(&session, &board);
    cv_session_serve(&session);
    return 0;
}
