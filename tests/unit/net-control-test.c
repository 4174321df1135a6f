/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control queue: what each command changes, and what is refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/net/control.h"

#define OWN     UINT64_C(0x525400000001)
#define PAIRS   4
#define BIT(n)  (UINT64_C(1) << (n))
#define ALL     UINT64_MAX

static const ControlConfig config = {
    .address = OWN, .max_pairs = PAIRS, .receive = { 7, 70 },
    .transmit = { 8, 80 },
};

static ControlAnswer answer;

static Control *control_new(uint64_t features)
{
    Control *c = g_new0(Control, 1);

    control_init(c, &config);
    control_set_features(c, features);
    return c;
}

/* Commands are written as strings: class, number, data. */
#define RUN(c, bytes)   run(c, bytes, sizeof(bytes) - 1)

static bool run(Control *c, const char *bytes, size_t size)
{
    g_autofree uint8_t *data = g_memdup2(bytes, size);

    control_command(c, data, size, &answer);
    return answer.ok;
}

static MacFilter filter(const Control *c)
{
    MacFilter f;

    control_filter(c, &f);
    return f;
}

/*
 * Refused when some bytes are missing and, unless it is one with a key,
 * when there is one too many; then done.  And refused without the feature.
 */
#define CHECKED(feature, bytes) \
    checked(feature, bytes, sizeof(bytes) - 1, false)
#define CHECKED_KEY(feature, bytes) \
    checked(feature, bytes, sizeof(bytes) - 1, true)

static void checked(ControlFeature feature, const char *bytes, size_t size,
                    bool may_be_longer)
{
    g_autofree Control *c = control_new(ALL);
    g_autofree Control *without = control_new(ALL & ~BIT(feature));
    g_autofree char *longer = g_malloc0(size + 1);

    memcpy(longer, bytes, size);
    c->announcing = without->announcing = true;
    cr_expect_eq(run(c, longer, size + 1), may_be_longer, "%d: too long",
                 feature);
    for (size_t n = 0; n < size; n++) {
        cr_expect_not(run(c, bytes, n), "%d: %zu bytes", feature, n);
        cr_expect_eq(answer.changed, 0);
    }
    cr_expect_not(run(without, bytes, size), "%d: not accepted", feature);
    cr_expect(run(c, bytes, size), "%d", feature);
}

Test(net_control, lengths_and_features_of_every_command_are_checked)
{
    CHECKED(CONTROL_F_RX, "\0\0\1");
    CHECKED(CONTROL_F_RX, "\0\1\1");
    CHECKED(CONTROL_F_RX_EXTRA, "\0\2\1");
    CHECKED(CONTROL_F_RX_EXTRA, "\0\3\1");
    CHECKED(CONTROL_F_RX_EXTRA, "\0\4\1");
    CHECKED(CONTROL_F_RX_EXTRA, "\0\5\1");
    CHECKED(CONTROL_F_RX, "\1\0" "\1\0\0\0" "\2\0\0\0\0\1"
            "\1\0\0\0" "\1\0\x5e\0\0\1");
    CHECKED(CONTROL_F_ADDRESS, "\1\1\2\0\0\0\0\1");
    CHECKED(CONTROL_F_VLAN, "\2\0\5\0");
    CHECKED(CONTROL_F_VLAN, "\2\1\5\0");
    CHECKED(CONTROL_F_ANNOUNCE, "\3\0");
    CHECKED(CONTROL_F_PAIRS, "\4\0\2\0");
    CHECKED_KEY(CONTROL_F_RSS, "\4\1" "\1\0\0\0" "\1\0" "\0\0"
                "\0\0\1\0" "\2\0" "\1k");
    CHECKED_KEY(CONTROL_F_HASH_REPORT,
                "\4\2" "\1\0\0\0" "\0\0\0\0\0\0\0\0" "\1k");
    CHECKED(CONTROL_F_GUEST_OFFLOADS, "\5\0" "\2\0\0\0\0\0\0\0");
    CHECKED(CONTROL_F_COALESCING, "\6\0" "\1\0\0\0" "\2\0\0\0");
    CHECKED(CONTROL_F_COALESCING, "\6\1" "\1\0\0\0" "\2\0\0\0");
    CHECKED(CONTROL_F_QUEUE_COALESCING, "\6\2" "\3\0\0\0"
            "\1\0\0\0" "\2\0\0\0");
    CHECKED(CONTROL_F_QUEUE_COALESCING, "\6\3" "\3\0\0\0");
}

