/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver and a NIC that speak DLPI. */
#include <criterion/criterion.h>
#include <string.h>

#include "dlpi-fixture.h"

TestSuite(dlpi, .init = dlpi_set_up, .fini = dlpi_tear_down);

static void expect_error(uint32_t primitive, DlpiErrno code)
{
    cr_assert_eq(word(0), DLPI_ERROR_ACK);
    cr_assert_eq(word(1), primitive);
    cr_assert_eq(word(2), code, "%u", word(2));
    cr_assert_eq(reply->len, 16);
}

Test(dlpi, information_tells_state_and_addresses)
{
    ask(DLPI_INFO_REQ, 0);
    cr_assert_eq(word(0), DLPI_INFO_ACK);
    cr_assert_eq(word(3), 0, "no address yet");
    cr_assert_eq(word(6), DLPI_UNATTACHED);
    bind_ip();
    ask(DLPI_INFO_REQ, 0);
    cr_assert_eq(word(1), 1500);
    cr_assert_eq(word(3), 8);
    cr_assert_eq(word(4), 4, "Ethernet");
    cr_assert_eq(word(6), DLPI_IDLE);
    cr_assert_eq(word(7), (uint32_t)-2);
    cr_assert_eq(word(13), 0x501);
    cr_assert_eq(word(15), 2);
    cr_assert_arr_eq(reply->data + word(14), "\x52\x54\0\0\0\3\0\x08", 8);
    cr_assert_eq(word(16), 6);
    cr_assert_arr_eq(reply->data + word(17), "\xff\xff\xff\xff\xff\xff", 6);
    cr_assert_eq(reply->len, word(17) + 6);
}

Test(dlpi, attach_and_detach)
{
    attach();
    cr_assert_eq(nic.ppa, 2);
    cr_assert_eq(dlpi_stream_state(stream), DLPI_UNBOUND);
    ask(DLPI_ATTACH_REQ, 1);
    expect_error(DLPI_ATTACH_REQ, DLPI_OUTSTATE);
    cr_assert_eq(ask(DLPI_DETACH_REQ, 0), DLPI_OK_ACK);
    cr_assert_eq(nic.ppa, -1);
    ask(DLPI_DETACH_REQ, 0);
    expect_error(DLPI_DETACH_REQ, DLPI_OUTSTATE);
    ask(DLPI_ATTACH_REQ, PPAS);
    expect_error(DLPI_ATTACH_REQ, DLPI_BADPPA);
}

Test(dlpi, bind_and_unbind)
{
    bind_ip();
    cr_assert_eq(nic.sap, 0x0800);
    cr_assert_eq(word(1), 0x0800);
    cr_assert_eq(word(2), 8);
    cr_assert_arr_eq(reply->data + word(3), "\x52\x54\0\0\0\3\0\x08", 8);
    ask(DLPI_DETACH_REQ, 0);
    expect_error(DLPI_DETACH_REQ, DLPI_OUTSTATE);
    cr_assert_eq(ask(DLPI_UNBIND_REQ, 0), DLPI_OK_ACK);
    cr_assert_eq(nic.sap, -1);
    ask(DLPI_UNBIND_REQ, 0);
    expect_error(DLPI_UNBIND_REQ, DLPI_OUTSTATE);
}

Test(dlpi, what_cannot_be_bound_is_refused)
{
    static const struct {
        uint32_t words[4];
        DlpiErrno code;
    } cases[] = {
        { { 0x10000, 0, 2, 0 }, DLPI_BADSAP },
        { { 1501, 0, 2, 0 }, DLPI_BADSAP },
        { { 0x0800, 0, 1, 0 }, DLPI_UNSUPPORTED },
        { { 0x0800, 0, 2, 1 }, DLPI_NOAUTO },
    };

    attach();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        dlpi_add_message(request, DLPI_BIND_REQ, cases[i].words, 4);
        tell();
        expect_error(DLPI_BIND_REQ, cases[i].code);
    }
    nic.refuses = true;
    dlpi_add_bind_req(request, 0x0800);
    tell();
    expect_error(DLPI_BIND_REQ, DLPI_INITFAILED);
    cr_assert_eq(dlpi_stream_state(stream), DLPI_UNBOUND);
}

