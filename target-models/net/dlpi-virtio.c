/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DLPI carried by the feature negotiation of virtio (VIRTIO 1.2, 5.1.3). */
#include "dlpi.h"

#include "target-models/bytes.h"

#define NET_F_CSUM          (UINT64_C(1) << 0)
#define NET_F_HOST_TSO4     (UINT64_C(1) << 11)
#define NET_F_HOST_TSO6     (UINT64_C(1) << 12)
/* The driver tells when it wants no interrupts: VIRTIO 1.2, 6. */
#define F_EVENT_IDX         (UINT64_C(1) << 29)

static uint64_t features_of(const DlpiCapability *c)
{
    switch (c->type) {
    case DLPI_CAPAB_HCKSUM:
        return c->flags & DLPI_HCKSUM_PARTIAL ? NET_F_CSUM : 0;
    case DLPI_CAPAB_LSO:
        return (c->flags & DLPI_LSO_TCP_IPV4 ? NET_F_HOST_TSO4 : 0) |
               (c->flags & DLPI_LSO_TCP_IPV6 ? NET_F_HOST_TSO6 : 0);
    case DLPI_CAPAB_POLL:
        return F_EVENT_IDX;
    default:
        return 0;
    }
}

uint64_t dlpi_virtio_features(const DlpiCapability *list, unsigned n)
{
    uint64_t features = 0;

    for (unsigned i = 0; i < n; i++) {
        features |= features_of(&list[i]);
    }
    return features;
}

/* What @features leave of a capability. */
static void accept(DlpiCapability *c, uint64_t features, bool direct)
{
    bool wanted = c->type == DLPI_CAPAB_DIRECT ? direct
                                               : features_of(c) & features;

    if (c->type == DLPI_CAPAB_HCKSUM) {
        c->flags &= DLPI_HCKSUM_PARTIAL;    /* all that virtio knows */
    }
    if (!(features & NET_F_HOST_TSO4) && c->type == DLPI_CAPAB_LSO) {
        c->flags &= ~DLPI_LSO_TCP_IPV4;
    }
    if (!(features & NET_F_HOST_TSO6) && c->type == DLPI_CAPAB_LSO) {
        c->flags &= ~DLPI_LSO_TCP_IPV6;
    }
    c->flags = (c->flags & ~DLPI_ENABLE) | (wanted ? DLPI_ENABLE : 0);
}

/* Sends what is in @request.  Returns: whether the answer is @wanted. */
static bool say(DlpiStream *stream, GByteArray *request, GByteArray *reply,
                uint32_t wanted)
{
    dlpi_stream_request(stream, request->data, request->len, reply);
    g_byte_array_set_size(request, 0);
    return bytes_le32(reply->data) == wanted;
}

static bool attach_and_bind(DlpiStream *stream, uint32_t ppa,
                            GByteArray *request, GByteArray *reply)
{
    uint32_t level = DLPI_PROMISC_SAP;

    if (dlpi_stream_state(stream) == DLPI_UNATTACHED) {
        dlpi_add_message(request, DLPI_ATTACH_REQ, &ppa, 1);
        if (!say(stream, request, reply, DLPI_OK_ACK)) {
            return false;
        }
        dlpi_add_message(request, DLPI_PROMISCON_REQ, &level, 1);
        if (!say(stream, request, reply, DLPI_OK_ACK)) {
            return false;
        }
    }
    if (dlpi_stream_state(stream) == DLPI_IDLE) {
        return true;
    }
    dlpi_add_bind_req(request, 0);
    return say(stream, request, reply, DLPI_BIND_ACK);
}

bool dlpi_virtio_enable(DlpiStream *stream, uint32_t ppa, uint64_t features,
                        bool direct)
{
    g_autoptr(GByteArray) request = g_byte_array_new();
    g_autoptr(GByteArray) reply = g_byte_array_new();
    DlpiCapability list[DLPI_CAPABILITIES];
    int n;

    if (!attach_and_bind(stream, ppa, request, reply)) {
        return false;
    }
    dlpi_add_capability_req(request, NULL, 0);
    if (!say(stream, request, reply, DLPI_CAPABILITY_ACK)) {
        return false;
    }
    n = dlpi_parse_capabilities(reply->data, reply->len, list);
    if (n <= 0) {
        return n == 0;          /* there is nothing to enable */
    }
    for (int i = 0; i < n; i++) {
        accept(&list[i], features, direct);
    }
    dlpi_add_capability_req(request, list, n);
    return say(stream, request, reply, DLPI_CAPABILITY_ACK);
}
