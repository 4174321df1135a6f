/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames for a guest: see net-load-frame.h. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net-load-frame.h"

#define ETHERNET_TYPE   12
#define IP              14      /* where the header begins */
#define IP_BYTES        20
#define PAYLOAD         (IP + IP_BYTES)
#define PROTOCOL_ICMP   1
#define PROTOCOL_UDP    17
#define ECHO_REPLY      0
#define ECHO_REQUEST    8
#define ECHO_ID         0x5344
#define ECHO_DATA      (PAYLOAD + 8)

static void put16(guint8 *p, guint16 value)
{
    p[0] = value >> 8;
    p[1] = value;
}

static void put32(guint8 *p, guint32 value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

/* RFC 1071; @size is even. */
static guint16 checksum(const guint8 *p, gsize size)
{
    guint32 sum = 0;

    for (gsize i = 0; i < size; i += 2) {
        sum += p[i] << 8 | p[i + 1];
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

gboolean frame_parse_mac(const char *text, guint8 mac[6])
{
    int end = 0;

    return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0],
                  &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) == 6 &&
           !text[end];
}

gboolean frame_parse_ip(const char *text, guint32 *ip)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1) {
        return FALSE;
    }
    *ip = ntohl(address.s_addr);
    return TRUE;
}

static void make_ip(guint8 *frame, const FrameRoute *route, guint8 protocol)
{
    guint8 *ip = frame + IP;

    memset(frame, 0, FRAME_BYTES);
    memcpy(frame, route->to, 6);
    memcpy(frame + 6, route->from, 6);
    put16(frame + ETHERNET_TYPE, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, FRAME_BYTES - IP);
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, route->from_ip);
    put32(ip + 16, route->to_ip);
    put16(ip + 10, checksum(ip, IP_BYTES));
}

void frame_make_udp(guint8 frame[FRAME_BYTES], const FrameRoute *route,
                    guint16 flow)
{
    guint8 *udp = frame + PAYLOAD;

    make_ip(frame, route, PROTOCOL_UDP);
    put16(udp, flow);
    put16(udp + 2, FRAME_UDP_PORT);
    put16(udp + 4, FRAME_BYTES - PAYLOAD);
    /* No checksum: RFC 768 allows that. */
}

void frame_make_echo(guint8 frame[FRAME_BYTES], const FrameRoute *route,
                     const FrameEcho *echo)
{
    guint8 *icmp = frame + PAYLOAD;

    make_ip(frame, route, PROTOCOL_ICMP);
    icmp[0] = ECHO_REQUEST;
    put16(icmp + 4, ECHO_ID);
    memcpy(frame + ECHO_DATA, echo, sizeof(*echo));
    put16(icmp + 2, checksum(icmp, FRAME_BYTES - PAYLOAD));
}

gboolean frame_is_reply(const guint8 *frame, gsize size, FrameEcho *echo)
{
    if (size < ECHO_DATA + sizeof(*echo) || frame[IP] != 0x45 ||
        frame[IP + 9] != PROTOCOL_ICMP || frame[PAYLOAD] != ECHO_REPLY ||
        (frame[PAYLOAD + 4] << 8 | frame[PAYLOAD + 5]) != ECHO_ID) {
        return FALSE;
    }
    memcpy(echo, frame + ECHO_DATA, sizeof(*echo));
    return TRUE;
}
