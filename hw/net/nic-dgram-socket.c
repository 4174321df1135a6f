/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic-dgram: addresses and sockets
 */
#include "qemu/osdep.h"
#include "hw/net/nic-dgram.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-sockets.h"
#include "qemu/cutils.h"
#include "qemu/sockets.h"

/* Bytes; the kernel gives less where net.core.rmem_max is lower. */
#define SOCKET_BUFFER (4 * 1024 * 1024)

#define FORMS "unix:PATH or udp:HOST:PORT"

void nic_dgram_init(NicDgramSockets *s)
{
    *s = (NicDgramSockets) { .receive = -1, .transmit = -1 };
}

static void enlarge_buffers(int fd)
{
    int bytes = SOCKET_BUFFER;

    /* less room than asked for is no error, only more losses */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* --- by number --------------------------------------------------------- */

static bool socket_is_usable(int fd, const char *name, Error **errp)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    int type;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        type != SOCK_DGRAM) {
        error_setg(errp, "fd %s is no datagram socket; give one that was "
                   "made with SOCK_DGRAM", name);
        return false;
    }
    if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0) {
        error_setg(errp, "fd %s has no peer; connect() it, or make it with "
                   "socketpair()", name);
        return false;
    }
    return true;
}

static bool open_fd(NicDgramSockets *s, const char *name, Error **errp)
{
    int fd = monitor_fd_param(monitor_cur(), name, errp);

    if (fd < 0) {
        return false;
    }
    if (!socket_is_usable(fd, name, errp)) {
        close(fd);
        return false;
    }
    qemu_socket_set_nonblock(fd);
    s->receive = s->transmit = fd;
    s->connected = true;
    return true;
}

/* --- UDP --------------------------------------------------------------- */

static bool parse_udp(SocketAddress *address, const char *text,
                      const char *property, Error **errp)
{
    address->type = SOCKET_ADDRESS_TYPE_INET;
    if (inet_parse(&address->u.inet, text, errp) < 0) {
        error_prepend(errp, "%s=udp:%s: expected udp:HOST:PORT: ", property,
                      text);
        return false;
    }
    return true;
}

static bool open_udp(NicDgramSockets *s, const char *local,
                     const char *remote, Error **errp)
{
    g_autoptr(SocketAddress) ours = g_new0(SocketAddress, 1);
    g_autoptr(SocketAddress) theirs = g_new0(SocketAddress, 1);
    int fd;

    if (!parse_udp(ours, local, "local", errp) ||
        !parse_udp(theirs, remote, "remote", errp)) {
        return false;
    }
    fd = socket_dgram(theirs, ours, errp);
    if (fd < 0) {
        error_prepend(errp, "wire from udp:%s to udp:%s: ", local, remote);
        return false;
    }
    qemu_socket_set_nonblock(fd);
    enlarge_buffers(fd);
    s->receive = s->transmit = fd;
    s->connected = true;
    return true;
}

/* --- unix -------------------------------------------------------------- */

static bool parse_unix(struct sockaddr_un *address, const char *path,
                       const char *property, Error **errp)
{
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(address->sun_path)) {
        error_setg(errp, "%s=unix:%s: a path of %zu bytes; expected 1 to %zu",
                   property, path, length, sizeof(address->sun_path) - 1);
        return false;
    }
    *address = (struct sockaddr_un) { .sun_family = AF_UNIX };
    memcpy(address->sun_path, path, length);
    return true;
}

static int new_unix(Error **errp)
{
    int fd = qemu_socket(AF_UNIX, SOCK_DGRAM, 0);

    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot make a unix socket");
        return -1;
    }
    qemu_socket_set_nonblock(fd);
    enlarge_buffers(fd);
    return fd;
}

/* A socket that an emulator which was killed has left behind goes. */
static bool remove_stale(NicDgramSockets *s, const struct sockaddr_un *ours,
                         Error **errp)
{
    const char *path = ours->sun_path;
    struct stat st;

    if (lstat(path, &st) < 0) {
        return true;
    }
    if (!S_ISSOCK(st.st_mode)) {
        error_setg(errp, "local=unix:%s: there is a file of that name that "
                   "is no socket; choose another path", path);
        return false;
    }
    if (connect(s->transmit, (const struct sockaddr *)ours,
                sizeof(*ours)) == 0 || errno != ECONNREFUSED) {
        error_setg(errp, "local=unix:%s: in use by another program; choose "
                   "another path, or end it", path);
        return false;
    }
    unlink(path);
    return true;
}

