// Linux system calls and macros that Swift's Glibc module does not carry.
#pragma once
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <poll.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <errno.h>
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

// Packets with descriptors over Unix sockets (SCM_RIGHTS); the macros of cmsg(3) cannot be imported.
#define CLINUX_MAX_DESCRIPTORS 128
static inline ssize_t clinux_send_packet(int socket, const void *bytes, size_t size, const int *descriptors, size_t count) {
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int) * CLINUX_MAX_DESCRIPTORS)]; } control;
    struct iovec part = {(void *)bytes, size};
    struct msghdr message = {0};
    if (count > CLINUX_MAX_DESCRIPTORS) { errno = EINVAL; return -1; }
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Takes one packet and at most CLINUX_MAX_DESCRIPTORS descriptors, which `descriptors` has room for. `is_cut` tells
// that something did not fit and was lost.
static inline ssize_t clinux_receive_packet(int socket, void *bytes, size_t size, int *descriptors, size_t *count, int *is_cut) {
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int) * CLINUX_MAX_DESCRIPTORS)]; } control;
    struct iovec part = {bytes, size};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof(control.space);
    *count = 0;
    *is_cut = 0;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (here > CLINUX_MAX_DESCRIPTORS - *count) here = CLINUX_MAX_DESCRIPTORS - *count;
        memcpy(descriptors + *count, CMSG_DATA(header), sizeof(int) * here);
        *count += here;
    }
    *is_cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    return received;
}

// Who is at the other end of a Unix socket (SO_PEERCRED); 0 when that is known.
static inline int clinux_peer(int socket, int *process, unsigned int *user) {
    struct { int process; unsigned int user, group; } peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof(peer)) return -1;
    *process = peer.process;
    *user = peer.user;
    return 0;
}

// A number with six digits behind the point; how many bytes were written, of at most `size`.
static inline int clinux_format_fixed(char *text, size_t size, double number) {
    int count = snprintf(text, size, "%f", number);
    return count < 0 || (size_t)count >= size ? 0 : count;
}
