/* sockets.c -- the kernel's sockets for lib/_sockets.py: calls, errors and memory, and nothing of substance.
 *
 * Addresses are Linux's sockaddr as bytes. wasi-libc has no socket(), and numbers of its own for what it has, so
 * CPython's socketmodule.c cannot be used. */
#include <Python.h>
#include <errno.h>
#include <wasi/api.h>

#define IMPORT(n) __attribute__((import_module("playpen"), import_name(#n))) int32_t pp_##n
typedef struct {
    void *at;
    uint32_t length;
} piece;
IMPORT(sock_open)(uint32_t family, uint32_t type, uint32_t flags, int32_t *fd);
IMPORT(sock_pair)(uint32_t type, uint32_t flags, int32_t *fds);
IMPORT(sock_bind)(int32_t fd, const void *addr, uint32_t len, const char *path, uint32_t path_len);
IMPORT(sock_connect)(int32_t fd, const void *addr, uint32_t len, const char *path, uint32_t path_len);
IMPORT(sock_listen)(int32_t fd, uint32_t backlog);
IMPORT(sock_name)(int32_t fd, uint32_t whose, void *out, uint32_t room, uint32_t *len);
IMPORT(sock_receive)(int32_t fd, const piece *to, uint32_t n, uint32_t flags, void *addr, uint32_t room, uint32_t *result);
IMPORT(sock_transmit)(int32_t fd, const piece *from, uint32_t n, uint32_t flags, const void *addr, uint32_t len,
                      const char *path, uint32_t path_len, uint32_t *out);
IMPORT(sock_option_get)(int32_t fd, uint32_t level, uint32_t name, int32_t *out);
IMPORT(sock_option_set)(int32_t fd, uint32_t level, uint32_t name, int32_t value);
extern int playpen_enabled(void);
enum { ADDRESS = 128 };

static PyObject *failed(int e) {
    errno = e;
    return PyErr_SetFromErrno(PyExc_OSError);
}
static PyObject *nothing(int e) {
    if (e) return failed(e);
    Py_RETURN_NONE;
}
static PyObject *s_open(PyObject *self, PyObject *args) {
    unsigned family, type;
    int32_t fd;
    if (!PyArg_ParseTuple(args, "II", &family, &type)) return NULL;
    int e = playpen_enabled() ? pp_sock_open(family, type, 0, &fd) : ENOSYS;
    return e ? failed(e) : PyLong_FromLong(fd);
}
static PyObject *s_pair(PyObject *self, PyObject *args) {
    unsigned type;
    int32_t fds[2];
    if (!PyArg_ParseTuple(args, "I", &type)) return NULL;
    int e = playpen_enabled() ? pp_sock_pair(type, 0, fds) : ENOSYS;
    return e ? failed(e) : Py_BuildValue("(ii)", fds[0], fds[1]);
}
static PyObject *s_bind(PyObject *self, PyObject *args) {
    int fd;
    const char *addr, *path;
    Py_ssize_t len, path_len;
    if (!PyArg_ParseTuple(args, "iy#s#", &fd, &addr, &len, &path, &path_len)) return NULL;
    return nothing(pp_sock_bind(fd, addr, (uint32_t)len, path, (uint32_t)path_len));
}
static PyObject *s_connect(PyObject *self, PyObject *args) {
    int fd;
    const char *addr, *path;
    Py_ssize_t len, path_len;
    if (!PyArg_ParseTuple(args, "iy#s#", &fd, &addr, &len, &path, &path_len)) return NULL;
    return nothing(pp_sock_connect(fd, addr, (uint32_t)len, path, (uint32_t)path_len));
}
static PyObject *s_listen(PyObject *self, PyObject *args) {
    int fd, backlog;
    if (!PyArg_ParseTuple(args, "ii", &fd, &backlog)) return NULL;
    return nothing(pp_sock_listen(fd, backlog < 0 ? 0 : (uint32_t)backlog));
}
static PyObject *s_name(PyObject *self, PyObject *args) {
    int fd, whose;
    char addr[ADDRESS];
    uint32_t len = 0;
    if (!PyArg_ParseTuple(args, "ii", &fd, &whose)) return NULL;
    int e = pp_sock_name(fd, (uint32_t)whose, addr, sizeof addr, &len);
    return e ? failed(e) : PyBytes_FromStringAndSize(addr, len < sizeof addr ? len : sizeof addr);
}
/* A signal whose handler raises ends a call; after any other, it goes on. */
#define UNLESS_INTERRUPTED(call)                                                                             \
    do {                                                                                                     \
        Py_BEGIN_ALLOW_THREADS;                                                                              \
        call;                                                                                                \
        Py_END_ALLOW_THREADS;                                                                                \
    } while (e == EINTR && !(stopped = PyErr_CheckSignals()))
