/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: a function, as a virtio network device
 */
#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-bus.h"
#include "nic-ring.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "standard-headers/linux/virtio_ids.h"

#define CONTROL_QUEUE_SIZE 64

/* What no other file answers for. */
#define OWN_FEATURES \
    (1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_MRG_RXBUF | \
     1ull << VIRTIO_NET_F_STATUS | 1ull << VIRTIO_NET_F_SPEED_DUPLEX)

/* Forms of rings that nic-ring.c does not know. */
#define OTHER_RINGS \
    (1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER | \
     1ull << VIRTIO_F_NOTIFICATION_DATA)

bool nic_function_is_running(const NicFunction *f)
{
    return f->running && !f->parent_obj.broken;
}

/* --- queues ------------------------------------------------------------ */

static NicRing *ring_of(NicFunction *f, unsigned index)
{
    unsigned pair = index / 2;

    if (pair >= f->queues) {
        return NULL;            /* the control queue */
    }
    return index % 2 ? &f->tx[pair] : &f->rx[pair];
}

static void handle_transmit(VirtIODevice *vdev, VirtQueue *vq)
{
    NicRing *ring = ring_of(NIC_FUNCTION(vdev), virtio_get_queue_index(vq));

    if (ring) {
        nic_transmit_doorbell(ring);
    }
}

static void add_pair(NicFunction *f, unsigned pair)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(f);

    f->rx[pair].vq = virtio_add_queue(vdev, f->card->rx_queue_size,
                                      nic_receive_refilled);
    f->tx[pair].vq = virtio_add_queue(vdev, f->card->tx_queue_size,
                                      handle_transmit);
}

static void remove_pair(NicFunction *f, unsigned pair)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(f);

    nic_ring_stop(&f->rx[pair]);
    nic_ring_stop(&f->tx[pair]);
    virtio_del_queue(vdev, 2 * pair);
    virtio_del_queue(vdev, 2 * pair + 1);
    f->rx[pair].vq = NULL;
    f->tx[pair].vq = NULL;
}

/*
 * The control queue follows the last pair, and without multiqueue the
 * first (virtio 1.2, section 5.1.2).
 */
static void lay_queues(NicFunction *f, unsigned pairs)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(f);

    if (pairs == f->queues) {
        return;
    }
    if (f->control_vq) {
        virtio_del_queue(vdev, 2 * f->queues);
    }
    while (f->queues > pairs) {
        remove_pair(f, --f->queues);
    }
    while (f->queues < pairs) {
        add_pair(f, f->queues++);
    }
    f->control_vq = NULL;
    if (pairs) {
        f->control_vq = virtio_add_queue(vdev, CONTROL_QUEUE_SIZE,
                                         nic_control_handle);
    }
}

static int function_pre_load_queues(VirtIODevice *vdev, uint32_t n)
{
    NicFunction *f = NIC_FUNCTION(vdev);

    if (n % 2 == 0 || n < 3 || n / 2 > f->n_pairs) {
        return -EINVAL;
    }
    lay_queues(f, n / 2);
    return 0;
}

/* --- configuration and features ---------------------------------------- */

static void function_get_config(VirtIODevice *vdev, uint8_t *data)
{
    NicFunction *f = NIC_FUNCTION(vdev);
    uint32_t speed = f->card->speed_mbps;
    bool up = mac_port_link(f->group->mac)->up;
    struct virtio_net_config config = {
        .status = cpu_to_le16((up ? VIRTIO_NET_S_LINK_UP : 0) |
                              (f->announcing ? VIRTIO_NET_S_ANNOUNCE : 0)),
        .max_virtqueue_pairs = cpu_to_le16(f->n_pairs),
        .speed = cpu_to_le32(speed == MAC_SPEED_UNKNOWN ? UINT32_MAX : speed),
        .duplex = f->card->full_duplex,
    };

    memcpy(config.mac, f->mac, ETH_ALEN);
    nic_control_config(f, &config);
    memcpy(data, &config, sizeof(config));
}

static uint64_t function_get_features(VirtIODevice *vdev, uint64_t features,
                                      Error **errp)
{
    NicFunction *f = NIC_FUNCTION(vdev);
    uint64_t able = OWN_FEATURES | nic_control_features(f) |
                    nic_offload_features(f);

    features = (features & ~OTHER_RINGS) | (f->offered & able);
    virtio_add_feature(&features, VIRTIO_NET_F_MAC);
    return nic_dlpi_features(f, features);
}

