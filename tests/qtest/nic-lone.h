/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card with one port and a driver in its function, under qtest
 *
 * Virtual time stands still unless a test moves it, so nothing that is held
 * back comes by itself.
 */
#ifndef SUNDER_TESTS_NIC_LONE_H
#define SUNDER_TESTS_NIC_LONE_H

#include "nic-machine.h"

#define MILLISECOND INT64_C(1000000)
/* Number of a frame behind others */
#define MARKER      0xffff
#define F_STATUS    (1ull << VIRTIO_NET_F_STATUS)

typedef struct LoneCard {
    NicMachine *m;
    QNic q;
    int64_t now_ns;             /* virtual time, as lone_step() moved it */
} LoneCard;

LoneCard lone_start(void);
void lone_end(LoneCard *c);
void lone_step(LoneCard *c, int64_t ns);

/* Numbers 0 to @n - 1 are on their way to the card. */
void lone_arrive(LoneCard *c, unsigned n);
void lone_expect_arrived(LoneCard *c, const unsigned *numbers, unsigned n);

/* The driver sends 0 to @n - 1. */
void lone_send(LoneCard *c, unsigned n);
void lone_expect_sent(LoneCard *c, const unsigned *numbers, unsigned n);
/* Virtual time stands still, so nothing comes any more. */
void lone_expect_nothing_sent(LoneCard *c);

/* What arrives is seen by the rules in the emulator's own time. */
void lone_wait_fired(LoneCard *c, const char *id, int64_t fired);

#define EXPECT_ARRIVED(c, ...) do { \
        static const unsigned numbers_[] = { __VA_ARGS__ }; \
        lone_expect_arrived(c, numbers_, G_N_ELEMENTS(numbers_)); \
    } while (0)

#define EXPECT_SENT(c, ...) do { \
        static const unsigned numbers_[] = { __VA_ARGS__ }; \
        lone_expect_sent(c, numbers_, G_N_ELEMENTS(numbers_)); \
    } while (0)

#endif
