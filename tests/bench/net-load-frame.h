/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames for a guest: UDP that nobody answers, and echo requests (RFC 792)
 * with the time in them, which its kernel sends back.
 */
#ifndef SUNDER_BENCH_NET_LOAD_FRAME_H
#define SUNDER_BENCH_NET_LOAD_FRAME_H

#include <glib.h>

/* The smallest that Ethernet has, without the checksum at the end. */
#define FRAME_BYTES 60
/* The discard service (RFC 863). */
#define FRAME_UDP_PORT 9

/* From whom, to whom; addresses of IPv4 in the host's order. */
typedef struct FrameRoute {
    guint8 to[6];
    guint8 from[6];
    guint32 to_ip;
    guint32 from_ip;
} FrameRoute;

/* Reads "52:54:00:00:00:01" into @mac; whether it is one. */
gboolean frame_parse_mac(const char *text, guint8 mac[6]);

/* Reads "10.0.0.1" into @ip; whether it is one. */
gboolean frame_parse_ip(const char *text, guint32 *ip);

/* The source port is @flow. */
void frame_make_udp(guint8 frame[FRAME_BYTES], const FrameRoute *route,
                    guint16 flow);

/* What an echo request carries, and its answer. */
typedef struct FrameEcho {
    guint64 number;
    gint64 time_ns;
} FrameEcho;

void frame_make_echo(guint8 frame[FRAME_BYTES], const FrameRoute *route,
                     const FrameEcho *echo);

/* Whether @frame answers an echo request of ours, and which. */
gboolean frame_is_reply(const guint8 *frame, gsize size, FrameEcho *echo);

#endif
