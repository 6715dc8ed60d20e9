/* locales.c -- the locales that there are: C and C.UTF-8, as on a Linux where no others were installed. musl takes any name
 * for one, so programs that look for a locale would believe that they had found it. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { N_OWN = 6, N_ALL = 12, NAME_BYTES = 16 };
/* In the order and with the names of glibc; LC_ALL is 6, and what has no number here cannot be set alone. */
static const char *const categories[N_ALL] = {
    "LC_CTYPE", "LC_NUMERIC", "LC_TIME",    "LC_COLLATE",   "LC_MONETARY",    "LC_MESSAGES",
    "LC_PAPER", "LC_NAME",    "LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION"};
static char names[N_ALL][NAME_BYTES] = {"C", "C", "C", "C", "C", "C", "C", "C", "C", "C", "C", "C"};

char *__real_setlocale(int, const char *);

/* The name as glibc keeps it, or none if there is no such locale. */
static const char *known(const char *name) {
    if (!strcmp(name, "C") || !strcmp(name, "POSIX")) return "C";
    if (strncmp(name, "C.", 2)) return NULL;
    return !strcasecmp(name + 2, "UTF-8") || !strcasecmp(name + 2, "UTF8") ? name : NULL;
}
/* What the environment says; CPython's start would have chosen UTF-8 where it says nothing. */
static const char *from_environment(int category) {
    const char *sources[] = {"LC_ALL", categories[category], "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(sources[i]);
        if (value && *value) return value;
    }
    return category == LC_CTYPE ? "C.UTF-8" : "C";
}
static char *all_names(void) {
    static char all[N_ALL * (20 + NAME_BYTES)];
    int i, at = 0;
    for (i = 1; i < N_ALL && !strcmp(names[i], names[0]); i++) continue;
    if (i == N_ALL) return names[0];
    for (i = 0; i < N_ALL; i++)
        at += snprintf(all + at, sizeof all - at, "%s%s=%s", i ? ";" : "", categories[i], names[i]);
    return all;
}
/* The part of a list as all_names() makes it that is about a category. */
static const char *part_of(const char *list, int category, char part[NAME_BYTES]) {
    size_t n = strlen(categories[category]);
    for (const char *at = list; at; at = strchr(at, ';')) {
        at += *at == ';';
        if (strncmp(at, categories[category], n) || at[n] != '=') continue;
        const char *value = at + n + 1;
        size_t length = strcspn(value, ";");
        if (length >= NAME_BYTES) return NULL;
        memcpy(part, value, length);
        part[length] = 0;
        return part;
    }
    return NULL;
}
char *__wrap_setlocale(int category, const char *name) {
    if (category < 0 || category > LC_ALL) {
        errno = EINVAL;
        return NULL;
    }
    int first = category == LC_ALL ? 0 : category, end = category == LC_ALL ? N_ALL : category + 1;
    char new[N_ALL][NAME_BYTES], part[NAME_BYTES];
    for (int i = first; name && i < end; i++) {
        const char *wanted = *name ? name : from_environment(i);
        if (category == LC_ALL && strchr(name, ';')) wanted = part_of(name, i, part);
        const char *found = wanted ? known(wanted) : NULL;
        if (!found) return NULL;
        strcpy(new[i], found);
    }
    for (int i = first; name && i < end; i++) {
        strcpy(names[i], new[i]);
        if (i < N_OWN) (void)__real_setlocale(i, names[i]);
    }
    return category == LC_ALL ? all_names() : names[category];
}

char *__real_nl_langinfo(nl_item);
char *__wrap_nl_langinfo(nl_item item) {
    static char ascii[] = "ANSI_X3.4-1968"; /* glibc's word for it */
    char *info = __real_nl_langinfo(item);
    return item == CODESET && info && !strcmp(info, "ASCII") ? ascii : info;
}
