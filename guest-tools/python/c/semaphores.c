/* semaphores.c -- POSIX's named semaphores, by which the processes of `multiprocessing` wait for each other. They are the
 * kernel's; a sem_t of ours holds the number of one. */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IMPORT(n) __attribute__((import_module("playpen"), import_name(#n))) int32_t pp_##n
IMPORT(sem_open)(const char *name, uint32_t name_len, uint32_t flags, uint32_t value, uint32_t *out);
IMPORT(sem_wait)(uint32_t number, int64_t timeout_ns);
IMPORT(sem_try)(uint32_t number);
IMPORT(sem_post)(uint32_t number);
IMPORT(sem_value)(uint32_t number, uint32_t *out);
IMPORT(sem_close)(uint32_t number);
IMPORT(sem_unlink)(const char *name, uint32_t name_len);
enum { CREATE = 1, EXCLUSIVE = 2 };

extern int playpen_enabled(void);
static int done(int e) {
    if (e) errno = e;
    return e ? -1 : 0;
}
#define NEED                                                                                                 \
    if (!playpen_enabled()) return done(ENOSYS)
#define NUMBER(sem) (*(uint32_t *)(sem))

sem_t *sem_open(const char *name, int flags, ...) {
    uint32_t value = 0, number;
    if (flags & O_CREAT) {
        va_list ap;
        va_start(ap, flags);
        (void)va_arg(ap, unsigned); /* the mode: there is one user */
        value = va_arg(ap, unsigned);
        va_end(ap);
    }
    uint32_t how = (flags & O_CREAT ? CREATE : 0) | ((flags & O_CREAT) && (flags & O_EXCL) ? EXCLUSIVE : 0);
    int e = playpen_enabled() ? pp_sem_open(name, strlen(name), how, value, &number) : ENOSYS;
    sem_t *sem = e ? NULL : calloc(1, sizeof *sem);
    if (!e && !sem) {
        (void)pp_sem_close(number);
        e = ENOMEM;
    }
    if (e) {
        errno = e;
        return SEM_FAILED;
    }
    NUMBER(sem) = number;
    return sem;
}
int sem_close(sem_t *sem) {
    NEED;
    int e = pp_sem_close(NUMBER(sem));
    free(sem);
    return done(e);
}
int sem_unlink(const char *name) {
    NEED;
    return done(pp_sem_unlink(name, strlen(name)));
}
int sem_post(sem_t *sem) {
    NEED;
    return done(pp_sem_post(NUMBER(sem)));
}
int sem_trywait(sem_t *sem) {
    NEED;
    return done(pp_sem_try(NUMBER(sem)));
}
int sem_wait(sem_t *sem) {
    NEED;
    return done(pp_sem_wait(NUMBER(sem), -1));
}
int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict end) {
    NEED;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = (int64_t)(end->tv_sec - now.tv_sec) * 1000000000 + (end->tv_nsec - now.tv_nsec);
    return done(pp_sem_wait(NUMBER(sem), left > 0 ? left : 0));
}
int sem_getvalue(sem_t *restrict sem, int *restrict value) {
    NEED;
    uint32_t now = 0;
    int e = pp_sem_value(NUMBER(sem), &now);
    *value = (int)now;
    return done(e);
}
