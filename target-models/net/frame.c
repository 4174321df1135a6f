/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet frames: their headers. */
#include "frame.h"

#include "target-models/bytes.h"

/* Protocol numbers (IANA) that have something to hash, or lie before it. */
#define PROTOCOL_HOP_BY_HOP     0
#define PROTOCOL_TCP            6
#define PROTOCOL_UDP            17
#define PROTOCOL_ROUTING        43
#define PROTOCOL_FRAGMENT       44
#define PROTOCOL_ESP            50
#define PROTOCOL_AH             51
#define PROTOCOL_OPTIONS        60
#define PROTOCOL_SCTP           132

#define IPV4_HEADER             20
#define IPV4_FRAGMENT_BITS      0x3fff      /* more fragments, offset */
#define IPV6_HEADER             40
#define IPV6_FRAGMENT_BITS      0xfff9      /* offset, more fragments */
/* Ports of TCP, UDP and SCTP; the index of ESP. */
#define TRANSPORT_BYTES         4

uint64_t nic_address_get(const uint8_t *bytes)
{
    return (uint64_t)bytes_be32(bytes) << 16 | bytes_be16(bytes + 4);
}

void nic_address_put(uint8_t *bytes, uint64_t address)
{
    bytes_put_be32(bytes, address >> 16);
    bytes_put_be16(bytes + 4, address);
}

static bool is_tag(uint16_t type)
{
    return type == NIC_SAP_VLAN || type == NIC_SAP_SERVICE;
}

bool nic_frame_destination(const uint8_t *data, size_t head,
                           NicDestination *d)
{
    size_t at = NIC_HEADER - 2;
    uint16_t type;

    if (head < NIC_HEADER) {
        return false;
    }
    d->address = bytes_be64(data) >> 16;
    d->source = bytes_be64(data + 4) & NIC_BROADCAST;
    d->vlan = d->inner_vlan = 0;
    d->tags = d->priority = 0;
    for (type = bytes_be16(data + at); is_tag(type) &&
         d->tags < NIC_MAX_TAGS; type = bytes_be16(data + at)) {
        uint16_t tci;

        if (head < at + NIC_TAG + 2) {
            return false;
        }
        tci = bytes_be16(data + at + 2);
        if (d->tags++ == 0) {
            d->vlan = tci % NIC_VLANS;
            d->priority = tci >> 13;
        } else {
            d->inner_vlan = tci % NIC_VLANS;
        }
        at += NIC_TAG;
    }
    d->sap = type < NIC_FIRST_SAP ? NIC_SAP_LLC : type;
    d->header = at + 2;
    return true;
}

/* What is being looked at: the bytes of a datagram that are there. */
typedef struct Datagram {
    const uint8_t *data;        /* of the frame */
    size_t end;                 /* of the datagram, and of the head */
} Datagram;

static bool has_transport(uint8_t protocol)
{
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP ||
           protocol == PROTOCOL_SCTP || protocol == PROTOCOL_ESP;
}

static void find_transport(NicFrame *f, const Datagram *d, size_t at,
                           uint8_t protocol)
{
    f->protocol = protocol;
    if (!f->fragment && has_transport(protocol) &&
        at + TRANSPORT_BYTES <= d->end) {
        f->transport_offset = at;
    }
}

static void parse_ipv4(NicFrame *f, const NicPacket *packet)
{
    size_t at = f->destination.header;
    const uint8_t *ip = packet->data + at;
    size_t header, total;

    if (packet->head < at + IPV4_HEADER || ip[0] >> 4 != 4) {
        return;
    }
    header = (ip[0] & 15) * 4u;
    total = bytes_be16(ip + 2);
    if (header < IPV4_HEADER || total < header ||
        total > packet->length - at) {
        return;
    }
    f->network = NIC_NETWORK_IPV4;
    f->network_offset = at;
    f->fragment = bytes_be16(ip + 6) & IPV4_FRAGMENT_BITS;
    find_transport(f, &(Datagram){
        packet->data, MIN(at + total, packet->head)
    }, at + header, ip[9]);
}

/*
 * Steps over one extension header (RFC 8200, section 4) at @at.
 *
 * Returns: where the next header starts, or 0 when this is no extension or
 * does not end within the datagram.
 */
static size_t skip_extension(NicFrame *f, const Datagram *d, size_t at,
                             uint8_t protocol)
{
    size_t size;

    if (at + 8 > d->end) {
        return 0;
    }
    switch (protocol) {
    case PROTOCOL_HOP_BY_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_OPTIONS:
        size = (d->data[at + 1] + 1u) * 8;
        break;
    case PROTOCOL_AH:           /* RFC 4302: in words, less two */
        size = (d->data[at + 1] + 2u) * 4;
        break;
    case PROTOCOL_FRAGMENT:
        if (bytes_be16(d->data + at + 2) & IPV6_FRAGMENT_BITS) {
            f->fragment = true;
        }
        size = 8;
        break;
    default:
        return 0;
    }
    return at + size <= d->end ? at + size : 0;
}

static void parse_ipv6(NicFrame *f, const NicPacket *packet)
{
    size_t at = f->destination.header;
    const uint8_t *ip = packet->data + at;
    size_t next = at + IPV6_HEADER;
    Datagram d = { packet->data, packet->head };
    uint8_t protocol;
    size_t payload;

    if (packet->head < next || ip[0] >> 4 != 6) {
        return;
    }
    payload = bytes_be16(ip + 4);       /* 0: a jumbogram, RFC 2675 */
    if (payload > packet->length - next) {
        return;
    }
    if (payload) {
        d.end = MIN(next + payload, d.end);
    }
    f->network = NIC_NETWORK_IPV6;
    f->network_offset = at;
    protocol = ip[6];
    for (unsigned i = 0; i < NIC_MAX_EXTENSIONS && !f->fragment; i++) {
        size_t behind = skip_extension(f, &d, next, protocol);

        if (!behind) {
            break;
        }
        protocol = d.data[next];
        next = behind;
    }
    find_transport(f, &d, next, protocol);
}

bool nic_frame_parse(const NicPacket *packet, NicFrame *frame)
{
    if (!nic_frame_destination(packet->data, packet->head,
                               &frame->destination)) {
        return false;
    }
    frame->network = NIC_NETWORK_NONE;
    frame->fragment = false;
    frame->protocol = 0;
    frame->network_offset = frame->transport_offset = 0;
    if (frame->destination.sap == NIC_SAP_IPV4) {
        parse_ipv4(frame, packet);
    } else if (frame->destination.sap == NIC_SAP_IPV6) {
        parse_ipv6(frame, packet);
    }
    return true;
}