static void function_set_features(VirtIODevice *vdev, uint64_t features)
{
    NicFunction *f = NIC_FUNCTION(vdev);
    bool many = virtio_has_feature(features, VIRTIO_NET_F_MQ) ||
                virtio_has_feature(features, VIRTIO_NET_F_RSS);

    lay_queues(f, many ? f->n_pairs : 1);
    nic_control_set_features(f, features);
}

void nic_function_config_changed(NicFunction *f)
{
    virtio_notify_config(VIRTIO_DEVICE(f));
}

void nic_function_set_filter(NicFunction *f, const MacFilter *filter)
{
    MacFilter copy = *filter;
    g_autoptr(GError) error = NULL;

    nic_dlpi_filter(f, &copy);
    if (f->client && !mac_client_set_filter(f->client, &copy, &error)) {
        f->bad_requests++;      /* more addresses than there is room for */
    }
}

void nic_function_set_pairs(NicFunction *f, unsigned pairs)
{
    if (f->pairs != pairs) {
        f->pairs = pairs;
        nic_dlpi_renegotiate(f);
    }
}

/* --- the driver comes and goes ----------------------------------------- */

static void update_pause(NicFunction *f)
{
    for (unsigned i = 0; i < f->group->n_ports; i++) {
        nic_port_update_pause(f->group->ports[i]);
    }
}

static void flush_ports(NicFunction *f)
{
    for (unsigned i = 0; i < f->group->n_ports; i++) {
        nic_port_flush(f->group->ports[i]);
    }
    nic_card_announce(f->card);
}

static void start_rings(NicFunction *f)
{
    for (unsigned i = 0; i < f->queues; i++) {
        nic_ring_start(&f->rx[i]);
        nic_ring_start(&f->tx[i]);
    }
}

static void stop_rings(NicFunction *f)
{
    for (unsigned i = 0; i < f->n_pairs; i++) {
        nic_ring_stop(&f->rx[i]);
        nic_ring_stop(&f->tx[i]);
    }
}

static void start(NicFunction *f)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(f);

    if (!nic_function_has(f, VIRTIO_F_VERSION_1)) {
        nic_function_break(f, "%s: the driver does not know virtio 1", f->id);
        return;
    }
    nic_memory_open(&f->memory, vdev->dma_as);
    f->running = true;
    start_rings(f);
    nic_function_set_filter(f, nic_control_filter(f));
}

static void stop(NicFunction *f)
{
    f->running = false;
    stop_rings(f);
    nic_memory_close(&f->memory);
}

static void kick(NicFunction *f)
{
    for (unsigned i = 0; i < f->queues; i++) {
        nic_transmit_doorbell(&f->tx[i]);
    }
}

static void function_set_status(VirtIODevice *vdev, uint8_t status)
{
    NicFunction *f = NIC_FUNCTION(vdev);
    bool ok = status & VIRTIO_CONFIG_S_DRIVER_OK;

    if (!vdev->vm_running || !ok) {
        flush_ports(f);         /* for the driver, while there is one */
    }
    if (ok && !f->running && vdev->vm_running && !vdev->broken) {
        start(f);
    } else if (!ok && f->running) {
        stop(f);
    }
    nic_dlpi_status(f, status);
    if (vdev->vm_running) {
        kick(f);
        update_pause(f);
    }
}

static void function_queue_reset(VirtIODevice *vdev, uint32_t index)
{
    NicRing *ring = ring_of(NIC_FUNCTION(vdev), index);

    if (ring) {
        nic_ring_stop(ring);
        update_pause(ring->function);
    }
}

static void function_queue_enable(VirtIODevice *vdev, uint32_t index)
{
    NicFunction *f = NIC_FUNCTION(vdev);
    NicRing *ring = ring_of(f, index);

    if (ring && nic_function_is_running(f)) {
        nic_ring_start(ring);
        update_pause(f);
    }
}

/* What the driver set is as it was built. */
static void function_reset(VirtIODevice *vdev)
{
    NicFunction *f = NIC_FUNCTION(vdev);
    NicCard *card = f->card;

    nic_control_reset(f);
    memcpy(f->mac, f->mac_address.a, ETH_ALEN);
    f->announcing = false;
    f->pairs = 1;
    for (unsigned i = 0; i < f->n_pairs; i++) {
        f->rx[i].polled = f->tx[i].polled = false;
        nic_ring_set_holdoff(&f->rx[i], card->rx_threshold,
                             card->rx_holdoff_us);
        nic_ring_set_holdoff(&f->tx[i], 0, 0);
    }
    nic_function_set_filter(f, nic_control_filter(f));
}

