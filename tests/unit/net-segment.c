/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net-segment.h"

#include <criterion/criterion.h>
#include <string.h>

#include "target-models/bytes.h"

uint8_t segment_byte(uint32_t at)
{
    return at * 7 + (at >> 8) * 13;
}

uint16_t segment_sum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum += i % 2 ? bytes[i] : bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Of the segment and of the pseudo header in front of it. */
static uint16_t transport_sum(const uint8_t *ip, const uint8_t *transport,
                              size_t size, uint8_t protocol)
{
    uint8_t pseudo[40] = { 0 };
    bool v6 = ip[0] >> 4 == 6;
    uint32_t sum;

    memcpy(pseudo, ip + (v6 ? 8 : 12), v6 ? 32 : 8);
    bytes_put_be32(pseudo + 32, size);
    pseudo[39] = protocol;
    sum = segment_sum(pseudo, sizeof(pseudo)) +
          segment_sum(transport, size);
    return (sum & 0xffff) + (sum >> 16);
}

static uint8_t *put_ip(TestSegment *s, const SegmentSpec *spec, size_t size)
{
    uint8_t *ip = s->bytes + s->ip;

    if (spec->v6) {
        ip[0] = 0x60;
        bytes_put_be16(ip + 4, size);
        ip[6] = spec->protocol;
        ip[7] = 64;
        memcpy(ip + 8, spec->from, 16);
        memcpy(ip + 24, spec->to, 16);
        return ip + 40;
    }
    ip[0] = 0x45;
    bytes_put_be16(ip + 2, size + 20);
    bytes_put_be16(ip + 4, spec->id);
    ip[8] = 64;
    ip[9] = spec->protocol;
    memcpy(ip + 12, spec->from, 4);
    memcpy(ip + 16, spec->to, 4);
    bytes_put_be16(ip + 10, ~segment_sum(ip, 20));
    return ip + 20;
}

static void put_transport(uint8_t *p, const SegmentSpec *spec)
{
    bytes_put_be16(p, spec->from_port);
    bytes_put_be16(p + 2, spec->to_port);
    if (spec->protocol == PROTOCOL_UDP) {
        bytes_put_be16(p + 4, 8 + spec->size);
        return;
    }
    bytes_put_be32(p + 4, spec->sequence);
    bytes_put_be32(p + 8, spec->acknowledged);
    p[12] = (20 + spec->options) / 4 << 4;
    p[13] = spec->flags;
    bytes_put_be16(p + 14, 1000);
    memset(p + 20, 1, spec->options);   /* no operation: RFC 9293 */
}

void segment_make(TestSegment *s, const SegmentSpec *spec)
{
    bool udp = spec->protocol == PROTOCOL_UDP;
    size_t header = udp ? 8 : 20 + spec->options;
    uint8_t *transport;

    memset(s->bytes, 0, 256);
    memcpy(s->bytes, "\x52\x54\0\0\0\2\x52\x54\0\0\0\1", 12);
    s->ip = 14;
    if (spec->vlan) {
        bytes_put_be16(s->bytes + 12, NIC_SAP_VLAN);
        bytes_put_be16(s->bytes + 14, spec->vlan);
        s->ip = 18;
    }
    bytes_put_be16(s->bytes + s->ip - 2,
                   spec->v6 ? NIC_SAP_IPV6 : NIC_SAP_IPV4);
    transport = put_ip(s, spec, header + spec->size);
    put_transport(transport, spec);
    s->transport = transport - s->bytes;
    s->payload = s->transport + header;
    s->length = s->payload + spec->size;
    cr_assert_leq(s->length, SEGMENT_MAX);
    for (uint32_t i = 0; i < spec->size; i++) {
        s->bytes[s->payload + i] = segment_byte(spec->at + i);
    }
    bytes_put_be16(transport + (udp ? 6 : 16),
                   ~transport_sum(s->bytes + s->ip, transport,
                                  header + spec->size, spec->protocol));
}

bool segment_is_valid(const uint8_t *frame, size_t length)
{
    const uint8_t *ip = frame + (bytes_be16(frame + 12) == NIC_SAP_VLAN
                                     ? 18 : 14);
    bool v6 = ip[0] >> 4 == 6;
    const uint8_t *transport = ip + (v6 ? 40 : 20);
    size_t size = frame + length - transport;

    if (v6 ? bytes_be16(ip + 4) != size : bytes_be16(ip + 2) != size + 20) {
        return false;
    }
    return (v6 || segment_sum(ip, 20) == 0xffff) &&
           transport_sum(ip, transport, size, v6 ? ip[6] : ip[9]) == 0xffff;
}

NicPacket segment_packet(const TestSegment *s)
{
    return (NicPacket){ (uint8_t *)s->bytes, s->length, s->length, NULL };
}