Test(net_control, classes_and_commands_that_are_not_known_are_refused)
{
    g_autofree Control *c = control_new(ALL);

    c->announcing = true;
    cr_expect_not(RUN(c, "\0\6\1"));
    cr_expect_not(RUN(c, "\1\2"));
    cr_expect_not(RUN(c, "\2\2\1\0"));
    cr_expect_not(RUN(c, "\3\1"));
    cr_expect_not(RUN(c, "\4\3\1\0"));
    cr_expect_not(RUN(c, "\5\1\0\0\0\0\0\0\0\0"));
    cr_expect_not(RUN(c, "\6\4"));
    cr_expect_not(RUN(c, "\7\0"));
    cr_expect_not(RUN(c, "\377\377"));
}

Test(net_control, a_command_longer_than_any_is_refused)
{
    g_autofree Control *c = control_new(ALL);
    g_autofree uint8_t *data = g_malloc0(CONTROL_MAX_COMMAND + 1);

    control_command(c, data, CONTROL_MAX_COMMAND + 1, &answer);
    cr_assert_not(answer.ok);
}

Test(net_control, everything_is_received_until_the_driver_speaks)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert(filter(c).promiscuous);
    cr_assert_null(filter(c).vlans);
    cr_assert(RUN(c, "\0\0\0"));
    cr_assert_eq(answer.changed, CONTROL_FILTER);
    cr_assert_not(filter(c).promiscuous);
    cr_assert_eq(filter(c).address, OWN);
}

Test(net_control, modes_come_to_the_filter)
{
    g_autofree Control *c = control_new(ALL);
    MacFilter f;

    cr_assert(RUN(c, "\0\1\1") && RUN(c, "\0\2\1") && RUN(c, "\0\3\1") &&
              RUN(c, "\0\4\1") && RUN(c, "\0\5\1"));
    f = filter(c);
    cr_assert(f.all_multicast && f.all_unicast && f.no_multicast &&
              f.no_unicast && f.no_broadcast);
    cr_assert(RUN(c, "\0\2\0"));
    cr_assert_not(filter(c).all_unicast);
}

Test(net_control, a_mode_is_on_or_off)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert_not(RUN(c, "\0\0\2"));
}

Test(net_control, an_address_is_set)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert(RUN(c, "\1\1\2\0\0\0\0\x9"));
    cr_assert_eq(answer.changed, CONTROL_FILTER | CONTROL_ADDRESS);
    cr_assert_eq(filter(c).address, UINT64_C(0x020000000009));
}

Test(net_control, an_address_of_a_group_is_refused)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert_not(RUN(c, "\1\1\1\0\0\0\0\x9"));
    cr_assert_eq(filter(c).address, OWN);
}

Test(net_control, tables_replace_those_before)
{
    g_autofree Control *c = control_new(ALL);
    MacFilter f;

    cr_assert(RUN(c, "\1\0" "\1\0\0\0" "\2\0\0\0\0\1"
                  "\1\0\0\0" "\1\0\x5e\0\0\1"));
    f = filter(c);
    cr_assert_eq(f.n_addresses, 2);
    cr_assert_eq(f.addresses[0], UINT64_C(0x020000000001));
    cr_assert_eq(f.addresses[1], UINT64_C(0x01005e000001));
    cr_assert(RUN(c, "\1\0" "\0\0\0\0" "\0\0\0\0"));
    cr_assert_eq(filter(c).n_addresses, 0);
}

static bool set_tables(Control *c, uint32_t unicast, uint32_t multicast)
{
    size_t size = 2 + 4 + unicast * 6 + 4 + multicast * 6;
    g_autofree char *data = g_malloc0(size);

    data[0] = 1;
    memcpy(data + 2, &unicast, 4);
    memcpy(data + 6 + unicast * 6, &multicast, 4);
    return run(c, data, size);
}

