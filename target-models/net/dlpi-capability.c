/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DLPI: capabilities asked for, enabled, and revoked. */
#include "dlpi-internal.h"

#include <string.h>

#include "target-models/bytes.h"

#define ACK_HEADER  12

/*
 * The handle of an interface: which negotiation, which type.  It is no
 * secret; it tells a driver that missed a renegotiation from one that did
 * not.
 */
static uint64_t make_handle(const DlpiStream *stream, uint32_t type)
{
    return (uint64_t)stream->generation << 32 | (type & 0xff) << 8 |
           (stream->ppa & 0xff);
}

unsigned dlpi_stream_offered(DlpiStream *stream,
                             DlpiCapability list[DLPI_CAPABILITIES])
{
    unsigned n;

    memset(list, 0, DLPI_CAPABILITIES * sizeof(*list));
    n = stream->ops->capabilities(stream->opaque, list);
    n = MIN(n, DLPI_CAPABILITIES);
    for (unsigned i = 0; i < n; i++) {
        list[i].flags &= ~DLPI_ENABLE;
        list[i].interface.handle = dlpi_has_interface(list[i].type)
                                   ? make_handle(stream, list[i].type) : 0;
    }
    return n;
}

static DlpiCapability *find(DlpiCapability *list, unsigned n, uint32_t type)
{
    for (unsigned i = 0; i < n; i++) {
        if (list[i].type == type) {
            return &list[i];
        }
    }
    return NULL;
}

const DlpiCapability *dlpi_stream_enabled(const DlpiStream *stream,
                                          uint32_t type)
{
    return find((DlpiCapability *)stream->enabled, stream->n_enabled, type);
}

bool dlpi_stream_enable(DlpiStream *stream, const DlpiCapability *list,
                        unsigned n)
{
    if (!stream->ops->enable(stream->opaque, list, n)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        stream->enabled[i] = list[i];
    }
    stream->n_enabled = n;
    return true;
}

/*
 * Applies a request to the list that is to be enabled: of the flags those
 * that are offered, of LSO at most what is offered.
 *
 * Returns: false when the handle is not the one that was given.
 */
static bool merge(DlpiCapability *wanted, unsigned *n,
                  const DlpiCapability *request,
                  const DlpiCapability *offered)
{
    DlpiCapability *own = find(wanted, *n, request->type);

    if (!(request->flags & DLPI_ENABLE)) {
        if (own) {
            *own = wanted[--*n];
        }
        return true;
    }
    if (request->interface.handle != offered->interface.handle) {
        return false;
    }
    own = own ? own : &wanted[(*n)++];
    *own = *offered;
    own->flags = (request->flags & offered->flags) | DLPI_ENABLE;
    if (request->max) {
        own->max = MIN(request->max, offered->max);
    }
    return true;
}

/* The reply: offers, each as it is enabled or could be. */
static void reply_list(DlpiStream *stream, const DlpiCapability *list,
                       unsigned n, GByteArray *reply)
{
    uint32_t length;

    dlpi_add_message(reply, DLPI_CAPABILITY_ACK,
                     (uint32_t[]){ n ? ACK_HEADER : 0, 0 }, 2);
    for (unsigned i = 0; i < n; i++) {
        const DlpiCapability *own = dlpi_stream_enabled(stream,
                                                        list[i].type);

        dlpi_add_capability(reply, own ? own : &list[i]);
    }
    length = GUINT32_TO_LE(reply->len - ACK_HEADER);
    memcpy(reply->data + 8, &length, sizeof(length));
}

static void change(DlpiStream *stream, const DlpiCapability *requests,
                   unsigned n_requests, GByteArray *reply)
{
    DlpiCapability offered[DLPI_CAPABILITIES];
    DlpiCapability wanted[DLPI_CAPABILITIES];
    DlpiCapability answered[DLPI_CAPABILITIES];
    unsigned n_offered = dlpi_stream_offered(stream, offered);
    unsigned n = stream->n_enabled, n_answered = 0;

    memcpy(wanted, stream->enabled, sizeof(wanted));
    for (unsigned i = 0; i < n_requests; i++) {
        const DlpiCapability *offer = find(offered, n_offered,
                                           requests[i].type);

        if (!offer) {
            continue;           /* not in the reply: not to be had */
        }
        if (!merge(wanted, &n, &requests[i], offer)) {
            dlpi_stream_error(stream, DLPI_CAPABILITY_REQ, DLPI_BADADDR,
                              reply);
            return;
        }
        answered[n_answered++] = *offer;
    }
    if (!dlpi_stream_enable(stream, wanted, n)) {
        dlpi_stream_error(stream, DLPI_CAPABILITY_REQ, DLPI_INITFAILED,
                          reply);
        return;
    }
    reply_list(stream, answered, n_answered, reply);
}

void dlpi_stream_capability_req(DlpiStream *stream, const uint8_t *data,
                                size_t size, GByteArray *reply)
{
    DlpiCapability requests[DLPI_CAPABILITIES];
    DlpiCapability offered[DLPI_CAPABILITIES];
    int n = dlpi_parse_capabilities(data, size, requests);

    if (n < 0) {
        dlpi_stream_error(stream, DLPI_CAPABILITY_REQ, DLPI_BADPRIM, reply);
    } else if (stream->state == DLPI_UNATTACHED ||
               (bytes_le32(data + 8) && stream->state != DLPI_IDLE)) {
        dlpi_stream_error(stream, DLPI_CAPABILITY_REQ, DLPI_OUTSTATE,
                          reply);
    } else if (bytes_le32(data + 8)) {
        change(stream, requests, n, reply);
    } else {
        n = dlpi_stream_offered(stream, offered);
        reply_list(stream, offered, n, reply);
    }
}

bool dlpi_stream_renegotiate(DlpiStream *stream)
{
    stream->generation++;
    stream->stats.renegotiations++;
    if (stream->n_enabled) {
        dlpi_stream_enable(stream, NULL, 0);
    }
    return dlpi_stream_notify(stream, DLPI_NOTE_CAPAB_RENEG);
}
