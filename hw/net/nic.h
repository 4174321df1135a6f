/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: a network card with many ports
 *
 * A PCI device of up to NIC_MAX_FUNCTIONS functions, each of them a virtio
 * network device (virtio 1.2, section 5.1) for the stock driver, over up to
 * NIC_MAX_PORTS ports.  target-models/net holds what the card thinks: the
 * MAC service, chains, aggregations, LACP, DLPI; here are its hands.
 *
 * Concepts
 *
 * Card: function 0, "sunder-nic", with all properties.  It makes the other
 *   functions and owns everything.
 * Port: a wire, "<id>.pN".  Behind it is a netdev or a backend of our own
 *   (NicBackend).  A NICState of that name makes set_link work on it.
 * Group: the ports of one function.  One port is used as it is; more of
 *   them become an aggregation, "<id>.aN".
 * Function: "<id>.fN", a client of its group's port.
 * Burst: what a backend had for us in one go.  It is staged, and handed
 *   to the MAC service as one chain before the main loop waits.
 * Pause: a driver that has no room makes its ports tell their backends to
 *   wait (as IEEE 802.3 annex 31B does), instead of losing frames; property
 *   pause.
 *
 * Everything here runs in the main loop under the big QEMU lock.  Time is
 * the virtual clock.
 */
#ifndef SUNDER_HW_NET_NIC_H
#define SUNDER_HW_NET_NIC_H

#include "hw/fault/fault.h"
#include "hw/net/nic-backend.h"
#include "hw/virtio/virtio-pci.h"
#include "net/net.h"
#include "qapi/qapi-types-sunder.h"
#include "target-models/net/aggregation.h"
#include "target-models/net/dlpi.h"
#include "target-models/net/mac.h"

#define NIC_MAX_PORTS           8
#define NIC_MAX_FUNCTIONS       8
#define NIC_MAX_QUEUE_PAIRS     8
/* Packets of a burst, and of a batch of a transmit ring. */
#define NIC_BURST               256
/* Slots of a port's own transmit queue; see mac.h, space(). */
#define NIC_PORT_QUEUE          256
/* Bytes of the smallest buffer that a driver of merged buffers gives. */
#define NIC_LEAST_BUFFER        1526

/* QEMU fills variables with zeroes: not kilobytes of them for each frame. */
#if __has_attribute(uninitialized)
#define NIC_UNINITIALIZED __attribute__((uninitialized))
#else
#define NIC_UNINITIALIZED
#endif

#define TYPE_NIC_CARD           "sunder-nic-base"
OBJECT_DECLARE_SIMPLE_TYPE(NicCard, NIC_CARD)
#define TYPE_NIC_FUNCTION       "sunder-nic-device"
OBJECT_DECLARE_SIMPLE_TYPE(NicFunction, NIC_FUNCTION)

typedef struct NicFault NicFault;       /* nic-fault.c */
typedef struct NicControl NicControl;   /* nic-control.c */
typedef struct NicOffload NicOffload;   /* nic-offload.c */
typedef struct NicDlpi NicDlpi;         /* nic-dlpi.c */
typedef struct NicStage NicStage;       /* nic-stage.c */
typedef struct NicSpill NicSpill;       /* nic-spill.c */
typedef struct NicWatch NicWatch;       /* nic-aggregation.c */
typedef struct NicPort NicPort;
typedef struct NicGroup NicGroup;
typedef struct NicRing NicRing;

/* --- the card ---------------------------------------------------------- */

