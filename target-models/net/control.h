/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control queue of a virtio network device
 *
 * Models VIRTIO 1.2, 5.1.6.5, and notification coalescing as VIRTIO 1.3 has
 * it: commands of a driver, and the state that they leave.
 *
 * Concepts:
 *
 * - A command is a class, a number and data, answered by OK or ERR.  One
 *   whose feature was not accepted, whose data have the wrong length or
 *   whose values cannot be is answered by ERR and changes nothing.
 * - An address table that is too long is not an error: the device then
 *   takes all addresses of that kind.
 * - Until the driver says otherwise all packets are received.
 * - Coalescing is kept for each virtqueue: receive and transmit queues of
 *   pair N are virtqueues 2N and 2N + 1.
 *
 * Nothing here is thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_CONTROL_H
#define SUNDER_NET_CONTROL_H

#include "mac.h"
#include "rss.h"

#define CONTROL_MAX_PAIRS       8
/* Bytes of a command that are looked at; longer ones are refused. */
#define CONTROL_MAX_COMMAND     (1024 * 1024)
/* Bytes of the longest result behind OK. */
#define CONTROL_MAX_RESULT      8

/* Feature bits, VIRTIO 1.2, 5.1.3; as numbers of bits. */
typedef enum ControlFeature {
    CONTROL_F_GUEST_CHECKSUM = 1,
    CONTROL_F_GUEST_OFFLOADS = 2,
    CONTROL_F_GUEST_TSO4 = 7,
    CONTROL_F_GUEST_TSO6 = 8,
    CONTROL_F_GUEST_ECN = 9,
    CONTROL_F_RX = 18,
    CONTROL_F_VLAN = 19,
    CONTROL_F_RX_EXTRA = 20,
    CONTROL_F_ANNOUNCE = 21,
    CONTROL_F_PAIRS = 22,
    CONTROL_F_ADDRESS = 23,
    CONTROL_F_QUEUE_COALESCING = 52,
    CONTROL_F_COALESCING = 53,
    CONTROL_F_GUEST_USO4 = 54,
    CONTROL_F_GUEST_USO6 = 55,
    CONTROL_F_HASH_REPORT = 57,
    CONTROL_F_RSS = 60,
} ControlFeature;

/* What a command changed: a sum. */
typedef enum ControlChange {
    CONTROL_FILTER = 1,         /* control_filter() */
    CONTROL_ADDRESS = 2,
    CONTROL_ANNOUNCED = 4,      /* the driver did */
    CONTROL_PAIRS = 8,
    CONTROL_HASH = 16,          /* steering, or the key */
    CONTROL_OFFLOADS = 32,
    CONTROL_COALESCING = 64,
} ControlChange;

typedef struct ControlCoalescing {
    uint32_t packets;
    uint32_t us;
} ControlCoalescing;

/* What the device was built with. */
typedef struct ControlConfig {
    uint64_t address;
    unsigned max_pairs;         /* 1 to CONTROL_MAX_PAIRS */
    ControlCoalescing receive;  /* until the driver says otherwise */
    ControlCoalescing transmit;
} ControlConfig;

typedef struct Control {
    ControlConfig config;
    uint64_t features;          /* accepted */

    uint64_t address;
    bool promiscuous;
    bool all_multicast;
    bool all_unicast;
    bool no_multicast;
    bool no_unicast;
    bool no_broadcast;
    bool unicast_overflow;      /* of the table: all are taken */
    bool multicast_overflow;
    uint16_t n_addresses;
    uint64_t addresses[MAC_MAX_ADDRESSES];
    uint64_t vlans[NIC_VLANS / 64];

    unsigned pairs;             /* in use */
    bool hashes;                /* hash is valid: steers, or reports */
    NicRssConfig hash;
    uint64_t offloads;          /* of receiving: bits of ControlFeature */
    bool announcing;            /* the driver is asked to */
    ControlCoalescing coalescing[CONTROL_MAX_PAIRS * 2];
} Control;

typedef struct ControlAnswer {
    bool ok;
    unsigned changed;           /* sum of ControlChange */
    size_t n_result;            /* bytes of result, behind OK */
    uint8_t result[CONTROL_MAX_RESULT];
} ControlAnswer;

#define CONTROL_ERROR control_error_quark()
GQuark control_error_quark(void);

typedef enum ControlError {
    CONTROL_ERROR_STATE,        /* control_load(): not what was saved */
} ControlError;

/* As after control_reset(). */
void control_init(Control *control, const ControlConfig *config);

/* No driver: no feature, everything as built. */
void control_reset(Control *control);

/* The driver accepted @features: offloads of receiving are those. */
void control_set_features(Control *control, uint64_t features);

/*
 * control_command:
 * @data: class, number and data; @size bytes, 0 to CONTROL_MAX_COMMAND
 */
void control_command(Control *control, const uint8_t *data, size_t size,
                     ControlAnswer *answer);

/* Fills in @filter; it points into @control. */
void control_filter(const Control *control, MacFilter *filter);

/* Whether received packets may be like @feature (CONTROL_F_GUEST_*). */
bool control_receives(const Control *control, ControlFeature feature);

/*
 * control_save, control_load:
 *
 * All but configuration and features, in a versioned byte form that does
 * not depend on the host.  Features may be set before or after that, by
 * the member of that name: control_set_features() would change offloads.
 *
 * Returns: true, or false with @error set and @control unchanged.
 */
GByteArray *control_save(const Control *control);
bool control_load(Control *control, const uint8_t *data, size_t size,
                  GError **error);

#endif
