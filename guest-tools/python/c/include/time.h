/* time.h -- Linux's clocks by Linux's numbers, where wasi-libc has the addresses of two; syscalls.c has them. */
#include_next <time.h>
#if defined(CLOCK_REALTIME) && !defined(PLAYPEN_TIME_H)
#define PLAYPEN_TIME_H
#undef CLOCK_REALTIME
#undef CLOCK_MONOTONIC
#undef CLOCK_PROCESS_CPUTIME_ID
#undef CLOCK_THREAD_CPUTIME_ID
#define CLOCK_REALTIME ((clockid_t)0)
#define CLOCK_MONOTONIC ((clockid_t)1)
#define CLOCK_PROCESS_CPUTIME_ID ((clockid_t)2)
#define CLOCK_THREAD_CPUTIME_ID ((clockid_t)3)
#define CLOCK_MONOTONIC_RAW ((clockid_t)4)
#define CLOCK_BOOTTIME ((clockid_t)7)
#define CLOCK_TAI ((clockid_t)11)
#endif
