/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of a Unix socket, played by a thread of the test
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "peer.h"

static void *peer_thread(void *opaque)
{
    Peer *peer = opaque;
    int fd = accept(peer->listener, NULL, NULL);

    if (fd >= 0) {
        peer->play(fd, peer->opaque);
        close(fd);
    }
    return NULL;
}

void peer_start(Peer *peer, PeerPlay play, void *opaque)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    peer->folder = g_dir_make_tmp("peer-XXXXXX", NULL);
    peer->path = g_build_filename(peer->folder, "socket", NULL);
    peer->play = play;
    peer->opaque = opaque;
    peer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    g_strlcpy(address.sun_path, peer->path, sizeof(address.sun_path));
    cr_assert_eq(bind(peer->listener, (struct sockaddr *)&address,
                      sizeof(address)), 0);
    cr_assert_eq(listen(peer->listener, 1), 0);
    peer->thread = g_thread_new("peer", peer_thread, peer);
}

void peer_finish(Peer *peer)
{
    g_thread_join(peer->thread);
    close(peer->listener);
    g_unlink(peer->path);
    g_rmdir(peer->folder);
    g_free(peer->path);
    g_free(peer->folder);
}

void peer_say(int fd, const char *text)
{
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

char *peer_hear(int fd)
{
    GString *line = g_string_new(NULL);
    char c;

    while (read(fd, &c, 1) == 1) {
        if (c == '\n') {
            return g_string_free(line, FALSE);
        }
        g_string_append_c(line, c);
    }
    g_string_free(line, TRUE);
    return NULL;
}
