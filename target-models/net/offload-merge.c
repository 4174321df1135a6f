/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verifying checksums and merging received segments of TCP. */
#include "offload-internal.h"

/* A segment whose headers are of the plain kind. */
typedef struct Segment {
    const uint8_t *data;
    uint8_t ip;                 /* where headers begin */
    uint8_t tcp;
    uint8_t payload;
    bool v6;
    uint32_t size;              /* bytes of payload */
} Segment;

NicVerdict nic_checksum_verify(const NicPacket *packet,
                               const NicFrame *f, NicPieces pieces)
{
    const uint8_t *ip = packet->data + f->network_offset;
    bool v6 = f->network == NIC_NETWORK_IPV6;
    size_t at = f->transport_offset, length, end;
    NicCursor cursor = nic_cursor(pieces.first, pieces.n);
    uint16_t sum, field;

    if (!at || f->fragment ||
        (f->protocol != PROTOCOL_TCP && f->protocol != PROTOCOL_UDP)) {
        return NIC_CHECKSUM_NONE;
    }
    end = f->network_offset +
          (v6 ? IPV6_HEADER + (size_t)bytes_be16(ip + IPV6_PAYLOAD)
              : bytes_be16(ip + IPV4_TOTAL));
    field = at + (f->protocol == PROTOCOL_TCP ? TCP_CHECKSUM
                                              : UDP_CHECKSUM);
    if (end > packet->length || packet->head < field + 2u ||
        end < field + 2u) {
        return NIC_CHECKSUM_NONE;       /* a jumbogram, or cut short */
    }
    if (f->protocol == PROTOCOL_UDP && !sum_get(packet->data + field)) {
        return v6 ? NIC_CHECKSUM_BAD : NIC_CHECKSUM_NONE;
    }
    length = end - at;
    nic_cursor_skip(&cursor, at);
    if (nic_cursor_sum(&cursor, length, &sum) < length) {
        return NIC_CHECKSUM_BAD;
    }
    sum = nic_sum_add(sum, nic_pseudo_sum(ip, v6, f->protocol, length));
    return sum == UINT16_MAX ? NIC_CHECKSUM_GOOD : NIC_CHECKSUM_BAD;
}

/* An IPv4 header without options, whole, and not of a fragment. */
static bool ipv4_is_plain(const uint8_t *ip)
{
    return ip[0] == 0x45 && nic_sum(ip, IPV4_HEADER) == UINT16_MAX;
}

/* Returns: whether @packet may be part of something merged. */
static bool find_segment(const NicPacket *packet, const NicFrame *f,
                         const NicMergeRules *rules, Segment *s)
{
    const uint8_t *ip = packet->data + f->network_offset;
    size_t header = f->network == NIC_NETWORK_IPV6 ? IPV6_HEADER
                                                   : IPV4_HEADER;
    size_t at = f->transport_offset, end, options;

    s->data = packet->data;
    s->v6 = f->network == NIC_NETWORK_IPV6;
    if (f->protocol != PROTOCOL_TCP || f->fragment ||
        at != f->network_offset + header || packet->head < at + TCP_HEADER ||
        !(s->v6 ? rules->ipv6 : rules->ipv4) ||
        (!s->v6 && !ipv4_is_plain(ip))) {
        return false;
    }
    options = packet->data[at + TCP_OFFSET] / 16 * 4u;
    end = f->network_offset +
          (s->v6 ? header + bytes_be16(ip + IPV6_PAYLOAD)
                 : bytes_be16(ip + IPV4_TOTAL));
    if (options < TCP_HEADER || packet->head < at + options ||
        end > packet->length || end < at + options ||
        at + options > NIC_MERGE_HEADER) {
        return false;
    }
    s->ip = f->network_offset;
    s->tcp = at;
    s->payload = at + options;
    s->size = end - s->payload;
    /* padding may only follow a segment that is left as it is */
    if (s->size && end != packet->length) {
        return false;
    }
    return (packet->data[at + TCP_FLAGS] & ~TCP_PSH & ~TCP_ECE) == TCP_ACK;
}

