/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data Link Provider Interface between a NIC and an operating system
 *
 * Models the negotiation of US 7,487,514: a first request asks what the
 * NIC can do, the acknowledgement carries the interface through which it
 * is to be used, a second request enables it; from then on the two use
 * that interface and pass by these messages.
 *
 * Concepts:
 *
 * - Messages are those of DLPI version 2 (STREAMS DLPI specification
 *   800-6915-01) with the primitives of Solaris for capabilities and
 *   notifications, numbers as in illumos <sys/dlpi.h>.  They are 32-bit
 *   words, little endian, without padding; offsets count from the start
 *   of the message.  How they travel (a mailbox) is the caller's.
 * - A stream is one user of the NIC.  It attaches to a physical point of
 *   attachment (PPA, a port or function by number), binds to a SAP, and
 *   then negotiates.
 * - A capability is a sub-message of type, length and data in
 *   DL_CAPABILITY_REQ and DL_CAPABILITY_ACK.  A request without any asks
 *   for all; one with some enables or disables these, all or none.
 *   Types that are not known are skipped and missing in the reply.
 * - An interface is where a function pointer would be in an operating
 *   system: registers in a BAR, one block for each ring, and a handle.
 *   A capability with an interface is enabled only by the handle that the
 *   last reply gave.
 * - Renegotiation: what the NIC can do has changed.  All that is enabled
 *   ends at once, handles lose their value, and the stream is notified.
 *
 * Any bytes may be sent; what cannot be is answered by DL_ERROR_ACK.
 * Nothing here is thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_DLPI_H
#define SUNDER_NET_DLPI_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Bytes of the largest request that is read, and of any reply. */
#define DLPI_MAX_REQUEST    1024
#define DLPI_MAX_REPLY      256

typedef enum DlpiPrimitive {
    DLPI_INFO_REQ = 0x00,
    DLPI_BIND_REQ = 0x01,
    DLPI_UNBIND_REQ = 0x02,
    DLPI_INFO_ACK = 0x03,
    DLPI_BIND_ACK = 0x04,
    DLPI_ERROR_ACK = 0x05,
    DLPI_OK_ACK = 0x06,
    DLPI_ATTACH_REQ = 0x0b,
    DLPI_DETACH_REQ = 0x0c,
    DLPI_PROMISCON_REQ = 0x1f,
    DLPI_PROMISCOFF_REQ = 0x20,
    DLPI_PHYS_ADDR_REQ = 0x31,
    DLPI_PHYS_ADDR_ACK = 0x32,
    DLPI_NOTIFY_REQ = 0x100,
    DLPI_NOTIFY_ACK = 0x101,
    DLPI_NOTIFY_IND = 0x102,
    DLPI_CAPABILITY_REQ = 0x110,
    DLPI_CAPABILITY_ACK = 0x111,
    DLPI_PRIM_INVAL = 0xffff,
} DlpiPrimitive;

typedef enum DlpiState {
    DLPI_UNBOUND = 0,
    DLPI_IDLE = 3,              /* bound */
    DLPI_UNATTACHED = 4,
} DlpiState;

/* dl_errno of DL_ERROR_ACK. */
typedef enum DlpiErrno {
    DLPI_BADSAP = 0x00,
    DLPI_BADADDR = 0x01,
    DLPI_OUTSTATE = 0x03,       /* not in this state */
    DLPI_UNSUPPORTED = 0x07,    /* such a service is not there */
    DLPI_BADPPA = 0x08,
    DLPI_BADPRIM = 0x09,        /* not known, or malformed */
    DLPI_INITFAILED = 0x0e,     /* the NIC refused */
    DLPI_NOTSUPPORTED = 0x12,   /* known, but not done */
    DLPI_NOTENAB = 0x14,        /* was not on */
    DLPI_BUSY = 0x15,
    DLPI_NOAUTO = 0x16,         /* XID and TEST are not answered */
} DlpiErrno;

/* Levels of DL_PROMISCON_REQ. */
#define DLPI_PROMISC_PHYS   1
#define DLPI_PROMISC_SAP    2
#define DLPI_PROMISC_MULTI  3

