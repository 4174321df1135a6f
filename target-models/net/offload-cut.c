/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Completing checksums and cutting packets into frames. */
#include "offload-internal.h"

uint16_t nic_pseudo_sum(const uint8_t *ip, bool v6, uint8_t protocol,
                        uint32_t length)
{
    uint8_t tail[8] = { 0 };
    uint16_t sum = v6 ? nic_sum(ip + IPV6_ADDRESSES, 32)
                      : nic_sum(ip + IPV4_ADDRESSES, 8);

    bytes_put_be32(tail, length);
    tail[7] = protocol;
    return nic_sum_add(sum, nic_sum(tail, sizeof(tail)));
}

static bool has_segments(const NicCutter *c)
{
    return c->offload.gso_type != NIC_GSO_NONE;
}

static bool is_tcp(const NicCutter *c)
{
    return c->frame.protocol == PROTOCOL_TCP;
}

/* Whether the headers are those of the type of segments. */
static bool type_matches(const NicCutter *c)
{
    bool v6 = c->frame.network == NIC_NETWORK_IPV6;

    if (c->frame.fragment || !c->frame.transport_offset) {
        return false;
    }
    switch (c->offload.gso_type & ~NIC_GSO_ECN) {
    case NIC_GSO_TCPV4:
        return !v6 && is_tcp(c);
    case NIC_GSO_TCPV6:
        return v6 && is_tcp(c);
    case NIC_GSO_UDP:
        return c->frame.protocol == PROTOCOL_UDP;
    default:
        return false;
    }
}

/*
 * Returns: bytes of the transport header at the end of @head, or 0 when it
 * does not end there.
 */
static size_t transport_size(const NicCutter *c, size_t head)
{
    size_t at = c->frame.transport_offset, size = UDP_HEADER;

    if (is_tcp(c)) {
        if (head < at + TCP_HEADER) {
            return 0;
        }
        size = c->header[at + TCP_OFFSET] / 16 * 4u;
        if (size < TCP_HEADER) {
            return 0;
        }
    }
    return at + size <= head ? size : 0;
}

/*
 * Lengths in the headers are not looked at: the driver need not have filled
 * them in, and nic_frame_parse() wants them to be possible.
 */
static void mend_lengths(uint8_t *data, size_t head, size_t length)
{
    NicDestination d;
    size_t behind;

    if (!nic_frame_destination(data, head, &d) ||
        head < d.header + (size_t)IPV4_HEADER) {
        return;
    }
    behind = MIN(length - d.header, UINT16_MAX);
    if (d.sap == NIC_SAP_IPV4) {
        bytes_put_be16(data + d.header + IPV4_TOTAL, behind);
    } else if (d.sap == NIC_SAP_IPV6 && behind >= IPV6_HEADER) {
        bytes_put_be16(data + d.header + IPV6_PAYLOAD,
                       behind - IPV6_HEADER);
    }
}

static bool init_segments(NicCutter *c, size_t length)
{
    size_t head = c->header_size;
    NicPacket packet = { c->header, head, length, NULL };
    size_t size;

    mend_lengths(c->header, head, length);
    if (!c->offload.gso_size || !nic_frame_parse(&packet, &c->frame) ||
        !type_matches(c)) {
        return false;
    }
    size = transport_size(c, head);
    if (!size || length == c->frame.transport_offset + size) {
        return false;
    }
    c->header_size = c->frame.transport_offset + size;
    c->left = length - c->header_size;
    /* all frames' lengths fit into their headers */
    return c->frame.transport_offset + size +
           MIN(c->left, c->offload.gso_size) <= UINT16_MAX;
}

bool nic_cutter_init(NicCutter *c, const OffloadHeader *offload,
                     const NicPiece *pieces, unsigned n_pieces, size_t length)
{
    size_t head = MIN(length, (size_t)NIC_HEAD);

    c->offload = *offload;
    c->cursor = nic_cursor(pieces, n_pieces);
    c->done = c->frames = 0;
    if (length > UINT32_MAX) {
        return false;
    }
    if (!has_segments(c)) {
        size_t end = (size_t)offload->checksum_start +
                     offload->checksum_offset + 2;

        c->header_size = 0;
        c->left = length;
        return length && (!(offload->flags & NIC_NEEDS_CHECKSUM) ||
                          end <= length);
    }
    c->header_size = head;
    if (nic_cursor_copy(&c->cursor, c->header, head) < head ||
        !init_segments(c, length)) {
        return false;
    }
    c->cursor = nic_cursor(pieces, n_pieces);
    return nic_cursor_skip(&c->cursor, c->header_size) == c->header_size;
}

