/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other end of a wire: see net-load-wire.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net-load-wire.h"

#define LENGTH_BYTES    4       /* before each frame of a stream */
#define INPUT_BYTES     (1u << 18)

struct Wire {
    int fd;
    gboolean stream;
    struct sockaddr_un peer;
    char *bound;                /* path of ours, to be removed */
    guint8 *input;              /* of a stream: what was read and not taken */
    gsize begin, end;
};

static gboolean failed(GError **error, const char *what, const char *path)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s %s: %s",
                path, what, g_strerror(errno));
    return FALSE;
}

static gboolean make_address(struct sockaddr_un *address, const char *path,
                             GError **error)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (g_strlcpy(address->sun_path, path, sizeof(address->sun_path)) >=
        sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return failed(error, "as a socket", path);
    }
    return TRUE;
}

static gboolean bind_own(Wire *wire, const char *path, GError **error)
{
    struct sockaddr_un address;

    wire->bound = g_strconcat(path, ".peer", NULL);
    if (!make_address(&address, wire->bound, error)) {
        return FALSE;
    }
    unlink(wire->bound);
    if (bind(wire->fd, (struct sockaddr *)&address, sizeof(address))) {
        return failed(error, "to be bound", wire->bound);
    }
    return TRUE;
}

static gboolean connect_to(Wire *wire, const char *path, GError **error)
{
    wire->fd = socket(AF_UNIX, (wire->stream ? SOCK_STREAM : SOCK_DGRAM) |
                      SOCK_CLOEXEC, 0);
    if (wire->fd < 0) {
        return failed(error, "has no socket", path);
    }
    if (!make_address(&wire->peer, path, error)) {
        return FALSE;
    }
    if (!wire->stream) {
        /* Connected, it would hear only what that very socket sends. */
        return bind_own(wire, path, error);
    }
    if (connect(wire->fd, (struct sockaddr *)&wire->peer,
                sizeof(wire->peer))) {
        return failed(error, "to be connected to", path);
    }
    return TRUE;
}

Wire *wire_open(const char *kind, const char *path, GError **error)
{
    Wire *wire = g_new0(Wire, 1);

    wire->fd = -1;
    wire->stream = g_str_equal(kind, "stream");
    wire->input = g_malloc(INPUT_BYTES);
    if (!wire->stream && !g_str_equal(kind, "dgram")) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "%s: no kind of wire (dgram, stream)", kind);
    } else if (connect_to(wire, path, error)) {
        return wire;
    }
    wire_close(wire);
    return NULL;
}

void wire_close(Wire *wire)
{
    if (wire->fd >= 0) {
        close(wire->fd);
    }
    if (wire->bound) {
        unlink(wire->bound);
    }
    g_free(wire->bound);
    g_free(wire->input);
    g_free(wire);
}

static gboolean send_stream(Wire *wire, guint8 (*frames)[FRAME_BYTES],
                            unsigned n, GError **error)
{
    guint8 buffer[WIRE_BURST][LENGTH_BYTES + FRAME_BYTES];
    gsize size = n * sizeof(buffer[0]);
    guint32 length = htonl(FRAME_BYTES);

    for (unsigned i = 0; i < n; i++) {
        memcpy(buffer[i], &length, LENGTH_BYTES);
        memcpy(buffer[i] + LENGTH_BYTES, frames[i], FRAME_BYTES);
    }
    for (gsize done = 0; done < size;) {
        gssize sent = send(wire->fd, (guint8 *)buffer + done, size - done,
                           MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR) {
            return failed(error, "to be written to", "the stream");
        }
        done += MAX(sent, 0);
    }
    return TRUE;
}

static gboolean send_datagrams(Wire *wire, guint8 (*frames)[FRAME_BYTES],
                               unsigned n, GError **error)
{
    struct mmsghdr messages[WIRE_BURST] = { 0 };
    struct iovec iov[WIRE_BURST];

    for (unsigned i = 0; i < n; i++) {
        iov[i] = (struct iovec){ frames[i], FRAME_BYTES };
        messages[i].msg_hdr.msg_name = &wire->peer;
        messages[i].msg_hdr.msg_namelen = sizeof(wire->peer);
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (unsigned done = 0; done < n;) {
        int sent = sendmmsg(wire->fd, messages + done, n - done, 0);

        if (sent < 0 && errno != EINTR) {
            return failed(error, "to be sent to", "the socket");
        }
        done += MAX(sent, 0);
    }
    return TRUE;
}

gboolean wire_send(Wire *wire, guint8 (*frames)[FRAME_BYTES], unsigned n,
                   GError **error)
{
    g_assert(n <= WIRE_BURST);
    return wire->stream ? send_stream(wire, frames, n, error) :
                          send_datagrams(wire, frames, n, error);
}

/* A frame that has been read in full, or 0. */
static gssize take_buffered(Wire *wire, guint8 *buffer, gsize size)
{
    gsize has = wire->end - wire->begin;
    const guint8 *at = wire->input + wire->begin;
    guint32 length;

    if (has < LENGTH_BYTES) {
        return 0;
    }
    memcpy(&length, at, LENGTH_BYTES);
    length = ntohl(length);
    if (length == 0 || length > INPUT_BYTES - LENGTH_BYTES) {
        return -1;
    }
    if (has - LENGTH_BYTES < length) {
        return 0;
    }
    memcpy(buffer, at + LENGTH_BYTES, MIN(size, length));
    wire->begin += LENGTH_BYTES + length;
    return length;
}

static gssize receive_stream(Wire *wire, guint8 *buffer, gsize size)
{
    gssize got;

    memmove(wire->input, wire->input + wire->begin, wire->end - wire->begin);
    wire->end -= wire->begin;
    wire->begin = 0;
    got = recv(wire->fd, wire->input + wire->end, INPUT_BYTES - wire->end, 0);
    if (got <= 0) {
        return got < 0 && errno == EINTR ? 0 : -1;
    }
    wire->end += got;
    return take_buffered(wire, buffer, size);
}

gssize wire_receive(Wire *wire, guint8 *buffer, gsize size, int wait_ms)
{
    struct pollfd poller = { .fd = wire->fd, .events = POLLIN };
    gssize got = wire->stream ? take_buffered(wire, buffer, size) : 0;

    if (got) {
        return got;
    }
    if (poll(&poller, 1, wait_ms) <= 0) {
        return 0;
    }
    if (wire->stream) {
        return receive_stream(wire, buffer, size);
    }
    got = recv(wire->fd, buffer, size, 0);
    return got < 0 && errno == EINTR ? 0 : got;
}
