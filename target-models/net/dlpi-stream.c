/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DLPI: a stream, its states and its requests but for capabilities. */
#include "dlpi-internal.h"

#include <string.h>

#include "target-models/bytes.h"
#include "frame.h"

#define VERSION_2       2
#define MEDIUM_ETHER    4       /* DL_ETHER */
#define SERVICE_CLDLS   2       /* connectionless */
#define STYLE_2         0x501   /* attaches to a PPA */
#define SAP_LENGTH      ((uint32_t)-2)  /* two bytes, behind the address */
#define DLSAP           8       /* bytes: address and SAP */
#define ADDRESS         6
#define INFO_ACK        76      /* bytes; addresses follow */
#define BIND_ACK        24
#define PHYS_ADDR_ACK   12
#define FACTORY_ADDRESS 1       /* of DL_PHYS_ADDR_REQ */
#define CURRENT_ADDRESS 2
/* The highest length of IEEE 802.3; from 1536 on it is an Ethertype. */
#define LAST_LENGTH     1500

G_DEFINE_QUARK(sunder-dlpi-error-quark, dlpi_error)

DlpiStream *dlpi_stream_new(const DlpiOps *ops, void *opaque)
{
    DlpiStream *stream = g_new0(DlpiStream, 1);

    stream->ops = ops;
    stream->opaque = opaque;
    stream->state = DLPI_UNATTACHED;
    stream->generation = 1;
    return stream;
}

static void unbind(DlpiStream *stream)
{
    if (stream->n_enabled) {
        dlpi_stream_enable(stream, NULL, 0);
    }
    stream->ops->unbind(stream->opaque);
    stream->state = DLPI_UNBOUND;
}

static void detach(DlpiStream *stream)
{
    for (unsigned level = 1; level <= DLPI_PROMISC_MULTI; level++) {
        if (stream->promiscuous >> level & 1) {
            stream->ops->promiscuous(stream->opaque, level, false);
        }
    }
    stream->promiscuous = 0;
    stream->ops->detach(stream->opaque);
    stream->state = DLPI_UNATTACHED;
    stream->notes = stream->pending = 0;
    stream->generation++;
}

void dlpi_stream_reset(DlpiStream *stream)
{
    if (stream->state == DLPI_IDLE) {
        unbind(stream);
    }
    if (stream->state == DLPI_UNBOUND) {
        detach(stream);
    }
}

void dlpi_stream_free(DlpiStream *stream)
{
    if (stream) {
        dlpi_stream_reset(stream);
        g_free(stream);
    }
}

DlpiState dlpi_stream_state(const DlpiStream *stream)
{
    return stream->state;
}

const DlpiStats *dlpi_stream_stats(const DlpiStream *stream)
{
    return &stream->stats;
}

void dlpi_stream_error(DlpiStream *stream, uint32_t primitive,
                       DlpiErrno code, GByteArray *reply)
{
    stream->stats.errors++;
    g_byte_array_set_size(reply, 0);
    dlpi_add_message(reply, DLPI_ERROR_ACK,
                     (uint32_t[]){ primitive, code, 0 }, 3);
}

static void acknowledge(uint32_t primitive, GByteArray *reply)
{
    dlpi_add_message(reply, DLPI_OK_ACK, &primitive, 1);
}

static void add_address(GByteArray *out, uint64_t address)
{
    uint8_t bytes[ADDRESS];

    nic_address_put(bytes, address);
    g_byte_array_append(out, bytes, sizeof(bytes));
}

static void add_dlsap(GByteArray *out, const DlpiStream *stream)
{
    add_address(out, stream->info.address);
    bytes_add8(out, stream->sap);
    bytes_add8(out, stream->sap >> 8);
}

static void answer_info(DlpiStream *stream, GByteArray *reply)
{
    bool attached = stream->state != DLPI_UNATTACHED;
    uint32_t words[18] = {
        attached ? stream->info.max_sdu : 0, 0, attached ? DLSAP : 0,
        MEDIUM_ETHER, 0, stream->state, SAP_LENGTH, SERVICE_CLDLS,
        0, 0, 0, 0, STYLE_2, attached ? INFO_ACK : 0, VERSION_2,
        ADDRESS, INFO_ACK + (attached ? DLSAP : 0), 0,
    };

    dlpi_add_message(reply, DLPI_INFO_ACK, words, G_N_ELEMENTS(words));
    if (attached) {
        add_dlsap(reply, stream);
    }
    add_address(reply, NIC_BROADCAST);
}

