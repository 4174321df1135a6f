/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic-dgram: a wire that is a datagram socket
 *
 * A frame is a datagram, as with -netdev dgram, which may be at the other
 * end.  One recvmmsg() reads what there is, and that is a burst; one
 * sendmmsg() sends a batch from where the driver has it.
 */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "hw/net/nic-dgram.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qom/object_interfaces.h"

#define TYPE_NIC_DGRAM "sunder-nic-dgram"
OBJECT_DECLARE_SIMPLE_TYPE(NicDgram, NIC_DGRAM)

#define MAX_FRAME       (64 * 1024)
#define HEADER          sizeof(struct virtio_net_hdr)
/*
 * A received frame lies in one piece up to this; a line of the cache more,
 * so that neighbours are not in the same sets of it.
 */
#define FRONT           (2048 + 64)
/* The other piece, and a byte to see what is too long. */
#define BACK            (MAX_FRAME - FRONT + 1)
/* Bursts before others have their turn. */
#define MAX_BURSTS      8
/* Pieces that one sendmsg() takes (UIO_MAXIOV of the kernel). */
#define MAX_PIECES      1024

/* Where one frame is received. */
typedef struct Slot {
    NicCargo cargo;
    struct iovec pieces[2];     /* the frame, as long as it is */
    struct iovec room[3];       /* header and frame, for the kernel */
} Slot;

struct NicDgram {
    NicBackend parent_obj;
    char *local;
    char *remote;
    char *fd;
    uint32_t burst;

    NicDgramSockets sockets;
    bool receiving;
    bool reading;               /* from within dgram_readable() */
    bool polls_in;              /* handlers, as they are installed */
    bool polls_out;
    bool full;                  /* waits for room to transmit */
    uint8_t *fronts;
    uint8_t *backs;
    Slot *slots;
    NicPacket *packets;
    struct mmsghdr *in;
    struct mmsghdr out[NIC_BURST];
    struct iovec out_pieces[MAX_PIECES];    /* with vnet-header */
    NicCargo none[NIC_BURST];   /* of packets that come without */
    struct iovec one[NIC_BURST];
    uint8_t *flat;              /* a frame of more than MAX_PIECES */
};

static void dgram_readable(void *opaque);
static void dgram_writable(void *opaque);

/* To change them takes the main loop another turn: only if need be. */
static void update_handlers(NicDgram *w)
{
    IOHandler *in = w->receiving ? dgram_readable : NULL;
    IOHandler *out = w->full ? dgram_writable : NULL;
    NicDgramSockets *s = &w->sockets;
    bool change_in = w->receiving != w->polls_in;
    bool change_out = w->full != w->polls_out;

    w->polls_in = w->receiving;
    w->polls_out = w->full;
    if (s->receive == s->transmit) {
        if (change_in || change_out) {
            qemu_set_fd_handler(s->receive, in, out, w);
        }
        return;
    }
    if (change_in) {
        qemu_set_fd_handler(s->receive, in, NULL, w);
    }
    if (change_out) {
        qemu_set_fd_handler(s->transmit, NULL, out, w);
    }
}

/* --- receiving --------------------------------------------------------- */

/* The other end may be anybody: its header must lead nowhere else. */
static bool header_can_be(const struct virtio_net_hdr *h, uint32_t length)
{
    unsigned type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

    if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
        (uint32_t)h->csum_start + h->csum_offset + 2 > length) {
        return false;
    }
    return type == VIRTIO_NET_HDR_GSO_NONE ||
           ((type == VIRTIO_NET_HDR_GSO_TCPV4 ||
             type == VIRTIO_NET_HDR_GSO_TCPV6 ||
             type == VIRTIO_NET_HDR_GSO_UDP_L4) &&
            (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
            h->gso_size && h->hdr_len < length);
}

