/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: DLPI messages and states.
 *
 * The input is a program: each operation is a byte that says which, a byte of
 * length, and that many bytes.  A message of it starts with one of the
 * primitives there are, or comes as it is.
 */
#include <string.h>

#include "target-models/bytes.h"
#include "target-models/net/dlpi.h"

#define PPAS    3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the NIC was told, to be compared with what the stream says. */
typedef struct Nic {
    bool attached;
    bool bound;
    unsigned levels;
    unsigned n_enabled;
    bool refuses;
} Nic;

typedef struct Run {
    Nic nic;
    DlpiStream *stream;
    GByteArray *reply;
    uint8_t bytes[256];
    size_t size;
} Run;

static bool attach(void *opaque, uint32_t ppa, DlpiInfo *info)
{
    Nic *nic = opaque;

    g_assert(!nic->attached);
    nic->attached = ppa < PPAS;
    *info = (DlpiInfo){ 1, 1500 };
    return nic->attached;
}

static void detach(void *opaque)
{
    Nic *nic = opaque;

    g_assert(nic->attached && !nic->bound && nic->levels == 0);
    nic->attached = false;
}

static bool bind_sap(void *opaque, uint16_t sap)
{
    Nic *nic = opaque;

    g_assert(nic->attached && !nic->bound);
    nic->bound = !nic->refuses;
    return nic->bound;
}

static void unbind(void *opaque)
{
    Nic *nic = opaque;

    g_assert(nic->bound && nic->n_enabled == 0);
    nic->bound = false;
}

static void promiscuous(void *opaque, unsigned level, bool on)
{
    Nic *nic = opaque;

    g_assert(on == !(nic->levels >> level & 1));
    nic->levels ^= 1u << level;
}

static unsigned capabilities(void *opaque,
                             DlpiCapability list[DLPI_CAPABILITIES])
{
    list[0] = (DlpiCapability){ DLPI_CAPAB_HCKSUM, 6, 0, { 0 } };
    list[1] = (DlpiCapability){ DLPI_CAPAB_POLL, 2, 0, { 4, 0, 64, 2, 0 } };
    list[2] = (DlpiCapability){ DLPI_CAPAB_DIRECT, 2, 0, { 4, 9, 4, 2, 0 } };
    list[3] = (DlpiCapability){ DLPI_CAPAB_LSO, 2, 65536, { 0 } };
    return 4;
}

static bool enable(void *opaque, const DlpiCapability *list, unsigned n)
{
    Nic *nic = opaque;

    if (n && nic->refuses) {
        return false;
    }
    g_assert(n == 0 || nic->bound);
    for (unsigned i = 0; i < n; i++) {
        g_assert(list[i].flags & DLPI_ENABLE);
        g_assert(list[i].max <= 65536);
    }
    nic->n_enabled = n;
    return true;
}

static bool is_up(void *opaque, uint32_t *speed_mbps)
{
    *speed_mbps = 1000;
    return !((Nic *)opaque)->refuses;
}

static const DlpiOps ops = {
    attach, detach, bind_sap, unbind, promiscuous, capabilities, enable,
    is_up,
};

static const uint32_t primitives[] = {
    DLPI_INFO_REQ, DLPI_ATTACH_REQ, DLPI_DETACH_REQ, DLPI_BIND_REQ,
    DLPI_UNBIND_REQ, DLPI_PROMISCON_REQ, DLPI_PROMISCOFF_REQ,
    DLPI_PHYS_ADDR_REQ, DLPI_NOTIFY_REQ, DLPI_CAPABILITY_REQ,
};

static void request(Run *run, const uint8_t *bytes, size_t size)
{
    g_autofree uint8_t *copy = g_memdup2(bytes, size);

    dlpi_stream_request(run->stream, copy, size, run->reply);
    g_assert(run->reply->len >= 4 && run->reply->len <= DLPI_MAX_REPLY);
}

static void raw(Run *run)
{
    request(run, run->bytes, run->size);
}

static void known(Run *run)
{
    uint32_t primitive = GUINT32_TO_LE(
        primitives[run->bytes[0] % G_N_ELEMENTS(primitives)]);

    memcpy(run->bytes, &primitive, 4);
    request(run, run->bytes, MAX(run->size, 4));
}