/* A wire. */
struct NicPort {
    NicCard *card;
    unsigned number;
    NicGroup *group;
    char *name;                 /* "<id>.pN" */
    char *backend_id;           /* of a netdev or a NicBackend; "": none */
    MacPort *mac;               /* published for as long as the card is */
    NicBackend *backend;        /* NULL with a netdev */
    NICConf conf;
    NICState *nic;              /* always; without a netdev for set_link */
    NetClientState *wire;       /* with a NicBackend: the other side of it */
    bool has_header;            /* the netdev's frames have a vnet header */
    bool set_down;              /* by set_link */
    bool fault_down;            /* by nic_port_set_link() */
    bool told_up;               /* in SUNDER_NIC_PORT_CHANGED */
    bool told_active;
    NicStage *stage;            /* the burst that is being received */
    NicSpill *spill;            /* packets that the wire did not take */
    QEMUBH *resume_bh;          /* the netdev has sent something */
    unsigned in_flight;         /* with the netdev, not yet on the wire */
    bool full;                  /* transmit refused or had no space */
    bool paused;                /* the wire was told to wait */
    bool waiting;               /* a NicBackend: it does not read */
    uint64_t paused_ns;         /* when it was paused */
    QEMUTimer *patience;        /* with a driver that gives little */
    VMChangeStateEntry *vm_state;
    uint64_t pauses;            /* times that it was */
    FaultPoint *point;
    bool fault_holds;           /* frames back, for a while */
    NicFault *fault;
};

/* The ports of one function or of several. */
struct NicGroup {
    NicCard *card;
    unsigned number;
    char *name;                 /* "<id>.aN"; NULL for one port */
    NicPort *ports[NIC_MAX_PORTS];
    unsigned n_ports;
    MacPort *mac;               /* what functions attach to */
    unsigned staged;            /* buffers that staged packets will need */
    Aggregation *aggregation;   /* NULL for one port */
    QEMUTimer *timer;           /* nic-aggregation.c */
    NicWatch *watch;            /* nic-aggregation.c; for one port, too */
};

/* A region of RAM, mapped. */
typedef struct NicWindow {
    hwaddr start;
    uint64_t length;
    uint8_t *host;
    MemoryRegionCache cache;
} NicWindow;

/* Regions used at once: below and above 4 GiB, and some to spare. */
#define NIC_WINDOWS 4

/* The guest's memory as a function reaches it; nic-memory.c. */
typedef struct NicMemory {
    AddressSpace *as;           /* NULL: no driver */
    MemoryListener listener;
    NicWindow windows[NIC_WINDOWS];
    unsigned n;
    NicWindow *last;            /* used last */
    unsigned generation;        /* of host addresses */
    NicWindow *dirty_window;    /* NULL: nothing waits to be made dirty */
    hwaddr dirty_start;
    hwaddr dirty_end;
} NicMemory;

/* What a ring did. */
typedef struct NicRingStats {
    uint64_t packets;
    uint64_t bytes;
    uint64_t dropped;           /* receive: no room */
    uint64_t interrupts;
    uint64_t merged;            /* receive: part of a bigger packet */
    uint64_t transfers;         /* receive: sub-chains */
    uint64_t segmented;         /* transmit: sent as several frames */
} NicRingStats;

/*
 * A virtqueue that holds packets.  It is read and written here, not by
 * virtio.c: a batch at a time (nic-ring.c).
 */
struct NicRing {
    NicFunction *function;
    unsigned pair;
    bool transmit;
    unsigned index;             /* of the virtqueue */
    VirtQueue *vq;              /* NULL while there is none */
    NicRingStats stats;
    NicHoldoff holdoff;         /* also of transmit rings */
    QEMUTimer *timer;           /* its end */
    NicRing *next_touched;
    bool touched;               /* is in NicCard.touched */
    bool polled;                /* DLPI: no interrupts */
    FaultPoint *point;          /* "<id>.fN.rxM", "txM" */

    /* the ring in memory, nic-ring.c; only while the driver runs it */
    unsigned size;              /* 0: not running */
    uint16_t next;              /* first head that was not taken */
    uint16_t ready;             /* the driver's index, as last seen */
    uint16_t used;              /* index to be published next */
    uint16_t signalled;         /* index at the last interrupt */
    bool signalled_valid;
    bool asking;                /* the driver is to tell of new heads */
    uint16_t most;              /* heads that there were at once */
    hwaddr descriptors;
    hwaddr available;
    hwaddr used_ring;
    const uint8_t *host_descriptors;    /* NULL: not mapped */
    const uint8_t *host_available;
    unsigned generation;        /* of these; NicMemory's */
    unsigned fresh;             /* receive: packets to announce */