static bool take_datagram(NicDgram *w, unsigned i, NicPacket *packet)
{
    bool has_header = w->parent_obj.vnet_header;
    unsigned before = has_header ? HEADER : 0;
    unsigned length = w->in[i].msg_len;
    Slot *slot = &w->slots[i];
    unsigned front;

    if (length <= before || length - before > MAX_FRAME ||
        (w->in[i].msg_hdr.msg_flags & MSG_TRUNC)) {
        return false;
    }
    length -= before;
    if (has_header && !header_can_be(&slot->cargo.header, length)) {
        return false;
    }
    front = MIN(length, FRONT);
    slot->pieces[0].iov_len = front;
    slot->pieces[1].iov_len = length - front;
    slot->cargo.n_iov = length > front ? 2 : 1;
    *packet = (NicPacket) {
        .data = slot->pieces[0].iov_base,
        .head = front,
        .length = length,
        .opaque = &slot->cargo,
    };
    return true;
}

/* One burst.  Returns: whether there may be another. */
static bool read_burst(NicDgram *w)
{
    NicBackend *b = &w->parent_obj;
    unsigned taken = 0;
    unsigned most = MIN(w->burst, b->ops->room(b->opaque));
    int n = recvmmsg(w->sockets.receive, w->in, most, 0, NULL);

    if (n < 0) {
        /* refused: what UDP has to say of a datagram that was sent */
        if (errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED &&
            errno != ECONNRESET) {
            warn_report("wire %s: cannot read: %s; nothing more arrives",
                        object_get_canonical_path_component(OBJECT(w)),
                        strerror(errno));
            w->receiving = false;
        }
        return false;
    }
    for (int i = 0; i < n; i++) {
        taken += take_datagram(w, i, &w->packets[taken]);
    }
    b->receive_refused += n - taken;
    if (taken) {
        b->ops->receive(b->opaque, w->packets, taken);
    }
    return w->receiving;
}

static void dgram_readable(void *opaque)
{
    NicDgram *w = opaque;
    unsigned n = 0;

    w->reading = true;
    while (n < MAX_BURSTS && read_burst(w)) {
        n++;
    }
    w->reading = false;
    update_handlers(w);
}

static void dgram_set_receiving(NicBackend *b, bool on, bool at_once)
{
    NicDgram *w = NIC_DGRAM(b);

    if (w->receiving == on) {
        return;
    }
    w->receiving = on;
    if (w->reading) {
        return;                 /* which comes to it itself */
    }
    if (on && at_once) {
        dgram_readable(w);
    } else {
        update_handlers(w);
    }
}

/* --- transmitting ------------------------------------------------------ */

static void set_pieces(NicDgram *w, unsigned i, const struct iovec *iov,
                       unsigned n)
{
    /* sendmmsg() only reads what it is pointed to */
    w->out[i].msg_hdr.msg_iov = (struct iovec *)iov;
    w->out[i].msg_hdr.msg_iovlen = n;
}

/* In one piece, for a driver that made too many of it. */
static void flatten(NicDgram *w, const NicPacket *packet,
                    const NicCargo *cargo)
{
    bool has_header = w->parent_obj.vnet_header;

    if (!w->flat) {
        w->flat = g_malloc(MAX_FRAME);
    }
    w->out_pieces[0] = (struct iovec) { (void *)&cargo->header, HEADER };
    w->out_pieces[1] = (struct iovec) {
        w->flat,
        iov_to_buf(cargo->iov, cargo->n_iov, 0, w->flat, packet->length),
    };
    set_pieces(w, 0, &w->out_pieces[!has_header], 1 + has_header);
}

/*
 * The first packets, as many as one sendmmsg() can take; 0: the first one
 * cannot be sent at all.
 */
static unsigned prepare(NicDgram *w, const NicPacket *packets, unsigned n)
{
    bool has_header = w->parent_obj.vnet_header;
    unsigned used = 0, i;

    for (i = 0; i < MIN(n, NIC_BURST); i++) {
        const NicCargo *cargo = nic_packet_cargo(&packets[i], &w->none[i],
                                                 &w->one[i]);
        struct iovec *pieces = &w->out_pieces[used];

        if (packets[i].length == 0 || packets[i].length > MAX_FRAME) {
            break;
        }
        if (cargo->n_iov + has_header > MAX_PIECES - used) {
            if (i == 0) {
                flatten(w, packets, cargo);
                i = 1;
            }
            break;
        }
        if (!has_header) {
            set_pieces(w, i, cargo->iov, cargo->n_iov);
            continue;
        }
        pieces[0] = (struct iovec) { (void *)&cargo->header, HEADER };
        memcpy(pieces + 1, cargo->iov, cargo->n_iov * sizeof(*pieces));
        set_pieces(w, i, pieces, cargo->n_iov + 1);
        used += cargo->n_iov + 1;
    }
    return i;
}

