/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of LACP share; not for its callers. */
#ifndef SUNDER_NET_LACP_INTERNAL_H
#define SUNDER_NET_LACP_INTERNAL_H

#include "lacp.h"

/* 6.4.16: no more than three LACPDUs in any Fast_Periodic_Time. */
#define LACP_TX_LIMIT       3
/* IEEE 802.3, 57A.3: slow protocols send ten frames a second at most. */
#define LACP_RESPONSE_LIMIT 10

typedef enum LacpPeriodicState {
    LACP_PERIODIC_NONE,
    LACP_PERIODIC_FAST,
    LACP_PERIODIC_SLOW,
    LACP_PERIODIC__MAX,
} LacpPeriodicState;

typedef enum LacpMarkerState {
    LACP_MARKER_NONE,
    LACP_MARKER_TO_SEND,
    LACP_MARKER_SENT,
    LACP_MARKER_ANSWERED,
    LACP_MARKER__MAX,
} LacpMarkerState;

/* Everything about a port that travels. */
typedef struct LacpMachines {
    bool enabled;
    bool selected;
    bool ntt;                   /* need to transmit */
    bool wait_over;             /* wait_while has run out: Ready_N */
    LacpReceiveState receive;
    LacpPeriodicState periodic;
    LacpMuxState mux;
    LacpMarkerState marker;
    uint32_t transaction;       /* of the marker */
    LacpInfo actor;
    LacpInfo partner;
    uint64_t current_while;     /* deadlines; LACP_NO_DEADLINE: stopped */
    uint64_t periodic_timer;
    uint64_t wait_while;
    LacpStats stats;
} LacpMachines;

struct LacpPort {
    LacpSystem *system;
    uint64_t address;
    LacpMachines m;
    bool respond;               /* a marker is to be answered */
    LacpMarker response;
    uint64_t sent[LACP_TX_LIMIT];   /* times of the latest LACPDUs; a ring */
    unsigned n_sent;                /* ever; the next is at this, modulo */
    uint64_t second;            /* start of the one responses count in */
    unsigned responses;
};

/* Which ports go together: 6.4.6, LAG ID. */
typedef struct LacpGroup {
    uint16_t key;
    uint16_t partner_priority;
    uint64_t partner;
    uint16_t partner_key;
    uint16_t alone;             /* its number, for a port that stays alone */
    bool defaulted;
} LacpGroup;

struct LacpSystem {
    LacpConfig config;
    GPtrArray *ports;           /* LacpPort, by number */
    bool has_group;
    LacpGroup group;
};

/* Partner parameters of a port that has heard of none. */
void lacp_port_record_default(LacpPort *port);
/* BEGIN. */
void lacp_receive_begin(LacpPort *port);
void lacp_receive_enable(LacpPort *port, bool enabled, uint64_t now_ns);
void lacp_receive_pdu(LacpPort *port, const LacpPdu *pdu, uint64_t now_ns);
void lacp_receive_run(LacpPort *port, uint64_t now_ns);

void lacp_periodic_run(LacpPort *port, uint64_t now_ns);

/* One step.  Returns: whether it did anything. */
bool lacp_mux_step(LacpPort *port, bool ready, uint64_t now_ns);

void lacp_selection_run(LacpSystem *system);

static inline bool lacp_timer_due(uint64_t deadline, uint64_t now_ns)
{
    return deadline != LACP_NO_DEADLINE && now_ns >= deadline;
}

#endif