    /* transmit */
    QEMUBH *bh;                 /* in another turn of the main loop */
    bool scheduled;             /* in this one */
    bool stopped;               /* the port refused; resume goes on */
    NicPacket *frames;          /* of one packet, cut; nic-offload.c */
    unsigned n_frames;
    unsigned next_frame;
};

/* A virtio network device. */
struct NicFunction {
    VirtIODevice parent_obj;
    NicCard *card;
    NicGroup *group;
    unsigned number;
    char *id;                   /* "<id>.fN" */
    MACAddr mac_address;        /* as built */
    uint8_t mac[ETH_ALEN];      /* as the driver sees it */
    MacClient *client;          /* NULL while there is no driver */
    uint64_t offered;           /* bits the properties let through */
    unsigned n_pairs;           /* pairs that there can be */
    unsigned queues;            /* pairs that the driver sees */
    unsigned pairs;             /* that the driver uses, from the first */
    NicRing rx[NIC_MAX_QUEUE_PAIRS];
    NicRing tx[NIC_MAX_QUEUE_PAIRS];
    NicMemory memory;
    struct NicHead *heads;      /* two, being filled by nic-receive.c */
    bool running;               /* DRIVER_OK */
    bool deaf;                  /* nic_function_give_up() */
    VirtQueue *control_vq;
    bool announcing;            /* VIRTIO_NET_S_ANNOUNCE is set */
    uint64_t bad_requests;
    bool direct;                /* DLPI: the direct channel is open */
    NicControl *control;
    NicOffload *offload;
};

struct NicCard {
    VirtIOPCIProxy parent_obj;
    NicFunction function0;
    NicFunction *functions[NIC_MAX_FUNCTIONS];  /* NULL: plugged off */
    unsigned n_functions;
    char *id;                   /* of the user, or one made up */
    QLIST_ENTRY(NicCard) next;  /* of nic_cards */

    /* properties */
    char **port_ids;            /* NULL at the end */
    char *layout;
    MACAddr mac_address;        /* of function 0; N has N more */
    SunderNicPolicy policy;
    bool adaptive;
    double threshold;
    uint32_t interval_ms;
    SunderNicLacp lacp;
    bool lacp_fast;
    bool markers;
    uint32_t speed_mbps;
    bool full_duplex;
    uint32_t queue_pairs;
    uint32_t rx_threshold;      /* packets */
    uint32_t rx_holdoff_us;
    bool pause;
    uint32_t rx_queue_size;
    uint32_t tx_queue_size;

    MacService *service;
    NicPort ports[NIC_MAX_PORTS];
    unsigned n_ports;
    NicGroup groups[NIC_MAX_FUNCTIONS];
    unsigned n_groups;
    NicGroup *group_of[NIC_MAX_FUNCTIONS];
    MACAddr macs[NIC_MAX_FUNCTIONS];
    uint64_t common_features;   /* of virtio, by the properties */
    NicRing *touched;           /* receive rings to announce */
    struct NicBatch *batch;     /* what is being transmitted */
    Notifier turn;              /* nic-turn.c */
    bool wanted;                /* by nic_turn_want() */
    NicDlpi *dlpi;              /* the mailbox; nic-dlpi.c */
};

typedef QLIST_HEAD(NicCardList, NicCard) NicCardList;
/* All cards that are realized, in no order. */
extern NicCardList nic_cards;

static inline uint64_t nic_now(void)
{
    return sunder_fault_now_ns();
}

/* Whether the driver accepted VIRTIO_NET_F_@bit (or another feature). */
static inline bool nic_function_has(const NicFunction *f, unsigned bit)
{
    return virtio_vdev_has_feature(&f->parent_obj, bit);
}