Test(dlpi, the_first_request_tells_what_there_is_with_its_interface)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    attach();
    cr_assert_eq(query(list), 4);
    cr_assert_eq(list[0].type, DLPI_CAPAB_HCKSUM);
    cr_assert_eq(list[0].flags, DLPI_HCKSUM_PARTIAL | DLPI_HCKSUM_FULL_V4);
    cr_assert_eq(list[2].type, DLPI_CAPAB_DIRECT);
    cr_assert_eq(list[2].interface.bar, 4);
    cr_assert_eq(list[2].interface.offset, 0x2000);
    cr_assert_eq(list[2].interface.stride, 32);
    cr_assert_eq(list[2].interface.n, 4);
    cr_assert_neq(list[2].interface.handle, 0);
    cr_assert_neq(list[2].interface.handle, list[1].interface.handle);
    cr_assert_eq(list[3].max, 65536);
    cr_assert_eq(nic.n_enabled, 0, "asking enables nothing");
}

Test(dlpi, the_second_request_enables)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    query(list);
    cr_assert_eq(enable(&list[2], 1), DLPI_CAPABILITY_ACK);
    cr_assert_eq(nic.n_enabled, 1);
    cr_assert_eq(nic.enabled[0].type, DLPI_CAPAB_DIRECT);
    cr_assert_not_null(dlpi_stream_enabled(stream, DLPI_CAPAB_DIRECT));
    cr_assert_null(dlpi_stream_enabled(stream, DLPI_CAPAB_POLL));
    cr_assert_eq(dlpi_parse_capabilities(reply->data, reply->len, list), 1);
    cr_assert(list[0].flags & DLPI_ENABLE);
    /* the rest later, one after the other */
    query(list);
    cr_assert(list[2].flags & DLPI_ENABLE, "a query shows it");
    cr_assert_eq(enable(&list[0], 1), DLPI_CAPABILITY_ACK);
    cr_assert_eq(nic.n_enabled, 2);
}

Test(dlpi, a_request_without_the_flag_disables)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    query(list);
    enable(list, 4);
    cr_assert_eq(nic.n_enabled, 4);
    list[1].flags &= ~DLPI_ENABLE;
    dlpi_add_capability_req(request, &list[1], 1);
    tell();
    cr_assert_eq(nic.n_enabled, 3);
    cr_assert_null(dlpi_stream_enabled(stream, DLPI_CAPAB_POLL));
    cr_assert_not_null(dlpi_stream_enabled(stream, DLPI_CAPAB_LSO));
}

Test(dlpi, no_more_is_enabled_than_is_offered)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    query(list);
    list[0].flags = UINT32_MAX;
    list[3].max = UINT32_MAX;
    enable(list, 4);
    cr_assert_eq(nic.enabled[0].flags, DLPI_ENABLE | DLPI_HCKSUM_PARTIAL |
                 DLPI_HCKSUM_FULL_V4);
    cr_assert_eq(nic.enabled[3].max, 65536);
    list[3].max = 9000;
    enable(&list[3], 1);
    cr_assert_eq(dlpi_stream_enabled(stream, DLPI_CAPAB_LSO)->max, 9000);
}

Test(dlpi, what_is_not_there_is_missing_in_the_reply)
{
    DlpiCapability list[DLPI_CAPABILITIES] = {
        { .type = DLPI_CAPAB_LSO }, { .type = DLPI_CAPAB_HCKSUM },
    };

    nic.has_lso = false;
    bind_ip();
    cr_assert_eq(enable(list, 2), DLPI_CAPABILITY_ACK);
    cr_assert_eq(dlpi_parse_capabilities(reply->data, reply->len, list), 1);
    cr_assert_eq(list[0].type, DLPI_CAPAB_HCKSUM);
}

Test(dlpi, nothing_is_enabled_before_binding)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    attach();
    query(list);
    enable(list, 1);
    expect_error(DLPI_CAPABILITY_REQ, DLPI_OUTSTATE);
    ask(DLPI_DETACH_REQ, 0);
    dlpi_add_capability_req(request, NULL, 0);
    tell();
    expect_error(DLPI_CAPABILITY_REQ, DLPI_OUTSTATE);
}