/*
 * The first packet of a batch was not sent.  Returns: how many to pass
 * over, or -1 to wait for room.
 */
static int send_failed(NicDgram *w, bool again)
{
    switch (errno) {
    case EINTR:
        return 0;
    case EAGAIN:
        return -1;
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOTCONN:
    case EPIPE:
        /*
         * A unix wire may be connected anew, once: its peer may have closed
         * only one direction.  UDP speaks of an earlier datagram, which is
         * lost; this one may go yet.
         */
        if (!nic_dgram_unplugged(&w->sockets) || again) {
            w->parent_obj.transmit_lost++;
        }
        return again ? 1 : 0;
    default:
        w->parent_obj.transmit_lost++;
        return 1;
    }
}

static unsigned dgram_transmit(NicBackend *b, NicPacket *packets, unsigned n)
{
    NicDgram *w = NIC_DGRAM(b);
    unsigned done = 0;
    bool again = false;

    while (done < n) {
        unsigned batch = prepare(w, packets + done, n - done);
        int sent;

        if (batch == 0) {
            b->transmit_lost++;
            done++;
            continue;
        }
        if (!nic_dgram_plugged(&w->sockets)) {
            b->transmit_lost += n - done;
            return n;
        }
        sent = sendmmsg(w->sockets.transmit, w->out, batch, 0);
        if (sent < 0) {
            int passed = send_failed(w, again);

            if (passed < 0) {
                w->full = true;
                update_handlers(w);
                return done;
            }
            sent = passed;
        }
        again = sent == 0;
        done += sent;
    }
    return n;
}

static void dgram_writable(void *opaque)
{
    NicDgram *w = opaque;
    NicBackend *b = &w->parent_obj;

    w->full = false;
    update_handlers(w);
    if (b->ops) {
        b->ops->resume(b->opaque);
    }
}

/* --- the object -------------------------------------------------------- */

static void make_slot(NicDgram *w, unsigned i)
{
    bool has_header = w->parent_obj.vnet_header;
    Slot *slot = &w->slots[i];
    struct msghdr *message = &w->in[i].msg_hdr;

    slot->pieces[0].iov_base = w->fronts + i * FRONT;
    slot->pieces[1].iov_base = w->backs + i * BACK;
    slot->cargo.iov = slot->pieces;
    slot->room[0] = (struct iovec) { &slot->cargo.header, HEADER };
    slot->room[1] = (struct iovec) { slot->pieces[0].iov_base, FRONT };
    slot->room[2] = (struct iovec) { slot->pieces[1].iov_base, BACK };
    message->msg_iov = has_header ? slot->room : slot->room + 1;
    message->msg_iovlen = has_header ? 3 : 2;
}

static void dgram_complete(UserCreatable *uc, Error **errp)
{
    NicDgram *w = NIC_DGRAM(uc);

    if (!nic_dgram_open(&w->sockets, w->local, w->remote, w->fd, errp)) {
        nic_dgram_close(&w->sockets);
        return;
    }
    w->fronts = g_malloc0(w->burst * FRONT);
    /* untouched, so that what is never used costs no memory */
    w->backs = g_malloc(w->burst * BACK);
    w->slots = g_new0(Slot, w->burst);
    w->packets = g_new0(NicPacket, w->burst);
    w->in = g_new0(struct mmsghdr, w->burst);
    for (unsigned i = 0; i < w->burst; i++) {
        make_slot(w, i);
    }
}

static bool can_be_changed(NicDgram *w, const char *property, Error **errp)
{
    if (w->slots) {
        error_setg(errp, "%s cannot be changed any more; remove the object "
                   "with object-del and make it anew", property);
        return false;
    }
    return true;
}

