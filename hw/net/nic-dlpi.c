/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: a stream of DLPI for each function.
 *
 * The stock driver's negotiation is carried by virtio: what is offered are
 * the capabilities acknowledged, FEATURES_OK enables them, DRIVER_OK opens
 * the direct channel.
 */
#include "qemu/osdep.h"
#include "hw/net/nic-dlpi-internal.h"
#include "hw/virtio/virtio-bus.h"
#include "migration/vmstate.h"

/* Bytes of a frame behind its header: IEEE 802.3, 3.2.7. */
#define MAX_SDU     1500

static void update_filter(NicDlpiWindow *w)
{
    NicFunction *f = nic_window_function(w);

    if (f && f->client) {
        nic_function_set_filter(f, nic_control_filter(f));
    }
}

static bool dlpi_attach(void *opaque, uint32_t ppa, DlpiInfo *info)
{
    NicDlpiWindow *w = opaque;
    NicFunction *f = nic_window_function(w);

    if (!f || ppa != w->number) {
        return false;
    }
    info->address = nic_address_get(f->mac);
    info->max_sdu = MAX_SDU;
    return true;
}

static void dlpi_detach(void *opaque)
{
    update_filter(opaque);
}

static bool dlpi_bind(void *opaque, uint16_t sap)
{
    NicDlpiWindow *w = opaque;

    w->bound = true;
    w->sap = sap;
    update_filter(w);
    return true;
}

static void dlpi_unbind(void *opaque)
{
    NicDlpiWindow *w = opaque;

    w->bound = false;
    update_filter(w);
}

static void dlpi_promiscuous(void *opaque, unsigned level, bool on)
{
    NicDlpiWindow *w = opaque;

    w->levels = deposit32(w->levels, level, 1, on);
    update_filter(w);
}

static void add_offload(DlpiCapability *list, unsigned *n, uint64_t features)
{
    uint32_t lso =
        (features & BIT_ULL(VIRTIO_NET_F_HOST_TSO4) ? DLPI_LSO_TCP_IPV4 : 0) |
        (features & BIT_ULL(VIRTIO_NET_F_HOST_TSO6) ? DLPI_LSO_TCP_IPV6 : 0);

    if (features & BIT_ULL(VIRTIO_NET_F_CSUM)) {
        list[(*n)++] = (DlpiCapability){
            .type = DLPI_CAPAB_HCKSUM, .flags = DLPI_HCKSUM_PARTIAL,
        };
    }
    if (lso) {
        list[(*n)++] = (DlpiCapability){
            .type = DLPI_CAPAB_LSO, .flags = lso, .max = UINT16_MAX,
        };
    }
}

static unsigned list_capabilities(const NicFunction *f,
                                  DlpiCapability list[DLPI_CAPABILITIES])
{
    uint32_t base = f->number * NIC_DLPI_WINDOW;
    unsigned n = 0;

    add_offload(list, &n, f->offered & nic_offload_features(f));
    list[n++] = (DlpiCapability){
        .type = DLPI_CAPAB_POLL, .flags = DLPI_POLL_CAPABLE,
        .interface = { NIC_DLPI_BAR, base + NIC_DLPI_POLL,
                       NIC_DLPI_POLL_STRIDE, f->pairs, 0 },
    };
    list[n++] = (DlpiCapability){
        .type = DLPI_CAPAB_DIRECT, .flags = DLPI_DIRECT_CAPABLE,
        .interface = { NIC_DLPI_BAR, base + NIC_DLPI_DIRECT,
                       NIC_DLPI_DIRECT_STRIDE, 2 * f->pairs, 0 },
    };
    return n;
}

static unsigned dlpi_capabilities(void *opaque,
                                  DlpiCapability list[DLPI_CAPABILITIES])
{
    NicFunction *f = nic_window_function(opaque);

    return f ? list_capabilities(f, list) : 0;
}

/*
 * Closed, virtio's notifiers are ours, and we do not set them: each
 * notification is dealt with by the processor that writes it.
 */
static void update_direct(NicDlpiWindow *w)
{
    NicFunction *f = nic_window_function(w);
    VirtioBusState *bus;

    if (!f || w->changing || w->holds != w->open) {
        return;
    }
    bus = VIRTIO_BUS(qdev_get_parent_bus(DEVICE(f)));
    f->direct = w->open;
    w->holds = !w->open;
    if (w->open) {
        virtio_bus_release_ioeventfd(bus);
    } else {
        virtio_bus_grab_ioeventfd(bus);
    }
}