static int attach(DlpiStream *stream, uint32_t ppa)
{
    if (stream->state != DLPI_UNATTACHED) {
        return DLPI_OUTSTATE;
    }
    if (!stream->ops->attach(stream->opaque, ppa, &stream->info)) {
        return DLPI_BADPPA;
    }
    stream->ppa = ppa;
    stream->sap = 0;
    stream->state = DLPI_UNBOUND;
    return -1;
}

/* @data: SAP, connections, services and management, automatic replies. */
static int bind_sap(DlpiStream *stream, const uint8_t *data)
{
    uint32_t sap = bytes_le32(data + 4);

    if (stream->state != DLPI_UNBOUND) {
        return DLPI_OUTSTATE;
    }
    if ((bytes_le32(data + 12) & 0xffff) != SERVICE_CLDLS) {
        return DLPI_UNSUPPORTED;
    }
    if (bytes_le32(data + 16)) {
        return DLPI_NOAUTO;
    }
    if (sap > UINT16_MAX || (sap > LAST_LENGTH && sap < NIC_FIRST_SAP)) {
        return DLPI_BADSAP;
    }
    if (!stream->ops->bind(stream->opaque, sap)) {
        return DLPI_INITFAILED;
    }
    stream->sap = sap;
    stream->state = DLPI_IDLE;
    return -1;
}

static void answer_bind(DlpiStream *stream, const uint8_t *data,
                        GByteArray *reply)
{
    int error = bind_sap(stream, data);

    if (error >= 0) {
        dlpi_stream_error(stream, DLPI_BIND_REQ, error, reply);
        return;
    }
    dlpi_add_message(reply, DLPI_BIND_ACK,
                     (uint32_t[]){ stream->sap, DLSAP, BIND_ACK, 0, 0 }, 5);
    add_dlsap(reply, stream);
}

static int promiscuous(DlpiStream *stream, uint32_t level, bool on)
{
    uint8_t bit = 1u << (level & 7);

    if (stream->state == DLPI_UNATTACHED) {
        return DLPI_OUTSTATE;
    }
    if (level < DLPI_PROMISC_PHYS || level > DLPI_PROMISC_MULTI) {
        return DLPI_UNSUPPORTED;
    }
    if (!on && !(stream->promiscuous & bit)) {
        return DLPI_NOTENAB;
    }
    if (on != !!(stream->promiscuous & bit)) {
        stream->promiscuous ^= bit;
        stream->ops->promiscuous(stream->opaque, level, on);
    }
    return -1;
}

static void answer_address(DlpiStream *stream, uint32_t kind,
                           GByteArray *reply)
{
    if (stream->state == DLPI_UNATTACHED) {
        dlpi_stream_error(stream, DLPI_PHYS_ADDR_REQ, DLPI_OUTSTATE, reply);
    } else if (kind != FACTORY_ADDRESS && kind != CURRENT_ADDRESS) {
        dlpi_stream_error(stream, DLPI_PHYS_ADDR_REQ, DLPI_UNSUPPORTED,
                          reply);
    } else {
        dlpi_add_message(reply, DLPI_PHYS_ADDR_ACK,
                         (uint32_t[]){ ADDRESS, PHYS_ADDR_ACK }, 2);
        add_address(reply, stream->info.address);
    }
}

/* Whoever asks for the link's changes is told at once how it is. */
static void answer_notify(DlpiStream *stream, uint32_t notes,
                          GByteArray *reply)
{
    uint32_t speed, supported = DLPI_NOTES;

    if (stream->state == DLPI_UNATTACHED) {
        dlpi_stream_error(stream, DLPI_NOTIFY_REQ, DLPI_OUTSTATE, reply);
        return;
    }
    stream->notes = notes & supported;
    stream->pending &= stream->notes;
    dlpi_add_message(reply, DLPI_NOTIFY_ACK, &supported, 1);
    dlpi_stream_notify(stream, stream->ops->link(stream->opaque, &speed)
                               ? DLPI_NOTE_LINK_UP : DLPI_NOTE_LINK_DOWN);
}