void nic_function_break(NicFunction *f, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list list;

    va_start(list, format);
    message = g_strdup_vprintf(format, list);
    va_end(list);
    f->bad_requests++;
    stop_rings(f);
    /* nobody waits for it any more; not from within what broke it */
    for (unsigned i = 0; i < f->group->n_ports; i++) {
        timer_mod(f->group->ports[i]->patience, nic_now());
    }
    virtio_error(VIRTIO_DEVICE(f), "%s", message);
}

unsigned nic_function_room(NicFunction *f)
{
    unsigned room = UINT_MAX;

    if (!nic_function_is_running(f)) {
        return room;
    }
    for (unsigned i = 0; i < f->pairs; i++) {
        unsigned n = nic_ring_heads(&f->rx[i], NIC_BURST);

        room = f->rx[i].size ? MIN(room, n) : room;
    }
    f->deaf &= room == 0;
    return f->deaf ? UINT_MAX : room;
}

void nic_function_give_up(NicFunction *f)
{
    f->deaf |= nic_function_room(f) == 0;
}

void nic_function_ask(NicFunction *f, bool soon)
{
    for (unsigned i = 0; i < f->pairs; i++) {
        NicRing *ring = &f->rx[i];
        unsigned n = nic_ring_heads(ring, UINT_MAX);
        unsigned wanted;

        if (soon) {
            ring->most = n;
        }
        wanted = ring->most - ring->most / 4;
        nic_ring_ask(ring, wanted > n ? wanted - n : 1);
    }
}

/* --- client of the MAC service ----------------------------------------- */

static void link_changed(void *opaque, const MacLink *link, uint64_t now_ns)
{
    NicFunction *f = opaque;

    nic_function_config_changed(f);
    nic_dlpi_link_changed(f);
}

static void withdrawn(void *opaque)
{
    NicFunction *f = opaque;

    f->client = NULL;
}

static const MacClientOps client_ops = {
    .accepting = nic_receive_accepting,
    .receive = nic_receive_batch,
    .resume = nic_transmit_resume,
    .link_changed = link_changed,
    .withdrawn = withdrawn,
};

static bool attach(NicFunction *f, Error **errp)
{
    g_autoptr(GError) error = NULL;
    MacFilter filter;

    mac_filter_init(&filter, nic_address_get(f->mac));
    f->client = mac_client_attach(f->group->mac, &filter, NULL, &client_ops,
                                  f, &error);
    if (!f->client) {
        error_setg(errp, "%s: %s", f->id, error->message);
        return false;
    }
    return true;
}

/* --- the device -------------------------------------------------------- */

static void make_rings(NicFunction *f)
{
    MemReentrancyGuard *guard =
        &DEVICE(qdev_get_parent_bus(DEVICE(f))->parent)->mem_reentrancy_guard;

    for (unsigned i = 0; i < f->n_pairs; i++) {
        nic_ring_init(&f->rx[i], f, i, false);
        nic_ring_init(&f->tx[i], f, i, true);
        nic_holdoff_set(&f->rx[i].holdoff, f->card->rx_threshold,
                        f->card->rx_holdoff_us * UINT64_C(1000), nic_now());
        f->tx[i].bh = qemu_bh_new_guarded(nic_transmit_run, &f->tx[i], guard);
    }
    f->heads = g_new(NicHead, 2);
}

static void free_rings(NicFunction *f)
{
    for (unsigned i = 0; i < f->n_pairs; i++) {
        nic_ring_fini(&f->rx[i]);
        nic_ring_fini(&f->tx[i]);
        g_clear_pointer(&f->tx[i].bh, qemu_bh_delete);
    }
    g_clear_pointer(&f->heads, g_free);
}

static bool realize_parts(NicFunction *f, Error **errp)
{
    if (!nic_control_realize(f, errp)) {
        return false;
    }
    if (!nic_offload_realize(f, errp)) {
        nic_control_unrealize(f);
        return false;
    }
    if (!attach(f, errp)) {
        nic_offload_unrealize(f);
        nic_control_unrealize(f);
        return false;
    }
    if (!nic_fault_realize_function(f, errp)) {
        mac_client_detach(g_steal_pointer(&f->client));
        nic_offload_unrealize(f);
        nic_control_unrealize(f);
        return false;
    }
    return true;
}

