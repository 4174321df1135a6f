/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of the control queue: VIRTIO 1.2, 5.1.6.5. */
#include "control.h"

#include "target-models/bytes.h"

#define ADDRESS         6

/* Classes and their commands. */
enum { CLASS_RX, CLASS_MAC, CLASS_VLAN, CLASS_ANNOUNCE, CLASS_MQ,
       CLASS_OFFLOADS, CLASS_COALESCING };
enum { RX_PROMISCUOUS, RX_ALL_MULTICAST, RX_ALL_UNICAST, RX_NO_MULTICAST,
       RX_NO_UNICAST, RX_NO_BROADCAST };
enum { MAC_TABLE_SET, MAC_ADDRESS_SET };
enum { VLAN_ADD, VLAN_REMOVE };
enum { MQ_PAIRS_SET, MQ_RSS_CONFIG, MQ_HASH_CONFIG };
enum { COALESCE_TRANSMIT, COALESCE_RECEIVE, COALESCE_QUEUE, COALESCE_GET };

#define BIT(n)          (UINT64_C(1) << (n))
/* What the driver may switch on and off: 5.1.6.5.8. */
#define OFFLOADS        (BIT(CONTROL_F_GUEST_CHECKSUM) | \
                         BIT(CONTROL_F_GUEST_TSO4) | \
                         BIT(CONTROL_F_GUEST_TSO6) | \
                         BIT(CONTROL_F_GUEST_ECN) | \
                         BIT(CONTROL_F_GUEST_USO4) | \
                         BIT(CONTROL_F_GUEST_USO6))

static uint16_t take16(BytesReader *r)
{
    const uint8_t *p = bytes_take(r, 2);

    return p ? p[0] | p[1] << 8 : 0;
}

/* Whether all of it was there, and nothing else. */
static bool is_whole(const BytesReader *r)
{
    return !r->is_short && r->left == 0;
}

static bool has(const Control *c, ControlFeature feature)
{
    return c->features >> feature & 1;
}

static void reset_coalescing(Control *c)
{
    for (unsigned i = 0; i < CONTROL_MAX_PAIRS; i++) {
        c->coalescing[2 * i] = c->config.receive;
        c->coalescing[2 * i + 1] = c->config.transmit;
    }
}

void control_reset(Control *c)
{
    ControlConfig config = c->config;

    memset(c, 0, sizeof(*c));
    c->config = config;
    c->address = config.address;
    c->promiscuous = true;
    c->pairs = 1;
    reset_coalescing(c);
}

void control_init(Control *c, const ControlConfig *config)
{
    c->config = *config;
    control_reset(c);
}

void control_set_features(Control *c, uint64_t features)
{
    c->features = features;
    c->offloads = features & OFFLOADS;
}

bool control_receives(const Control *c, ControlFeature feature)
{
    uint64_t offloads = c->offloads & c->features;

    /* 5.1.3.1: all of them are worth nothing without checksums */
    return offloads >> feature & 1 &&
           offloads >> CONTROL_F_GUEST_CHECKSUM & 1;
}

static bool *rx_mode(Control *c, unsigned command)
{
    if (command <= RX_ALL_MULTICAST ? !has(c, CONTROL_F_RX)
                                    : !has(c, CONTROL_F_RX_EXTRA)) {
        return NULL;
    }
    switch (command) {
    case RX_PROMISCUOUS:
        return &c->promiscuous;
    case RX_ALL_MULTICAST:
        return &c->all_multicast;
    case RX_ALL_UNICAST:
        return &c->all_unicast;
    case RX_NO_MULTICAST:
        return &c->no_multicast;
    case RX_NO_UNICAST:
        return &c->no_unicast;
    case RX_NO_BROADCAST:
        return &c->no_broadcast;
    default:
        return NULL;
    }
}

static unsigned command_rx(Control *c, unsigned command, BytesReader *r)
{
    bool *mode = rx_mode(c, command);
    uint8_t on = bytes_take8(r);

    if (!mode || !is_whole(r) || on > 1) {
        return 0;
    }
    *mode = on;
    return CONTROL_FILTER;
}

/* Returns: addresses of one table, or NULL with @r short. */
static const uint8_t *take_table(BytesReader *r, uint32_t *n)
{
    *n = bytes_take32(r);
    if (*n > r->left / ADDRESS) {
        r->is_short = true;
        return NULL;
    }
    return bytes_take(r, (size_t)*n * ADDRESS);
}

/* Returns: whether there was no room. */
static bool add_table(Control *c, const uint8_t *table, uint32_t n)
{
    if (n > (uint32_t)MAC_MAX_ADDRESSES - c->n_addresses) {
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        c->addresses[c->n_addresses++] =
            nic_address_get(table + i * ADDRESS);
    }
    return false;
}

