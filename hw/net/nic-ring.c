/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: split virtqueues (virtio 1.2, section 2.7)
 */
#include "qemu/osdep.h"
#include "hw/virtio/virtio-bus.h"
#include "nic-ring.h"
#include "qemu/bswap.h"
#include "qemu/timer.h"
#include "standard-headers/linux/virtio_ring.h"

/* Bytes before the entries of the available and of the used ring. */
#define RING_HEADER 4
#define RING_INDEX  2           /* where both have their index */
#define DESCRIPTOR  sizeof(struct vring_desc)
#define USED        sizeof(struct vring_used_elem)

static NicMemory *ring_memory(NicRing *ring)
{
    return &ring->function->memory;
}

static bool has_event_index(NicRing *ring)
{
    return nic_function_has(ring->function, VIRTIO_RING_F_EVENT_IDX);
}

static bool fault(NicRing *ring, const char *what)
{
    nic_function_break(ring->function, "%s.%s%u: %s", ring->function->id,
                       ring->transmit ? "tx" : "rx", ring->pair, what);
    return false;
}

static bool read_index(NicRing *ring, hwaddr address, uint16_t *value)
{
    if (!nic_memory_read(ring_memory(ring), address, value, 2)) {
        return fault(ring, "the ring is not in memory");
    }
    *value = le16_to_cpu(*value);
    return true;
}

static bool write_index(NicRing *ring, hwaddr address, uint16_t value)
{
    uint16_t bytes = cpu_to_le16(value);

    if (!nic_memory_write(ring_memory(ring), address, &bytes, 2)) {
        return fault(ring, "the ring is not in writable memory");
    }
    nic_memory_settle(ring_memory(ring));
    return true;
}

/* --- reading ----------------------------------------------------------- */

/* Host addresses, for as long as the machine's memory does not change. */
static void map_ring(NicRing *ring)
{
    NicMemory *m = ring_memory(ring);

    if (ring->generation == m->generation) {
        return;
    }
    ring->host_descriptors = nic_memory_map(m, ring->descriptors,
                                            ring->size * DESCRIPTOR);
    ring->host_available = nic_memory_map(m, ring->available,
                                          RING_HEADER + ring->size * 2 + 2);
    ring->generation = m->generation;
}

static bool read_available(NicRing *ring, unsigned offset, uint16_t *value)
{
    if (ring->host_available) {
        *value = lduw_le_p(ring->host_available + offset);
        return true;
    }
    return read_index(ring, ring->available + offset, value);
}

unsigned nic_ring_heads(NicRing *ring, unsigned wanted)
{
    uint16_t n = ring->ready - ring->next;

    if (n >= wanted || ring->size == 0) {
        return ring->size ? n : 0;
    }
    map_ring(ring);
    if (!read_available(ring, RING_INDEX, &ring->ready)) {
        return 0;
    }
    smp_rmb();                  /* the entries after the index */
    n = ring->ready - ring->next;
    if (n > ring->size) {
        fault(ring, "the driver made more available than the ring holds");
        return 0;
    }
    ring->most = MAX(ring->most, n);
    return n;
}

/* A table of descriptors. */
typedef struct Table {
    hwaddr address;
    const uint8_t *host;        /* NULL: not mapped */
    unsigned n;
} Table;

static bool read_descriptor(NicRing *ring, const Table *table, unsigned i,
                            struct vring_desc *d)
{
    if (i >= table->n) {
        return fault(ring, "a descriptor beyond the table");
    }
    if (table->host) {
        memcpy(d, table->host + i * DESCRIPTOR, DESCRIPTOR);
    } else if (!nic_memory_read(ring_memory(ring),
                                table->address + i * DESCRIPTOR, d,
                                DESCRIPTOR)) {
        return fault(ring, "a table of descriptors is not in memory");
    }
    d->addr = le64_to_cpu(d->addr);
    d->len = le32_to_cpu(d->len);
    d->flags = le16_to_cpu(d->flags);
    d->next = le16_to_cpu(d->next);
    return true;
}

static bool add_segment(NicRing *ring, const struct vring_desc *d, bool write,
                        NicHead *head)
{
    if (!(d->flags & VRING_DESC_F_WRITE) == write) {
        return fault(ring, write ? "a buffer that cannot be written to"
                                 : "a buffer that is to be written to");
    }
    if (d->len == 0) {
        return fault(ring, "a buffer of no length");
    }
    if (head->n == NIC_MAX_SEGMENTS) {
        return fault(ring, "a chain without an end");
    }
    head->segments[head->n++] = (NicSegment) { d->addr, d->len };
    head->length += d->len;
    return true;
}