/* What RFC 791 says of two fragments of the same: identifications count. */
static bool ipv4_follows(const uint8_t *a, const uint8_t *b, unsigned n)
{
    uint16_t difference = bytes_be16(b + IPV4_ID) - bytes_be16(a + IPV4_ID);

    /* version, service; fragment word, lifetime, protocol; addresses */
    return a[1] == b[1] && difference == n &&
           memcmp(a + IPV4_FRAGMENT, b + IPV4_FRAGMENT, 4) == 0 &&
           memcmp(a + IPV4_ADDRESSES, b + IPV4_ADDRESSES, 8) == 0;
}

static bool ipv6_follows(const uint8_t *a, const uint8_t *b)
{
    /* version, class, label; next header, hops, addresses */
    return memcmp(a, b, IPV6_PAYLOAD) == 0 &&
           memcmp(a + IPV6_PAYLOAD + 2, b + IPV6_PAYLOAD + 2,
                  IPV6_HEADER - IPV6_PAYLOAD - 2) == 0;
}

/* Whether all below TCP, and its ports, say that @b comes after @n of @a. */
static bool same_flow(const Segment *a, const Segment *b, unsigned n)
{
    return a->payload == b->payload && a->tcp == b->tcp &&
           a->v6 == b->v6 && memcmp(a->data, b->data, a->ip) == 0 &&
           (a->v6 ? ipv6_follows(a->data + a->ip, b->data + b->ip)
                  : ipv4_follows(a->data + a->ip, b->data + b->ip, n)) &&
           memcmp(a->data + a->tcp, b->data + b->tcp, TCP_SEQUENCE) == 0;
}

/* Options of an acknowledgement that the next may replace: RFC 7323, A. */
static bool options_are_old(const Segment *a)
{
    static const uint8_t timestamps[] = { 1, 1, 8, 10 };
    size_t size = a->payload - a->tcp - TCP_HEADER;

    return size == 0 ||
           (size == 12 && memcmp(a->data + a->tcp + TCP_HEADER, timestamps,
                                 sizeof(timestamps)) == 0);
}

/* Whether @b makes the acknowledgement @a needless. */
static bool replaces(const Segment *a, const Segment *b, unsigned n)
{
    const uint8_t *tcp = a->data + a->tcp, *next = b->data + b->tcp;
    int32_t more = bytes_be32(next + TCP_ACKNOWLEDGED) -
                   bytes_be32(tcp + TCP_ACKNOWLEDGED);

    return b->size == 0 && more > 0 && same_flow(a, b, n) &&
           options_are_old(a) && options_are_old(b) &&
           memcmp(tcp + TCP_SEQUENCE, next + TCP_SEQUENCE, 4) == 0 &&
           tcp[TCP_FLAGS] == TCP_ACK && next[TCP_FLAGS] == TCP_ACK;
}

/* Whether @b comes next after @n segments that begin with @a. */
static bool follows(const Segment *a, const Segment *b, unsigned n)
{
    const uint8_t *tcp = a->data + a->tcp, *next = b->data + b->tcp;

    return b->size > 0 && b->size <= a->size && same_flow(a, b, n) &&
           bytes_be32(next + TCP_SEQUENCE) ==
               bytes_be32(tcp + TCP_SEQUENCE) + n * a->size &&
           memcmp(tcp + TCP_ACKNOWLEDGED, next + TCP_ACKNOWLEDGED,
                  TCP_FLAGS - TCP_ACKNOWLEDGED) == 0 &&
           ((tcp[TCP_FLAGS] ^ next[TCP_FLAGS]) & ~TCP_PSH) == 0 &&
           memcmp(tcp + TCP_WINDOW, next + TCP_WINDOW, 2) == 0 &&
           memcmp(tcp + TCP_URGENT, next + TCP_URGENT,
                  a->payload - a->tcp - TCP_URGENT) == 0;
}

