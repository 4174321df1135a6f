/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The card of nic-machine.h on a netdev of QEMU's, "stream", with the test at
 * its other end: nothing is lost on the way, and it fills up.
 */
#ifndef SUNDER_TESTS_NIC_STREAM_H
#define SUNDER_TESTS_NIC_STREAM_H

#include "nic-machine.h"

#define STREAM_LENGTH_BYTES 4       /* before each frame */

typedef struct Stream {
    NicMachine *m;
    QNic q;
    int fd;
} Stream;

/* Without a driver; @properties of the card, @more of the command line. */
void stream_open(Stream *s, const char *properties, const char *more);
/* With a driver that has no feature but VERSION_1. */
void stream_start(Stream *s, const char *properties);
void stream_end(Stream *s);

void stream_send(Stream *s, const uint8_t *frame, uint32_t length);
/* To broadcast, from 02:00:00:00:00:01; as wire_send_number(). */
void stream_send_number(Stream *s, uint32_t number);
size_t stream_receive(Stream *s, uint8_t *frame, size_t size);
int64_t stream_receive_number(Stream *s);

/* @n frames each way, one after the other. */
void stream_exchange(Stream *s, unsigned n);

#endif