Test(dlpi, a_wrong_handle_enables_nothing_at_all)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    query(list);
    list[2].interface.handle++;
    enable(list, 4);
    expect_error(DLPI_CAPABILITY_REQ, DLPI_BADADDR);
    cr_assert_eq(nic.n_enabled, 0);
}

Test(dlpi, a_nic_that_refuses_leaves_things_as_they_were)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    query(list);
    enable(&list[0], 1);
    nic.refuses = true;
    enable(&list[2], 1);
    expect_error(DLPI_CAPABILITY_REQ, DLPI_INITFAILED);
    cr_assert_null(dlpi_stream_enabled(stream, DLPI_CAPAB_DIRECT));
    cr_assert_not_null(dlpi_stream_enabled(stream, DLPI_CAPAB_HCKSUM));
}

Test(dlpi, unbinding_ends_what_is_enabled)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    query(list);
    enable(list, 4);
    ask(DLPI_UNBIND_REQ, 0);
    cr_assert_eq(nic.n_enabled, 0);
    cr_assert_null(dlpi_stream_enabled(stream, DLPI_CAPAB_DIRECT));
}

Test(dlpi, renegotiation_ends_the_direct_channel_and_its_handle)
{
    DlpiCapability old[DLPI_CAPABILITIES], list[DLPI_CAPABILITIES];

    bind_ip();
    ask(DLPI_NOTIFY_REQ, DLPI_NOTE_CAPAB_RENEG);
    query(old);
    enable(old, 4);
    nic.has_lso = false;
    cr_assert(dlpi_stream_renegotiate(stream));
    cr_assert_eq(nic.n_enabled, 0);
    cr_assert(dlpi_stream_indication(stream, reply));
    cr_assert_eq(word(0), DLPI_NOTIFY_IND);
    cr_assert_eq(word(1), DLPI_NOTE_CAPAB_RENEG);
    cr_assert_not(dlpi_stream_indication(stream, reply));
    enable(&old[2], 1);
    expect_error(DLPI_CAPABILITY_REQ, DLPI_BADADDR);
    cr_assert_eq(query(list), 3);
    cr_assert_eq(enable(&list[2], 1), DLPI_CAPABILITY_ACK);
}

Test(dlpi, only_what_was_asked_for_is_notified)
{
    bind_ip();
    cr_assert_not(dlpi_stream_notify(stream, DLPI_NOTE_LINK_DOWN));
    cr_assert_eq(ask(DLPI_NOTIFY_REQ, DLPI_NOTE_LINK_DOWN |
                     DLPI_NOTE_LINK_UP | DLPI_NOTE_SPEED | 1),
                 DLPI_NOTIFY_ACK);
    cr_assert_eq(word(1) & 1, 0);
    cr_assert(dlpi_stream_indication(stream, reply), "how the link is now");
    cr_assert_eq(word(1), DLPI_NOTE_LINK_UP);
    dlpi_stream_notify(stream, DLPI_NOTE_LINK_DOWN);
    dlpi_stream_notify(stream, DLPI_NOTE_LINK_UP);
    dlpi_stream_notify(stream, DLPI_NOTE_SPEED);
    cr_assert(dlpi_stream_indication(stream, reply));
    cr_assert_eq(word(1), DLPI_NOTE_LINK_UP);
    cr_assert(dlpi_stream_indication(stream, reply));
    cr_assert_eq(word(1), DLPI_NOTE_SPEED);
    cr_assert_eq(word(2), 10000000);
    cr_assert_not(dlpi_stream_indication(stream, reply));
}

