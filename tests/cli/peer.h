/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of a Unix socket, played by a thread of the test
 */
#ifndef TESTS_CLI_PEER_H
#define TESTS_CLI_PEER_H

#include <glib.h>

/* Gets the accepted connection; it is closed when the function returns. */
typedef void (*PeerPlay)(int fd, void *opaque);

typedef struct Peer {
    char *folder;
    char *path;         /* of the socket */
    int listener;
    PeerPlay play;
    void *opaque;
    GThread *thread;
} Peer;

void peer_start(Peer *peer, PeerPlay play, void *opaque);

/* Wait for the play's end, and clean up. */
void peer_finish(Peer *peer);

/* Write all of @text. */
void peer_say(int fd, const char *text);

/* Read up to a newline, which is not returned; NULL at the end. */
char *peer_hear(int fd);

#endif /* TESTS_CLI_PEER_H */
