/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link Aggregation Control Protocol and Marker protocol
 *
 * Models one system with one aggregator, as IEEE 802.1AX-2014 clause 6.4
 * (formerly IEEE 802.3ad clause 43.4) describes it: receive, periodic
 * transmission, mux (independent control) and selection machines for each
 * port, and the generator and responder of markers (clause 6.5).  How
 * frames get in and out is the caller's.
 *
 * Concepts:
 *
 * - The actor is this side, the partner the other.  Each tells the other
 *   what it is and what it believes the other to be.
 * - The aggregator holds ports that lead to one partner system and key.
 *   The first such group is chosen, the largest where several come at
 *   once, and kept for as long as one of its ports is alive.
 * - A port collects (frames received on it count) and distributes (frames
 *   may be sent on it) as the mux machine says.
 * - With fast rate the partner is asked to send every second and is given
 *   up after three without a word; with slow rate 30 and 90.
 * - With fallback, one port whose partner does not speak LACP is used
 *   alone.
 * - A marker is sent behind frames; its response says that the partner
 *   has received them all.
 *
 * Use: after every call that takes the time, take frames with
 * lacp_port_transmit() until there are none, look at what changed, and
 * call lacp_system_run() at lacp_system_deadline().
 *
 * Time is the caller's virtual clock in nanoseconds.  Nothing here is
 * thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_LACP_H
#define SUNDER_NET_LACP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define LACP_FRAME          124     /* bytes of a LACPDU or marker frame */
#define LACP_MAX_PORTS      64
#define LACP_NO_DEADLINE    UINT64_MAX
#define LACP_DESTINATION    UINT64_C(0x0180c2000002)

/* IEEE 802.1AX-2014, 6.4.4: constants, in nanoseconds. */
#define LACP_SECOND         UINT64_C(1000000000)
#define LACP_FAST_PERIODIC  (1 * LACP_SECOND)
#define LACP_SLOW_PERIODIC  (30 * LACP_SECOND)
#define LACP_SHORT_TIMEOUT  (3 * LACP_SECOND)
#define LACP_LONG_TIMEOUT   (90 * LACP_SECOND)
#define LACP_AGGREGATE_WAIT (2 * LACP_SECOND)

/* Bits of a state octet, 6.4.2.3. */
#define LACP_ACTIVITY           0x01
#define LACP_TIMEOUT            0x02    /* short */
#define LACP_AGGREGATION        0x04
#define LACP_SYNCHRONIZATION    0x08
#define LACP_COLLECTING         0x10
#define LACP_DISTRIBUTING       0x20
#define LACP_DEFAULTED          0x40
#define LACP_EXPIRED            0x80

typedef struct LacpSystem LacpSystem;
typedef struct LacpPort LacpPort;

/* What is said of one end of a link. */
typedef struct LacpInfo {
    uint16_t system_priority;
    uint64_t system;            /* an Ethernet address */
    uint16_t key;
    uint16_t port_priority;
    uint16_t port;
    uint8_t state;
} LacpInfo;

typedef struct LacpPdu {
    LacpInfo actor;
    LacpInfo partner;
    uint16_t collector_max_delay;   /* tens of microseconds */
} LacpPdu;

typedef struct LacpMarker {
    bool response;
    uint16_t port;              /* of the requester, as its address */
    uint64_t system;
    uint32_t transaction;
} LacpMarker;

/* What a frame of the slow protocols was. */
typedef enum LacpFrameKind {
    LACP_FRAME_LACPDU,
    LACP_FRAME_MARKER,
    LACP_FRAME_OTHER,           /* another slow protocol: not for us */
    LACP_FRAME_BAD,             /* too short, or lengths that cannot be */
} LacpFrameKind;

typedef struct LacpConfig {
    uint16_t system_priority;
    uint64_t system;
    uint16_t key;               /* of ports that may go together */
    bool active;                /* else only answers */
    bool fast;
    bool fallback;
    uint16_t collector_max_delay;
} LacpConfig;

typedef enum LacpReceiveState {
    LACP_RECEIVE_PORT_DISABLED,
    LACP_RECEIVE_EXPIRED,
    LACP_RECEIVE_DEFAULTED,
    LACP_RECEIVE_CURRENT,
    LACP_RECEIVE__MAX,
} LacpReceiveState;

typedef enum LacpMuxState {
    LACP_MUX_DETACHED,
    LACP_MUX_WAITING,
    LACP_MUX_ATTACHED,
    LACP_MUX_COLLECTING,
    LACP_MUX_DISTRIBUTING,
    LACP_MUX__MAX,
} LacpMuxState;

typedef struct LacpStats {
    uint64_t lacpdus_received;
    uint64_t lacpdus_sent;
    uint64_t markers_received;
    uint64_t markers_sent;
    uint64_t responses_received;
    uint64_t responses_sent;
    uint64_t bad;               /* LACP_FRAME_BAD */
    uint64_t other;             /* LACP_FRAME_OTHER */
    uint64_t expired;           /* times that the partner fell silent */
} LacpStats;

