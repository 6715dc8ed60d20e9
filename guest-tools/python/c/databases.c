/* databases.c -- what SQLite leaves out of its build for WASI: locks, and the index of a write-ahead log.
 *
 * Locks: that build marks a locked database by a folder beside it, which keeps readers out and stays behind where a
 * process is killed. The kernel has Linux's locks, so SQLite's own code for them is the default again.
 *
 * Write-ahead logs: their index is memory that all connections share, and processes of a sandbox share none. Each
 * connection has a copy of its own here. It is compared with what it last was and brought into line with the file
 * `-shm` wherever SQLite takes a lock, gives one up, or asks for a barrier; and the format's rules are such that
 * nothing else has to be seen at once. Only what a connection has changed itself is written, so two that hold
 * different locks do not undo each other's work. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { F_OFD_SETLK = 37, FIRST_LOCK = 120, SWITCH = 128 }; /* places in the file, as SQLite has them everywhere */

/* One connection's copy of the index. */
struct region {
    uint8_t *now, *before; /* as SQLite sees it, and as it was in the file */
};
struct index {
    char *path;
    int fd, n_regions, bytes_of_each;
    struct region *regions;
};
/* What a file of ours has behind SQLite's own part of it. */
struct extra {
    const char *path;
    struct index *index;
};

static int own_part; /* bytes of SQLite's part */
static int (*open_unix)(sqlite3_vfs *, sqlite3_filename, sqlite3_file *, int, int *);
static sqlite3_io_methods with_index;
static const sqlite3_io_methods *without_index;

static struct extra *extra_of(sqlite3_file *file) { return (struct extra *)((char *)file + own_part); }

/* A lock belongs to the open file, so two connections of one process keep each other out as two processes do. */
static int set_lock(const struct index *index, int kind, int place, int n) {
    struct flock lock = {.l_type = (short)kind, .l_whence = SEEK_SET, .l_start = place, .l_len = n};
    while (fcntl(index->fd, F_OFD_SETLK, &lock))
        if (errno != EINTR) return errno == EAGAIN ? SQLITE_BUSY : SQLITE_IOERR_SHMLOCK;
    return SQLITE_OK;
}

static int is_same(const uint8_t *one, const uint8_t *other) { /* of eight bytes, which malloc has aligned */
    return *(const uint64_t *)one == *(const uint64_t *)other;
}

/* Writes what was changed here, then takes what was changed elsewhere. */
static void synchronize(struct index *index) {
    for (int i = 0; i < index->n_regions; i++) {
        struct region *it = &index->regions[i];
        int n = index->bytes_of_each;
        off_t at = (off_t)i * n;
        for (int start = 0; start < n;) {
            if (start % 8 == 0 && start + 8 <= n && is_same(it->now + start, it->before + start)) {
                start += 8;
                continue;
            }
            if (it->now[start] == it->before[start]) {
                start++;
                continue;
            }
            int end = start + 1;
            while (end < n && it->now[end] != it->before[end]) end++;
            (void)!pwrite(index->fd, it->now + start, (size_t)(end - start), at + start);
            start = end;
        }
        if (pread(index->fd, it->before, (size_t)n, at) == n) memcpy(it->now, it->before, (size_t)n);
    }
}

static void discard(struct index *index) {
    for (int i = 0; i < index->n_regions; i++) {
        free(index->regions[i].now);
        free(index->regions[i].before);
    }
    free(index->regions);
    free(index->path);
    if (index->fd >= 0) (void)close(index->fd);
    free(index);
}