Test(net_control, a_table_that_is_too_long_means_all_of_its_kind)
{
    g_autofree Control *c = control_new(ALL);
    MacFilter f;

    RUN(c, "\0\0\0");
    cr_assert(set_tables(c, 200, MAC_MAX_ADDRESSES - 199));
    f = filter(c);
    cr_assert(f.all_multicast);
    cr_assert_not(f.all_unicast);
    cr_assert_eq(f.n_addresses, 200);
    cr_assert(set_tables(c, MAC_MAX_ADDRESSES + 1, 5));
    f = filter(c);
    cr_assert(f.all_unicast);
    cr_assert_not(f.all_multicast);
    cr_assert_eq(f.n_addresses, 5);
    cr_assert(set_tables(c, 0, MAC_MAX_ADDRESSES));
    f = filter(c);
    cr_assert_not(f.all_unicast || f.all_multicast);
}

Test(net_control, tables_that_say_more_than_there_is_are_refused)
{
    g_autofree Control *c = control_new(ALL);

    set_tables(c, 3, 0);
    cr_assert_not(RUN(c, "\1\0" "\377\377\377\377" "\0\0\0\0"));
    cr_assert_not(RUN(c, "\1\0" "\0\0\0\0" "\377\377\377\377"));
    cr_assert_not(RUN(c, "\1\0" "\253\252\252\52" "\0\0\0\0\0\0"));
    cr_assert_eq(filter(c).n_addresses, 3);
}

Test(net_control, vlans_are_let_in_one_by_one)
{
    g_autofree Control *c = control_new(ALL);
    const uint64_t *vlans;

    RUN(c, "\0\0\0");
    cr_assert(RUN(c, "\2\0\xff\xf"));
    cr_assert(RUN(c, "\2\0\x41\0"));
    vlans = filter(c).vlans;
    cr_assert_eq(vlans[63], BIT(63));
    cr_assert_eq(vlans[1], BIT(1));
    cr_assert(RUN(c, "\2\1\x41\0"));
    cr_assert_eq(filter(c).vlans[1], 0);
    cr_assert_not(RUN(c, "\2\0\0\x10"));
}

Test(net_control, without_the_feature_vlans_are_not_looked_at)
{
    g_autofree Control *c = control_new(ALL & ~BIT(CONTROL_F_VLAN));

    RUN(c, "\0\0\0");
    cr_assert_null(filter(c).vlans);
}

Test(net_control, an_announcement_is_acknowledged_once)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert_not(RUN(c, "\3\0"));
    c->announcing = true;
    cr_assert(RUN(c, "\3\0"));
    cr_assert_eq(answer.changed, CONTROL_ANNOUNCED);
    cr_assert_not(c->announcing);
    cr_assert_not(RUN(c, "\3\0"));
}

Test(net_control, pairs_are_those_that_there_are)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert(RUN(c, "\4\0\4\0"));
    cr_assert_eq(c->pairs, 4);
    cr_assert_not(RUN(c, "\4\0\5\0"));
    cr_assert_not(RUN(c, "\4\0\0\0"));
    cr_assert_not(RUN(c, "\4\0\1\1"));
    cr_assert_eq(c->pairs, 4);
}

/* A configuration of RSS with a table of @entries and a key. */
static bool set_rss(Control *c, uint32_t types, unsigned entries,
                    uint16_t mask, uint16_t unclassified, uint16_t entry,
                    uint16_t pairs, unsigned key)
{
    char data[1024] = { 4, 1 };
    size_t at = 10;

    memcpy(data + 2, &types, 4);
    memcpy(data + 6, &mask, 2);
    memcpy(data + 8, &unclassified, 2);
    for (unsigned i = 0; i < entries; i++, at += 2) {
        memcpy(data + at, &entry, 2);
    }
    memcpy(data + at, &pairs, 2);
    data[at + 2] = key;
    memset(data + at + 3, 'k', key);
    return run(c, data, at + 3 + key);
}

Test(net_control, rss_is_configured)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert(set_rss(c, NIC_HASH_TYPES, 128, 127, 1, 3, 4, 40));
    cr_assert_eq(answer.changed, CONTROL_PAIRS | CONTROL_HASH);
    cr_assert(c->hashes && c->hash.steers);
    cr_assert_eq(c->hash.mask, 127);
    cr_assert_eq(c->hash.table[127], 3);
    cr_assert_eq(c->hash.unclassified, 1);
    cr_assert_eq(c->hash.key[39], 'k');
    cr_assert_eq(c->pairs, 4);
}

