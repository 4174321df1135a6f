/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DLPI: a stream's state in bytes.
 *
 * All numbers are little endian.  "SDLP" and a version; state, PPA, SAP,
 * promiscuous levels, notifications asked for and pending, generation,
 * counters; the number of enabled capabilities and each as in a message.
 */
#include "dlpi-internal.h"

#include <string.h>

#include "target-models/bytes.h"

#define STATE_MAGIC     0x504c4453u     /* "SDLP" */
#define STATE_VERSION   1u
#define CAPABILITY_REQ  12              /* bytes of one without any */
#define LEVELS          (1u << DLPI_PROMISC_PHYS | 1u << DLPI_PROMISC_SAP | \
                         1u << DLPI_PROMISC_MULTI)

GByteArray *dlpi_stream_save(const DlpiStream *stream)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GByteArray) enabled = g_byte_array_new();

    bytes_add32(out, STATE_MAGIC);
    bytes_add32(out, STATE_VERSION);
    bytes_add32(out, stream->state);
    bytes_add32(out, stream->ppa);
    bytes_add32(out, stream->sap);
    bytes_add8(out, stream->promiscuous);
    bytes_add32(out, stream->notes);
    bytes_add32(out, stream->pending);
    bytes_add32(out, stream->generation);
    bytes_add64(out, stream->stats.requests);
    bytes_add64(out, stream->stats.errors);
    bytes_add64(out, stream->stats.indications);
    bytes_add64(out, stream->stats.renegotiations);
    dlpi_add_capability_req(enabled, stream->enabled, stream->n_enabled);
    g_byte_array_append(out, enabled->data, enabled->len);
    return out;
}

/* Fills @to, which keeps its operations.  Returns: what is wrong. */
static const char *parse(DlpiStream *to, const uint8_t *data, size_t size)
{
    BytesReader r = { data, size, false };
    uint32_t sap;
    int n;

    if (bytes_take32(&r) != STATE_MAGIC ||
        bytes_take32(&r) != STATE_VERSION) {
        return "its first bytes are not ours";
    }
    to->state = bytes_take32(&r);
    to->ppa = bytes_take32(&r);
    sap = bytes_take32(&r);
    to->sap = sap;
    to->promiscuous = bytes_take8(&r);
    to->notes = bytes_take32(&r);
    to->pending = bytes_take32(&r);
    to->generation = bytes_take32(&r);
    to->stats.requests = bytes_take64(&r);
    to->stats.errors = bytes_take64(&r);
    to->stats.indications = bytes_take64(&r);
    to->stats.renegotiations = bytes_take64(&r);
    n = dlpi_parse_capabilities(r.at, r.left, to->enabled);
    if (r.is_short || n < 0) {
        return "it ends too early";
    }
    if (r.left != CAPABILITY_REQ + bytes_le32(r.at + 8)) {
        return "bytes are left over";
    }
    to->n_enabled = n;
    return sap > UINT16_MAX ? "its SAP is out of range" : NULL;
}

static const char *check(const DlpiStream *s)
{
    if (s->state != DLPI_UNATTACHED && s->state != DLPI_UNBOUND &&
        s->state != DLPI_IDLE) {
        return "there is no such state";
    }
    if ((s->notes & ~DLPI_NOTES) || (s->pending & ~s->notes) ||
        (s->promiscuous & ~LEVELS)) {
        return "it has notifications or levels that cannot be";
    }
    if (s->state == DLPI_UNATTACHED && (s->notes || s->promiscuous)) {
        return "it is unattached and yet in use";
    }
    if (s->state != DLPI_IDLE && s->n_enabled) {
        return "capabilities are enabled without being bound";
    }
    return NULL;
}

static bool is_within(const DlpiCapability *c, const DlpiCapability *offered)
{
    const DlpiInterface *a = &c->interface, *b = &offered->interface;

    return c->type == offered->type && (c->flags & DLPI_ENABLE) &&
           !(c->flags & ~(offered->flags | DLPI_ENABLE)) &&
           c->max <= offered->max && a->bar == b->bar &&
           a->offset == b->offset && a->stride == b->stride &&
           a->n == b->n && a->handle == b->handle;
}

/* What is enabled must be what is offered here too. */
static bool enable(DlpiStream *to, const DlpiStream *from)
{
    DlpiCapability offered[DLPI_CAPABILITIES];
    unsigned n = dlpi_stream_offered(to, offered);

    for (unsigned i = 0; i < from->n_enabled; i++) {
        const DlpiCapability *c = &from->enabled[i];
        bool found = false;

        for (unsigned j = 0; j < n; j++) {
            found |= is_within(c, &offered[j]);
        }
        if (!found) {
            return false;
        }
    }
    return from->n_enabled == 0 ||
           dlpi_stream_enable(to, from->enabled, from->n_enabled);
}

/* Goes the way that the driver went. */
static const char *follow(DlpiStream *to, const DlpiStream *from)
{
    if (from->state == DLPI_UNATTACHED) {
        return NULL;
    }
    if (!to->ops->attach(to->opaque, from->ppa, &to->info)) {
        return "its PPA is not to be had here";
    }
    to->ppa = from->ppa;
    to->generation = from->generation;  /* handles depend on the two */
    to->state = DLPI_UNBOUND;
    for (unsigned level = 1; level <= DLPI_PROMISC_MULTI; level++) {
        if (from->promiscuous >> level & 1) {
            to->promiscuous |= 1u << level;
            to->ops->promiscuous(to->opaque, level, true);
        }
    }
    to->sap = from->sap;
    if (from->state == DLPI_UNBOUND) {
        return NULL;
    }
    if (!to->ops->bind(to->opaque, from->sap)) {
        return "its SAP is not to be had here";
    }
    to->state = DLPI_IDLE;
    return enable(to, from) ? NULL
                            : "what it has enabled is not to be had here";
}

bool dlpi_stream_load(DlpiStream *stream, const uint8_t *data, size_t size,
                      GError **error)
{
    DlpiStream from = { .n_enabled = 0 };
    const char *wrong = parse(&from, data, size);

    dlpi_stream_reset(stream);
    wrong = wrong ? wrong : check(&from);
    wrong = wrong ? wrong : follow(stream, &from);
    if (wrong) {
        dlpi_stream_reset(stream);
        g_set_error(error, DLPI_ERROR, DLPI_ERROR_STATE, "state of DLPI: "
                    "%s; it was damaged or made by another version or "
                    "machine", wrong);
        return false;
    }
    stream->notes = from.notes;
    stream->pending = from.pending;
    stream->generation = from.generation;
    stream->stats = from.stats;
    return true;
}