/* Bytes of the header before each packet: virtio 1.2, section 5.1.6. */
static inline unsigned nic_function_header_length(const NicFunction *f)
{
    return nic_function_has(f, VIRTIO_NET_F_HASH_REPORT)
           ? sizeof(struct virtio_net_hdr_v1_hash)
           : sizeof(struct virtio_net_hdr_v1);
}

/* DRIVER_OK, the machine runs, and nothing is broken. */
bool nic_function_is_running(const NicFunction *f);

/* --- nic-card.c -------------------------------------------------------- */

/* Ports, groups and what they need, before there is a PCI function. */
bool nic_card_realize(NicCard *card, Error **errp);
void nic_card_unrealize(NicCard *card);

/* In class_init and instance_init of "sunder-nic". */
void nic_card_class_init(ObjectClass *class);
void nic_card_instance_init(NicCard *card);

/* Makes @f function @number of the card, before it is realized. */
void nic_card_adopt(NicCard *card, NicFunction *f, unsigned number);

/* A function is unrealized: nothing of it is left here. */
void nic_card_forget(NicCard *card, NicFunction *f);

/* The card of that id, or NULL. */
NicCard *nic_card_find(const char *id);

/*
 * Whatever received packets calls this in the end: one interrupt for each
 * ring that got some, unless it is held off.
 */
void nic_card_announce(NicCard *card);

/* --- nic-turn.c -------------------------------------------------------- */

void nic_turn_realize(NicCard *card);
void nic_turn_unrealize(NicCard *card);

/*
 * Before the main loop waits next, transmit rings that are scheduled run,
 * and what is staged goes to the MAC service.
 */
void nic_turn_want(NicCard *card);

/* --- nic-port.c -------------------------------------------------------- */

bool nic_port_realize(NicPort *port, Error **errp);
void nic_port_unrealize(NicPort *port);
/* Links come up once all ports and groups are realized. */
void nic_port_start(NicPort *port);

/* A burst goes to the MAC service, and interrupts to drivers. */
void nic_port_deliver(NicPort *port, NicPacket *packets, unsigned n);

/* To the netdev or backend, from the front.  Returns how many it took. */
unsigned nic_port_send(NicPort *port, NicPacket *packets, unsigned n);

/* A fault: the link is up when this and set_link agree that it is. */
void nic_port_set_link(NicPort *port, bool up);

/* What is staged goes to the MAC service now. */
void nic_port_flush(NicPort *port);

/* Looks again at who has room, and pauses or resumes the backend. */
void nic_port_update_pause(NicPort *port);

/* The same, as a driver has just given buffers: what waits arrives now. */
void nic_port_refilled(NicPort *port);

/* --- nic-aggregation.c ------------------------------------------------- */

/*
 * For each group; one of several ports gets group->aggregation, mac and
 * timer.
 */
bool nic_group_realize(NicCard *card, NicGroup *group, Error **errp);
void nic_group_unrealize(NicGroup *group);

/* The link of a port may have changed, or whether its group sends on it. */
void nic_port_tell(NicPort *port);

/* By QMP: what is changed, is at once; frames that drain take longer. */
void nic_group_set_policy(NicGroup *group, SunderNicPolicy policy);
void nic_group_set_adaptive(NicGroup *group, bool adaptive);
bool nic_group_is_adaptive(const NicGroup *group);
/* Busiest member by the mean, in the last interval; 0: nothing sent. */
double nic_group_spread(const NicGroup *group);
/* The policy as QMP knows it. */
SunderNicPolicy nic_group_policy(NicPolicy policy);

/* State of a group in a migration, from NicGroup.watch. */
extern const VMStateDescription vmstate_nic_watch;

/* --- nic-function.c ---------------------------------------------------- */

/* Packets that it would take, at the least; UINT_MAX while it drops. */
unsigned nic_function_room(NicFunction *f);
/* If it has no room it drops until it has: no wire waits for it. */
void nic_function_give_up(NicFunction *f);