/* Headers of a packet of @n segments. */
static void make_header(const Segment *a, uint8_t flags, NicMerged *merged)
{
    uint8_t *ip = merged->header + a->ip, *tcp = merged->header + a->tcp;
    uint32_t length = merged->length - a->tcp;

    memcpy(merged->header, a->data, a->payload);
    merged->header_size = a->payload;
    if (a->v6) {
        bytes_put_be16(ip + IPV6_PAYLOAD, length);
    } else {
        bytes_put_be16(ip + IPV4_TOTAL, length + IPV4_HEADER);
        sum_put(ip + IPV4_CHECKSUM, 0);
        sum_put(ip + IPV4_CHECKSUM, ~nic_sum(ip, IPV4_HEADER));
    }
    tcp[TCP_FLAGS] = flags;
    sum_put(tcp + TCP_CHECKSUM,
            nic_pseudo_sum(ip, a->v6, PROTOCOL_TCP, length));
    merged->offload = (OffloadHeader){
        .flags = NIC_NEEDS_CHECKSUM,
        .gso_type = a->v6 ? NIC_GSO_TCPV6 : NIC_GSO_TCPV4,
        .header = a->payload,
        .gso_size = a->size,
        .checksum_start = a->tcp,
        .checksum_offset = TCP_CHECKSUM,
    };
}

static NicVerdict verify(const NicPacket *packet, const NicFrame *frame,
                         NicPiecesFunc *pieces)
{
    NicPiece whole = { packet->data, packet->length };

    return nic_checksum_verify(packet, frame,
                               packet->head == packet->length
                                   ? (NicPieces){ &whole, 1 }
                                   : pieces(packet));
}

/* How a segment is told to be the next of a run. */
typedef bool NextFunc(const Segment *a, const Segment *b, unsigned n);

static bool continues(const NicPacket *packet, NextFunc *is_next,
                      const Segment *a, unsigned n,
                      const NicMergeRules *rules, NicPiecesFunc *pieces,
                      Segment *s)
{
    NicFrame frame;

    return nic_frame_parse(packet, &frame) &&
           find_segment(packet, &frame, rules, s) && is_next(a, s, n) &&
           verify(packet, &frame, pieces) == NIC_CHECKSUM_GOOD;
}

static void merge_run(const NicPacket *packets, unsigned n,
                      const Segment *first, const NicMergeRules *rules,
                      NicPiecesFunc *pieces, NicMerged *merged)
{
    /* lengths of IP have 16 bits */
    uint32_t limit = MIN(rules->max_length, (uint32_t)UINT16_MAX);
    uint8_t flags = first->data[first->tcp + TCP_FLAGS];
    Segment s = *first;

    while (merged->n < n && !(flags & TCP_PSH) && s.size == first->size &&
           continues(&packets[merged->n], follows, first, merged->n, rules,
                     pieces, &s) &&
           merged->length + s.size <= limit) {
        merged->length += s.size;
        merged->n++;
        flags = s.data[s.tcp + TCP_FLAGS];
    }
    if (merged->n > 1) {
        make_header(first, flags, merged);
    }
}

/* The last of a run of acknowledgements. */
static void replace_run(const NicPacket *packets, unsigned n, Segment *last,
                        const NicMergeRules *rules, NicPiecesFunc *pieces,
                        NicMerged *merged)
{
    Segment s;

    while (merged->n < n && continues(&packets[merged->n], replaces, last,
                                      1, rules, pieces, &s)) {
        merged->length = packets[merged->n].length;
        merged->n++;
        *last = s;
    }
}

void nic_merge(const NicPacket *packets, unsigned n,
               const NicMergeRules *rules, NicPiecesFunc *pieces,
               NicMerged *merged)
{
    NicFrame frame;
    Segment first;

    merged->n = 1;
    merged->length = packets->length;
    merged->header_size = 0;
    memset(&merged->offload, 0, sizeof(merged->offload));
    if (!nic_frame_parse(packets, &frame) ||
        verify(packets, &frame, pieces) != NIC_CHECKSUM_GOOD) {
        return;
    }
    merged->offload.flags = NIC_DATA_VALID;
    if (n < 2 || !find_segment(packets, &frame, rules, &first)) {
        return;
    }
    if (first.size) {
        merge_run(packets, n, &first, rules, pieces, merged);
    } else {
        replace_run(packets, n, &first, rules, pieces, merged);
    }
}
