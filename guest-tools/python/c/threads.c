/* threads.c -- POSIX threads for CPython, over the kernel's.
 *
 * A thread is a stack of the host's and a part of the memory of ours. One of them runs at a time, and only a call
 * that waits lets another one run, so what is not prepared for threads (malloc, all of libc) needs no locks, and a
 * mutex is nothing (Python/thread_pthread_stubs.h). What waits, waits here. CPython above this is as on Linux: the
 * interpreter's lock, the locks of programs, and all that is made of them.
 *
 * The kernel writes playpen_thread whenever another thread goes on, and sets the request to give way in the state of
 * the thread that has the interpreter's lock, as a waiting thread would if it could run. In a deterministic sandbox it
 * does not, since it goes by time; there the interpreter counts (Python/ceval_gil.c). */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <cpython/pthread_stubs.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <internal/pycore_ceval.h>
#include <internal/pycore_interp.h>
#include <stdlib.h>
#include <time.h>

#define IMPORT(n) __attribute__((import_module("playpen"), import_name(#n))) int32_t pp_##n
IMPORT(thread_start)(const uint32_t layout[4], uint32_t identity, void *argument, void *stack_pointer);
IMPORT(thread_wait)(const void *address, int64_t timeout_ns);
IMPORT(thread_wake)(const void *address);
IMPORT(thread_counts)(void);
IMPORT(thread_interrupt)(void);

extern int playpen_enabled(void);
unsigned playpen_thread = 1; /* the identity of the running thread */
static unsigned last_identity = 1;
static int n_waiting, n_alive, counts;

enum { STACK_BYTES = 1 << 20 };
struct thread {
    void *(*start)(void *);
    void *argument;
    int is_over;
    struct thread *next;
    char *stack;
};
static struct thread *threads; /* all that ever were; what is over is used again */

__attribute__((export_name("playpen_thread_main"))) void playpen_thread_main(struct thread *thread) {
    thread->start(thread->argument);
    n_alive--;
    thread->is_over = 1; /* nothing waits from here on, so nobody else runs before the stack is left */
}

static struct thread *new_thread(void) {
    for (struct thread *t = threads; t; t = t->next)
        if (t->is_over) return t;
    struct thread *t = calloc(1, sizeof *t);
    if (!t || !(t->stack = malloc(STACK_BYTES))) {
        free(t);
        return NULL;
    }
    t->next = threads;
    return threads = t;
}

/* Whether the interpreter is to let another thread go on after so many looks at its requests. */
int playpen_counts(void) { return n_alive && counts; }

int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attr, void *(*start)(void *),
                   void *restrict argument) {
    struct thread *thread = playpen_enabled() ? new_thread() : NULL;
    if (!thread) return EAGAIN;
    thread->start = start;
    thread->argument = argument;
    uint32_t layout[4] = {
        (uint32_t)(uintptr_t)&playpen_thread,
        (uint32_t)(uintptr_t)&PyInterpreterState_Main()->ceval.gil->last_holder,
        offsetof(PyThreadState, eval_breaker),
        _PY_GIL_DROP_REQUEST_BIT,
    };
    char *top = (char *)((uintptr_t)(thread->stack + STACK_BYTES) & ~(uintptr_t)15);
    int e = pp_thread_start(layout, last_identity + 1, thread, top);
    thread->is_over = e != 0;
    if (e) return EAGAIN;
    if (!n_alive++) counts = pp_thread_counts();
    *out = (pthread_t)(uintptr_t)++last_identity;
    return 0;
}
pthread_t pthread_self(void) { return (pthread_t)(uintptr_t)playpen_thread; }

/* ---- conditions: the address is what is waited for */
int pthread_cond_init(pthread_cond_t *restrict cond, const pthread_condattr_t *restrict attr) { return 0; }
int pthread_cond_destroy(pthread_cond_t *cond) { return 0; }
static int wait_for(const void *address, int64_t timeout_ns) {
    if (!playpen_enabled()) return 0;
    n_waiting++;
    int e = pp_thread_wait(address, timeout_ns);
    n_waiting--;
    return e == EINTR ? 0 : e; /* as if it had been woken: who waits looks for signals, and again for what it waits for */
}
/* Who gives the interpreter's lock up waits until another thread has taken it; but the one that could have gone on
 * may find that it has to wait itself, and then nobody would. Nothing is lost by looking again. */
enum { LOOK_AGAIN_NS = 1000000 };
int pthread_cond_wait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex) {
    int is_switch = cond == &PyInterpreterState_Main()->ceval.gil->switch_cond;
    int e = wait_for(cond, is_switch ? LOOK_AGAIN_NS : -1);
    return is_switch ? 0 : e;
}
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict end) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = (int64_t)(end->tv_sec - now.tv_sec) * 1000000000 + (end->tv_nsec - now.tv_nsec);
    return wait_for(cond, left > 0 ? left : 0);
}
int pthread_cond_signal(pthread_cond_t *cond) {
    if (n_waiting) (void)pp_thread_wake(cond);
    return 0;
}

/* ---- the alarm: a thread without a state of Python's, which does what the kernel does on Linux. It runs CPython's
 * handler of the signal, which only takes note, and ends what the main thread waits for with EINTR. */
static int64_t alarm_at, alarm_every; /* by the monotonic clock, in nanoseconds; 0 for none */
static int alarm_is_there;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
static void *ring(void *unused) {
    for (;;) {
        int64_t left = alarm_at ? alarm_at - now() : -1;
        if (!alarm_at || left > 0) {
            (void)wait_for(&alarm_at, left);
            continue;
        }
        alarm_at = alarm_every ? now() + alarm_every : 0;
        (void)kill(getpid(), SIGALRM);
        (void)pp_thread_interrupt();
    }
    return NULL;
}
/* As setitimer(ITIMER_REAL); a negative time changes nothing. */
int playpen_alarm(int64_t first, int64_t every, int64_t *left, int64_t *was_every) {
    *left = alarm_at ? alarm_at - now() : 0;
    if (alarm_at && *left <= 0) *left = 1;
    *was_every = alarm_every;
    if (first < 0) return 0;
    alarm_at = first ? now() + first : 0;
    alarm_every = first ? every : 0;
    pthread_t thread;
    if (!alarm_is_there && first) {
        int e = pthread_create(&thread, NULL, ring, NULL);
        alarm_is_there = !e;
        return e;
    }
    if (alarm_is_there) (void)pp_thread_wake(&alarm_at);
    return 0;
}
