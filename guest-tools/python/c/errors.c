/* errors.c -- Linux's error numbers and messages for Python.
 *
 * WASI numbers its errors in alphabetical order: ENOENT is 44 and not 2. C code never sees another number than
 * libc's; Python never sees another one than Linux's. The border is where an OSError is made, where the
 * module errno is filled, and os.strerror (patches/cpython-3.13.5). */
#include <errno.h>
#include <stddef.h>

static const struct {
    const char *name;
    int linux_number, wasi_number;
    const char *message;
} errors[] = {
#define E(name, number, message) {#name, number, name, message},
#define X(name, number, message) {#name, number, 0, message},
#include "errno_table.h"
#undef E
#undef X
};
#define N_ERRORS (sizeof errors / sizeof *errors)

int playpen_linux_errno(int wasi) {
#ifdef ENOTCAPABLE
    if (wasi == ENOTCAPABLE) wasi = EACCES;
#endif
    for (size_t i = 0; wasi && i < N_ERRORS; i++)
        if (errors[i].wasi_number == wasi) return errors[i].linux_number;
    return wasi;
}
int playpen_wasi_errno(int number) {
    for (size_t i = 0; i < N_ERRORS; i++)
        if (errors[i].linux_number == number && errors[i].wasi_number) return errors[i].wasi_number;
    return number;
}
const char *playpen_strerror(int number) {
    for (size_t i = 0; i < N_ERRORS; i++)
        if (errors[i].linux_number == number) return errors[i].message;
    return NULL;
}
int playpen_error(size_t i, const char **name) {
    if (i >= N_ERRORS) return 0;
    *name = errors[i].name;
    return errors[i].linux_number;
}
