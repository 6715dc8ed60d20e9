/* time_zone.c -- local time: TZ as a name of /usr/share/zoneinfo or as a POSIX rule; UTC without it.
 *
 * wasi-libc knows UTC only. localtime_r, mktime and strftime ask the functions below, which replace those of its
 * member __tz.o. As in glibc, TZ is looked at when local time is first asked for and by tzset(). */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN const char __utc[] = "UTC";

enum { DAY = 86400, MAX_TYPES = 256, MAX_FILE = 1 << 16, ABBR = 16 };
struct type {
    int offset, is_dst; /* seconds east */
    char abbr[ABBR];
};
struct date { /* of a rule: 'M' month, week, day; 'J' day without leap days; 'n' day with them */
    int kind, month, week, day, time;
};
static struct {
    int loaded, n_times, n_types, has_rule, rule_has_dst;
    int64_t *times;
    uint8_t *types_of;
    struct type types[MAX_TYPES];
    struct type std, dst;
    struct date start, end;
} zone;

/* ---- POSIX rules */
static const char *parse_abbr(const char *p, char *out) {
    int quoted = *p == '<', n = 0;
    if (quoted) p++;
    for (; quoted ? *p && *p != '>' : (*p | 32) >= 'a' && (*p | 32) <= 'z'; p++)
        if (n < ABBR - 1) out[n++] = *p;
    out[n] = 0;
    if (n < 3 || (quoted && *p++ != '>')) return NULL;
    return p;
}
static const char *parse_time(const char *p, int *out) { /* [+-]hh[:mm[:ss]] */
    int sign = 1, unit = 3600, n_digits = 0;
    if (*p == '+' || *p == '-') sign = *p++ == '-' ? -1 : 1;
    *out = 0;
    for (; unit; unit /= 60) {
        int value = 0;
        for (n_digits = 0; *p >= '0' && *p <= '9'; p++, n_digits++) value = value * 10 + (*p - '0');
        if (!n_digits) return NULL;
        *out += value * unit;
        if (unit == 1 || *p != ':') break;
        p++;
    }
    *out *= sign;
    return p;
}
static const char *parse_number(const char *p, int *out) {
    char *end;
    if (*p < '0' || *p > '9') return NULL;
    *out = (int)strtol(p, &end, 10);
    return end;
}
static const char *parse_date(const char *p, struct date *d) {
    d->kind = *p == 'M' || *p == 'J' ? *p++ : 'n';
    d->time = 2 * 3600;
    if (d->kind == 'M') {
        if (!(p = parse_number(p, &d->month)) || *p++ != '.') return NULL;
        if (!(p = parse_number(p, &d->week)) || *p++ != '.') return NULL;
    }
    if (!(p = parse_number(p, &d->day))) return NULL;
    return *p == '/' ? parse_time(p + 1, &d->time) : p;
}
static int parse_rule(const char *p) {
    zone.has_rule = zone.rule_has_dst = 0;
    memset(&zone.std, 0, sizeof zone.std);
    memset(&zone.dst, 0, sizeof zone.dst);
    if (!(p = parse_abbr(p, zone.std.abbr)) || !(p = parse_time(p, &zone.std.offset))) return 0;
    zone.std.offset = -zone.std.offset;
    if (*p) {
        if (!(p = parse_abbr(p, zone.dst.abbr))) return 0;
        zone.dst.offset = zone.std.offset + 3600;
        zone.dst.is_dst = zone.rule_has_dst = 1;
        if (*p && *p != ',') {
            if (!(p = parse_time(p, &zone.dst.offset))) return 0;
            zone.dst.offset = -zone.dst.offset;
        }
        if (!*p) p = ",M3.2.0,M11.1.0";
        if (*p++ != ',' || !(p = parse_date(p, &zone.start)) || *p++ != ',' || !(p = parse_date(p, &zone.end)))
            return 0;
    }
    return zone.has_rule = !*p;
}
static int64_t days_to_year(int64_t y) { /* from 1970-01-01 */
    y--;
    return y * 365 + (y >= 0 ? y / 4 - y / 100 + y / 400 : (y - 3) / 4 - (y - 99) / 100 + (y - 399) / 400) - 719162;
}
static int is_leap(int64_t y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); }
static int64_t year_of(int64_t t) {
    int64_t y = 1970 + t / 31556952;
    while (days_to_year(y) * DAY > t) y--;
    while (days_to_year(y + 1) * DAY <= t) y++;
    return y;
}
static int64_t date_in_year(const struct date *d, int64_t y) { /* seconds, in the local time before the change */
    static const int month_starts[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int64_t day = days_to_year(y);
    if (d->kind == 'J')
        day += d->day - 1 + (is_leap(y) && d->day > 59);
    else if (d->kind == 'n')
        day += d->day;
    else {
        int m = d->month < 1 ? 1 : d->month > 12 ? 12 : d->month;
        int64_t first = day + month_starts[m - 1] + (m > 2 && is_leap(y));
        int64_t next = day + month_starts[m] + (m > 1 && is_leap(y));
        day = first + (d->day - (first + 4) % 7 + 14) % 7 + (d->week - 1) * 7;
        while (day >= next) day -= 7;
    }
    return day * DAY + d->time;
}
static const struct type *by_rule(int64_t t, int local) {
    if (!zone.rule_has_dst) return &zone.std;
    int64_t y = year_of(local ? t : t + zone.std.offset);
    int64_t start = date_in_year(&zone.start, y) - (local ? 0 : zone.std.offset);
    int64_t end = date_in_year(&zone.end, y) - (local ? 0 : zone.dst.offset);
    int is_dst = start < end ? t >= start && t < end : t >= start || t < end;
    return is_dst ? &zone.dst : &zone.std;
}

/* ---- files (RFC 8536) */
static int64_t big_endian(const uint8_t *p, int n) {
    int64_t v = (int8_t)*p;
    while (--n) v = (int64_t)((uint64_t)v << 8) | *++p;
    return v;
}
static int parse_file(const uint8_t *p, size_t length) {
    const uint8_t *end = p + length;
    uint32_t n[6]; /* isut, isstd, leap, times, types, characters */
    int wide = 4;
    for (int pass = 0;; pass++) {
        if (end - p < 44 || memcmp(p, "TZif", 4)) return 0;
        int version = p[4];
        for (int i = 0; i < 6; i++) n[i] = (uint32_t)big_endian(p + 20 + 4 * i, 4);
        for (int i = 0; i < 6; i++)
            if (n[i] > MAX_FILE) return 0;
        p += 44;
        size_t size = n[3] * (size_t)(wide + 1) + n[4] * 6 + n[5] + n[2] * (size_t)(wide + 4) + n[1] + n[0];
        if ((size_t)(end - p) < size) return 0;
        if (pass || version < '2') break;
        p += size;
        wide = 8;
    }
    if (!n[4] || n[4] > MAX_TYPES) return 0;
    const uint8_t *indices = p + n[3] * (size_t)wide, *infos = indices + n[3], *names = infos + n[4] * 6;
    free(zone.times);
    free(zone.types_of);
    zone.times = malloc(n[3] * sizeof *zone.times + 1);
    zone.types_of = malloc(n[3] + 1);
    if (!zone.times || !zone.types_of) return 0;
    for (uint32_t i = 0; i < n[3]; i++) {
        zone.times[i] = big_endian(p + i * (size_t)wide, wide);
        zone.types_of[i] = indices[i] < n[4] ? indices[i] : 0;
    }
    for (uint32_t i = 0; i < n[4]; i++) {
        struct type *type = &zone.types[i];
        const uint8_t *info = infos + 6 * i;
        type->offset = (int)big_endian(info, 4);
        type->is_dst = info[4];
        memset(type->abbr, 0, ABBR);
        for (uint32_t k = 0, at = info[5]; k < ABBR - 1 && at + k < n[5] && names[at + k]; k++)
            type->abbr[k] = (char)names[at + k];
    }
    zone.n_times = (int)n[3];
    zone.n_types = (int)n[4];
    const uint8_t *foot = names + n[5] + n[2] * (size_t)(wide + 4) + n[1] + n[0];
    char rule[128];
    size_t k = 0;
    if (wide == 8 && foot < end && *foot++ == '\n') {
        while (k < sizeof rule - 1 && foot < end && *foot != '\n') rule[k++] = (char)*foot++;
        rule[k] = 0;
        if (!k || !parse_rule(rule)) zone.has_rule = 0;
    }
    return 1;
}
static int load_file(const char *name) {
    char path[300] = "/usr/share/zoneinfo/";
    static uint8_t *data;
    size_t length = 0;
    ssize_t got;
    if (*name == '/')
        path[0] = 0;
    else if (strstr(name, ".."))
        return 0;
    if (!*name || strlen(path) + strlen(name) >= sizeof path) return 0;
    strcat(path, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    if (!data) data = malloc(MAX_FILE);
    while (data && length < MAX_FILE && (got = read(fd, data + length, MAX_FILE - length)) > 0)
        length += (size_t)got;
    close(fd);
    return data && parse_file(data, length);
}
void playpen_tzset(void) {
    const char *tz = getenv("TZ");
    zone.loaded = 1;
    zone.n_times = zone.n_types = zone.has_rule = 0;
    if (!tz) tz = "";
    if (*tz == ':') tz++;
    if (!*tz || (!load_file(tz) && !parse_rule(tz))) {
        zone.n_types = zone.has_rule = 0;
    }
}
void playpen_forget_time_zone(void) { zone.loaded = 0; }

/* ---- what localtime_r, mktime and strftime ask */
static const struct type *first_type(void) { /* before the first change */
    for (int i = 0; i < zone.n_types; i++)
        if (!zone.types[i].is_dst) return &zone.types[i];
    return &zone.types[0];
}
static const struct type *find(int64_t t, int local, int *at) {
    static const struct type utc = {0, 0, "UTC"};
    int n = zone.n_times, i = -1;
    for (int k = 0; k < n; k++) {
        const struct type *before = k ? &zone.types[zone.types_of[k - 1]] : first_type();
        if (zone.times[k] + (local ? before->offset : 0) > t) break;
        i = k;
    }
    *at = i;
    if (zone.has_rule && i == n - 1) return by_rule(t, local);
    if (i >= 0) return &zone.types[zone.types_of[i]];
    return zone.n_types ? first_type() : &utc;
}
static const struct type *other(const struct type *here, int at) { /* the nearest of the other kind */
    if (here == &zone.std) return zone.rule_has_dst ? &zone.dst : here;
    if (here == &zone.dst) return &zone.std;
    for (int distance = 1; distance <= zone.n_times; distance++)
        for (int k = at - distance; k <= at + distance; k += 2 * distance)
            if (k >= 0 && k < zone.n_times && zone.types[zone.types_of[k]].is_dst != here->is_dst)
                return &zone.types[zone.types_of[k]];
    return here;
}
HIDDEN void __secs_to_zone(long long t, int local, int *is_dst, int *offset, long *other_offset,
                           const char **name) {
    int at;
    if (!zone.loaded) playpen_tzset();
    const struct type *here = find(t, local, &at);
    *is_dst = here->is_dst;
    *offset = here->offset;
    if (other_offset) *other_offset = other(here, at)->offset;
    *name = here->abbr;
}
HIDDEN const char *__tm_to_tzname(const struct tm *tm) { return tm->tm_zone ? tm->tm_zone : ""; }
