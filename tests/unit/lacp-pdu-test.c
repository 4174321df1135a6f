/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of LACP and Marker, and states, good and bad. */
#include <criterion/criterion.h>
#include <string.h>

#include "lacp-fixture.h"

#define SECOND  LACP_SECOND

static const LacpPdu sample = {
    .actor = { 0x0102, UINT64_C(0x030405060708), 0x090a, 0x0b0c, 0x0d0e,
               0x3f },
    .partner = { 0x1112, UINT64_C(0x131415161718), 0x191a, 0x1b1c, 0x1d1e,
                 0x45 },
    .collector_max_delay = 0x2122,
};

/* Bytes 14 to 73 of the frame, as figure 6-7 of the standard has them. */
static const uint8_t sample_bytes[] = {
    1, 1,
    1, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x3f, 0, 0, 0,
    2, 20, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a,
    0x1b, 0x1c, 0x1d, 0x1e, 0x45, 0, 0, 0,
    3, 16, 0x21, 0x22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0,
};

Test(lacp_pdu, is_laid_out_as_the_standard_says)
{
    uint8_t frame[LACP_FRAME];

    lacp_pdu_encode(&sample, UINT64_C(0x525400000001), frame);
    cr_assert_arr_eq(frame, "\x01\x80\xc2\0\0\2\x52\x54\0\0\0\1\x88\x09", 14);
    cr_assert_arr_eq(frame + 14, sample_bytes, sizeof(sample_bytes));
    for (unsigned i = 14 + sizeof(sample_bytes); i < LACP_FRAME; i++) {
        cr_assert_eq(frame[i], 0);
    }
}

Test(lacp_pdu, decodes_to_what_was_encoded)
{
    uint8_t frame[LACP_FRAME];
    LacpMarker marker;
    LacpPdu pdu;

    memset(&pdu, 0, sizeof(pdu));
    lacp_pdu_encode(&sample, 1, frame);
    cr_assert_eq(lacp_frame_decode(frame, LACP_FRAME, &pdu, &marker),
                 LACP_FRAME_LACPDU);
    cr_assert_eq(pdu.actor.system, sample.actor.system);
    cr_assert_eq(pdu.actor.port, sample.actor.port);
    cr_assert_eq(pdu.partner.key, sample.partner.key);
    cr_assert_eq(pdu.partner.state, sample.partner.state);
    cr_assert_eq(pdu.collector_max_delay, sample.collector_max_delay);
}

Test(lacp_pdu, a_later_version_is_understood)
{
    uint8_t frame[LACP_FRAME];
    LacpMarker marker;
    LacpPdu pdu;

    lacp_pdu_encode(&sample, 1, frame);
    frame[15] = 2;
    frame[16] = 99;             /* a type */
    frame[33] = 99;             /* reserved */
    cr_assert_eq(lacp_frame_decode(frame, LACP_FRAME, &pdu, &marker),
                 LACP_FRAME_LACPDU);
}

Test(lacp_pdu, lengths_that_cannot_be_are_refused)
{
    static const unsigned lengths[] = { 17, 37, 57, 73 };
    uint8_t frame[LACP_FRAME];
    LacpMarker marker;
    LacpPdu pdu;

    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        lacp_pdu_encode(&sample, 1, frame);
        frame[lengths[i]] ^= 1;
        cr_assert_eq(lacp_frame_decode(frame, LACP_FRAME, &pdu, &marker),
                     LACP_FRAME_BAD);
    }
}

Test(lacp_pdu, every_frame_that_is_cut_off_is_refused)
{
    uint8_t frame[LACP_FRAME];
    LacpMarker marker;
    LacpPdu pdu;

    lacp_pdu_encode(&sample, 1, frame);
    for (unsigned size = 0; size < LACP_FRAME; size++) {
        cr_assert_eq(lacp_frame_decode(frame, size, &pdu, &marker),
                     LACP_FRAME_BAD);
    }
}

Test(lacp_pdu, other_slow_protocols_are_not_ours)
{
    uint8_t frame[LACP_FRAME];
    LacpMarker marker;
    LacpPdu pdu;

    lacp_pdu_encode(&sample, 1, frame);
    frame[14] = 3;              /* OAM */
    cr_assert_eq(lacp_frame_decode(frame, 60, &pdu, &marker),
                 LACP_FRAME_OTHER);
}

Test(lacp_pdu, a_marker_is_laid_out_as_the_standard_says)
{
    static const uint8_t bytes[] = {
        2, 1, 1, 16, 0, 5, 0x52, 0x54, 0, 0, 0, 1, 1, 2, 3, 4, 0, 0, 0, 0,
    };
    LacpMarker marker = { false, 5, UINT64_C(0x525400000001), 0x01020304 };
    LacpMarker back;
    LacpPdu pdu;
    uint8_t frame[LACP_FRAME];

    lacp_marker_encode(&marker, 1, frame);
    cr_assert_arr_eq(frame + 14, bytes, sizeof(bytes));
    cr_assert_eq(lacp_frame_decode(frame, LACP_FRAME, &pdu, &back),
                 LACP_FRAME_MARKER);
    cr_assert_not(back.response);
    cr_assert_eq(back.transaction, marker.transaction);
    frame[16] = 2;
    cr_assert_eq(lacp_frame_decode(frame, LACP_FRAME, &pdu, &back),
                 LACP_FRAME_MARKER);
    cr_assert(back.response);
    frame[16] = 3;
    cr_assert_eq(lacp_frame_decode(frame, LACP_FRAME, &pdu, &back),
                 LACP_FRAME_BAD);
}

