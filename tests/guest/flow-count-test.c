/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp-flow's account of what arrived, and the dlpi program's messages */
#include <criterion/criterion.h>
#include <string.h>

#include "guest/dlpi-message.h"
#include "guest/udp-flow.h"

static FlowTotals totals_of(const uint64_t *numbers, unsigned n,
                            uint64_t sent)
{
    Flow flow = { 0 };
    FlowTotals totals;

    for (unsigned i = 0; i < n; i++) {
        cr_assert(flow_add(&flow, numbers[i]));
    }
    totals = flow_totals(&flow, 1, sent);
    flow_clear(&flow);
    return totals;
}

Test(flow, in_order_nothing_is_amiss)
{
    FlowTotals t = totals_of((uint64_t[]){ 0, 1, 2, 3 }, 4, 4);

    cr_expect_eq(t.flows, 1);
    cr_expect_eq(t.received, 4);
    cr_expect_eq(t.lost + t.reordered + t.duplicated, 0);
}

Test(flow, what_is_missing_is_lost)
{
    FlowTotals t = totals_of((uint64_t[]){ 1, 4 }, 2, 0);

    cr_expect_eq(t.lost, 3, "0, 2 and 3");
    t = totals_of((uint64_t[]){ 1, 4 }, 2, 10);
    cr_expect_eq(t.lost, 8, "and 5 to 9");
    cr_expect_eq(t.reordered, 0);
}

Test(flow, what_comes_behind_a_higher_number_is_reordered)
{
    FlowTotals t = totals_of((uint64_t[]){ 0, 3, 1, 2, 4 }, 5, 5);

    cr_expect_eq(t.reordered, 2);
    cr_expect_eq(t.lost, 0);
    cr_expect_eq(t.duplicated, 0);
}

Test(flow, what_comes_twice_is_counted_once)
{
    FlowTotals t = totals_of((uint64_t[]){ 0, 1, 1, 0, 700, 700 }, 6, 0);

    cr_expect_eq(t.received, 3);
    cr_expect_eq(t.duplicated, 3);
    cr_expect_eq(t.reordered, 0);
    cr_expect_eq(t.lost, 698);
}

Test(flow, numbers_beyond_all_sense_are_not_counted)
{
    Flow flow = { 0 };

    cr_expect_not(flow_add(&flow, FLOW_NUMBER_MAX));
    cr_expect_not(flow_add(&flow, UINT64_MAX));
    cr_expect(flow_add(&flow, FLOW_NUMBER_MAX - 1));
    flow_clear(&flow);
}

/* The reply to DL_CAPABILITY_REQ as the model makes it */
static DlpiAnswer answer_with(const DlpiCapability *list, unsigned n)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const uint32_t acknowledge = DLPI_CAPABILITY_ACK;
    DlpiAnswer answer = { 0 };

    dlpi_add_capability_req(bytes, list, n);
    memcpy(bytes->data, &acknowledge, sizeof(acknowledge));
    memcpy(answer.bytes, bytes->data, bytes->len);
    answer.size = bytes->len;
    return answer;
}

static const DlpiCapability offered[] = {
    { .type = DLPI_CAPAB_HCKSUM, .flags = DLPI_HCKSUM_PARTIAL },
    { .type = DLPI_CAPAB_DIRECT, .flags = DLPI_DIRECT_CAPABLE,
      .interface = { 3, 0xc00, 4, 8, 0x1122334455667788 } },
};

Test(dlpi, what_was_offered_is_sent_back_enabled)
{
    DlpiAnswer answer = answer_with(offered, 2);
    DlpiOffer offers[DLPI_OFFERS];
    DlpiCapability list[DLPI_CAPABILITIES];
    DlpiRequest request;
    unsigned n = dlpi_answer_offers(&answer, offers);

    cr_assert_eq(n, 2);
    cr_assert(dlpi_request_enable(&request, offers, n, "direct,hcksum",
                                  true));
    cr_assert_eq(dlpi_parse_capabilities(request.bytes, request.size, list),
                 2);
    cr_expect_eq(list[0].type, DLPI_CAPAB_DIRECT);
    cr_expect_eq(list[0].flags, DLPI_DIRECT_CAPABLE | DLPI_ENABLE);
    cr_expect_eq(list[0].interface.handle, 0x1122334455667788);
    cr_expect_eq(list[1].flags, DLPI_HCKSUM_PARTIAL | DLPI_ENABLE);
    cr_assert(dlpi_request_enable(&request, offers, n, "direct", false));
    cr_assert_eq(dlpi_parse_capabilities(request.bytes, request.size, list),
                 1);
    cr_expect_eq(list[0].flags, DLPI_DIRECT_CAPABLE);
}

Test(dlpi, what_was_not_offered_is_not_asked_for)
{
    DlpiAnswer answer = answer_with(offered, 2);
    DlpiOffer offers[DLPI_OFFERS];
    DlpiRequest request;
    unsigned n = dlpi_answer_offers(&answer, offers);

    cr_expect_not(dlpi_request_enable(&request, offers, n, "lso", true));
    cr_expect_not(dlpi_request_enable(&request, offers, n, "direct,", true));
    cr_expect_not(dlpi_request_enable(&request, offers, n, "", true));
}

Test(dlpi, answers_that_cannot_be_hold_nothing_more)
{
    DlpiOffer offers[DLPI_OFFERS];
    DlpiAnswer answer;

    for (unsigned i = 0; i < 2000; i++) {
        unsigned n;

        answer = answer_with(offered, 2);
        /* Any word of it, of any size */
        ((uint32_t *)(void *)answer.bytes)[i % 24] ^= 1u << i / 24 % 32;
        n = dlpi_answer_offers(&answer, offers);
        cr_assert_leq(n, DLPI_OFFERS);
        for (unsigned j = 0; j < n; j++) {
            cr_assert_leq(offers[j].n, 8);
        }
    }
}

Test(dlpi, bytes_are_pairs_of_digits)
{
    DlpiRequest request;

    cr_assert(dlpi_request_hex(&request, "00ff10"));
    cr_expect_eq(request.size, 3);
    cr_expect_eq(request.bytes[1], 0xff);
    cr_expect_not(dlpi_request_hex(&request, "0"));
    cr_expect_not(dlpi_request_hex(&request, "zz"));
}
