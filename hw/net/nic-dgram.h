/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets of a sunder-nic-dgram
 *
 * A unix socket that is connected takes datagrams from its peer only, also
 * when that peer is long dead, and one that is not cannot be polled for room
 * in its peer's queue.  So unix wires have a socket for each direction: one
 * that is bound and open to all, and one that is connected anew whenever the
 * peer was away.  UDP wires and those given by number have one for both.
 */
#ifndef SUNDER_HW_NET_NIC_DGRAM_H
#define SUNDER_HW_NET_NIC_DGRAM_H

#include <sys/un.h>

typedef struct NicDgramSockets {
    int receive;                /* -1: none */
    int transmit;               /* the same, or one of its own; -1: none */
    struct sockaddr_un peer;    /* of a transmit socket of its own */
    bool connected;             /* transmit is; else nobody is there */
    char *path;                 /* of the file that is ours, or NULL */
    dev_t device;               /* of that file */
    ino_t inode;
} NicDgramSockets;

/* To be called first; nic_dgram_close() may follow at any time. */
void nic_dgram_init(NicDgramSockets *s);

/*
 * nic_dgram_open:
 * @local, @remote: addresses, "unix:PATH" or "udp:HOST:PORT"; or NULL
 * @fd: number or monitor's name of a connected socket; or NULL
 */
bool nic_dgram_open(NicDgramSockets *s, const char *local,
                    const char *remote, const char *fd, Error **errp);
void nic_dgram_close(NicDgramSockets *s);

/* Whether there is a peer to send to; connects to one that has come. */
bool nic_dgram_plugged(NicDgramSockets *s);

/* The peer of a unix wire has gone.  Returns: whether that can be. */
bool nic_dgram_unplugged(NicDgramSockets *s);

#endif