Test(dlpi, promiscuous_levels_go_on_and_off)
{
    ask(DLPI_PROMISCON_REQ, DLPI_PROMISC_SAP);
    expect_error(DLPI_PROMISCON_REQ, DLPI_OUTSTATE);
    attach();
    cr_assert_eq(ask(DLPI_PROMISCON_REQ, DLPI_PROMISC_SAP), DLPI_OK_ACK);
    cr_assert_eq(ask(DLPI_PROMISCON_REQ, DLPI_PROMISC_SAP), DLPI_OK_ACK);
    cr_assert_eq(nic.levels, 1u << DLPI_PROMISC_SAP);
    cr_assert_eq(ask(DLPI_PROMISCOFF_REQ, DLPI_PROMISC_SAP), DLPI_OK_ACK);
    cr_assert_eq(nic.levels, 0);
    ask(DLPI_PROMISCOFF_REQ, DLPI_PROMISC_SAP);
    expect_error(DLPI_PROMISCOFF_REQ, DLPI_NOTENAB);
    ask(DLPI_PROMISCON_REQ, 4);
    expect_error(DLPI_PROMISCON_REQ, DLPI_UNSUPPORTED);
    ask(DLPI_PROMISCON_REQ, DLPI_PROMISC_PHYS);
    ask(DLPI_DETACH_REQ, 0);
    cr_assert_eq(nic.levels, 0);
}

Test(dlpi, the_physical_address_is_told)
{
    attach();
    cr_assert_eq(ask(DLPI_PHYS_ADDR_REQ, 2), DLPI_PHYS_ADDR_ACK);
    cr_assert_arr_eq(reply->data + word(2), "\x52\x54\0\0\0\3", 6);
    ask(DLPI_PHYS_ADDR_REQ, 9);
    expect_error(DLPI_PHYS_ADDR_REQ, DLPI_UNSUPPORTED);
}

Test(dlpi, unknown_and_short_messages_are_answered)
{
    ask(0x77, 0);
    expect_error(0x77, DLPI_BADPRIM);
    g_byte_array_append(request, (const uint8_t *)"\0\0", 2);
    tell();
    expect_error(DLPI_PRIM_INVAL, DLPI_BADPRIM);
    dlpi_add_message(request, DLPI_ATTACH_REQ, NULL, 0);
    tell();
    expect_error(DLPI_ATTACH_REQ, DLPI_BADPRIM);
    dlpi_stream_request(stream, request->data, 0, reply);
    expect_error(DLPI_PRIM_INVAL, DLPI_BADPRIM);
    g_byte_array_set_size(request, DLPI_MAX_REQUEST + 4);
    memset(request->data, 0, request->len);
    tell();
    expect_error(DLPI_INFO_REQ, DLPI_BADPRIM);
}

/* Offsets and lengths of all kinds in a request for capabilities. */
Test(dlpi, capabilities_with_lengths_that_cannot_be_are_refused)
{
    static const uint32_t heads[][2] = {
        { 12, 1 }, { 12, UINT32_MAX }, { UINT32_MAX, 8 }, { 0, 8 }, { 4, 8 },
        { 13, 32 }, { 44, 4 }, { UINT32_MAX - 3, 4 },
    };
    static const uint32_t lengths[] = { 0, 4, 23, 25, 100, UINT32_MAX };
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    query(list);
    for (unsigned i = 0; i < G_N_ELEMENTS(heads); i++) {
        dlpi_add_capability_req(request, list, 1);
        memcpy(request->data + 4, heads[i], 8);
        tell();
        expect_error(DLPI_CAPABILITY_REQ, DLPI_BADPRIM);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        dlpi_add_capability_req(request, list, 1);
        memcpy(request->data + 16, &lengths[i], 4);
        tell();
        expect_error(DLPI_CAPABILITY_REQ, DLPI_BADPRIM);
    }
}

Test(dlpi, unknown_capabilities_are_skipped)
{
    DlpiCapability list[DLPI_CAPABILITIES];
    uint32_t unknown[] = { 0x42, 4, 99 };

    bind_ip();
    query(list);
    dlpi_add_message(request, DLPI_CAPABILITY_REQ,
                     (uint32_t[]){ 12, sizeof(unknown) + 32 }, 2);
    g_byte_array_append(request, (uint8_t *)unknown, sizeof(unknown));
    dlpi_add_message(request, DLPI_CAPAB_HCKSUM,
                     (uint32_t[]){ 24, 1, 3, 0, 0, 0, 0 }, 7);
    cr_assert_eq(tell(), DLPI_CAPABILITY_ACK);
    cr_assert_eq(nic.n_enabled, 1);
}
