/* fcntl.h -- Linux's numbers, which programs print, combine and compare; syscalls.c translates for wasi-libc. */
#include_next <fcntl.h>
#ifndef PLAYPEN_FCNTL_H
#define PLAYPEN_FCNTL_H
#undef O_ACCMODE
#undef O_APPEND
#undef O_CLOEXEC
#undef O_CREAT
#undef O_DIRECTORY
#undef O_DSYNC
#undef O_EXCL
#undef O_EXEC
#undef O_NOCTTY
#undef O_NOFOLLOW
#undef O_NONBLOCK
#undef O_RDONLY
#undef O_RDWR
#undef O_RSYNC
#undef O_SEARCH
#undef O_SYNC
#undef O_TRUNC
#undef O_TTY_INIT
#undef O_WRONLY
#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_ACCMODE 3
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_NDELAY O_NONBLOCK
#define O_DSYNC 010000
#define O_ASYNC 020000
#define O_LARGEFILE 0
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#define O_NOATIME 01000000
#define O_CLOEXEC 02000000
#define O_SYNC 04010000
#define O_FSYNC O_SYNC
#define O_RSYNC O_SYNC
#define FASYNC O_ASYNC
#undef POSIX_FADV_RANDOM
#undef POSIX_FADV_SEQUENTIAL
#define POSIX_FADV_RANDOM 1
#define POSIX_FADV_SEQUENTIAL 2
#endif
