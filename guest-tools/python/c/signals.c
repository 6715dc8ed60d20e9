/* signals.c -- signals for CPython, over the kernel's.
 *
 * The kernel runs no handlers: it keeps a signal that the process catches, ends what the main thread waits for with
 * EINTR, and sets the flag by which CPython's main thread looks for signals. Wherever CPython looks, what has come is
 * taken here, and CPython's C handler, which only takes note, is run for it. So handlers of programs run where they
 * do on Linux: between two instructions of the interpreter. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <errno.h>
#include <internal/pycore_ceval.h>
#include <internal/pycore_interp.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

#define IMPORT(n) __attribute__((import_module("playpen"), import_name(#n))) int32_t pp_##n
IMPORT(proc_kill)(int32_t pid, uint32_t sig);
IMPORT(signal_action)(uint32_t sig, uint32_t action, uint32_t *before);
IMPORT(signal_take)(uint32_t *sig);
IMPORT(signal_notice)(uint32_t *address, uint32_t bits);

enum { ACTION_DEFAULT, ACTION_IGNORE, ACTION_CATCH, ACTION_LEAVE };

extern int playpen_enabled(void);
extern unsigned playpen_thread; /* threads.c: the identity of the running thread */
static unsigned n_handled;      /* signals whose handlers were called */

static int err(int e) {
    if (e) {
        errno = e;
        return -1;
    }
    return 0;
}

typedef void (*handler)(int);
handler __real_signal(int sig, handler h);
handler __wrap_signal(int sig, handler h) {
    if (sig == SIGKILL || sig == SIGSTOP) {
        errno = EINVAL;
        return SIG_ERR;
    }
    handler before = __real_signal(sig, h);
    if (before == SIG_ERR || !playpen_enabled()) return before;
    uint32_t was;
    (void)pp_signal_action((uint32_t)sig, h == SIG_IGN ? ACTION_IGNORE : h == SIG_DFL ? ACTION_DEFAULT : ACTION_CATCH, &was);
    return before;
}

/* What the snapshot has set up, told to the kernel: an interruption is an exception, unless it is ignored. */
void playpen_signals_start(void) {
    uint32_t was;
    if (!pp_signal_action(SIGINT, ACTION_LEAVE, &was) && was != ACTION_IGNORE)
        (void)pp_signal_action(SIGINT, ACTION_CATCH, &was);
    PyThreadState *first = PyThreadState_GetUnchecked(); /* the main one: no other was started yet */
    if (first) (void)pp_signal_notice((uint32_t *)&first->eval_breaker, _PY_SIGNALS_PENDING_BIT);
}

/* Runs the C handlers of what has come. Another thread than the main one leaves it: the main one may have to be woken. */
static void take_signals(void) {
    uint32_t sig;
    if (!playpen_enabled() || playpen_thread != 1) return;
    while (!pp_signal_take(&sig) && sig) {
        n_handled++;
        (void)raise((int)sig);
    }
}
int __real_PyErr_CheckSignals(void);
int __wrap_PyErr_CheckSignals(void) {
    take_signals();
    return __real_PyErr_CheckSignals();
}
int __real__PyErr_CheckSignalsTstate(PyThreadState *state);
int __wrap__PyErr_CheckSignalsTstate(PyThreadState *state) {
    take_signals();
    return __real__PyErr_CheckSignalsTstate(state);
}

int pause(void) { /* a wait may also be interrupted for a signal that came before it: see threads.c */
    struct timespec hour = {.tv_sec = 3600};
    for (unsigned before = n_handled; n_handled == before; take_signals())
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL);
    return err(EINTR);
}

static int does_nothing_by_default(int sig) {
    return sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT;
}
int kill(pid_t pid, int sig) {
    if (sig < 0 || sig > 64) return err(EINVAL);
    if (pid != getpid()) return err(playpen_enabled() ? pp_proc_kill(pid, (uint32_t)sig) : ESRCH);
    /* To oneself: its handler runs before this returns; without one the host ends the process. */
    if (sig == 0) return 0;
    handler h = SIG_DFL;
    if (sig != SIGKILL && sig != SIGSTOP) {
        h = __real_signal(sig, SIG_IGN);
        if (h != SIG_ERR) __real_signal(sig, h);
    }
    if (h == SIG_IGN || (h == SIG_DFL && does_nothing_by_default(sig))) return 0;
    if (h != SIG_DFL && h != SIG_ERR) {
        n_handled++;
        return raise(sig);
    }
    if (!playpen_enabled()) __wasi_proc_exit(128 + (unsigned)sig);
    return err(pp_proc_kill(pid, (uint32_t)sig));
}
int killpg(pid_t g, int sig) {
    if (g <= 1) return err(EINVAL);
    return err(playpen_enabled() ? pp_proc_kill(-g, (uint32_t)sig) : ENOSYS);
}
