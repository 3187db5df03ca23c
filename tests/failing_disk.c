/* A disk that fails or is slow, loaded before libc: calls on files whose path has FAULT_PATH in it.
 *
 * Calls are numbered from 1 over all processes by the length of FAULT_COUNT, which gets a byte for
 * each. Number FAULT_AT, and with FAULT_STAYS all after it, fails with the error FAULT_ERRNO;
 * each takes FAULT_SLEEP_US longer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

/* Whether this call fails; errno says of what. */
static int fails(const char *path) {
    const char *wanted = getenv("FAULT_PATH"), *count = getenv("FAULT_COUNT");
    if (!wanted || !count || !path || !strstr(path, wanted)) return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, count, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    if (syscall(SYS_write, fd, "x", 1) != 1) abort();
    long n = syscall(SYS_lseek, fd, 0L, SEEK_CUR), at = number_of("FAULT_AT");
    syscall(SYS_close, fd);
    long sleep_us = number_of("FAULT_SLEEP_US");
    if (sleep_us) usleep((useconds_t)sleep_us);
    if (!at || n < at || (n > at && !number_of("FAULT_STAYS"))) return 0;
    errno = (int)number_of("FAULT_ERRNO");
    return 1;
}

static int fails_fd(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return path[0] == '/' && fails(path);
}

/* Relative names are told from others by what they are relative to. */
static int fails_at(int folder, const char *name) {
    char link[64], path[2 * PATH_MAX];
    if (name[0] == '/') return fails(name);
    if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n <= 0) return 0;
    snprintf(path + n, sizeof path - (size_t)n, "/%s", name);
    return fails(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
    return fails_fd(fd) ? -1 : REAL(write)(fd, data, size);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return fails_fd(fd) ? -1 : REAL(pwrite64)(fd, data, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
    return fails_fd(fd) ? -1 : REAL(writev)(fd, parts, n);
}
int fsync(int fd) { return fails_fd(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails_fd(fd) ? -1 : REAL(fdatasync)(fd); }
int rename(const char *from, const char *to) {
    return fails_at(AT_FDCWD, to) ? -1 : REAL(rename)(from, to);
}
int renameat(int from_folder, const char *from, int folder, const char *to) {
    return fails_at(folder, to) ? -1 : REAL(renameat)(from_folder, from, folder, to);
}
