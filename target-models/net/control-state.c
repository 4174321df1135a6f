/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control queue left, as bytes. */
#include "control.h"

#include "target-models/bytes.h"

#define VERSION     1

/* Bits of the byte of modes. */
#define MODES       8

G_DEFINE_QUARK(control-error-quark, control_error)

static void list_modes(Control *c, bool *modes[MODES])
{
    modes[0] = &c->promiscuous;
    modes[1] = &c->all_multicast;
    modes[2] = &c->all_unicast;
    modes[3] = &c->no_multicast;
    modes[4] = &c->no_unicast;
    modes[5] = &c->no_broadcast;
    modes[6] = &c->unicast_overflow;
    modes[7] = &c->multicast_overflow;
}

static void save_filter(Control *c, GByteArray *out)
{
    bool *modes[MODES];
    uint8_t bits = 0;

    list_modes(c, modes);
    for (unsigned i = 0; i < MODES; i++) {
        bits |= *modes[i] << i;
    }
    bytes_add8(out, bits);
    bytes_add64(out, c->address);
    bytes_add32(out, c->n_addresses);
    for (unsigned i = 0; i < c->n_addresses; i++) {
        bytes_add64(out, c->addresses[i]);
    }
    for (unsigned i = 0; i < NIC_VLANS / 64; i++) {
        bytes_add64(out, c->vlans[i]);
    }
}

static void save_hash(const Control *c, GByteArray *out)
{
    const NicRssConfig *hash = &c->hash;

    bytes_add8(out, c->hashes);
    bytes_add8(out, hash->steers);
    bytes_add32(out, hash->types);
    bytes_add32(out, hash->mask);
    bytes_add32(out, hash->unclassified);
    for (unsigned i = 0; i <= hash->mask; i++) {
        bytes_add8(out, hash->table[i]);
    }
    g_byte_array_append(out, hash->key, NIC_RSS_KEY);
}

GByteArray *control_save(const Control *control)
{
    GByteArray *out = g_byte_array_new();
    Control c = *control;

    bytes_add32(out, VERSION);
    save_filter(&c, out);
    bytes_add32(out, c.pairs);
    save_hash(&c, out);
    bytes_add64(out, c.offloads);
    bytes_add8(out, c.announcing);
    for (unsigned i = 0; i < CONTROL_MAX_PAIRS * 2; i++) {
        bytes_add32(out, c.coalescing[i].packets);
        bytes_add32(out, c.coalescing[i].us);
    }
    return out;
}

static bool load_filter(Control *c, BytesReader *r)
{
    uint8_t bits = bytes_take8(r);
    bool *modes[MODES];
    uint32_t n;

    list_modes(c, modes);
    for (unsigned i = 0; i < MODES; i++) {
        *modes[i] = bits >> i & 1;
    }
    c->address = bytes_take64(r);
    n = bytes_take32(r);
    if (n > MAC_MAX_ADDRESSES) {
        return false;
    }
    c->n_addresses = n;
    for (unsigned i = 0; i < n; i++) {
        c->addresses[i] = bytes_take64(r);
        if (c->addresses[i] > NIC_BROADCAST) {
            return false;
        }
    }
    for (unsigned i = 0; i < NIC_VLANS / 64; i++) {
        c->vlans[i] = bytes_take64(r);
    }
    return c->address <= NIC_BROADCAST;
}

static bool load_hash(Control *c, BytesReader *r)
{
    NicRssConfig *hash = &c->hash;
    uint32_t mask, unclassified;
    const uint8_t *key;

    c->hashes = bytes_take8(r);
    hash->steers = bytes_take8(r);
    hash->types = bytes_take32(r);
    mask = bytes_take32(r);
    unclassified = bytes_take32(r);
    if (mask >= NIC_RSS_TABLE || mask & (mask + 1) ||
        unclassified >= c->config.max_pairs ||
        hash->types & ~NIC_HASH_TYPES) {
        return false;
    }
    hash->mask = mask;
    hash->unclassified = unclassified;
    for (unsigned i = 0; i <= mask; i++) {
        hash->table[i] = bytes_take8(r);
        if (hash->table[i] >= c->config.max_pairs) {
            return false;
        }
    }
    key = bytes_take(r, NIC_RSS_KEY);
    if (key) {
        memcpy(hash->key, key, NIC_RSS_KEY);
    }
    return key;
}

static bool load(Control *c, BytesReader *r)
{
    if (bytes_take32(r) != VERSION || !load_filter(c, r)) {
        return false;
    }
    c->pairs = bytes_take32(r);
    if (c->pairs < 1 || c->pairs > c->config.max_pairs ||
        !load_hash(c, r)) {
        return false;
    }
    c->offloads = bytes_take64(r);
    c->announcing = bytes_take8(r);
    for (unsigned i = 0; i < CONTROL_MAX_PAIRS * 2; i++) {
        c->coalescing[i].packets = bytes_take32(r);
        c->coalescing[i].us = bytes_take32(r);
    }
    return !r->is_short && r->left == 0;
}

bool control_load(Control *control, const uint8_t *data, size_t size,
                  GError **error)
{
    BytesReader r = { .at = data, .left = size };
    Control loaded = *control;

    if (!load(&loaded, &r)) {
        g_set_error(error, CONTROL_ERROR, CONTROL_ERROR_STATE,
                    "the state of a control queue (%zu bytes) is damaged, "
                    "or of a device with more queues than the %u pairs "
                    "here", size, control->config.max_pairs);
        return false;
    }
    *control = loaded;
    return true;
}