static void stop_polling(NicFunction *f)
{
    for (unsigned i = 0; i < f->n_pairs; i++) {
        if (f->rx[i].polled) {
            nic_ring_set_polled(&f->rx[i], false);
        }
    }
}

static bool has(const DlpiCapability *list, unsigned n, uint32_t type)
{
    for (unsigned i = 0; i < n; i++) {
        if (list[i].type == type) {
            return true;
        }
    }
    return false;
}

static bool dlpi_enable(void *opaque, const DlpiCapability *list, unsigned n)
{
    NicDlpiWindow *w = opaque;
    NicFunction *f = nic_window_function(w);

    w->open = has(list, n, DLPI_CAPAB_DIRECT);
    if (f && !has(list, n, DLPI_CAPAB_POLL)) {
        stop_polling(f);
    }
    update_direct(w);
    return true;
}

static bool dlpi_link(void *opaque, uint32_t *speed_mbps)
{
    NicDlpiWindow *w = opaque;
    NicFunction *f = nic_window_function(w);
    const MacLink *link = f ? mac_port_link(f->group->mac) : NULL;

    *speed_mbps = link ? link->speed_mbps : 0;
    return link && link->up;
}

static const DlpiOps dlpi_ops = {
    .attach = dlpi_attach,
    .detach = dlpi_detach,
    .bind = dlpi_bind,
    .unbind = dlpi_unbind,
    .promiscuous = dlpi_promiscuous,
    .capabilities = dlpi_capabilities,
    .enable = dlpi_enable,
    .link = dlpi_link,
};

/* NULL while the card is being made or taken away. */
static NicDlpiWindow *window_of(NicFunction *f)
{
    NicDlpi *d = f->card->dlpi;

    return d && d->live ? &d->windows[f->number] : NULL;
}

static void window_reset(NicDlpiWindow *w)
{
    dlpi_stream_reset(w->stream);
    nic_window_set_vector(w, NIC_DLPI_NO_VECTOR);
    w->status = 0;
    w->control = 0;
    w->reply.size = w->indication.size = 0;
    memset(w->request, 0, sizeof(w->request));
    update_direct(w);
}

/* Function 0 forgets which of its vectors are in use. */
static void reset_function(NicDlpiWindow *w)
{
    window_reset(w);
    for (unsigned i = 0; w->number == 0 && i < NIC_MAX_FUNCTIONS; i++) {
        nic_window_set_vector(&w->card->dlpi->windows[i],
                              NIC_DLPI_NO_VECTOR);
    }
}

static void negotiate(NicDlpiWindow *w, bool direct)
{
    NicFunction *f = nic_window_function(w);

    if (!dlpi_virtio_enable(w->stream, w->number,
                            f->parent_obj.guest_features, direct)) {
        nic_function_break(f, "%s: DLPI refuses what the driver accepted",
                           f->id);
    }
}

void nic_dlpi_status(NicFunction *f, uint8_t status)
{
    NicDlpiWindow *w = window_of(f);
    uint8_t set;

    if (!w) {
        return;
    }
    if (!status) {
        reset_function(w);
        return;
    }
    set = status & ~w->status;
    w->status = status;
    if (set & VIRTIO_CONFIG_S_DRIVER_OK) {
        negotiate(w, true);
    } else if (set & VIRTIO_CONFIG_S_FEATURES_OK) {
        negotiate(w, false);
    }
}

void nic_dlpi_link_changed(NicFunction *f)
{
    NicDlpiWindow *w = window_of(f);
    const MacLink *link = mac_port_link(f->group->mac);

    if (!w) {
        return;
    }
    dlpi_stream_notify(w->stream, link->up ? DLPI_NOTE_LINK_UP
                                           : DLPI_NOTE_LINK_DOWN);
    if (link->up && link->speed_mbps != w->speed_mbps) {
        w->speed_mbps = link->speed_mbps;
        dlpi_stream_notify(w->stream, DLPI_NOTE_SPEED);
    }
    nic_window_indicate(w);
}