/* Section 2.7.5.3.1: it ends its chain, and holds no other such. */
static bool open_indirect(NicRing *ring, const struct vring_desc *d,
                          Table *table)
{
    if (!nic_function_has(ring->function, VIRTIO_RING_F_INDIRECT_DESC)) {
        return fault(ring, "an indirect table that was not agreed upon");
    }
    if (d->flags & VRING_DESC_F_NEXT || d->len == 0 || d->len % DESCRIPTOR) {
        return fault(ring, "an indirect table that cannot be");
    }
    table->address = d->addr;
    table->n = d->len / DESCRIPTOR;
    table->host = nic_memory_map(ring_memory(ring), d->addr, d->len);
    return true;
}

static bool walk(NicRing *ring, Table table, unsigned i, bool write,
                 NicHead *head)
{
    bool indirect = false;
    struct vring_desc d;

    do {
        if (!read_descriptor(ring, &table, i, &d)) {
            return false;
        }
        i = d.next;
        if (!(d.flags & VRING_DESC_F_INDIRECT)) {
            if (!add_segment(ring, &d, write, head)) {
                return false;
            }
            continue;
        }
        if (indirect) {
            return fault(ring, "an indirect table in another");
        }
        indirect = true;
        i = 0;
        if (!open_indirect(ring, &d, &table)) {
            return false;
        }
        d.flags |= VRING_DESC_F_NEXT;
    } while (d.flags & VRING_DESC_F_NEXT);
    return true;
}

bool nic_ring_look(NicRing *ring, unsigned ahead, bool write, NicHead *head)
{
    Table table;
    unsigned place;

    if (ring->size == 0) {
        return false;           /* the head before it broke the function */
    }
    /* heads may be known from before the memory changed */
    map_ring(ring);
    table = (Table) { ring->descriptors, ring->host_descriptors, ring->size };
    place = (uint16_t)(ring->next + ahead) % ring->size;
    head->n = 0;
    head->length = 0;
    if (!read_available(ring, RING_HEADER + 2 * place, &head->id)) {
        return false;
    }
    if (unlikely(fault_point_armed(ring->point)) &&
        nic_fault_spoils_descriptor(ring)) {
        return fault(ring, "a descriptor was damaged (injected fault)");
    }
    return walk(ring, table, head->id, write, head);
}

/* --- writing ----------------------------------------------------------- */

void nic_ring_take(NicRing *ring, uint16_t id, uint32_t length)
{
    struct vring_used_elem e = {
        .id = cpu_to_le32(id),
        .len = cpu_to_le32(length),
    };
    hwaddr place;

    if (ring->size == 0) {
        return;
    }
    place = ring->used % ring->size;
    if (!nic_memory_write(ring_memory(ring),
                          ring->used_ring + RING_HEADER + place * USED, &e,
                          USED)) {
        fault(ring, "the used ring is not in writable memory");
    }
    ring->used++;
    ring->next++;
}

void nic_ring_publish(NicRing *ring)
{
    VirtIODevice *vdev = &ring->function->parent_obj;

    if (ring->size == 0) {
        return;                 /* taking it broke the function */
    }
    smp_wmb();                  /* the entries before the index */
    write_index(ring, ring->used_ring + RING_INDEX, ring->used);
    virtio_queue_set_last_avail_idx(vdev, ring->index, ring->next);
}

void nic_ring_ask(NicRing *ring, unsigned n)
{
    bool ask = n > 0;

    if (ring->size == 0) {
        return;
    }
    if (!has_event_index(ring)) {
        if (ring->asking != ask) {
            write_index(ring, ring->used_ring,
                        ask ? 0 : VRING_USED_F_NO_NOTIFY);
        }
    } else if (ask) {
        write_index(ring, ring->used_ring + RING_HEADER + ring->size * USED,
                    ring->ready + n - 1);
    }
    ring->asking = ask;
    smp_mb();                   /* then the driver's index is looked at */
}

/* --- interrupts -------------------------------------------------------- */

/* Sections 2.7.7 and 2.7.10. */
static bool driver_wants(NicRing *ring)
{
    uint16_t old = ring->signalled, event;
    bool valid = ring->signalled_valid;

    smp_mb();                   /* the index was published before */
    map_ring(ring);
    if (!has_event_index(ring)) {
        return read_available(ring, 0, &event) &&
               !(event & VRING_AVAIL_F_NO_INTERRUPT);
    }
    if (!read_available(ring, RING_HEADER + 2 * ring->size, &event)) {
        return false;
    }
    ring->signalled = ring->used;
    ring->signalled_valid = true;
    return !valid || vring_need_event(event, ring->used, old);
}