/* All that there is to show of a port. */
typedef struct LacpPortStatus {
    bool enabled;
    bool selected;
    LacpReceiveState receive;
    LacpMuxState mux;
    LacpInfo actor;
    LacpInfo partner;
    LacpStats stats;
} LacpPortStatus;

#define LACP_ERROR lacp_error_quark()
GQuark lacp_error_quark(void);

typedef enum LacpError {
    LACP_ERROR_PORT,            /* a number taken, or out of range */
    LACP_ERROR_STATE,           /* lacp_system_load(): bad state */
} LacpError;

/*
 * lacp_frame_decode:
 * @frame: from the destination address on
 * @size: bytes
 *
 * Versions, types and reserved fields are not looked at (6.4.12: a later
 * version must be understood); lengths are.
 *
 * Returns: what it is, with @pdu or @marker filled in.
 */
LacpFrameKind lacp_frame_decode(const uint8_t *frame, size_t size,
                                LacpPdu *pdu, LacpMarker *marker);

/* @source: address of the port; @frame: all of it is written. */
void lacp_pdu_encode(const LacpPdu *pdu, uint64_t source,
                     uint8_t frame[LACP_FRAME]);
void lacp_marker_encode(const LacpMarker *marker, uint64_t source,
                        uint8_t frame[LACP_FRAME]);

/*
 * lacp_system_new:
 * @config: copied
 *
 * Returns: a system without ports; lacp_system_free() frees its ports too.
 */
LacpSystem *lacp_system_new(const LacpConfig *config);
void lacp_system_free(LacpSystem *system);

/* Changes rate and activity; the rest of @config stays as it was. */
void lacp_system_set_mode(LacpSystem *system, bool active, bool fast,
                          uint64_t now_ns);

/*
 * lacp_port_add:
 * @number: 1 to 65535, unique in the system
 * @priority: lower is better; only told to the partner
 * @address: source of its frames
 *
 * Returns: the port, not enabled, owned by the system, or NULL with
 * @error set.
 */
LacpPort *lacp_port_add(LacpSystem *system, uint16_t number,
                        uint16_t priority, uint64_t address, GError **error);
void lacp_port_remove(LacpPort *port, uint64_t now_ns);

/* Whether its link is up, in full duplex. */
void lacp_port_set_enabled(LacpPort *port, bool enabled, uint64_t now_ns);

/*
 * lacp_port_set_key:
 *
 * Ports of different keys are not used together: give those of another
 * speed another key.
 */
void lacp_port_set_key(LacpPort *port, uint16_t key, uint64_t now_ns);

/*
 * lacp_port_receive:
 * @frame: one with NIC_SAP_SLOW, from the destination address on
 *
 * Returns: what it was; anything but LACP_FRAME_OTHER is dealt with.
 */
LacpFrameKind lacp_port_receive(LacpPort *port, const uint8_t *frame,
                                size_t size, uint64_t now_ns);

/* Timers that are due. */
void lacp_system_run(LacpSystem *system, uint64_t now_ns);

/*
 * lacp_system_deadline:
 *
 * Returns: when to call lacp_system_run() and take frames, which may have
 * passed, or LACP_NO_DEADLINE.
 */
uint64_t lacp_system_deadline(const LacpSystem *system);

/*
 * lacp_port_transmit:
 *
 * Returns: true with the next frame to send now, or false.
 */
bool lacp_port_transmit(LacpPort *port, uint8_t frame[LACP_FRAME],
                        uint64_t now_ns);

bool lacp_port_collecting(const LacpPort *port);
bool lacp_port_distributing(const LacpPort *port);
void lacp_port_status(const LacpPort *port, LacpPortStatus *status);

/*
 * lacp_port_send_marker, lacp_port_marker_answered:
 *
 * Has a marker sent; one before it that was not answered is forgotten.
 * The partner need not answer: give it time, then do without.
 */
void lacp_port_send_marker(LacpPort *port);
bool lacp_port_marker_answered(const LacpPort *port);

/*
 * lacp_system_save:
 *
 * Returns: machines, timers (as time left) and partners of all ports, in a
 * versioned byte form that does not depend on the host; the caller unrefs
 * it.
 */
GByteArray *lacp_system_save(const LacpSystem *system, uint64_t now_ns);

/*
 * lacp_system_load:
 *
 * Every field is checked.  The ports saved must be those of @system; what
 * was configured is not touched.
 *
 * Returns: true, or false with @error set and nothing changed.
 */
bool lacp_system_load(LacpSystem *system, const uint8_t *data, size_t size,
                      uint64_t now_ns, GError **error);

#endif
