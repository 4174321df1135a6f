/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A NIC that records what DLPI made it do, and a driver's side. */
#ifndef SUNDER_TESTS_DLPI_FIXTURE_H
#define SUNDER_TESTS_DLPI_FIXTURE_H

#include "target-models/net/dlpi.h"

#define ADDRESS     UINT64_C(0x525400000001)
#define PPAS        4

/* What the NIC was made to do, and what it does. */
typedef struct FakeNic {
    int ppa;                    /* -1: none */
    int sap;
    unsigned levels;
    bool has_lso;
    bool refuses;
    bool link;
    unsigned n_enabled;
    DlpiCapability enabled[DLPI_CAPABILITIES];
} FakeNic;

extern FakeNic nic;
extern const DlpiOps nic_ops;
extern DlpiStream *stream;
extern GByteArray *reply, *request;

void dlpi_set_up(void);
void dlpi_tear_down(void);

/* Word @i of the reply. */
uint32_t word(unsigned i);
/* Sends what is in @request.  Returns: the primitive of the reply. */
uint32_t tell(void);
/* Sends a primitive and an operand. */
uint32_t ask(uint32_t primitive, uint32_t operand);
/* These must succeed: to PPA 2, and to the SAP of IPv4. */
void attach(void);
void bind_ip(void);
unsigned query(DlpiCapability list[DLPI_CAPABILITIES]);
/* Sets the flag in all of @list, and sends them. */
uint32_t enable(DlpiCapability *list, unsigned n);

#endif