Test(net_control, a_short_key_is_followed_by_zeroes)
{
    g_autofree Control *c = control_new(ALL);

    set_rss(c, 1, 1, 0, 0, 0, 1, 40);
    cr_assert(set_rss(c, 1, 1, 0, 0, 0, 1, 5));
    cr_assert_eq(c->hash.key[4], 'k');
    cr_assert_eq(c->hash.key[5], 0);
}

Test(net_control, rss_that_cannot_be_is_refused)
{
    g_autofree Control *c = control_new(ALL);

    cr_expect_not(set_rss(c, 0x40, 4, 3, 0, 0, 2, 40), "type");
    cr_expect_not(set_rss(c, 1, 3, 2, 0, 0, 2, 40), "no power of two");
    cr_expect_not(set_rss(c, 1, 256, 255, 0, 0, 2, 40), "table too long");
    cr_expect_not(set_rss(c, 1, 4, 0xffff, 0, 0, 2, 40), "mask");
    cr_expect_not(set_rss(c, 1, 4, 3, PAIRS, 0, 2, 40), "unclassified");
    cr_expect_not(set_rss(c, 1, 4, 3, 0, PAIRS, 2, 40), "entry");
    cr_expect_not(set_rss(c, 1, 4, 3, 0, 0, 0, 40), "no pair");
    cr_expect_not(set_rss(c, 1, 4, 3, 0, 0, PAIRS + 1, 40), "pairs");
    cr_expect_not(set_rss(c, 1, 4, 3, 0, 0, 2, 41), "key too long");
    cr_expect_not(set_rss(c, 1, 4, 3, 0, 0, 2, 0), "no key");
    cr_expect_not(c->hashes);
    cr_expect(set_rss(c, 0, 4, 3, 0, 0, 2, 0), "no types need no key");
}

Test(net_control, pairs_end_rss)
{
    g_autofree Control *c = control_new(ALL & ~BIT(CONTROL_F_HASH_REPORT));

    set_rss(c, 1, 4, 3, 0, 0, 2, 40);
    cr_assert(RUN(c, "\4\0\2\0"));
    cr_assert_not(c->hashes || c->hash.steers);
}

Test(net_control, a_hash_may_be_reported_without_steering)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert(RUN(c, "\4\2" "\1\0\0\0" "\0\0\0\0\0\0\0\0" "\2kk"));
    cr_assert(c->hashes);
    cr_assert_not(c->hash.steers);
    cr_assert_eq(c->hash.types, 1);
}

Test(net_control, offloads_are_those_accepted_until_changed)
{
    g_autofree Control *c =
        control_new(BIT(CONTROL_F_GUEST_OFFLOADS) | BIT(CONTROL_F_GUEST_TSO4) |
                    BIT(CONTROL_F_GUEST_CHECKSUM));

    cr_assert(control_receives(c, CONTROL_F_GUEST_TSO4));
    cr_assert_not(control_receives(c, CONTROL_F_GUEST_TSO6));
    cr_assert(RUN(c, "\5\0" "\2\0\0\0\0\0\0\0"));
    cr_assert_not(control_receives(c, CONTROL_F_GUEST_TSO4));
    cr_assert(control_receives(c, CONTROL_F_GUEST_CHECKSUM));
    cr_assert(RUN(c, "\5\0" "\x80\0\0\0\0\0\0\0"));
    cr_assert_not(control_receives(c, CONTROL_F_GUEST_TSO4), "no checksum");
    cr_assert_not(RUN(c, "\5\0" "\2\1\0\0\0\0\0\0"), "TSO6");
    cr_assert_not(RUN(c, "\5\0" "\0\0\1\0\0\0\0\0"), "no offload");
}

