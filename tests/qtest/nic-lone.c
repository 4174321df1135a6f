/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nic-lone.h"
#include "qemu/bswap.h"

#define RARP_TYPE   0x8035

LoneCard lone_start(void)
{
    LoneCard c = { .m = nic_machine_start(1, "", "") };

    qnic_start(&c.q, c.m, 0, F_STATUS);
    return c;
}

void lone_end(LoneCard *c)
{
    qnic_leave(&c->q);
    nic_machine_end(c->m);
}

void lone_step(LoneCard *c, int64_t ns)
{
    qtest_clock_step(c->m->qts, ns);
    c->now_ns += ns;
}

void lone_arrive(LoneCard *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        wire_send_number(c->m, 0, i);
    }
}

void lone_expect_arrived(LoneCard *c, const unsigned *numbers, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpint(qnic_receive_number(&c->q, 0), ==, numbers[i]);
    }
}

/* After a migration QEMU announces the card, in its own time. */
static bool is_announcement(const uint8_t *frame, size_t length)
{
    return length >= 14 && lduw_be_p(frame + 12) == RARP_TYPE;
}

void lone_expect_sent(LoneCard *c, const unsigned *numbers, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t frame[NIC_BUFFER];
        size_t length;

        do {
            length = wire_receive(c->m, 0, frame, sizeof(frame));
        } while (is_announcement(frame, length));
        g_assert_cmpint(frame_number(frame, length), ==, numbers[i]);
    }
}

void lone_expect_nothing_sent(LoneCard *c)
{
    uint8_t frame[NIC_BUFFER];
    size_t length;

    do {
        length = wire_poll(c->m, 0, frame, sizeof(frame));
    } while (is_announcement(frame, length));
    g_assert_cmpuint(length, ==, 0);
}

void lone_send(LoneCard *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qnic_send_number(&c->q, 1, i);
    }
}

void lone_wait_fired(LoneCard *c, const char *id, int64_t fired)
{
    nic_wait_until(nic_rule_fired(c->m, id) >= fired);
}
