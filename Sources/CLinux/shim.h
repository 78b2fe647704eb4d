// Linux system calls and macros that Swift's Glibc module does not carry.
#pragma once
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

// GNU extensions. Defining _GNU_SOURCE here would give types another shape than they have in Swift's Glibc module, so
// the few functions that it hides are declared by hand.
extern int accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags);
extern int pipe2(int fds[2], int flags);
extern int memfd_create(const char *name, unsigned int flags);
extern ssize_t splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t length, unsigned int flags);
extern void *memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length);
extern void *memrchr(const void *bytes, int byte, size_t length);
extern int pthread_setname_np(pthread_t thread, const char *name);
extern long syscall(long number, ...);

// A variadic function and a global that Swift cannot use.
extern char **environ;
static inline char **clinux_environment(void) { return environ; }
static inline int clinux_signal_at_parents_end(int number) {
    return prctl(PR_SET_PDEATHSIG, (unsigned long)number, 0UL, 0UL, 0UL);
}

// Affinity of the calling thread as bytes of CPU bits; the result is the number of bytes written, or negative.
static inline long clinux_getaffinity(void *mask, size_t size) {
    return syscall(SYS_sched_getaffinity, 0, size, mask);
}
static inline long clinux_setaffinity(const void *mask, size_t size) {
    return syscall(SYS_sched_setaffinity, 0, size, mask);
}
extern pid_t gettid(void);

// pidfd_open(2); the system call's number is the same everywhere.
static inline int clinux_pidfd_open(int process) { return (int)syscall(434, process, 0U); }

// Of fcntl; hidden without _GNU_SOURCE too.
#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#endif

// Of memfd_create; hidden without _GNU_SOURCE too.
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1U
#endif
