/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: frames that a port said it had room for, and its wire had not
 *
 * An aggregation asks each port for its room, and gives it no more; what it
 * gave cannot come back, as others went to other ports meanwhile.  A socket
 * does not tell how much it would take.  So a port promises a few, and keeps
 * copies of those that the wire refused; until they are gone it promises
 * nothing.  They are lost with the link, and do not migrate: a frame that
 * was sent and has not arrived.
 */
#include "qemu/osdep.h"
#include "nic-port.h"
#include "qemu/iov.h"

#define MOST    64u             /* AGGREGATION's packets at a time */

typedef struct Spilt {
    NicCargo cargo;
    struct iovec iov;
    uint8_t data[];
} Spilt;

struct NicSpill {
    unsigned promised;
    unsigned n;
    bool sending;
    Spilt *frames[MOST];
};

void nic_spill_new(NicPort *port)
{
    port->spill = g_new0(NicSpill, 1);
}

void nic_spill_clear(NicPort *port)
{
    NicSpill *s = port->spill;

    for (unsigned i = 0; i < s->n; i++) {
        g_free(s->frames[i]);
    }
    s->n = 0;
    s->promised = 0;
}

void nic_spill_free(NicPort *port)
{
    if (port->spill) {
        nic_spill_clear(port);
        g_clear_pointer(&port->spill, g_free);
    }
}

unsigned nic_spill_count(const NicPort *port)
{
    return port->spill->n;
}

unsigned nic_spill_promise(NicPort *port)
{
    NicSpill *s = port->spill;

    s->promised = s->n || s->sending ? 0 : MOST;
    return s->promised;
}

static Spilt *spilt_copy(const NicPacket *packet)
{
    Spilt *spilt = g_malloc(sizeof(*spilt) + packet->length);
    struct iovec one;
    NicCargo none;
    const NicCargo *cargo = nic_packet_cargo(packet, &none, &one);

    spilt->iov.iov_base = spilt->data;
    spilt->iov.iov_len = iov_to_buf(cargo->iov, cargo->n_iov, 0, spilt->data,
                                    packet->length);
    spilt->cargo = (NicCargo) {
        .header = cargo->header, .iov = &spilt->iov, .n_iov = 1,
    };
    return spilt;
}

unsigned nic_spill_take(NicPort *port, const NicPacket *packets, unsigned n)
{
    NicSpill *s = port->spill;
    unsigned taken = 0;

    while (taken < n && s->promised && s->n < MOST) {
        s->frames[s->n++] = spilt_copy(&packets[taken++]);
        s->promised--;
    }
    return taken;
}

static NicPacket spilt_packet(Spilt *spilt)
{
    return (NicPacket) {
        .data = spilt->data,
        .head = spilt->iov.iov_len,
        .length = spilt->iov.iov_len,
        .opaque = &spilt->cargo,
    };
}

/*
 * While they are sent the list is empty: a fault may take the link down, and
 * then what is left goes, too.
 */
bool nic_spill_send(NicPort *port, NicSpillSend *send)
{
    NicSpill *s = port->spill;
    NIC_UNINITIALIZED NicPacket packets[MOST];
    NIC_UNINITIALIZED Spilt *frames[MOST];
    unsigned n = s->n, sent;
    if (n == 0 || s->sending) {
        return !s->sending;
    }
    for (unsigned i = 0; i < n; i++) {
        frames[i] = s->frames[i];
        packets[i] = spilt_packet(frames[i]);
    }
    s->n = s->promised = 0;
    s->sending = true;
    sent = send(port, packets, n);
    s->sending = false;
    for (unsigned i = 0; i < n; i++) {
        if (i < sent || nic_port_is_down(port)) {
            g_free(frames[i]);
        } else {
            s->frames[s->n++] = frames[i];
        }
    }
    return s->n == 0;
}