size_t nic_cutter_longest(const NicCutter *c)
{
    if (!c->left) {
        return 0;
    }
    return has_segments(c)
               ? c->header_size + MIN(c->left, c->offload.gso_size)
               : c->left;
}

size_t nic_cutter_frames(const NicCutter *c)
{
    size_t size = has_segments(c) ? c->offload.gso_size : c->left;

    return c->left ? (c->left + size - 1) / size : 0;
}

/* A packet without segments: a copy of it, with its checksum. */
static size_t make_whole(NicCutter *c, uint8_t *to)
{
    size_t length = c->left, start = c->offload.checksum_start;
    size_t copied;
    uint16_t sum;

    c->left = 0;
    if (!(c->offload.flags & NIC_NEEDS_CHECKSUM)) {
        return nic_cursor_copy(&c->cursor, to, length) == length ? length
                                                                 : 0;
    }
    copied = nic_cursor_copy(&c->cursor, to, start);
    copied += nic_cursor_sum_copy(&c->cursor, to + start, length - start,
                                  &sum);
    /* 0 means "none" to UDP, and all ones are the same number: RFC 768 */
    sum = ~sum;
    sum_put(to + start + c->offload.checksum_offset,
            sum ? sum : UINT16_MAX);
    return copied == length ? length : 0;
}

static void put_ip_lengths(const NicCutter *c, uint8_t *to, size_t size)
{
    uint8_t *ip = to + c->frame.network_offset;
    size_t total = c->header_size + size - c->frame.network_offset;
    size_t header = (ip[0] & 15) * 4u;

    if (c->frame.network == NIC_NETWORK_IPV6) {
        bytes_put_be16(ip + IPV6_PAYLOAD, total - IPV6_HEADER);
        return;
    }
    bytes_put_be16(ip + IPV4_TOTAL, total);
    bytes_put_be16(ip + IPV4_ID, bytes_be16(ip + IPV4_ID) + c->frames);
    sum_put(ip + IPV4_CHECKSUM, 0);
    sum_put(ip + IPV4_CHECKSUM, ~nic_sum(ip, header));
}

/* CWR is of the first segment, PSH and FIN of the last: RFC 3168, 6.1.2. */
static void put_tcp(const NicCutter *c, uint8_t *tcp, bool last)
{
    bytes_put_be32(tcp + TCP_SEQUENCE,
                   bytes_be32(tcp + TCP_SEQUENCE) + c->done);
    if (c->frames) {
        tcp[TCP_FLAGS] &= ~TCP_CWR;
    }
    if (!last) {
        tcp[TCP_FLAGS] &= ~(TCP_PSH | TCP_FIN);
    }
}

static void put_transport(const NicCutter *c, uint8_t *to, size_t size,
                          uint16_t payload_sum)
{
    size_t at = c->frame.transport_offset;
    size_t header = c->header_size - at;
    uint8_t *transport = to + at, *field;
    uint16_t sum;

    if (is_tcp(c)) {
        put_tcp(c, transport, size == c->left);
        field = transport + TCP_CHECKSUM;
    } else {
        bytes_put_be16(transport + UDP_LENGTH, header + size);
        field = transport + UDP_CHECKSUM;
    }
    sum_put(field, 0);
    sum = nic_pseudo_sum(to + c->frame.network_offset,
                         c->frame.network == NIC_NETWORK_IPV6,
                         c->frame.protocol, header + size);
    sum = nic_sum_add(sum, nic_sum(transport, header));
    sum = nic_sum_add(sum, header % 2 ? nic_sum_swap(payload_sum)
                                      : payload_sum);
    sum = ~sum;
    sum_put(field, sum ? sum : UINT16_MAX);
}

size_t nic_cutter_next(NicCutter *c, uint8_t *to)
{
    size_t size = MIN(c->left, c->offload.gso_size);
    uint16_t sum;

    if (!c->left) {
        return 0;
    }
    if (!has_segments(c)) {
        return make_whole(c, to);
    }
    memcpy(to, c->header, c->header_size);
    if (nic_cursor_sum_copy(&c->cursor, to + c->header_size, size, &sum) <
        size) {
        c->left = 0;            /* pieces end before the packet does */
        return 0;
    }
    put_ip_lengths(c, to, size);
    put_transport(c, to, size, sum);
    c->frames++;
    c->done += size;
    c->left -= size;
    return c->header_size + size;
}
