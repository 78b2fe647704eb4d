// The floor: a forwarder that does nothing but the system calls which proxying a keep-alive request takes. It parses
// just enough to find where messages end, keeps a list of idle upstream connections, and checks nothing else. Not a
// proxy to use; it shows what the kernel alone costs. Usage: floor PORT ORIGIN-PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CAPACITY = 64 * 1024, CONNECTIONS = 65536 };

// One socket. Clients and upstreams point at each other while a request is under way.
struct link {
    int fd;
    int is_client;
    struct link *other;       // the other side of the exchange, if any
    struct link *next_idle;   // upstream connections that wait for work
    int64_t body_left;        // bytes of the message under way; -1: its head is not whole yet
    size_t used;
    char buffer[CAPACITY];
};

static struct link *links[CONNECTIONS];
static struct link *idle;
static int events_fd;
static struct sockaddr_in origin;

static void watch(struct link *link) {
    int on = 1;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = link};
    epoll_ctl(events_fd, EPOLL_CTL_ADD, link->fd, &event);
}

static struct link *make(int fd, int is_client) {
    if (fd < 0 || fd >= CONNECTIONS) exit(1);
    if (!links[fd]) links[fd] = malloc(sizeof(struct link));
    struct link *link = links[fd];
    link->fd = fd;
    link->is_client = is_client;
    link->other = link->next_idle = NULL;
    link->body_left = -1;
    link->used = 0;
    watch(link);
    return link;
}

static void end(struct link *link) {
    if (!link->is_client) {
        for (struct link **place = &idle; *place; place = &(*place)->next_idle)
            if (*place == link) { *place = link->next_idle; break; }
    }
    if (link->other) {
        link->other->other = NULL;
        close(link->other->fd);
    }
    link->other = NULL;
    close(link->fd);
}

static struct link *upstream(void) {
    if (idle) {
        struct link *link = idle;
        idle = link->next_idle;
        link->next_idle = NULL;
        return link;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&origin, sizeof origin) < 0) exit(1);
    return make(fd, 0);
}

// The length of the body behind a head of `length` bytes.
static int64_t body_length(const char *head, size_t length) {
    static const char name[] = "\ncontent-length:";
    for (const char *at = head; (at = memchr(at, '\n', length - (at - head))); at++)
        if ((size_t)(at - head) + sizeof name < length && strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoll(at + sizeof name - 1, NULL, 10);
    return 0;
}

static int send_all(int fd, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN || errno == EINTR) continue;
            return 0;
        }
        bytes += sent;
        count -= sent;
    }
    return 1;
}

static void readable(struct link *link) {
    for (;;) {
        ssize_t got = recv(link->fd, link->buffer + link->used, CAPACITY - link->used, MSG_DONTWAIT);
        if (got < 0) return;
        if (got == 0) return end(link);
        int was_full = link->used + got == CAPACITY;
        link->used += got;
        if (link->body_left < 0) {
            char *stop = memmem(link->buffer, link->used, "\r\n\r\n", 4);
            if (!stop) continue;
            size_t head = stop + 4 - link->buffer;
            link->body_left = head + body_length(link->buffer, head);
            if (link->is_client) {
                link->other = upstream();
                link->other->other = link;
            }
        }
        if (!link->other || !send_all(link->other->fd, link->buffer, link->used)) return end(link);
        link->body_left -= link->used;
        link->used = 0;
        if (link->body_left <= 0) {
            link->body_left = -1;
            if (!link->is_client) {
                link->other->other = NULL;
                link->other = NULL;
                link->next_idle = idle;
                idle = link;
            }
        }
        if (!was_full) return;
    }
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    origin = address;
    origin.sin_port = htons(atoi(arguments[2]));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) return 1;
    events_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(events_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(events_fd, events, 256, -1);
        for (int index = 0; index < ready; index++) {
            if (events[index].data.ptr) {
                readable(events[index].data.ptr);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) make(fd, 1);
        }
    }
}