static void function_realize(DeviceState *dev, Error **errp)
{
    NicFunction *f = NIC_FUNCTION(dev);

    assert(f->card);
    f->id = g_strdup_printf("%s.f%u", f->card->id, f->number);
    f->n_pairs = f->card->queue_pairs;
    f->pairs = 1;
    memcpy(f->mac, f->mac_address.a, ETH_ALEN);
    make_rings(f);
    if (!realize_parts(f, errp)) {
        free_rings(f);
        g_clear_pointer(&f->id, g_free);
        return;
    }
    virtio_init(VIRTIO_DEVICE(dev), VIRTIO_ID_NET,
                sizeof(struct virtio_net_config));
    lay_queues(f, 1);
    f->card->functions[f->number] = f;
}

static void function_unrealize(DeviceState *dev)
{
    NicFunction *f = NIC_FUNCTION(dev);

    nic_dlpi_status(f, 0);
    stop(f);
    nic_card_forget(f->card, f);
    nic_fault_unrealize_function(f);
    g_clear_pointer(&f->client, mac_client_detach);
    nic_offload_unrealize(f);
    nic_control_unrealize(f);
    lay_queues(f, 0);
    free_rings(f);
    virtio_cleanup(VIRTIO_DEVICE(dev));
    g_clear_pointer(&f->id, g_free);
}

static const VMStateDescription vmstate_function = {
    .name = "sunder-nic-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    },
};

#define FEATURE(name, bit, on) \
    DEFINE_PROP_BIT64(name, NicFunction, offered, VIRTIO_NET_F_##bit, on)

static const Property function_properties[] = {
    FEATURE("csum", CSUM, true),
    FEATURE("guest_csum", GUEST_CSUM, true),
    FEATURE("guest_tso4", GUEST_TSO4, true),
    FEATURE("guest_tso6", GUEST_TSO6, true),
    FEATURE("guest_ecn", GUEST_ECN, true),
    FEATURE("guest_uso4", GUEST_USO4, true),
    FEATURE("guest_uso6", GUEST_USO6, true),
    FEATURE("host_tso4", HOST_TSO4, true),
    FEATURE("host_tso6", HOST_TSO6, true),
    FEATURE("host_ecn", HOST_ECN, true),
    FEATURE("host_uso", HOST_USO, true),
    FEATURE("mrg_rxbuf", MRG_RXBUF, true),
    FEATURE("status", STATUS, true),
    FEATURE("speed_duplex", SPEED_DUPLEX, true),
    FEATURE("ctrl_vq", CTRL_VQ, true),
    FEATURE("ctrl_rx", CTRL_RX, true),
    FEATURE("ctrl_vlan", CTRL_VLAN, true),
    FEATURE("ctrl_rx_extra", CTRL_RX_EXTRA, true),
    FEATURE("ctrl_mac_addr", CTRL_MAC_ADDR, true),
    FEATURE("ctrl_guest_offloads", CTRL_GUEST_OFFLOADS, true),
    FEATURE("guest_announce", GUEST_ANNOUNCE, true),
    FEATURE("mq", MQ, true),
    FEATURE("rss", RSS, true),
    FEATURE("hash", HASH_REPORT, false),
    FEATURE("notf_coal", NOTF_COAL, true),
    FEATURE("vq_notf_coal", VQ_NOTF_COAL, true),
};

static void function_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    VirtioDeviceClass *vc = VIRTIO_DEVICE_CLASS(class);

    vc->realize = function_realize;
    vc->unrealize = function_unrealize;
    vc->reset = function_reset;
    vc->queue_reset = function_queue_reset;
    vc->queue_enable = function_queue_enable;
    vc->get_config = function_get_config;
    vc->get_features = function_get_features;
    vc->set_features = function_set_features;
    vc->set_status = function_set_status;
    vc->pre_load_queues = function_pre_load_queues;
    vc->vmsd = &vmstate_sunder_nic_function;
    dc->vmsd = &vmstate_function;
    /* made by the card only */
    dc->user_creatable = false;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    device_class_set_props(dc, function_properties);
}

static const TypeInfo function_info = {
    .name = TYPE_NIC_FUNCTION,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(NicFunction),
    .class_init = function_class_init,
};

static void function_register(void)
{
    type_register_static(&function_info);
}
type_init(function_register)