static bool bind_local(NicDgramSockets *s, const struct sockaddr_un *ours,
                       Error **errp)
{
    struct stat st;

    if (!remove_stale(s, ours, errp)) {
        return false;
    }
    if (bind(s->receive, (const struct sockaddr *)ours, sizeof(*ours)) < 0) {
        error_setg_errno(errp, errno, "cannot make the socket local=unix:%s",
                         ours->sun_path);
        return false;
    }
    if (stat(ours->sun_path, &st) == 0) {
        s->path = g_strdup(ours->sun_path);
        s->device = st.st_dev;
        s->inode = st.st_ino;
    }
    return true;
}

static bool open_unix(NicDgramSockets *s, const char *local,
                      const char *remote, Error **errp)
{
    struct sockaddr_un ours;

    if (!parse_unix(&ours, local, "local", errp) ||
        !parse_unix(&s->peer, remote, "remote", errp)) {
        return false;
    }
    s->receive = new_unix(errp);
    s->transmit = s->receive < 0 ? -1 : new_unix(errp);
    return s->transmit >= 0 && bind_local(s, &ours, errp);
}

bool nic_dgram_plugged(NicDgramSockets *s)
{
    if (!s->connected) {
        s->connected = connect(s->transmit, (struct sockaddr *)&s->peer,
                               sizeof(s->peer)) == 0;
    }
    return s->connected;
}

bool nic_dgram_unplugged(NicDgramSockets *s)
{
    if (s->transmit == s->receive) {
        return false;
    }
    s->connected = false;
    return true;
}

/* --- all --------------------------------------------------------------- */

static bool addresses_are_there(const char *local, const char *remote,
                                Error **errp)
{
    if (!local) {
        error_setg(errp, "local is missing: the address at which frames "
                   "arrive, " FORMS);
        return false;
    }
    if (!remote) {
        error_setg(errp, "remote is missing: the address to which frames "
                   "are sent, " FORMS);
        return false;
    }
    if (strcmp(local, remote) == 0) {
        error_setg(errp, "local and remote are both %s; expected two "
                   "addresses, one for each end of the wire", local);
        return false;
    }
    return true;
}

static bool open_addresses(NicDgramSockets *s, const char *local,
                           const char *remote, Error **errp)
{
    const char *our_path, *their_path, *our_host, *their_host;

    if (!addresses_are_there(local, remote, errp)) {
        return false;
    }
    if (strstart(local, "unix:", &our_path) &&
        strstart(remote, "unix:", &their_path)) {
        return open_unix(s, our_path, their_path, errp);
    }
    if (strstart(local, "udp:", &our_host) &&
        strstart(remote, "udp:", &their_host)) {
        return open_udp(s, our_host, their_host, errp);
    }
    error_setg(errp, "local=%s, remote=%s: expected " FORMS ", the same for "
               "both", local, remote);
    return false;
}

bool nic_dgram_open(NicDgramSockets *s, const char *local,
                    const char *remote, const char *fd, Error **errp)
{
    if (fd && (local || remote)) {
        error_setg(errp, "fd is a socket that has its addresses; leave out "
                   "local and remote, or fd");
        return false;
    }
    return fd ? open_fd(s, fd, errp)
              : open_addresses(s, local, remote, errp);
}

void nic_dgram_close(NicDgramSockets *s)
{
    struct stat st;

    /* somebody may have put another socket in the place of ours */
    if (s->path && lstat(s->path, &st) == 0 && st.st_dev == s->device &&
        st.st_ino == s->inode) {
        unlink(s->path);
    }
    g_clear_pointer(&s->path, g_free);
    if (s->transmit >= 0 && s->transmit != s->receive) {
        close(s->transmit);
    }
    if (s->receive >= 0) {
        close(s->receive);
    }
    s->receive = s->transmit = -1;
}