static unsigned set_tables(Control *c, BytesReader *r)
{
    uint32_t n_unicast, n_multicast;
    const uint8_t *unicast = take_table(r, &n_unicast);
    const uint8_t *multicast = take_table(r, &n_multicast);

    if (!has(c, CONTROL_F_RX) || !is_whole(r)) {
        return 0;
    }
    c->n_addresses = 0;
    c->unicast_overflow = add_table(c, unicast, n_unicast);
    c->multicast_overflow = add_table(c, multicast, n_multicast);
    return CONTROL_FILTER;
}

static unsigned set_address(Control *c, BytesReader *r)
{
    const uint8_t *bytes = bytes_take(r, ADDRESS);

    if (!has(c, CONTROL_F_ADDRESS) || !is_whole(r) || !bytes ||
        nic_address_is_group(nic_address_get(bytes))) {
        return 0;
    }
    c->address = nic_address_get(bytes);
    return CONTROL_FILTER | CONTROL_ADDRESS;
}

static unsigned command_vlan(Control *c, unsigned command, BytesReader *r)
{
    uint16_t vlan = take16(r);
    uint64_t bit = BIT(vlan % 64);

    if (!has(c, CONTROL_F_VLAN) || !is_whole(r) || vlan >= NIC_VLANS ||
        command > VLAN_REMOVE) {
        return 0;
    }
    if (command == VLAN_ADD) {
        c->vlans[vlan / 64] |= bit;
    } else {
        c->vlans[vlan / 64] &= ~bit;
    }
    return CONTROL_FILTER;
}

static unsigned command_announce(Control *c, unsigned command,
                                 BytesReader *r)
{
    if (!has(c, CONTROL_F_ANNOUNCE) || command != 0 || !is_whole(r) ||
        !c->announcing) {
        return 0;
    }
    c->announcing = false;
    return CONTROL_ANNOUNCED;
}

static bool pairs_are_valid(const Control *c, unsigned pairs)
{
    return pairs >= 1 && pairs <= c->config.max_pairs;
}

static unsigned set_pairs(Control *c, BytesReader *r)
{
    uint16_t pairs = take16(r);

    if (!has(c, CONTROL_F_PAIRS) || !is_whole(r) ||
        !pairs_are_valid(c, pairs)) {
        return 0;
    }
    c->pairs = pairs;
    c->hash.steers = false;
    c->hashes &= has(c, CONTROL_F_HASH_REPORT);
    return CONTROL_PAIRS | CONTROL_HASH;
}

/*
 * Bytes may follow: Linux 6.12 sends a structure's padding behind the key
 * (virtnet_commit_rss_command()).
 */
static bool take_key(NicRssConfig *hash, BytesReader *r)
{
    uint8_t size = bytes_take8(r);
    const uint8_t *key = bytes_take(r, size);

    if (size > NIC_RSS_KEY || r->is_short || (!size && hash->types)) {
        return false;
    }
    if (size) {
        memcpy(hash->key, key, size);
    }
    return true;
}

static bool take_indirection(const Control *c, NicRssConfig *hash,
                             BytesReader *r)
{
    hash->mask = take16(r);
    hash->unclassified = take16(r);
    if (hash->mask >= NIC_RSS_TABLE || hash->mask & (hash->mask + 1) ||
        hash->unclassified >= c->config.max_pairs) {
        return false;
    }
    for (unsigned i = 0; i <= hash->mask; i++) {
        hash->table[i] = take16(r);
        if (hash->table[i] >= c->config.max_pairs) {
            return false;
        }
    }
    return true;
}

static unsigned set_rss(Control *c, BytesReader *r)
{
    NicRssConfig hash = { .steers = true, .types = bytes_take32(r) };
    unsigned pairs;

    if (!has(c, CONTROL_F_RSS) || hash.types & ~NIC_HASH_TYPES ||
        !take_indirection(c, &hash, r)) {
        return 0;
    }
    pairs = take16(r);
    if (!take_key(&hash, r) || !pairs_are_valid(c, pairs)) {
        return 0;
    }
    c->pairs = pairs;
    c->hashes = true;
    c->hash = hash;
    return CONTROL_PAIRS | CONTROL_HASH;
}

static unsigned set_hash(Control *c, BytesReader *r)
{
    NicRssConfig hash = { .types = bytes_take32(r) };

    bytes_take(r, 8);           /* reserved */
    if (!has(c, CONTROL_F_HASH_REPORT) || hash.types & ~NIC_HASH_TYPES ||
        !take_key(&hash, r)) {
        return 0;
    }
    c->hashes = true;
    c->hash = hash;
    return CONTROL_HASH;
}

static unsigned command_mq(Control *c, unsigned command, BytesReader *r)
{
    switch (command) {
    case MQ_PAIRS_SET:
        return set_pairs(c, r);
    case MQ_RSS_CONFIG:
        return set_rss(c, r);
    case MQ_HASH_CONFIG:
        return set_hash(c, r);
    default:
        return 0;
    }
}

