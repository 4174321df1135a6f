/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: the card: properties, ports, groups
 */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/core/qdev-prop-internal.h"
#include "hw/qdev-properties.h"
#include "nic-layout.h"
#include "nic-ring.h"
#include "qapi/error.h"

NicCardList nic_cards = QLIST_HEAD_INITIALIZER(nic_cards);

NicCard *nic_card_find(const char *id)
{
    NicCard *card;

    QLIST_FOREACH(card, &nic_cards, next) {
        if (strcmp(card->id, id) == 0) {
            return card;
        }
    }
    return NULL;
}

/* The user's id, or the first "nicN" that is free. */
static char *choose_id(const DeviceState *dev)
{
    if (dev->id) {
        return g_strdup(dev->id);
    }
    for (unsigned i = 0; ; i++) {
        char *id = g_strdup_printf("nic%u", i);

        if (!nic_card_find(id)) {
            return id;
        }
        g_free(id);
    }
}

void nic_card_announce(NicCard *card)
{
    while (card->touched) {
        NicRing *ring = card->touched;
        unsigned n = ring->fresh;

        card->touched = ring->next_touched;
        ring->touched = false;
        ring->fresh = 0;
        nic_ring_announce(ring, n);
    }
}

void nic_card_forget(NicCard *card, NicFunction *f)
{
    nic_card_announce(card);
    card->functions[f->number] = NULL;
}

void nic_card_adopt(NicCard *card, NicFunction *f, unsigned number)
{
    f->card = card;
    f->number = number;
    f->group = card->group_of[number];
    f->mac_address = card->macs[number];
    if (number) {
        f->offered = card->function0.offered;
        f->parent_obj.host_features = card->common_features;
    } else {
        card->common_features = f->parent_obj.host_features;
    }
}

/* --- realize ----------------------------------------------------------- */

static bool is_power_of_2_up_to(uint32_t n, uint32_t max)
{
    return n && n <= max && (n & (n - 1)) == 0;
}

static bool check_ring_size(NicCard *card, const char *name, uint32_t size,
                            Error **errp)
{
    if (is_power_of_2_up_to(size, VIRTQUEUE_MAX_SIZE)) {
        return true;
    }
    error_setg(errp, "%s: %s is %u; give a power of 2 from 1 to %u",
               card->id, name, size, VIRTQUEUE_MAX_SIZE);
    return false;
}

static bool check_numbers(NicCard *card, Error **errp)
{
    if (card->queue_pairs < 1 || card->queue_pairs > NIC_MAX_QUEUE_PAIRS) {
        error_setg(errp, "%s: queue-pairs is %u; give 1 to %u", card->id,
                   card->queue_pairs, NIC_MAX_QUEUE_PAIRS);
        return false;
    }
    if (!(card->threshold >= 1.0)) {
        error_setg(errp, "%s: threshold is %g; give 1 (even) or more",
                   card->id, card->threshold);
        return false;
    }
    if (card->interval_ms == 0) {
        error_setg(errp, "%s: interval is 0; give milliseconds", card->id);
        return false;
    }
    return check_ring_size(card, "rx-queue-size", card->rx_queue_size,
                           errp) &&
           check_ring_size(card, "tx-queue-size", card->tx_queue_size, errp);
}

static bool check_ports(NicCard *card, Error **errp)
{
    unsigned n = card->port_ids ? g_strv_length(card->port_ids) : 0;

    if (n < 1 || n > NIC_MAX_PORTS) {
        error_setg(errp, "%s: it has %u ports; give 1 to %u of them: "
                   "ports=ID:ID..., each the id of a -netdev or of an "
                   "-object sunder-nic-dgram", card->id, n, NIC_MAX_PORTS);
        return false;
    }
    card->n_ports = n;
    return true;
}

static void name_ports(NicCard *card)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        NicPort *port = &card->ports[i];

        port->card = card;
        port->number = i;
        port->name = g_strdup_printf("%s.p%u", card->id, i);
        port->backend_id = g_strdup(card->port_ids[i]);
    }
}

static void free_names(NicCard *card)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        g_clear_pointer(&card->ports[i].name, g_free);
        g_clear_pointer(&card->ports[i].backend_id, g_free);
        card->ports[i].group = NULL;
    }
    for (unsigned i = 0; i < card->n_groups; i++) {
        g_clear_pointer(&card->groups[i].name, g_free);
    }
    memset(card->groups, 0, sizeof(card->groups));
    card->n_ports = card->n_groups = 0;
    g_clear_pointer(&card->id, g_free);
}

/* Address N more than the base; wraps within the vendor's numbers. */
static MACAddr add_to_mac(MACAddr base, unsigned n)
{
    uint64_t address = nic_address_get(base.a);

    address = (address & ~UINT64_C(0xffffff)) | ((address + n) & 0xffffff);
    nic_address_put(base.a, address);
    return base;
}

/*
 * QEMU counts the addresses that it gives out by the NICs that have them:
 * a function's is that of a port of its group while there is one left.
 */
static NicPort *port_without_mac(NicGroup *group)
{
    static const MACAddr zero;

    for (unsigned i = 0; i < group->n_ports; i++) {
        if (memcmp(&group->ports[i]->conf.macaddr, &zero, sizeof(zero)) == 0) {
            return group->ports[i];
        }
    }
    return NULL;
}