/* The member of a property that is a string. */
static char **string_of(NicDgram *w, const char *property)
{
    return property[0] == 'l' ? &w->local :
           property[0] == 'r' ? &w->remote : &w->fd;
}

static void get_string(Object *o, Visitor *v, const char *name,
                       void *opaque, Error **errp)
{
    char *value = g_strdup(*string_of(NIC_DGRAM(o), name) ?: "");

    visit_type_str(v, name, &value, errp);
    g_free(value);
}

static void set_string(Object *o, Visitor *v, const char *name,
                       void *opaque, Error **errp)
{
    NicDgram *w = NIC_DGRAM(o);
    g_autofree char *value = NULL;

    if (visit_type_str(v, name, &value, errp) &&
        can_be_changed(w, name, errp)) {
        g_free(*string_of(w, name));
        *string_of(w, name) = g_steal_pointer(&value);
    }
}

static void get_burst(Object *o, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    visit_type_uint32(v, name, &NIC_DGRAM(o)->burst, errp);
}

static void set_burst(Object *o, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    NicDgram *w = NIC_DGRAM(o);
    uint32_t burst;

    if (!visit_type_uint32(v, name, &burst, errp) ||
        !can_be_changed(w, name, errp)) {
        return;
    }
    if (burst < 1 || burst > NIC_BURST) {
        error_setg(errp, "burst=%" PRIu32 ": expected 1 to %d frames",
                   burst, NIC_BURST);
        return;
    }
    w->burst = burst;
}

static bool get_vnet_header(Object *o, Error **errp)
{
    return NIC_BACKEND(o)->vnet_header;
}

static void set_vnet_header(Object *o, bool on, Error **errp)
{
    if (can_be_changed(NIC_DGRAM(o), "vnet-header", errp)) {
        NIC_BACKEND(o)->vnet_header = on;
    }
}

static void dgram_init(Object *o)
{
    NicDgram *w = NIC_DGRAM(o);

    w->burst = NIC_BURST;
    nic_dgram_init(&w->sockets);
}

static void dgram_finalize(Object *o)
{
    NicDgram *w = NIC_DGRAM(o);

    if (w->slots) {
        w->receiving = false;
        w->full = false;
        update_handlers(w);
        nic_dgram_close(&w->sockets);
    }
    g_free(w->fronts);
    g_free(w->backs);
    g_free(w->slots);
    g_free(w->packets);
    g_free(w->in);
    g_free(w->flat);
    g_free(w->local);
    g_free(w->remote);
    g_free(w->fd);
}

static void dgram_class_init(ObjectClass *klass, void *data)
{
    static const char *const strings[][2] = {
        { "local", "where frames arrive: unix:PATH or udp:HOST:PORT" },
        { "remote", "where frames are sent: unix:PATH or udp:HOST:PORT" },
        { "fd", "a connected socket in their place" },
    };
    NicBackendClass *bc = NIC_BACKEND_CLASS(klass);

    bc->transmit = dgram_transmit;
    bc->set_receiving = dgram_set_receiving;
    USER_CREATABLE_CLASS(klass)->complete = dgram_complete;
    for (unsigned i = 0; i < G_N_ELEMENTS(strings); i++) {
        object_class_property_add(klass, strings[i][0], "str", get_string,
                                  set_string, NULL, NULL);
        object_class_property_set_description(klass, strings[i][0],
                                              strings[i][1]);
    }
    object_class_property_add(klass, "burst", "uint32", get_burst, set_burst,
                              NULL, NULL);
    object_class_property_set_description(klass, "burst",
                                          "frames to read at once, to 256");
    object_class_property_add_bool(klass, "vnet-header", get_vnet_header,
                                   set_vnet_header);
    object_class_property_set_description(klass, "vnet-header",
        "whether a virtio_net_hdr precedes each frame");
}

static const TypeInfo dgram_types[] = {
    {
        .name = TYPE_NIC_DGRAM,
        .parent = TYPE_NIC_BACKEND,
        .instance_size = sizeof(NicDgram),
        .instance_init = dgram_init,
        .instance_finalize = dgram_finalize,
        .class_init = dgram_class_init,
    }
};

DEFINE_TYPES(dgram_types)
