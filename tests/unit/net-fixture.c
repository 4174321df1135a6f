/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net-fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static void add16(TestFrame *f, uint16_t v)
{
    uint8_t bytes[2] = { v >> 8, v };

    frame_add(f, bytes, 2);
}

static void add32(TestFrame *f, uint32_t v)
{
    add16(f, v >> 16);
    add16(f, v);
}

void frame_add(TestFrame *f, const void *bytes, unsigned n)
{
    cr_assert_leq(f->length + n, sizeof(f->bytes));
    memcpy(f->bytes + f->length, bytes, n);
    f->length += n;
}

void frame_start(TestFrame *f, uint64_t to, uint64_t from, uint16_t vlan,
                 uint16_t inner_vlan, uint16_t sap)
{
    memset(f, 0, sizeof(*f));
    nic_address_put(f->bytes, to);
    nic_address_put(f->bytes + 6, from);
    f->length = 12;
    if (vlan && inner_vlan) {
        add16(f, NIC_SAP_SERVICE);
        add16(f, vlan);
        vlan = inner_vlan;
    }
    if (vlan) {
        add16(f, NIC_SAP_VLAN);
        add16(f, vlan);
    }
    add16(f, sap);
}

void frame_add_udp(TestFrame *f, uint32_t from, uint32_t to,
                   uint16_t fragment, uint16_t from_port, uint16_t to_port)
{
    add32(f, 0x45000000 | 28);
    add32(f, fragment);
    add32(f, 64u << 24 | 17 << 16);
    add32(f, from);
    add32(f, to);
    add16(f, from_port);
    add16(f, to_port);
    add32(f, 8 << 16);
}

void frame_udp(TestFrame *f, unsigned flow)
{
    frame_start(f, MAC_B, MAC_A, 0, 0, NIC_SAP_IPV4);
    frame_add_udp(f, 0x0a000001, 0x0a000002, 0, 5000 + flow, 7);
}

NicPacket frame_packet(TestFrame *f)
{
    return (NicPacket){ f->bytes, f->length, f->length, NULL };
}

static unsigned wire_transmit(void *opaque, NicPacket *packets, unsigned n,
                              uint64_t now_ns)
{
    TestWire *wire = opaque;
    unsigned taken = MIN(n, wire->room);

    g_array_append_val(wire->calls, n);
    for (unsigned i = 0; i < taken; i++) {
        uint64_t id = (uintptr_t)packets[i].opaque - 1;

        g_array_append_val(wire->sent, id);
    }
    if (wire->room != UINT_MAX) {
        wire->room -= taken;
    }
    if (wire->queues) {
        wire->in_flight += taken;
    }
    return taken;
}

static unsigned wire_space(void *opaque)
{
    TestWire *wire = opaque;

    return wire->has_room_op ? wire->room : MIN(wire->room, 1);
}

static uint64_t wire_in_flight(void *opaque)
{
    return ((TestWire *)opaque)->in_flight;
}

const MacProviderOps wire_ops = {
    .transmit = wire_transmit,
    .space = wire_space,
    .in_flight = wire_in_flight,
};

void wire_init(TestWire *wire, MacService *service, const char *name)
{
    *wire = (TestWire){
        .room = UINT_MAX,
        .has_room_op = true,
        .sent = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
        .calls = g_array_new(FALSE, FALSE, sizeof(unsigned)),
    };
    wire->port = mac_port_publish(service, name, &wire_ops, wire, NULL);
    cr_assert_not_null(wire->port);
    wire_link(wire, true);
}

void wire_link(TestWire *wire, bool up)
{
    mac_port_set_link(wire->port, &(MacLink){ up, true, 1000 },
                      wire->now_ns);
}

void wire_clear(TestWire *wire)
{
    g_array_set_size(wire->sent, 0);
    g_array_set_size(wire->calls, 0);
}

void wire_free(TestWire *wire)
{
    g_array_unref(wire->sent);
    g_array_unref(wire->calls);
}

uint64_t wire_sent(const TestWire *wire, unsigned i)
{
    return i < wire->sent->len ? g_array_index(wire->sent, uint64_t, i)
                               : UINT64_MAX;
}

static bool client_accepting(void *opaque, const NicDestination *destination,
                             unsigned n)
{
    return !((TestClient *)opaque)->refuses;
}

static void client_receive(void *opaque, MacBatch *batch)
{
    TestClient *c = opaque;

    c->packets += batch->n;
    c->originals += batch->original;
    c->transfers++;
    c->last = *batch->destination;
    for (unsigned i = 0; i < batch->n; i++) {
        uint64_t id = (uintptr_t)batch->packets[i].opaque - 1;

        g_array_append_val(c->received, id);
        if (c->keeps && batch->original) {
            batch->packets[i].opaque = NULL;
        }
    }
    if (c->hook) {
        c->hook(c);
    }
}

static void client_resume(void *opaque)
{
    ((TestClient *)opaque)->resumed++;
}

static void client_completed(void *opaque)
{
    ((TestClient *)opaque)->completed++;
}

static void client_link_changed(void *opaque, const MacLink *link,
                                uint64_t now_ns)
{
    ((TestClient *)opaque)->links++;
    ((TestClient *)opaque)->link = *link;
}

static void client_withdrawn(void *opaque)
{
    ((TestClient *)opaque)->withdrawn = true;
}

const MacClientOps client_ops = {
    .accepting = client_accepting,
    .receive = client_receive,
    .resume = client_resume,
    .completed = client_completed,
    .link_changed = client_link_changed,
    .withdrawn = client_withdrawn,
};

void client_init(TestClient *c)
{
    *c = (TestClient){
        .received = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
    };
}

void client_free(TestClient *c)
{
    g_array_unref(c->received);
}

void client_attach(TestClient *c, MacPort *port, uint64_t address)
{
    MacFilter filter;

    mac_filter_init(&filter, address);
    c->client = mac_client_attach(port, &filter, NULL, &client_ops, c, NULL);
    cr_assert_not_null(c->client);
}
