/* Makes the n-th write below FAULT_ROOT fail with FAULT_ERRNO, and every write after it, as on a disk that is full or
 * broken. A data write first stores half of what it was given, as a disk that fills up does. FAULT_AT=0 only counts; the
 * count goes to FAULT_COUNT. Preloaded; everything is read from the environment at the first write. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long calls;

static int below(const char *path) {
    const char *root = getenv("FAULT_ROOT");
    return root && *root && path && strncmp(path, root, strlen(root)) == 0;
}

static int below_fd(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

/* 0: go on; 1: this is the n-th call; 2: one after it. */
static int fails(void) {
    const char *at = getenv("FAULT_AT");
    if (!at) return 0;
    long n = atol(at);
    long call = ++calls;
    if (n == 0) {
        const char *place = getenv("FAULT_COUNT");
        int fd = place ? (int)((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(place, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
        if (fd >= 0) {
            char text[32];
            int length = snprintf(text, sizeof text, "%ld\n", call);
            if (((ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, text, (size_t)length) < 0) calls = call;
            close(fd);
        }
        return 0;
    }
    return call == n ? 1 : call > n ? 2 : 0;
}

static int refuse(void) {
    const char *number = getenv("FAULT_ERRNO");
    errno = number ? atoi(number) : ENOSPC;
    return -1;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *bytes, size_t count) {
    ssize_t (*next)(int, const void *, size_t) = NEXT(ssize_t (*)(int, const void *, size_t), "write");
    int failing = below_fd(fd) ? fails() : 0;
    if (failing == 1 && count > 1) return next(fd, bytes, count / 2);
    return failing ? refuse() : next(fd, bytes, count);
}

int fsync(int fd) {
    if (below_fd(fd) && fails()) return refuse();
    return NEXT(int (*)(int), "fsync")(fd);
}

#define OPEN(name)                                                                                  \
    int name(const char *path, int flags, ...) {                                                    \
        mode_t mode = 0;                                                                            \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                        \
            va_list more;                                                                           \
            va_start(more, flags);                                                                  \
            mode = va_arg(more, mode_t);                                                            \
            va_end(more);                                                                           \
        }                                                                                           \
        if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) && below(path) && fails()) return refuse();     \
        return NEXT(int (*)(const char *, int, ...), #name)(path, flags, mode);                     \
    }
OPEN(open)
OPEN(open64)

int link(const char *from, const char *to) {
    if (below(to) && fails()) return refuse();
    return NEXT(int (*)(const char *, const char *), "link")(from, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    if (below(to) && fails()) return refuse();
    return NEXT(int (*)(int, const char *, int, const char *, int), "linkat")(from_fd, from, to_fd, to, flags);
}

int rename(const char *from, const char *to) {
    if (below(to) && fails()) return refuse();
    return NEXT(int (*)(const char *, const char *), "rename")(from, to);
}

int mkdir(const char *path, mode_t mode) {
    if (below(path) && fails()) return refuse();
    return NEXT(int (*)(const char *, mode_t), "mkdir")(path, mode);
}
