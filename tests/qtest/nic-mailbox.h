/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DLPI mailbox of a network card under qtest: messages, and the parts of
 * their answers
 */
#ifndef SUNDER_TESTS_NIC_MAILBOX_H
#define SUNDER_TESTS_NIC_MAILBOX_H

#include "hw/net/nic-dlpi.h"
#include "nic-machine.h"

typedef struct Mailbox {
    QNic *nic;                  /* function 0 */
    QPCIBar bar;
    uint64_t window;
} Mailbox;

/* A card of two ports with a function each, and its mailbox. */
typedef struct DlpiLab {
    NicMachine *m;
    QNic nic;                   /* function 0 */
    Mailbox box;
} DlpiLab;

typedef struct Reply {
    uint32_t size;
    uint32_t primitive;
    uint8_t data[NIC_DLPI_MESSAGE_SIZE];
} Reply;

/* A capability as it is in a message: type, length, data. */
typedef struct Capability {
    bool found;
    uint32_t flags;
    uint32_t max;
    uint32_t bar, offset, stride, n;
    uint64_t handle;
    const uint8_t *at;
    unsigned size;
} Capability;

/* Function 0 is found, and has no driver. */
void dlpi_lab_start(DlpiLab *lab, const char *properties);
void dlpi_lab_start_driver(DlpiLab *lab, uint64_t features);
void dlpi_lab_end(DlpiLab *lab);
/* A member of function 0 in query-sunder-nic. */
bool dlpi_lab_flag(DlpiLab *lab, const char *member);

/* Registers of the window of a function; at first that of function 0. */
void mailbox_use_window(Mailbox *b, unsigned function);
uint32_t mailbox_get(Mailbox *b, unsigned at);
void mailbox_put(Mailbox *b, unsigned at, uint32_t value);

/* The message whose length and data are in those registers. */
void mailbox_read(Mailbox *b, unsigned length_at, unsigned data_at,
                  Reply *r);
/* Sends a message and takes the answer; there must be one. */
void mailbox_request(Mailbox *b, const uint8_t *data, unsigned size,
                     Reply *r);
/* The same for a primitive and @n words. */
void mailbox_ask(Mailbox *b, Reply *r, uint32_t primitive, unsigned n, ...);
/* The answer is an error; @n: 0 or 1 words. */
void mailbox_expect_error(Mailbox *b, uint32_t code, uint32_t primitive,
                          unsigned n, uint32_t argument);
void mailbox_attach(Mailbox *b, unsigned ppa);
/* Connectionless, without management and automatic answers. */
void mailbox_bind(Mailbox *b, uint16_t sap);

/* What the stream has to offer. */
void mailbox_query(Mailbox *b, Reply *r);
/* Asks for what was offered, with or without ENABLE and a wrong handle. */
void mailbox_enable(Mailbox *b, const Capability *c, bool on, bool spoil,
                    Reply *r);
/* The interface of a capability that is enabled now. */
Capability mailbox_enable_type(Mailbox *b, uint32_t type, Reply *r);

uint32_t reply_word(const Reply *r, unsigned i);
Capability reply_capability(const Reply *r, uint32_t type);

#endif