static void give_addresses(NicCard *card)
{
    static const MACAddr zero;
    bool chosen = memcmp(&card->mac_address, &zero, sizeof(zero)) != 0;

    for (unsigned i = 0; i < card->n_functions; i++) {
        NicPort *port = port_without_mac(card->group_of[i]);
        MACAddr *mac = port ? &port->conf.macaddr : &card->macs[i];

        *mac = chosen ? add_to_mac(card->mac_address, i) : zero;
        qemu_macaddr_default_if_unset(mac);
        card->macs[i] = *mac;
    }
    card->mac_address = card->macs[0];      /* LACP's, too */
    for (unsigned i = 0; i < card->n_ports; i++) {
        NicPort *port = &card->ports[i];

        if (port == port_without_mac(port->group)) {
            port->conf.macaddr = port->group->ports[0]->conf.macaddr;
            qemu_macaddr_default_if_unset(&port->conf.macaddr);
        }
    }
}

static void clear_addresses(NicCard *card)
{
    memset(card->macs, 0, sizeof(card->macs));
    for (unsigned i = 0; i < card->n_ports; i++) {
        memset(&card->ports[i].conf, 0, sizeof(card->ports[i].conf));
    }
}

static bool realize_ports(NicCard *card, Error **errp)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        if (!nic_port_realize(&card->ports[i], errp)) {
            return false;
        }
    }
    return nic_fault_realize(card, errp);
}

static bool realize_groups(NicCard *card, Error **errp)
{
    for (unsigned i = 0; i < card->n_groups; i++) {
        NicGroup *group = &card->groups[i];

        group->card = card;
        group->number = i;
        if (group->n_ports > 1) {
            group->name = g_strdup_printf("%s.a%u", card->id, i);
        } else {
            group->mac = group->ports[0]->mac;
        }
        if (!nic_group_realize(card, group, errp)) {
            return false;
        }
    }
    return true;
}

/* Whatever was realized, and as often as one likes. */
static void unrealize_parts(NicCard *card)
{
    for (unsigned i = card->n_groups; i-- > 0; ) {
        nic_group_unrealize(&card->groups[i]);
        card->groups[i].mac = NULL;
    }
    nic_fault_unrealize(card);
    for (unsigned i = card->n_ports; i-- > 0; ) {
        nic_port_unrealize(&card->ports[i]);
    }
    nic_turn_unrealize(card);
    nic_transmit_unrealize(card);
    g_clear_pointer(&card->service, mac_service_free);
}

bool nic_card_realize(NicCard *card, Error **errp)
{
    card->id = choose_id(DEVICE(card));
    if (!check_numbers(card, errp) || !check_ports(card, errp)) {
        free_names(card);
        return false;
    }
    name_ports(card);
    if (!nic_layout_parse(card, errp)) {
        free_names(card);
        return false;
    }
    give_addresses(card);
    card->service = mac_service_new();
    nic_transmit_realize(card);
    nic_turn_realize(card);
    if (!realize_ports(card, errp) || !realize_groups(card, errp)) {
        unrealize_parts(card);
        clear_addresses(card);
        free_names(card);
        return false;
    }
    for (unsigned i = 0; i < card->n_ports; i++) {
        nic_port_start(&card->ports[i]);
    }
    QLIST_INSERT_HEAD(&nic_cards, card, next);
    return true;
}

void nic_card_unrealize(NicCard *card)
{
    QLIST_REMOVE(card, next);
    unrealize_parts(card);
    clear_addresses(card);
    free_names(card);
}

/* --- properties -------------------------------------------------------- */

static const PropertyInfo prop_policy = {
    .type = "SunderNicPolicy",
    .description = "l2, l3, l4, l2l3, l2l4, l3l4, l2l3l4, round-robin or "
                   "buckets",
    .enum_table = &SunderNicPolicy_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};

static const PropertyInfo prop_lacp = {
    .type = "SunderNicLacp",
    .description = "off, passive or active",
    .enum_table = &SunderNicLacp_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};

static const Property card_properties[] = {
    { .name = "ports", .info = &nic_prop_ports,
      .offset = offsetof(NicCard, port_ids) },
    { .name = "threshold", .info = &nic_prop_threshold,
      .offset = offsetof(NicCard, threshold) },
    { .name = "lacp-rate", .info = &nic_prop_lacp_rate,
      .offset = offsetof(NicCard, lacp_fast) },
    { .name = "duplex", .info = &nic_prop_duplex,
      .offset = offsetof(NicCard, full_duplex) },
    DEFINE_PROP_STRING("layout", NicCard, layout),
    DEFINE_PROP_MACADDR("mac", NicCard, mac_address),
    DEFINE_PROP_SIGNED("policy", NicCard, policy, SUNDER_NIC_POLICY_L2,
                       prop_policy, SunderNicPolicy),
    DEFINE_PROP_BOOL("adaptive", NicCard, adaptive, true),
    DEFINE_PROP_UINT32("interval", NicCard, interval_ms, 1000),
    DEFINE_PROP_SIGNED("lacp", NicCard, lacp, SUNDER_NIC_LACP_OFF,
                       prop_lacp, SunderNicLacp),
    DEFINE_PROP_BOOL("markers", NicCard, markers, false),
    DEFINE_PROP_UINT32("speed", NicCard, speed_mbps, 10000),
    DEFINE_PROP_UINT32("queue-pairs", NicCard, queue_pairs, 1),
    DEFINE_PROP_UINT32("rx-threshold", NicCard, rx_threshold, 0),
    DEFINE_PROP_UINT32("rx-holdoff", NicCard, rx_holdoff_us, 0),
    DEFINE_PROP_BOOL("pause", NicCard, pause, true),
    DEFINE_PROP_UINT32("rx-queue-size", NicCard, rx_queue_size, 256),
    DEFINE_PROP_UINT32("tx-queue-size", NicCard, tx_queue_size, 256),
};

void nic_card_class_init(ObjectClass *class)
{
    device_class_set_props(DEVICE_CLASS(class), card_properties);
}

void nic_card_instance_init(NicCard *card)
{
    card->threshold = 1.2;
    card->lacp_fast = true;
    card->full_duplex = true;
}