/* A virtio driver cannot negotiate again: it is done for it, at once. */
void nic_dlpi_renegotiate(NicFunction *f)
{
    NicDlpiWindow *w = window_of(f);

    if (!w) {
        return;
    }
    w->changing = true;
    dlpi_stream_renegotiate(w->stream);
    if (w->status & VIRTIO_CONFIG_S_FEATURES_OK) {
        negotiate(w, w->status & VIRTIO_CONFIG_S_DRIVER_OK);
    }
    w->changing = false;
    update_direct(w);
    nic_window_indicate(w);
}

uint64_t nic_dlpi_features(NicFunction *f, uint64_t features)
{
    const uint64_t carried = BIT_ULL(VIRTIO_NET_F_CSUM) |
                             BIT_ULL(VIRTIO_NET_F_HOST_TSO4) |
                             BIT_ULL(VIRTIO_NET_F_HOST_TSO6);
    DlpiCapability list[DLPI_CAPABILITIES] = { { 0 } };
    unsigned n = list_capabilities(f, list);

    return features & (dlpi_virtio_features(list, n) | ~carried);
}

void nic_dlpi_filter(NicFunction *f, MacFilter *filter)
{
    const NicDlpiWindow *w = window_of(f);

    if (!w) {
        return;
    }
    filter->promiscuous |= w->levels >> DLPI_PROMISC_PHYS & 1;
    filter->all_multicast |= w->levels >> DLPI_PROMISC_MULTI & 1;
    if (w->bound && !(w->levels >> DLPI_PROMISC_SAP & 1)) {
        filter->sap = w->sap;
    }
}

/* The regions stay until the card goes: PCI needs them for longer. */
static NicDlpi *make_mailbox(NicCard *card)
{
    NicDlpi *d = g_new0(NicDlpi, 1);

    memory_region_init(&d->bar, OBJECT(card), "sunder-nic-dlpi",
                       NIC_MAX_FUNCTIONS * NIC_DLPI_WINDOW);
    for (unsigned i = 0; i < NIC_MAX_FUNCTIONS; i++) {
        NicDlpiWindow *w = &d->windows[i];

        w->card = card;
        w->number = i;
        memory_region_init_io(&w->region, OBJECT(card), &nic_window_ops, w,
                              "sunder-nic-dlpi-window", NIC_DLPI_WINDOW);
        memory_region_add_subregion(&d->bar, i * NIC_DLPI_WINDOW,
                                    &w->region);
    }
    return d;
}

bool nic_dlpi_realize(NicCard *card, Error **errp)
{
    if (!card->dlpi) {
        card->dlpi = make_mailbox(card);
    }
    for (unsigned i = 0; i < NIC_MAX_FUNCTIONS; i++) {
        NicDlpiWindow *w = &card->dlpi->windows[i];

        w->vector = NIC_DLPI_NO_VECTOR;
        w->holds = false;
        w->stream = dlpi_stream_new(&dlpi_ops, w);
    }
    card->dlpi->live = true;
    pci_register_bar(PCI_DEVICE(card), NIC_DLPI_BAR,
                     PCI_BASE_ADDRESS_SPACE_MEMORY, &card->dlpi->bar);
    return true;
}

void nic_dlpi_unrealize(NicCard *card)
{
    if (!card->dlpi || !card->dlpi->live) {
        return;
    }
    for (unsigned i = 0; i < NIC_MAX_FUNCTIONS; i++) {
        NicDlpiWindow *w = &card->dlpi->windows[i];

        window_reset(w);
        g_clear_pointer(&w->stream, dlpi_stream_free);
    }
    card->dlpi->live = false;
}

void nic_dlpi_finalize(NicCard *card)
{
    g_clear_pointer(&card->dlpi, g_free);
}

static int put_window(QEMUFile *file, void *opaque, size_t size,
                      const VMStateField *field, JSONWriter *description)
{
    NicFunction *f = opaque;

    return vmstate_save_state(file, &vmstate_nic_window, window_of(f),
                              description);
}

static int get_window(QEMUFile *file, void *opaque, size_t size,
                      const VMStateField *field)
{
    NicFunction *f = opaque;

    return vmstate_load_state(file, &vmstate_nic_window, window_of(f),
                              vmstate_nic_window.version_id);
}

const VMStateInfo nic_dlpi_vmstate_info = {
    .name = "sunder-nic-dlpi",
    .get = get_window,
    .put = put_window,
};
