/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the offloads share; not for their callers. */
#ifndef SUNDER_NET_OFFLOAD_INTERNAL_H
#define SUNDER_NET_OFFLOAD_INTERNAL_H

#include "target-models/bytes.h"
#include "offload.h"

/* IANA protocol numbers */
#define PROTOCOL_TCP        6
#define PROTOCOL_UDP        17

/* RFC 791 */
#define IPV4_HEADER         20
#define IPV4_TOTAL          2
#define IPV4_ID             4
#define IPV4_FRAGMENT       6
#define IPV4_CHECKSUM       10
#define IPV4_ADDRESSES      12
/* RFC 8200 */
#define IPV6_HEADER         40
#define IPV6_PAYLOAD        4
#define IPV6_ADDRESSES      8
/* RFC 9293 */
#define TCP_HEADER          20
#define TCP_SEQUENCE        4
#define TCP_ACKNOWLEDGED    8
#define TCP_OFFSET          12
#define TCP_FLAGS           13
#define TCP_WINDOW          14
#define TCP_CHECKSUM        16
#define TCP_URGENT          18
#define TCP_FIN             0x01
#define TCP_PSH             0x08
#define TCP_ACK             0x10
#define TCP_ECE             0x40
#define TCP_CWR             0x80
/* RFC 768 */
#define UDP_HEADER          8
#define UDP_LENGTH          4
#define UDP_CHECKSUM        6

static inline uint16_t sum_get(const uint8_t *p)
{
    uint16_t sum;

    memcpy(&sum, p, sizeof(sum));
    return sum;
}

static inline void sum_put(uint8_t *p, uint16_t sum)
{
    memcpy(p, &sum, sizeof(sum));
}

/* What a checksum adds for @ip: the pseudo header. */
uint16_t nic_pseudo_sum(const uint8_t *ip, bool v6, uint8_t protocol,
                        uint32_t length);

#endif