Test(net_control, coalescing_is_of_each_queue)
{
    g_autofree Control *c = control_new(ALL);

    cr_assert_eq(c->coalescing[0].packets, 7);
    cr_assert_eq(c->coalescing[1].us, 80);
    cr_assert(RUN(c, "\6\0" "\1\0\0\0" "\2\1\0\0"));
    cr_assert(RUN(c, "\6\1" "\3\0\0\0" "\4\0\0\0"));
    cr_assert(RUN(c, "\6\2" "\2\0\0\0" "\5\0\0\0" "\6\0\0\0"));
    cr_assert_eq(c->coalescing[1].packets, 1);
    cr_assert_eq(c->coalescing[7].us, 258);
    cr_assert_eq(c->coalescing[0].packets, 3);
    cr_assert_eq(c->coalescing[2].packets, 5);
    cr_assert_eq(c->coalescing[2].us, 6);
    cr_assert_eq(c->coalescing[4].us, 4);
    cr_assert(RUN(c, "\6\3" "\2\0\0\0"));
    cr_assert_eq(answer.changed, 0);
    cr_assert_eq(answer.n_result, 8);
    cr_assert_arr_eq(answer.result, "\5\0\0\0\6\0\0\0", 8);
    cr_assert_not(RUN(c, "\6\3" "\x8\0\0\0"));
    cr_assert_not(RUN(c, "\6\2" "\x8\0\0\0" "\1\0\0\0" "\1\0\0\0"));
}

static void use(Control *c)
{
    RUN(c, "\0\0\0");
    RUN(c, "\0\4\1");
    RUN(c, "\1\1\2\0\0\0\0\x9");
    RUN(c, "\2\0\xff\xf");
    set_tables(c, 3, MAC_MAX_ADDRESSES);
    set_rss(c, 5, 16, 15, 2, 3, 4, 40);
    RUN(c, "\5\0" "\2\0\0\0\0\0\0\0");
    RUN(c, "\6\2" "\2\0\0\0" "\5\0\0\0" "\6\0\0\0");
    c->announcing = true;
}

Test(net_control, a_reset_makes_it_as_built)
{
    g_autofree Control *c = control_new(ALL);
    g_autofree Control *fresh = g_new0(Control, 1);

    control_init(fresh, &config);
    use(c);
    control_reset(c);
    cr_assert_arr_eq(c, fresh, sizeof(*c));
}

Test(net_control, a_saved_state_is_loaded)
{
    g_autofree Control *c = control_new(ALL);
    g_autofree Control *loaded = control_new(ALL);
    g_autoptr(GByteArray) state = NULL;
    g_autoptr(GByteArray) again = NULL;
    g_autoptr(GError) error = NULL;

    use(c);
    state = control_save(c);
    cr_assert(control_load(loaded, state->data, state->len, &error));
    again = control_save(loaded);
    cr_assert_eq(again->len, state->len);
    cr_assert_arr_eq(again->data, state->data, state->len);
    cr_assert(loaded->announcing && loaded->no_unicast);
    cr_assert(loaded->multicast_overflow);
    cr_assert_eq(loaded->hash.table[15], 3);
}

Test(net_control, a_state_that_is_cut_short_or_too_long_is_refused)
{
    g_autofree Control *c = control_new(ALL);
    g_autofree Control *before = NULL;
    g_autoptr(GByteArray) state = NULL;

    use(c);
    state = control_save(c);
    before = g_memdup2(c, sizeof(*c));
    for (unsigned n = 0; n < state->len; n++) {
        cr_assert_not(control_load(c, state->data, n, NULL), "%u", n);
    }
    g_byte_array_append(state, (const uint8_t *)"", 1);
    cr_assert_not(control_load(c, state->data, state->len, NULL));
    cr_assert_arr_eq(c, before, sizeof(*c));
}

Test(net_control, a_state_of_a_larger_device_is_refused)
{
    g_autofree Control *c = control_new(ALL);
    g_autofree Control *small = g_new0(Control, 1);
    ControlConfig one = config;
    g_autoptr(GByteArray) state = NULL;
    g_autoptr(GError) error = NULL;

    use(c);
    state = control_save(c);
    one.max_pairs = 1;
    control_init(small, &one);
    control_set_features(small, ALL);
    cr_assert_not(control_load(small, state->data, state->len, &error));
    cr_assert_not_null(strstr(error->message, "1 pairs"));
}

Test(net_control, offloads_of_a_state_that_were_not_accepted_are_not_done)
{
    g_autofree Control *c = control_new(ALL);
    g_autofree Control *other = control_new(BIT(CONTROL_F_GUEST_CHECKSUM));
    g_autoptr(GByteArray) state = control_save(c);

    cr_assert(control_load(other, state->data, state->len, NULL));
    cr_assert(control_receives(other, CONTROL_F_GUEST_CHECKSUM));
    cr_assert_not(control_receives(other, CONTROL_F_GUEST_TSO4));
}