/* The way of a driver that means well. */
static void go_on(Run *run)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    switch (dlpi_stream_state(run->stream)) {
    case DLPI_UNATTACHED:
        dlpi_add_message(out, DLPI_ATTACH_REQ,
                         (uint32_t[]){ run->bytes[0] % 4 }, 1);
        break;
    case DLPI_UNBOUND:
        dlpi_add_bind_req(out, 0x0800);
        break;
    default:
        dlpi_add_capability_req(out, NULL, 0);
    }
    request(run, out->data, out->len);
}

/* Enables what it is offered, some of it damaged. */
static void enable_some(Run *run)
{
    DlpiCapability list[DLPI_CAPABILITIES];
    g_autoptr(GByteArray) out = g_byte_array_new();
    int n;

    dlpi_add_capability_req(out, NULL, 0);
    request(run, out->data, out->len);
    n = dlpi_parse_capabilities(run->reply->data, run->reply->len, list);
    if (bytes_le32(run->reply->data) != DLPI_CAPABILITY_ACK) {
        return;
    }
    g_assert(n == DLPI_CAPABILITIES);
    for (int i = 0; i < n; i++) {
        list[i].flags |= run->bytes[i] & 1;
        list[i].interface.handle += run->bytes[i] == 255;
    }
    g_byte_array_set_size(out, 0);
    dlpi_add_capability_req(out, list, n);
    out->data[run->bytes[4] % out->len] ^= run->bytes[5] & run->bytes[6];
    request(run, out->data, out->len);
}

static void notify(Run *run)
{
    run->nic.refuses = run->bytes[0] & 1;
    if (run->bytes[0] & 2) {
        dlpi_stream_renegotiate(run->stream);
        g_assert(run->nic.n_enabled == 0);
    } else {
        dlpi_stream_notify(run->stream, 1u << run->bytes[1] % 32);
    }
    for (unsigned n = 0; dlpi_stream_indication(run->stream, run->reply);) {
        g_assert(++n < 8);
    }
}

static void load_damaged(Run *run)
{
    g_autoptr(GByteArray) state = dlpi_stream_save(run->stream);
    g_autoptr(GByteArray) after = NULL;

    state->data[run->bytes[0] % state->len] ^= run->bytes[1];
    if (!dlpi_stream_load(run->stream, state->data,
                          state->len - (run->bytes[2] == 1), NULL)) {
        g_assert(dlpi_stream_state(run->stream) == DLPI_UNATTACHED);
        return;
    }
    after = dlpi_stream_save(run->stream);
    g_assert(dlpi_stream_load(run->stream, after->data, after->len, NULL));
}

static void load_made_up(Run *run)
{
    dlpi_stream_load(run->stream, run->bytes, run->size, NULL);
}

static void (*const operations[])(Run *run) = {
    raw, known, known, go_on, go_on, enable_some, enable_some, notify,
    load_damaged, load_made_up,
};

static void check(const Run *run)
{
    DlpiState state = dlpi_stream_state(run->stream);
    unsigned n = 0;

    g_assert(run->nic.attached == (state != DLPI_UNATTACHED));
    g_assert(run->nic.bound == (state == DLPI_IDLE));
    n += dlpi_stream_enabled(run->stream, DLPI_CAPAB_HCKSUM) != NULL;
    n += dlpi_stream_enabled(run->stream, DLPI_CAPAB_POLL) != NULL;
    n += dlpi_stream_enabled(run->stream, DLPI_CAPAB_LSO) != NULL;
    n += dlpi_stream_enabled(run->stream, DLPI_CAPAB_DIRECT) != NULL;
    g_assert(n == run->nic.n_enabled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Run run = { .reply = g_byte_array_new() };

    run.stream = dlpi_stream_new(&ops, &run.nic);
    while (size > 2) {
        unsigned operation = data[0] % G_N_ELEMENTS(operations);

        memset(run.bytes, 0, sizeof(run.bytes));
        run.size = MIN(data[1] % 64, size - 2);
        memcpy(run.bytes, data + 2, run.size);
        data += 2 + run.size;
        size -= 2 + run.size;
        operations[operation](&run);
        check(&run);
    }
    dlpi_stream_free(run.stream);
    g_assert(!run.nic.attached);
    g_byte_array_unref(run.reply);
    return 0;
}