/* Bits of the notifications that there are. */
#define DLPI_NOTE_LINK_DOWN     0x0008
#define DLPI_NOTE_LINK_UP       0x0010
#define DLPI_NOTE_SPEED         0x0100
#define DLPI_NOTE_CAPAB_RENEG   0x0400

/*
 * Types of capabilities.  DIRECT is not in <sys/dlpi.h>: there it came to
 * be a function call.  Private numbers are above 0x80000000.
 */
#define DLPI_CAPAB_HCKSUM   0x01u
#define DLPI_CAPAB_POLL     0x06u
#define DLPI_CAPAB_LSO      0x08u
#define DLPI_CAPAB_DIRECT   0x80000001u

/* Flags of each; the lowest bit enables. */
#define DLPI_ENABLE             0x01u
#define DLPI_HCKSUM_PARTIAL     0x02u   /* one's complement, from an offset */
#define DLPI_HCKSUM_FULL_V4     0x04u
#define DLPI_HCKSUM_FULL_V6     0x08u
#define DLPI_HCKSUM_IPHDR       0x10u
#define DLPI_LSO_TCP_IPV4       0x02u
#define DLPI_LSO_TCP_IPV6       0x04u   /* not in <sys/dlpi.h> */
#define DLPI_POLL_CAPABLE       0x02u
#define DLPI_DIRECT_CAPABLE     0x02u

/* The data of all capabilities starts with this version. */
#define DLPI_CAPAB_VERSION      1

/* Registers of @n rings in a BAR: ring i at @offset + i * @stride. */
typedef struct DlpiInterface {
    uint32_t bar;
    uint32_t offset;
    uint32_t stride;
    uint32_t n;
    uint64_t handle;
} DlpiInterface;

/* A sub-message; members that its type has not are 0. */
typedef struct DlpiCapability {
    uint32_t type;
    uint32_t flags;
    uint32_t max;               /* LSO: bytes of payload */
    DlpiInterface interface;    /* POLL and DIRECT */
} DlpiCapability;

#define DLPI_CAPABILITIES   4   /* types that there are */

/* A PPA, as DL_INFO_ACK tells of it. */
typedef struct DlpiInfo {
    uint64_t address;
    uint32_t max_sdu;           /* bytes */
} DlpiInfo;

/* What the NIC does; all are needed. */
typedef struct DlpiOps {
    /* Fills @info; false: there is no such PPA, or it is not to be had. */
    bool (*attach)(void *opaque, uint32_t ppa, DlpiInfo *info);
    void (*detach)(void *opaque);
    bool (*bind)(void *opaque, uint16_t sap);
    void (*unbind)(void *opaque);
    void (*promiscuous)(void *opaque, unsigned level, bool on);
    /*
     * Fills in what the PPA can do now, without DLPI_ENABLE; the stream
     * chooses handles.  Returns how many, at most DLPI_CAPABILITIES.
     */
    unsigned (*capabilities)(void *opaque,
                             DlpiCapability list[DLPI_CAPABILITIES]);
    /*
     * From now on these, and no others, are enabled, with the flags they
     * have; @n may be 0, which must succeed.  False: none has changed.
     */
    bool (*enable)(void *opaque, const DlpiCapability *list, unsigned n);
    /* Whether the link is up, and its speed in Mbit/s. */
    bool (*link)(void *opaque, uint32_t *speed_mbps);
} DlpiOps;

typedef struct DlpiStream DlpiStream;

typedef struct DlpiStats {
    uint64_t requests;
    uint64_t errors;            /* answered by DL_ERROR_ACK */
    uint64_t indications;
    uint64_t renegotiations;
} DlpiStats;

#define DLPI_ERROR dlpi_error_quark()
GQuark dlpi_error_quark(void);

typedef enum DlpiError {
    DLPI_ERROR_STATE,           /* dlpi_stream_load(): bad state */
} DlpiError;