/*
 * The driver is to tell when it has made room: soon, or once it has given
 * back most of what it is used to give.
 */
void nic_function_ask(NicFunction *f, bool soon);

/* The filter that control commands left behind goes to the MAC service. */
void nic_function_set_filter(NicFunction *f, const MacFilter *filter);

/* The driver uses the first @pairs of its pairs of queues. */
void nic_function_set_pairs(NicFunction *f, unsigned pairs);

/* Link, address or announcement changed: an interrupt for that. */
void nic_function_config_changed(NicFunction *f);

/* The driver did what cannot be: NEEDS_RESET, as virtio_error(). */
void nic_function_break(NicFunction *f, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* --- nic-ring.c -------------------------------------------------------- */

/* Interrupts now, unless the driver wants none, and forgets the hold-off. */
void nic_ring_interrupt(NicRing *ring);

/* Of every ring of a kind, or of one: VIRTIO_NET_CTRL_NOTF_COAL. */
void nic_ring_set_holdoff(NicRing *ring, uint32_t packets, uint32_t us);

/* DLPI POLL: interrupts off, or on again with what is pending. */
void nic_ring_set_polled(NicRing *ring, bool polled);

/* --- nic-receive.c ----------------------------------------------------- */

/* Of MacClientOps: a sub-chain for the driver. */
bool nic_receive_accepting(void *opaque, const NicDestination *destination,
                           unsigned n);
void nic_receive_batch(void *opaque, MacBatch *batch);

/* The driver has put buffers into a ring. */
void nic_receive_refilled(VirtIODevice *vdev, VirtQueue *vq);

/* --- nic-transmit.c ---------------------------------------------------- */

void nic_transmit_realize(NicCard *card);
void nic_transmit_unrealize(NicCard *card);

/* The bottom half of a transmit ring. */
void nic_transmit_run(void *ring);

/* All rings that are scheduled.  Returns: whether there were any. */
bool nic_transmit_scheduled(NicCard *card);

/* Doorbell of a transmit ring; from virtio or the direct channel. */
void nic_transmit_doorbell(NicRing *ring);

/* MacClientOps.resume: there is room again. */
void nic_transmit_resume(void *opaque);

/* --- nic-control.c, by what the driver says ---------------------------- */

bool nic_control_realize(NicFunction *f, Error **errp);
void nic_control_unrealize(NicFunction *f);
/* The driver is gone: filters and all else as built. */
void nic_control_reset(NicFunction *f);
/* The driver accepted features, or they are those of a saved state. */
void nic_control_set_features(NicFunction *f, uint64_t features);
/* Whether it takes packets like VIRTIO_NET_F_GUEST_*, at present. */
bool nic_control_receives(const NicFunction *f, unsigned bit);
/* Handler of the control queue. */
void nic_control_handle(VirtIODevice *vdev, VirtQueue *vq);
/* Feature bits that it serves. */
uint64_t nic_control_features(const NicFunction *f);
/* What the MAC service is to filter by; valid until the next command. */
const MacFilter *nic_control_filter(NicFunction *f);
/*
 * The pair of queues of a packet for the driver, below f->pairs.  Fills in
 * hash_value and hash_report if there is a place for them (else NULL).
 */
unsigned nic_control_steer(NicFunction *f, const NicPacket *packet,
                           struct virtio_net_hdr_v1_hash *header);
/* A packet of the driver was sent from @pair: where its flow's go. */
void nic_control_learn(NicFunction *f, const NicPacket *packet,
                       unsigned pair);
/* Fills in what configuration space says of RSS. */
void nic_control_config(const NicFunction *f, struct virtio_net_config *c);
/* Guest announcement after a migration. */
void nic_control_announce(NicFunction *f);
/* Its state in a migration; of a NicFunction. */
extern const VMStateInfo nic_control_vmstate_info;

/* --- nic-offload.c: checksums and segments ----------------------------- */

bool nic_offload_realize(NicFunction *f, Error **errp);
void nic_offload_unrealize(NicFunction *f);
/* Feature bits, for the wires that there are. */
uint64_t nic_offload_features(const NicFunction *f);
/* What the driver accepts of packets: netdevs are told. */
void nic_offload_changed(NicFunction *f);
/*
 * A packet of the driver: whether a port can have it as it is.  If not,
 * nic_offload_cut() makes frames of it that the ring owns (ring->frames,
 * n_frames); 0: its header cannot be, it is dropped.
 */
bool nic_offload_passes(NicFunction *f, const NicPacket *packet);
void nic_offload_cut(NicRing *ring, const NicPacket *packet);
/*
 * A packet for the driver: *@header as the driver accepts it, and the
 * packet itself, or another in its place that lives until the next call;
 * NULL to drop it.
 */
const NicPacket *nic_offload_receive(NicFunction *f, const NicPacket *packet,
                                     struct virtio_net_hdr *header);
/*
 * Verifies checksums of packets for a ring, and makes one of neighbours that
 * may be one bigger packet.  Returns: packets that live until the next call,
 * *@n of them, or @packets; @headers, if not NULL, follow.
 */
NicPacket *nic_offload_merge(NicRing *ring, NicPacket *packets, unsigned *n,
                             struct virtio_net_hdr_v1_hash *headers);

/* --- nic-dlpi.c -------------------------------------------------------- */

/* The mailbox in function 0 (nic-dlpi.h), a stream for each function. */
bool nic_dlpi_realize(NicCard *card, Error **errp);
void nic_dlpi_unrealize(NicCard *card);
/* As the card's object goes. */
void nic_dlpi_finalize(NicCard *card);
/* Status of a function, as the driver set it; 0: reset. */
void nic_dlpi_status(NicFunction *f, uint8_t status);
/* Its link or its offered features have changed. */
void nic_dlpi_link_changed(NicFunction *f);
void nic_dlpi_renegotiate(NicFunction *f);
/* Of @features those that are offered: capabilities acknowledged. */
uint64_t nic_dlpi_features(NicFunction *f, uint64_t features);
/* What the stream is bound to, and its promiscuous levels. */
void nic_dlpi_filter(NicFunction *f, MacFilter *filter);
/* Its state in a migration. */
extern const VMStateInfo nic_dlpi_vmstate_info;

/* --- nic-fault.c ------------------------------------------------------- */

/* Points of all ports, which must have their names. */
bool nic_fault_realize(NicCard *card, Error **errp);
void nic_fault_unrealize(NicCard *card);
/* Points of the rings of a function: n_pairs of them. */
bool nic_fault_realize_function(NicFunction *f, Error **errp);
void nic_fault_unrealize_function(NicFunction *f);
/* Whether frames have to take their way through the next two. */
static inline bool nic_fault_is_active(const NicPort *port)
{
    return fault_point_armed(port->point) || port->fault_holds;
}
/* A burst from a wire; what is left goes to nic_port_deliver(). */
void nic_fault_receive(NicPort *port, NicPacket *packets, unsigned n);
/*
 * Packets for a wire; what is left goes to nic_port_send().  Returns as
 * nic_port_send(), which refused if this is less than @n.
 */
unsigned nic_fault_transmit(NicPort *port, NicPacket *packets, unsigned n);
/* The link has gone down: frames that are held back are lost. */
void nic_fault_link_down(NicPort *port);
/* The same for all ports, as the card is reset. */
void nic_fault_reset(NicCard *card);
/* Asked when the driver wants an interrupt; and at each head taken. */
bool nic_fault_loses_interrupt(NicRing *ring);
bool nic_fault_spoils_descriptor(NicRing *ring);

/* --- nic-vmstate.c ----------------------------------------------------- */

extern const VMStateDescription vmstate_sunder_nic;             /* card */
extern const VMStateDescription vmstate_sunder_nic_function;

#endif