static LacpLab *lab;

static void set_up(void)
{
    LacpConfig a = lab_config(0), b = lab_config(1);

    lab = lab_new(&a, &b);
    lab_plug_all(lab);
    lab_run_until_up(lab, LAB_PORTS, 10 * SECOND);
}

static void tear_down(void)
{
    lab_free(lab);
}

TestSuite(lacp_state, .init = set_up, .fini = tear_down);

/* Puts a new system where one was, as a migration does. */
static void replace_system(unsigned side)
{
    g_autoptr(GByteArray) state = lacp_system_save(lab->system[side],
                                                   lab->now_ns);
    LacpConfig config = lab_config(side);
    LacpSystem *fresh = lacp_system_new(&config);

    for (unsigned i = 0; i < LAB_PORTS; i++) {
        lab->port[side][i] = lacp_port_add(fresh, i + 1, 255,
                                           0x200 + side * 16 + i, NULL);
    }
    cr_assert(lacp_system_load(fresh, state->data, state->len, lab->now_ns,
                               NULL));
    lacp_system_free(lab->system[side]);
    lab->system[side] = fresh;
}

Test(lacp_state, a_migration_is_not_noticed)
{
    lab_run(lab, 10 * SECOND);
    replace_system(0);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS);
    lab_run(lab, 100 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS);
    cr_assert_eq(lab_distributing(lab, 1), LAB_PORTS);
    cr_assert_eq(lab_status(lab, 1, 0).stats.expired, 0);
}

Test(lacp_state, timers_go_on_where_they_were)
{
    lab_run(lab, 10 * SECOND);
    lab->mute[1][0] = true;
    lab_run(lab, 2 * SECOND);
    replace_system(0);
    lab_run(lab, SECOND + SECOND / 100);
    cr_assert_not(lacp_port_distributing(lab->port[0][0]));
}

Test(lacp_state, a_migration_may_happen_at_any_moment)
{
    for (unsigned i = 0; i < 40; i++) {
        lab_plug(lab, 0, i % 4 != 0);
        lab_run(lab, SECOND / 3);
        replace_system(i % 2);
    }
    lab_plug_all(lab);
    cr_assert_lt(lab_run_until_up(lab, LAB_PORTS, 10 * SECOND), 6 * SECOND);
}

Test(lacp_state, is_saved_again_as_it_was_loaded)
{
    g_autoptr(GByteArray) first = lacp_system_save(lab->system[0],
                                                   lab->now_ns);
    g_autoptr(GByteArray) second = NULL;

    cr_assert(lacp_system_load(lab->system[0], first->data, first->len,
                               lab->now_ns, NULL));
    second = lacp_system_save(lab->system[0], lab->now_ns);
    cr_assert_eq(first->len, second->len);
    cr_assert_arr_eq(first->data, second->data, first->len);
}

Test(lacp_state, every_state_that_is_cut_off_or_too_long_is_refused)
{
    g_autoptr(GByteArray) state = lacp_system_save(lab->system[0],
                                                   lab->now_ns);
    unsigned size = state->len;

    for (unsigned i = 0; i < size; i++) {
        cr_assert_not(lacp_system_load(lab->system[0], state->data, i,
                                       lab->now_ns, NULL));
    }
    g_byte_array_append(state, (const uint8_t *)"", 1);
    cr_assert_not(lacp_system_load(lab->system[0], state->data, state->len,
                                   lab->now_ns, NULL));
}

/* Damages each byte in turn: refused and nothing changed, or taken. */
Test(lacp_state, damage_is_refused_whole_or_harmless)
{
    g_autoptr(GByteArray) state = lacp_system_save(lab->system[0],
                                                   lab->now_ns);
    unsigned refused = 0;

    for (unsigned i = 0; i < state->len; i++) {
        g_autoptr(GByteArray) after = NULL;
        g_autoptr(GError) error = NULL;

        state->data[i] ^= 0xff;
        if (!lacp_system_load(lab->system[0], state->data, state->len,
                              lab->now_ns, &error)) {
            state->data[i] ^= 0xff;
            after = lacp_system_save(lab->system[0], lab->now_ns);
            cr_assert_arr_eq(after->data, state->data, state->len);
            refused++;
            continue;
        }
        state->data[i] ^= 0xff;
        cr_assert(lacp_system_load(lab->system[0], state->data, state->len,
                                   lab->now_ns, NULL));
    }
    cr_assert_gt(refused, 100);
}

Test(lacp_state, of_other_ports_is_refused)
{
    g_autoptr(GByteArray) state = lacp_system_save(lab->system[0],
                                                   lab->now_ns);
    g_autoptr(GError) error = NULL;

    lacp_port_remove(lab->port[0][3], lab->now_ns);
    lab->port[0][3] = lacp_port_add(lab->system[0], 9, 255, 1, NULL);
    cr_assert_not(lacp_system_load(lab->system[0], state->data, state->len,
                                   lab->now_ns, &error));
    cr_assert_not_null(strstr(error->message, "ports are not those"));
}
