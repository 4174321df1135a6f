/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LACP: frames.  IEEE 802.1AX-2014, 6.4.2 (LACPDU) and 6.5.3 (Marker). */
#include "lacp.h"

#include "target-models/bytes.h"
#include "frame.h"

#define SUBTYPE_LACP        1
#define SUBTYPE_MARKER      2
#define VERSION             1

/* Offsets in a frame. */
#define AT_TYPE             12
#define AT_SUBTYPE          14
#define AT_VERSION          15
#define AT_ACTOR            16
#define AT_PARTNER          36
#define AT_COLLECTOR        56
#define AT_COLLECTOR_DELAY  58
#define AT_TERMINATOR       72
#define AT_MARKER           16
#define AT_MARKER_PORT      18
#define AT_MARKER_SYSTEM    20
#define AT_MARKER_ID        26
#define AT_MARKER_END       32

/* Types and lengths of what there is in them. */
#define TLV_ACTOR           1
#define TLV_PARTNER         2
#define TLV_INFO_LENGTH     20
#define TLV_COLLECTOR       3
#define TLV_COLLECTOR_LENGTH 16
#define TLV_MARKER          1
#define TLV_MARKER_RESPONSE 2
#define TLV_MARKER_LENGTH   16

static void get_info(const uint8_t *tlv, LacpInfo *info)
{
    info->system_priority = bytes_be16(tlv + 2);
    info->system = nic_address_get(tlv + 4);
    info->key = bytes_be16(tlv + 10);
    info->port_priority = bytes_be16(tlv + 12);
    info->port = bytes_be16(tlv + 14);
    info->state = tlv[16];
}

static void put_info(uint8_t *tlv, uint8_t type, const LacpInfo *info)
{
    tlv[0] = type;
    tlv[1] = TLV_INFO_LENGTH;
    bytes_put_be16(tlv + 2, info->system_priority);
    nic_address_put(tlv + 4, info->system);
    bytes_put_be16(tlv + 10, info->key);
    bytes_put_be16(tlv + 12, info->port_priority);
    bytes_put_be16(tlv + 14, info->port);
    tlv[16] = info->state;
}

static LacpFrameKind decode_pdu(const uint8_t *frame, LacpPdu *pdu)
{
    if (frame[AT_ACTOR + 1] != TLV_INFO_LENGTH ||
        frame[AT_PARTNER + 1] != TLV_INFO_LENGTH ||
        frame[AT_COLLECTOR + 1] != TLV_COLLECTOR_LENGTH ||
        frame[AT_TERMINATOR + 1] != 0) {
        return LACP_FRAME_BAD;
    }
    get_info(frame + AT_ACTOR, &pdu->actor);
    get_info(frame + AT_PARTNER, &pdu->partner);
    pdu->collector_max_delay = bytes_be16(frame + AT_COLLECTOR_DELAY);
    return LACP_FRAME_LACPDU;
}

/* The type tells a marker from its response, so here it is looked at. */
static LacpFrameKind decode_marker(const uint8_t *frame, LacpMarker *marker)
{
    uint8_t type = frame[AT_MARKER];

    if ((type != TLV_MARKER && type != TLV_MARKER_RESPONSE) ||
        frame[AT_MARKER + 1] != TLV_MARKER_LENGTH ||
        frame[AT_MARKER_END + 1] != 0) {
        return LACP_FRAME_BAD;
    }
    marker->response = type == TLV_MARKER_RESPONSE;
    marker->port = bytes_be16(frame + AT_MARKER_PORT);
    marker->system = nic_address_get(frame + AT_MARKER_SYSTEM);
    marker->transaction = bytes_be32(frame + AT_MARKER_ID);
    return LACP_FRAME_MARKER;
}

LacpFrameKind lacp_frame_decode(const uint8_t *frame, size_t size,
                                LacpPdu *pdu, LacpMarker *marker)
{
    if (size < AT_VERSION + 1 ||
        bytes_be16(frame + AT_TYPE) != NIC_SAP_SLOW) {
        return LACP_FRAME_BAD;
    }
    if (frame[AT_SUBTYPE] != SUBTYPE_LACP &&
        frame[AT_SUBTYPE] != SUBTYPE_MARKER) {
        return LACP_FRAME_OTHER;
    }
    if (size < LACP_FRAME) {
        return LACP_FRAME_BAD;
    }
    return frame[AT_SUBTYPE] == SUBTYPE_LACP ? decode_pdu(frame, pdu)
                                             : decode_marker(frame, marker);
}

static void start_frame(uint8_t frame[LACP_FRAME], uint64_t source,
                        uint8_t subtype)
{
    memset(frame, 0, LACP_FRAME);
    nic_address_put(frame, LACP_DESTINATION);
    nic_address_put(frame + 6, source);
    bytes_put_be16(frame + AT_TYPE, NIC_SAP_SLOW);
    frame[AT_SUBTYPE] = subtype;
    frame[AT_VERSION] = VERSION;
}

void lacp_pdu_encode(const LacpPdu *pdu, uint64_t source,
                     uint8_t frame[LACP_FRAME])
{
    start_frame(frame, source, SUBTYPE_LACP);
    put_info(frame + AT_ACTOR, TLV_ACTOR, &pdu->actor);
    put_info(frame + AT_PARTNER, TLV_PARTNER, &pdu->partner);
    frame[AT_COLLECTOR] = TLV_COLLECTOR;
    frame[AT_COLLECTOR + 1] = TLV_COLLECTOR_LENGTH;
    bytes_put_be16(frame + AT_COLLECTOR_DELAY, pdu->collector_max_delay);
}

void lacp_marker_encode(const LacpMarker *marker, uint64_t source,
                        uint8_t frame[LACP_FRAME])
{
    start_frame(frame, source, SUBTYPE_MARKER);
    frame[AT_MARKER] = marker->response ? TLV_MARKER_RESPONSE : TLV_MARKER;
    frame[AT_MARKER + 1] = TLV_MARKER_LENGTH;
    bytes_put_be16(frame + AT_MARKER_PORT, marker->port);
    nic_address_put(frame + AT_MARKER_SYSTEM, marker->system);
    bytes_put_be32(frame + AT_MARKER_ID, marker->transaction);
}
