/* polling.c -- poll and select, by the kernel's `fd_poll`: it tells what Linux's poll does, where WASI's own call knows
 * only of readable, writable, and hung up. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

#define IMPORT(n) __attribute__((import_module("playpen"), import_name(#n))) int32_t pp_##n
IMPORT(fd_poll)(struct pollfd *fds, uint32_t n, int64_t timeout_ns, uint32_t *n_ready);
_Static_assert(sizeof(struct pollfd) == 8, "the kernel's structure");

extern int playpen_enabled(void);
static int wait_for(struct pollfd *fds, nfds_t n, int64_t timeout_ns) {
    uint32_t n_ready = 0;
    errno = playpen_enabled() ? pp_fd_poll(fds, n, timeout_ns, &n_ready) : ENOSYS;
    return errno ? -1 : (int)n_ready;
}
int poll(struct pollfd *fds, nfds_t n, int timeout_ms) {
    return wait_for(fds, n, timeout_ms < 0 ? -1 : timeout_ms * INT64_C(1000000));
}

/* What a set of select asks for, and what of it is told; see Linux's fs/select.c. */
enum { READABLE = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR, WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR };
static size_t size_of(const fd_set *set) { return set ? set->__nfds : 0; }
static void add_all(struct pollfd *fds, nfds_t *n, const fd_set *set, short events) {
    for (size_t i = 0; i < size_of(set); i++) fds[(*n)++] = (struct pollfd){.fd = set->__fds[i], .events = events};
}
static int keep_ready(const struct pollfd *fds, nfds_t *at, fd_set *set, int events) {
    size_t n = size_of(set), kept = 0;
    for (size_t i = 0; i < n; i++, (*at)++)
        if (fds[*at].revents & events) set->__fds[kept++] = fds[*at].fd;
    if (set) set->__nfds = kept;
    return (int)kept;
}
int select(int limit, fd_set *restrict to_read, fd_set *restrict to_write, fd_set *restrict exceptions,
           struct timeval *restrict timeout) {
    struct pollfd *fds = malloc((1 + size_of(to_read) + size_of(to_write) + size_of(exceptions)) * sizeof *fds);
    if (!fds) {
        errno = ENOMEM;
        return -1;
    }
    nfds_t n = 0, at = 0;
    add_all(fds, &n, to_read, READABLE);
    add_all(fds, &n, to_write, WRITABLE);
    add_all(fds, &n, exceptions, POLLPRI);
    int64_t ns = timeout ? timeout->tv_sec * INT64_C(1000000000) + timeout->tv_usec * INT64_C(1000) : -1;
    int n_ready = wait_for(fds, n, ns);
    for (nfds_t i = 0; n_ready >= 0 && i < n; i++)
        if (fds[i].revents & POLLNVAL) {
            errno = EBADF;
            n_ready = -1;
        }
    if (n_ready >= 0) {
        n_ready = keep_ready(fds, &at, to_read, READABLE);
        n_ready += keep_ready(fds, &at, to_write, WRITABLE);
        n_ready += keep_ready(fds, &at, exceptions, POLLPRI);
    }
    free(fds);
    return n_ready;
}