static unsigned command_offloads(Control *c, unsigned command,
                                 BytesReader *r)
{
    uint64_t offloads = bytes_take64(r);

    if (!has(c, CONTROL_F_GUEST_OFFLOADS) || command != 0 ||
        !is_whole(r) || offloads & ~(c->features & OFFLOADS)) {
        return 0;
    }
    c->offloads = offloads;
    return CONTROL_OFFLOADS;
}

static ControlCoalescing take_coalescing(BytesReader *r)
{
    ControlCoalescing coalescing;

    coalescing.packets = bytes_take32(r);
    coalescing.us = bytes_take32(r);
    return coalescing;
}

static unsigned coalesce_all(Control *c, unsigned command, BytesReader *r)
{
    ControlCoalescing coalescing = take_coalescing(r);

    if (!has(c, CONTROL_F_COALESCING) || !is_whole(r)) {
        return 0;
    }
    for (unsigned i = 0; i < CONTROL_MAX_PAIRS; i++) {
        c->coalescing[2 * i + (command == COALESCE_TRANSMIT)] = coalescing;
    }
    return CONTROL_COALESCING;
}

/* Returns: the virtqueue that data begin with, or -1: there is none. */
static int take_queue(const Control *c, BytesReader *r)
{
    uint16_t queue = take16(r);

    take16(r);                  /* reserved */
    return has(c, CONTROL_F_QUEUE_COALESCING) && !r->is_short &&
                   queue < 2 * c->config.max_pairs
               ? queue
               : -1;
}

static unsigned coalesce_queue(Control *c, BytesReader *r)
{
    int queue = take_queue(c, r);
    ControlCoalescing coalescing = take_coalescing(r);

    if (queue < 0 || !is_whole(r)) {
        return 0;
    }
    c->coalescing[queue] = coalescing;
    return CONTROL_COALESCING;
}

static void get_coalescing(const Control *c, BytesReader *r,
                           ControlAnswer *answer)
{
    int queue = take_queue(c, r);
    uint32_t result[2];

    if (queue < 0 || !is_whole(r)) {
        return;
    }
    result[0] = GUINT32_TO_LE(c->coalescing[queue].packets);
    result[1] = GUINT32_TO_LE(c->coalescing[queue].us);
    memcpy(answer->result, result, sizeof(result));
    answer->n_result = sizeof(result);
    answer->ok = true;
}

static unsigned command_coalescing(Control *c, unsigned command,
                                   BytesReader *r, ControlAnswer *answer)
{
    switch (command) {
    case COALESCE_TRANSMIT:
    case COALESCE_RECEIVE:
        return coalesce_all(c, command, r);
    case COALESCE_QUEUE:
        return coalesce_queue(c, r);
    case COALESCE_GET:
        get_coalescing(c, r, answer);
        return 0;
    default:
        return 0;
    }
}

static unsigned command_mac(Control *c, unsigned command, BytesReader *r)
{
    switch (command) {
    case MAC_TABLE_SET:
        return set_tables(c, r);
    case MAC_ADDRESS_SET:
        return set_address(c, r);
    default:
        return 0;
    }
}

/* Returns: what it changed, 0 when it was refused or only asked. */
static unsigned run(Control *c, BytesReader *r, ControlAnswer *answer)
{
    uint8_t class = bytes_take8(r), command = bytes_take8(r);

    if (r->is_short) {
        return 0;
    }
    switch (class) {
    case CLASS_RX:
        return command_rx(c, command, r);
    case CLASS_MAC:
        return command_mac(c, command, r);
    case CLASS_VLAN:
        return command_vlan(c, command, r);
    case CLASS_ANNOUNCE:
        return command_announce(c, command, r);
    case CLASS_MQ:
        return command_mq(c, command, r);
    case CLASS_OFFLOADS:
        return command_offloads(c, command, r);
    case CLASS_COALESCING:
        return command_coalescing(c, command, r, answer);
    default:
        return 0;
    }
}

void control_command(Control *c, const uint8_t *data, size_t size,
                     ControlAnswer *answer)
{
    BytesReader r = { .at = data, .left = size };

    memset(answer, 0, sizeof(*answer));
    if (size <= CONTROL_MAX_COMMAND) {
        answer->changed = run(c, &r, answer);
        answer->ok |= answer->changed != 0;
    }
}

void control_filter(const Control *c, MacFilter *f)
{
    mac_filter_init(f, c->address);
    f->promiscuous = c->promiscuous;
    f->all_unicast = c->all_unicast || c->unicast_overflow;
    f->all_multicast = c->all_multicast || c->multicast_overflow;
    f->no_unicast = c->no_unicast;
    f->no_multicast = c->no_multicast;
    f->no_broadcast = c->no_broadcast;
    f->addresses = c->addresses;
    f->n_addresses = c->n_addresses;
    /* 5.1.6.5.1: promiscuous means all packets, whatever their tag */
    f->vlans = has(c, CONTROL_F_VLAN) && !c->promiscuous ? c->vlans : NULL;
}