void nic_ring_interrupt(NicRing *ring)
{
    VirtIODevice *vdev = &ring->function->parent_obj;
    BusState *bus = qdev_get_parent_bus(DEVICE(vdev));

    nic_holdoff_clear(&ring->holdoff);
    timer_del(ring->timer);
    if (ring->size == 0 || ring->polled || !driver_wants(ring)) {
        return;
    }
    if (unlikely(fault_point_armed(ring->point)) &&
        nic_fault_loses_interrupt(ring)) {
        return;
    }
    ring->stats.interrupts++;
    qatomic_or(&vdev->isr, 1);
    VIRTIO_BUS_GET_CLASS(bus)->notify(bus->parent,
                                      virtio_queue_vector(vdev, ring->index));
}

void nic_ring_touch(NicRing *ring, unsigned n)
{
    NicCard *card = ring->function->card;

    ring->fresh += n;
    if (!ring->touched) {
        ring->touched = true;
        ring->next_touched = card->touched;
        card->touched = ring;
    }
}

static void arm_timer(NicRing *ring)
{
    uint64_t deadline = nic_holdoff_deadline(&ring->holdoff);

    if (deadline == NIC_NO_DEADLINE) {
        timer_del(ring->timer);
    } else if (timer_expire_time_ns(ring->timer) != deadline) {
        timer_mod_ns(ring->timer, deadline);
    }
}

void nic_ring_announce(NicRing *ring, unsigned n)
{
    if (ring->holdoff.holdoff_ns == 0 || ring->holdoff.threshold == 1 ||
        nic_holdoff_add(&ring->holdoff, n, nic_now())) {
        nic_ring_interrupt(ring);
    } else {
        arm_timer(ring);
    }
}

static void holdoff_ended(void *opaque)
{
    NicRing *ring = opaque;

    if (nic_holdoff_expire(&ring->holdoff, nic_now())) {
        nic_ring_interrupt(ring);
    } else {
        arm_timer(ring);
    }
}

void nic_ring_set_holdoff(NicRing *ring, uint32_t packets, uint32_t us)
{
    nic_holdoff_set(&ring->holdoff, packets, us * UINT64_C(1000), nic_now());
    holdoff_ended(ring);
}

void nic_ring_set_polled(NicRing *ring, bool polled)
{
    if (ring->polled == polled) {
        return;
    }
    ring->polled = polled;
    if (!polled) {
        /* what was not announced may be as much as the index holds */
        ring->signalled_valid = false;
        nic_ring_interrupt(ring);
    }
}

/* --- beginning and end ------------------------------------------------- */

void nic_ring_init(NicRing *ring, NicFunction *f, unsigned pair,
                   bool transmit)
{
    ring->function = f;
    ring->pair = pair;
    ring->transmit = transmit;
    ring->index = 2 * pair + transmit;
    ring->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, holdoff_ended, ring);
}

void nic_ring_fini(NicRing *ring)
{
    nic_ring_stop(ring);
    g_clear_pointer(&ring->timer, timer_free);
}

void nic_ring_start(NicRing *ring)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(ring->function);

    if (ring->size || !ring->vq || !virtio_queue_enabled(vdev, ring->index) ||
        !virtio_queue_get_desc_addr(vdev, ring->index)) {
        return;
    }
    ring->descriptors = virtio_queue_get_desc_addr(vdev, ring->index);
    ring->available = virtio_queue_get_avail_addr(vdev, ring->index);
    ring->used_ring = virtio_queue_get_used_addr(vdev, ring->index);
    ring->next = virtio_queue_get_last_avail_idx(vdev, ring->index);
    ring->ready = ring->next;
    ring->signalled_valid = false;
    ring->generation = ring_memory(ring)->generation - 1;
    if (read_index(ring, ring->used_ring + RING_INDEX, &ring->used)) {
        ring->size = virtio_queue_get_num(vdev, ring->index);
        ring->asking = false;
        ring->most = 0;
        nic_ring_ask(ring, 1);
    }
}

void nic_ring_stop(NicRing *ring)
{
    ring->size = 0;
    ring->stopped = false;
    ring->n_frames = 0;
    ring->next_frame = 0;
    nic_holdoff_clear(&ring->holdoff);
    timer_del(ring->timer);
}