static PyObject *s_accept(PyObject *self, PyObject *args) {
    int fd, e;
    __wasi_fd_t accepted;
    if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
    int stopped = 0;
    UNLESS_INTERRUPTED(e = __wasi_sock_accept((__wasi_fd_t)fd, 0, &accepted));
    return stopped ? NULL : e ? failed(e) : PyLong_FromUnsignedLong(accepted);
}
/* receive(fd, buffer, flags) -> (bytes, address, flags) */
static PyObject *s_receive(PyObject *self, PyObject *args) {
    int fd, e;
    unsigned flags;
    Py_buffer buffer;
    char addr[ADDRESS];
    uint32_t result[3] = {0};
    if (!PyArg_ParseTuple(args, "iw*I", &fd, &buffer, &flags)) return NULL;
    piece to = {buffer.buf, (uint32_t)buffer.len};
    int stopped = 0;
    UNLESS_INTERRUPTED(e = pp_sock_receive(fd, &to, 1, flags, addr, sizeof addr, result));
    PyBuffer_Release(&buffer);
    if (stopped) return NULL;
    if (e) return failed(e);
    return Py_BuildValue("Iy#I", result[0], addr, (Py_ssize_t)(result[1] < sizeof addr ? result[1] : sizeof addr), result[2]);
}
/* transmit(fd, data, flags, address, path) -> bytes */
static PyObject *s_transmit(PyObject *self, PyObject *args) {
    int fd, e;
    unsigned flags;
    Py_buffer data;
    const char *addr, *path;
    Py_ssize_t len, path_len;
    uint32_t sent = 0;
    if (!PyArg_ParseTuple(args, "iy*Iy#s#", &fd, &data, &flags, &addr, &len, &path, &path_len)) return NULL;
    piece from = {data.buf, (uint32_t)data.len};
    int stopped = 0;
    UNLESS_INTERRUPTED(e = pp_sock_transmit(fd, &from, 1, flags, addr, (uint32_t)len, path, (uint32_t)path_len, &sent));
    PyBuffer_Release(&data);
    return stopped ? NULL : e ? failed(e) : PyLong_FromUnsignedLong(sent);
}
static PyObject *s_option(PyObject *self, PyObject *args) {
    int fd;
    unsigned level, name;
    int32_t value;
    if (!PyArg_ParseTuple(args, "iII", &fd, &level, &name)) return NULL;
    int e = pp_sock_option_get(fd, level, name, &value);
    return e ? failed(e) : PyLong_FromLong(value);
}
static PyObject *s_set_option(PyObject *self, PyObject *args) {
    int fd, value;
    unsigned level, name;
    if (!PyArg_ParseTuple(args, "iIIi", &fd, &level, &name, &value)) return NULL;
    return nothing(pp_sock_option_set(fd, level, name, value));
}
static PyObject *s_shutdown(PyObject *self, PyObject *args) {
    int fd, how; /* Linux: 0 read, 1 write, 2 both; preview 1: bits */
    if (!PyArg_ParseTuple(args, "ii", &fd, &how)) return NULL;
    return nothing(how < 0 || how > 2 ? EINVAL : __wasi_sock_shutdown((__wasi_fd_t)fd, (__wasi_sdflags_t)(how + 1)));
}
static PyMethodDef methods[] = {
    {"open", s_open, METH_VARARGS, "open(family, type) -> fd"},
    {"pair", s_pair, METH_VARARGS, "pair(type) -> (fd, fd)"},
    {"bind", s_bind, METH_VARARGS, "bind(fd, address, path)"},
    {"connect", s_connect, METH_VARARGS, "connect(fd, address, path)"},
    {"listen", s_listen, METH_VARARGS, "listen(fd, backlog)"},
    {"name", s_name, METH_VARARGS, "name(fd, whose) -> address"},
    {"accept", s_accept, METH_VARARGS, "accept(fd) -> fd"},
    {"receive", s_receive, METH_VARARGS, "receive(fd, buffer, flags) -> (bytes, address, flags)"},
    {"transmit", s_transmit, METH_VARARGS, "transmit(fd, data, flags, address, path) -> bytes"},
    {"option", s_option, METH_VARARGS, "option(fd, level, name) -> value"},
    {"set_option", s_set_option, METH_VARARGS, "set_option(fd, level, name, value)"},
    {"shutdown", s_shutdown, METH_VARARGS, "shutdown(fd, how)"},
    {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_playpen_sockets", NULL, -1, methods};
PyObject *playpen_sockets_init(void) { return PyModule_Create(&module); }