/* Opens the file of the index. Who is the first empties it: what a process that was killed left there is no index. */
static int open_index(struct extra *extra) {
    struct index *index = calloc(1, sizeof *index);
    size_t room = strlen(extra->path) + sizeof "-shm";
    if (!index || !(index->path = malloc(room))) {
        free(index);
        return SQLITE_NOMEM;
    }
    (void)snprintf(index->path, room, "%s-shm", extra->path);
    struct stat database;
    int mode = stat(extra->path, &database) ? 0644 : (int)(database.st_mode & 0777);
    index->fd = open(index->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
    int result = index->fd < 0 ? SQLITE_CANTOPEN : SQLITE_OK;
    if (!result && !set_lock(index, F_WRLCK, SWITCH, 1) && ftruncate(index->fd, 0)) result = SQLITE_IOERR_SHMOPEN;
    if (!result) result = set_lock(index, F_RDLCK, SWITCH, 1);
    if (result) {
        discard(index);
        return result;
    }
    extra->index = index;
    return SQLITE_OK;
}

static int add_region(struct index *index) {
    size_t n = (size_t)index->bytes_of_each;
    struct region *regions = realloc(index->regions, (size_t)(index->n_regions + 1) * sizeof *regions);
    if (!regions) return SQLITE_NOMEM;
    index->regions = regions;
    struct region new = {.now = calloc(1, n), .before = calloc(1, n)};
    if (!new.now || !new.before) {
        free(new.now);
        free(new.before);
        return SQLITE_NOMEM;
    }
    if (pread(index->fd, new.before, n, (off_t)index->n_regions * (off_t)n) == (ssize_t)n) memcpy(new.now, new.before, n);
    regions[index->n_regions++] = new;
    return SQLITE_OK;
}

static int map_index(sqlite3_file *file, int number, int bytes, int extends, void volatile **out) {
    struct extra *extra = extra_of(file);
    *out = NULL;
    if (!extra->index) {
        int result = open_index(extra);
        if (result) return result;
    }
    struct index *index = extra->index;
    index->bytes_of_each = bytes;
    struct stat now;
    off_t wanted = (off_t)(number + 1) * bytes;
    if (fstat(index->fd, &now)) return SQLITE_IOERR_SHMSIZE;
    if (now.st_size < wanted) {
        if (!extends) return SQLITE_OK;
        if (ftruncate(index->fd, wanted)) return SQLITE_IOERR_SHMSIZE;
    }
    while (index->n_regions <= number) {
        int result = add_region(index);
        if (result) return result;
    }
    *out = index->regions[number].now;
    return SQLITE_OK;
}

static int lock_index(sqlite3_file *file, int first, int n, int how) {
    struct index *index = extra_of(file)->index;
    if (!index) return SQLITE_IOERR_SHMLOCK;
    if (how & SQLITE_SHM_UNLOCK) synchronize(index); /* while nobody else may look */
    int kind = how & SQLITE_SHM_UNLOCK ? F_UNLCK : how & SQLITE_SHM_SHARED ? F_RDLCK : F_WRLCK;
    int result = set_lock(index, kind, FIRST_LOCK + first, n);
    if (!result && how & SQLITE_SHM_LOCK) synchronize(index);
    return result;
}

static void synchronize_index(sqlite3_file *file) {
    struct index *index = extra_of(file)->index;
    if (index) synchronize(index);
}

static int unmap_index(sqlite3_file *file, int deletes) {
    struct extra *extra = extra_of(file);
    if (!extra->index) return SQLITE_OK;
    synchronize(extra->index);
    if (deletes) (void)unlink(extra->index->path);
    discard(extra->index);
    extra->index = NULL;
    return SQLITE_OK;
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file, int flags, int *out_flags) {
    *extra_of(file) = (struct extra){0};
    int result = open_unix(vfs, path, file, flags, out_flags);
    int is_shared = (flags & SQLITE_OPEN_MAIN_DB) && path && !sqlite3_uri_boolean(path, "nolock", 0);
    if (result || !is_shared || !file->pMethods) return result;
    if (!without_index) {
        without_index = file->pMethods;
        with_index = *without_index;
        with_index.xShmMap = map_index;
        with_index.xShmLock = lock_index;
        with_index.xShmBarrier = synchronize_index;
        with_index.xShmUnmap = unmap_index;
    }
    if (file->pMethods == without_index) {
        extra_of(file)->path = path; /* SQLite keeps it for as long as the file is open */
        file->pMethods = &with_index;
    }
    return result;
}

void playpen_databases_start(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    if (!vfs || open_unix) return;
    own_part = (vfs->szOsFile + 7) & ~7;
    vfs->szOsFile = own_part + (int)sizeof(struct extra);
    open_unix = vfs->xOpen;
    vfs->xOpen = open_file;
    (void)sqlite3_vfs_register(vfs, 1);
}