/* Bytes that a request has at least, or 0 when there is none such. */
static unsigned size_of(uint32_t primitive)
{
    switch (primitive) {
    case DLPI_INFO_REQ:
    case DLPI_DETACH_REQ:
    case DLPI_UNBIND_REQ:
        return 4;
    case DLPI_ATTACH_REQ:
    case DLPI_PROMISCON_REQ:
    case DLPI_PROMISCOFF_REQ:
    case DLPI_PHYS_ADDR_REQ:
        return 8;
    case DLPI_NOTIFY_REQ:
    case DLPI_CAPABILITY_REQ:
        return 12;
    case DLPI_BIND_REQ:
        return 20;
    default:
        return 0;
    }
}

static int leave(DlpiStream *stream, uint32_t primitive)
{
    if (primitive == DLPI_UNBIND_REQ && stream->state == DLPI_IDLE) {
        unbind(stream);
        return -1;
    }
    if (primitive == DLPI_DETACH_REQ && stream->state == DLPI_UNBOUND) {
        detach(stream);
        return -1;
    }
    return DLPI_OUTSTATE;
}

/* Those that are answered by DL_OK_ACK. */
static void answer_plain(DlpiStream *stream, uint32_t primitive,
                         const uint8_t *data, GByteArray *reply)
{
    int error;

    switch (primitive) {
    case DLPI_ATTACH_REQ:
        error = attach(stream, bytes_le32(data + 4));
        break;
    case DLPI_PROMISCON_REQ:
    case DLPI_PROMISCOFF_REQ:
        error = promiscuous(stream, bytes_le32(data + 4),
                            primitive == DLPI_PROMISCON_REQ);
        break;
    default:
        error = leave(stream, primitive);
    }
    if (error >= 0) {
        dlpi_stream_error(stream, primitive, error, reply);
    } else {
        acknowledge(primitive, reply);
    }
}

void dlpi_stream_request(DlpiStream *stream, const uint8_t *data,
                         size_t size, GByteArray *reply)
{
    uint32_t primitive = size >= 4 ? bytes_le32(data) : DLPI_PRIM_INVAL;
    unsigned least = size_of(primitive);

    stream->stats.requests++;
    g_byte_array_set_size(reply, 0);
    if (least == 0 || size < least || size > DLPI_MAX_REQUEST) {
        dlpi_stream_error(stream, primitive, DLPI_BADPRIM, reply);
        return;
    }
    switch (primitive) {
    case DLPI_INFO_REQ:
        answer_info(stream, reply);
        break;
    case DLPI_BIND_REQ:
        answer_bind(stream, data, reply);
        break;
    case DLPI_PHYS_ADDR_REQ:
        answer_address(stream, bytes_le32(data + 4), reply);
        break;
    case DLPI_NOTIFY_REQ:
        answer_notify(stream, bytes_le32(data + 4), reply);
        break;
    case DLPI_CAPABILITY_REQ:
        dlpi_stream_capability_req(stream, data, size, reply);
        break;
    default:
        answer_plain(stream, primitive, data, reply);
    }
}

bool dlpi_stream_notify(DlpiStream *stream, uint32_t note)
{
    const uint32_t link = DLPI_NOTE_LINK_UP | DLPI_NOTE_LINK_DOWN;

    if (note & stream->notes) {
        if (note & link) {
            stream->pending &= ~link;
        }
        stream->pending |= note & stream->notes;
    }
    return stream->pending != 0;
}

/* The lowest bit first. */
bool dlpi_stream_indication(DlpiStream *stream, GByteArray *message)
{
    uint32_t note = stream->pending & -stream->pending;
    uint32_t speed = 0;

    g_byte_array_set_size(message, 0);
    if (!note) {
        return false;
    }
    stream->pending &= ~note;
    stream->stats.indications++;
    stream->ops->link(stream->opaque, &speed);
    /* a speed is told in kbit/s, other notes have no data */
    dlpi_add_message(message, DLPI_NOTIFY_IND,
                     (uint32_t[]){ note, note == DLPI_NOTE_SPEED
                                   ? speed * 1000 : 0, 0, 0 }, 4);
    return true;
}
