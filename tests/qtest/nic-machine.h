/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with a network card "nic0" at 00:04, under qtest: the far ends of
 * its wires, and a virtio-net driver for its functions
 *
 * Each port is a sunder-nic-dgram on one of two connected UDP sockets of the
 * loopback interface; the test has the other.  What it sent is in the
 * emulator's socket when wire_send() returns, but the emulator reads in its
 * own time: wait for what is to come, and to see that something does not
 * come, send something else behind it that does.
 *
 * The driver has rings and buffers at fixed addresses of guest memory, so that
 * it can go on in another emulator after a migration.  Queue 2N receives,
 * 2N+1 transmits, the last one is the control queue.  It does what it is told,
 * also what no driver should.
 */
#ifndef SUNDER_TESTS_NIC_MACHINE_H
#define SUNDER_TESTS_NIC_MACHINE_H

#include "libqtest.h"
#include "libqos/pci.h"
#include "libqos/virtio-pci.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/virtio_net.h"

#define NIC_SLOT            4           /* of the card, unless told */
#define NIC_MAX_WIRES       8
#define NIC_QUEUES          17          /* of a function, at most */
#define NIC_ENTRIES         256         /* of a ring, unless told */
#define NIC_BUFFER          2048        /* bytes of one of its buffers */
#define NIC_HEADER_BYTES    12          /* virtio_net_hdr_v1 */

/* Memory of the driver of a function; none of it is below 16 MiB. */
#define NIC_AREA(function)  (16 * MiB * (1 + (function)))
#define NIC_FREE_MEMORY     (160 * MiB) /* from here on: the test's */
#define NIC_MEMORY          (256 * MiB)

typedef struct NicMachine {
    QTestState *qts;
    QPCIBus *bus;
    unsigned slot;                      /* of the card */
    unsigned n_wires;
    int wires[NIC_MAX_WIRES];           /* of the test */
    int emulator[NIC_MAX_WIRES];        /* the other ends, for a command line */
} NicMachine;

/* A function, and its driver. */
typedef struct QNic {
    NicMachine *m;
    unsigned function;
    QVirtioPCIDevice *dev;
    uint64_t features;
    unsigned n_queues;
    unsigned entries;
    uint16_t posted[NIC_QUEUES];
    uint16_t seen[NIC_QUEUES];
} QNic;

/*
 * nic_machine_start:
 * @wires: ports, "w0" and so on; 0: @properties and @options say all of them
 * @properties: of the card, beginning with a comma, or empty
 * @options: more command line, or empty
 */
NicMachine *nic_machine_start(unsigned wires, const char *properties,
                              const char *options);
/* The command line of that, for an emulator that goes on with @m's wires. */
char *nic_machine_args(const NicMachine *m, const char *properties,
                       const char *options);
/* Without an emulator yet: its wires only. */
NicMachine *nic_machine_new(unsigned wires);
/* The emulator that was started with nic_machine_args() is @m's from now. */
void nic_machine_adopt(NicMachine *m, QTestState *qts);
/* Ends the emulator, too. */
void nic_machine_end(NicMachine *m);

/*
 * Wires.  wire_receive() returns the length of the next frame; 0 if none came
 * in a minute, so compare it.  wire_poll() does not wait.
 */
void wire_send(NicMachine *m, unsigned wire, const void *frame,
               size_t length);
size_t wire_receive(NicMachine *m, unsigned wire, void *frame, size_t size);
size_t wire_poll(NicMachine *m, unsigned wire, void *frame, size_t size);

/*
 * Frames of 60 bytes with a number in them.  frame_number() is -1 for any
 * other frame.
 */
#define FRAME_BYTES 60
#define FRAME_TYPE  0x88b5      /* IEEE 802: local experimental */
void frame_make(uint8_t *frame, uint64_t destination, uint64_t source,
                uint16_t type, uint32_t number);
int64_t frame_number(const uint8_t *frame, size_t length);
/* To broadcast, from 02:00:00:00:00:WIRE. */
void wire_send_number(NicMachine *m, unsigned wire, uint32_t number);
int64_t wire_receive_number(NicMachine *m, unsigned wire);

/*
 * qnic_find(): the function, enabled, without a driver.  qnic_start(): a
 * driver with those of the offered features that are in @features, its
 * receive rings filled.  qnic_adopt(): the driver of @before goes on in
 * another emulator.
 */
void qnic_find(QNic *q, NicMachine *m, unsigned function);
void qnic_start(QNic *q, NicMachine *m, unsigned function,
                uint64_t features);
void qnic_adopt(QNic *q, NicMachine *m, const QNic *before);
/* The steps of qnic_start(), for a driver that does them in its own way. */
void qnic_negotiate(QNic *q, uint64_t features);
void qnic_set_up_queue(QNic *q, unsigned queue, unsigned entries);
/* Frees what is the test's; the function keeps running. */
void qnic_leave(QNic *q);

uint8_t qnic_status(QNic *q);
uint32_t qnic_config(QNic *q, unsigned offset, unsigned size);
/* Reads and clears it: bit 0 a queue, bit 1 the configuration. */
uint8_t qnic_take_interrupt(QNic *q);

/* Addresses in guest memory. */
uint64_t qnic_ring(QNic *q, unsigned queue);
uint64_t qnic_available(QNic *q, unsigned queue);
uint64_t qnic_used(QNic *q, unsigned queue);
uint64_t qnic_buffer(QNic *q, unsigned queue, unsigned entry);

/* Makes @n receive buffers available; without qnic_notify(). */
void qnic_post_receive(QNic *q, unsigned queue, unsigned n);
/* Makes one buffer with a header of zeroes and @frame available. */
void qnic_post_frame(QNic *q, unsigned queue, const void *frame,
                     size_t length);
void qnic_notify(QNic *q, unsigned queue);

/* Buffers used and not seen. */
unsigned qnic_pending(QNic *q, unsigned queue);
/* Waits for one and sees it.  Returns: the descriptor's number. */
unsigned qnic_wait(QNic *q, unsigned queue, uint32_t *length);

/* A whole frame: returns its length; the buffer is available again. */
size_t qnic_receive(QNic *q, unsigned queue, void *frame, size_t size);
int64_t qnic_receive_number(QNic *q, unsigned queue);
void qnic_send(QNic *q, unsigned queue, const void *frame, size_t length);
/* As wire_send_number(), from 02:00:00:00:01:FUNCTION. */
void qnic_send_number(QNic *q, unsigned queue, uint32_t number);

/* A command by the control queue. Returns: its acknowledgement. */
uint8_t qnic_control(QNic *q, uint8_t class, uint8_t command,
                     const void *data, size_t length);

/* query-sunder-nic: a member of the card's first list of @what. */
int64_t nic_number(NicMachine *m, const char *what, unsigned index,
                   const char *member);
/* The card's part of it; to be unrefed. */
QDict *nic_info(NicMachine *m);

/* @more: further members of the rule, with a comma before each; or empty. */
void nic_add_rule(NicMachine *m, const char *id, const char *point,
                  const char *outcome, const char *more);
void nic_remove_rule(NicMachine *m, const char *id);
int64_t nic_rule_fired(NicMachine *m, const char *id);

/* Waits for @what to be @expected; a minute. */
#define nic_wait_until(condition) do { \
        gint64 nic_end_ = g_get_monotonic_time() + 60 * G_USEC_PER_SEC; \
        while (!(condition)) { \
            g_assert_cmpint(g_get_monotonic_time(), <, nic_end_); \
            g_usleep(1000); \
        } \
    } while (0)

#endif