/*
 * dlpi_stream_new:
 * @ops: kept by the caller until the stream is freed
 *
 * Returns: an unattached stream.  dlpi_stream_free() resets it first.
 */
DlpiStream *dlpi_stream_new(const DlpiOps *ops, void *opaque);
void dlpi_stream_free(DlpiStream *stream);

/* Ends all that is enabled, unbinds and detaches: a reset of the NIC. */
void dlpi_stream_reset(DlpiStream *stream);

/*
 * dlpi_stream_request:
 * @data: one message of @size bytes
 * @reply: gets the one message that answers it, DLPI_MAX_REPLY bytes at
 *     most; what was in it is dropped
 */
void dlpi_stream_request(DlpiStream *stream, const uint8_t *data,
                         size_t size, GByteArray *reply);

/*
 * dlpi_stream_notify:
 * @note: one bit of DLPI_NOTE_*
 *
 * Link up and link down take each other's place when neither was fetched.
 *
 * Returns: whether the stream has something to fetch now.
 */
bool dlpi_stream_notify(DlpiStream *stream, uint32_t note);

/* Fetches a DL_NOTIFY_IND.  Returns: false when there is none. */
bool dlpi_stream_indication(DlpiStream *stream, GByteArray *message);

/* What the NIC can do has changed.  Returns: as dlpi_stream_notify(). */
bool dlpi_stream_renegotiate(DlpiStream *stream);

DlpiState dlpi_stream_state(const DlpiStream *stream);
const DlpiStats *dlpi_stream_stats(const DlpiStream *stream);

/* Returns: the capability as it is enabled, or NULL. */
const DlpiCapability *dlpi_stream_enabled(const DlpiStream *stream,
                                          uint32_t type);

/*
 * Messages of the other side: for drivers of our own, for tests, and for
 * carrying the negotiation over another protocol.
 */

/* A request of words. */
void dlpi_add_message(GByteArray *out, uint32_t primitive,
                      const uint32_t *words, unsigned n);

/* Bound to connectionless service. */
void dlpi_add_bind_req(GByteArray *out, uint16_t sap);

/* @n 0 asks for all. */
void dlpi_add_capability_req(GByteArray *out, const DlpiCapability *list,
                             unsigned n);

/*
 * dlpi_parse_capabilities:
 * @data: a DL_CAPABILITY_REQ or DL_CAPABILITY_ACK
 *
 * Returns: how many of the known types were put in @list, the last of
 * each, or -1 when a length or offset cannot be.
 */
int dlpi_parse_capabilities(const uint8_t *data, size_t size,
                            DlpiCapability list[DLPI_CAPABILITIES]);

/*
 * Carried by virtio, for a driver that does not know DLPI: the features
 * that are offered are the capabilities acknowledged, FEATURES_OK enables
 * those that were accepted, DRIVER_OK opens the direct channel.
 */

/* Returns: feature bits of virtio-net for what is offered or enabled. */
uint64_t dlpi_virtio_features(const DlpiCapability *list, unsigned n);

/*
 * dlpi_virtio_enable:
 * @features: accepted by the driver
 * @direct: whether to open the direct channel, too
 *
 * Says what a driver would say, in messages: attaches to @ppa and binds
 * if need be, asks, and enables those and no others.  The stream is bound
 * to SAP 0 and sees all SAPs, as virtio-net does.
 *
 * Returns: false when one of the messages was answered by an error.
 */
bool dlpi_virtio_enable(DlpiStream *stream, uint32_t ppa, uint64_t features,
                        bool direct);

/*
 * dlpi_stream_save, dlpi_stream_load:
 *
 * State, SAP, notifications, handles and what is enabled, in a versioned
 * byte form that does not depend on the host.  The stream loaded into must
 * be unattached; the operations are called so that the NIC follows.
 *
 * Returns: true, or false with @error set and the stream unattached.
 */
GByteArray *dlpi_stream_save(const DlpiStream *stream);
bool dlpi_stream_load(DlpiStream *stream, const uint8_t *data, size_t size,
                      GError **error);

#endif
