/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-nic: the registers of the DLPI mailbox, and their state. */
#include "qemu/osdep.h"
#include "hw/net/nic-dlpi-internal.h"
#include "hw/pci/msix.h"
#include "migration/vmstate.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"

G_STATIC_ASSERT(NIC_DLPI_REQUEST_SIZE >= DLPI_MAX_REQUEST);
G_STATIC_ASSERT(NIC_DLPI_MESSAGE_SIZE >= DLPI_MAX_REPLY);
G_STATIC_ASSERT(2 * NIC_MAX_QUEUE_PAIRS * NIC_DLPI_DIRECT_STRIDE <=
                NIC_DLPI_POLL - NIC_DLPI_DIRECT);

static uint32_t status_of(const NicDlpiWindow *w)
{
    return (w->reply.size ? NIC_DLPI_HAS_REPLY : 0) |
           (w->indication.size ? NIC_DLPI_HAS_INDICATION : 0);
}

static void interrupt(NicDlpiWindow *w, uint32_t cause)
{
    PCIDevice *pci = PCI_DEVICE(w->card);

    if ((w->control & cause) && w->vector != NIC_DLPI_NO_VECTOR &&
        msix_enabled(pci)) {
        msix_notify(pci, w->vector);
    }
}

static void fill(NicDlpiMessage *message, const GByteArray *from)
{
    message->size = MIN(from->len, sizeof(message->data));
    memcpy(message->data, from->data, message->size);
}

void nic_window_indicate(NicDlpiWindow *w)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (w->indication.size == 0 &&
        dlpi_stream_indication(w->stream, bytes)) {
        fill(&w->indication, bytes);
        interrupt(w, NIC_DLPI_HAS_INDICATION);
    }
}

static void make_request(NicDlpiWindow *w, uint32_t size)
{
    g_autoptr(GByteArray) reply = g_byte_array_new();

    /* beyond DLPI_MAX_REQUEST only the first word is looked at */
    dlpi_stream_request(w->stream, w->request, size, reply);
    fill(&w->reply, reply);
    interrupt(w, NIC_DLPI_HAS_REPLY);
    nic_window_indicate(w);
}

void nic_window_set_vector(NicDlpiWindow *w, uint32_t vector)
{
    PCIDevice *pci = PCI_DEVICE(w->card);

    if (w->vector != NIC_DLPI_NO_VECTOR) {
        msix_vector_unuse(pci, w->vector);
    }
    w->vector = NIC_DLPI_NO_VECTOR;
    if (msix_present(pci) && vector < pci->msix_entries_nr) {
        msix_vector_use(pci, vector);
        w->vector = vector;
    }
}

/* The ring if it may be polled, or NULL. */
static NicRing *polled_ring(const NicDlpiWindow *w, unsigned pair)
{
    const DlpiCapability *c = dlpi_stream_enabled(w->stream,
                                                  DLPI_CAPAB_POLL);
    NicFunction *f = nic_window_function(w);

    return f && c && pair < c->interface.n && pair < f->n_pairs
           ? &f->rx[pair] : NULL;
}

static void write_poll(NicDlpiWindow *w, hwaddr at, uint32_t value)
{
    unsigned pair = at / NIC_DLPI_POLL_STRIDE;
    NicRing *ring = polled_ring(w, pair);
    bool polled = value & 1;

    if (!ring || at % NIC_DLPI_POLL_STRIDE != NIC_DLPI_POLL_MODE ||
        polled == ring->polled) {
        return;
    }
    nic_ring_set_polled(ring, polled);
    if (!polled && ring->stats.packets != w->seen[pair]) {
        nic_ring_interrupt(ring);
    }
    w->seen[pair] = ring->stats.packets;
}

static uint32_t read_poll(NicDlpiWindow *w, hwaddr at)
{
    unsigned pair = at / NIC_DLPI_POLL_STRIDE;
    NicRing *ring = polled_ring(w, pair);
    uint64_t arrived;

    if (!ring) {
        return 0;
    }
    if (at % NIC_DLPI_POLL_STRIDE == NIC_DLPI_POLL_MODE) {
        return ring->polled;
    }
    arrived = ring->polled ? ring->stats.packets - w->seen[pair] : 0;
    w->seen[pair] = ring->stats.packets;
    return MIN(arrived, UINT32_MAX);
}

static void ring_doorbell(NicDlpiWindow *w, unsigned queue)
{
    const DlpiCapability *c = dlpi_stream_enabled(w->stream,
                                                  DLPI_CAPAB_DIRECT);
    NicFunction *f = nic_window_function(w);
    NicRing *ring;

    if (!f || !c || queue >= c->interface.n || queue / 2 >= f->n_pairs ||
        !nic_function_is_running(f)) {
        return;
    }
    ring = queue & 1 ? &f->tx[queue / 2] : &f->rx[queue / 2];
    if (ring->vq && ring->transmit) {
        nic_transmit_doorbell(ring);
    } else if (ring->vq) {
        nic_receive_refilled(VIRTIO_DEVICE(f), ring->vq);
    }
}

static uint32_t read_register(NicDlpiWindow *w, hwaddr at)
{
    switch (at) {
    case NIC_DLPI_ID:
        return NIC_DLPI_ID_VALUE;
    case NIC_DLPI_VERSION:
        return NIC_DLPI_VERSION_VALUE;
    case NIC_DLPI_WINDOWS:
        return w->card->n_functions;
    case NIC_DLPI_STATUS:
        return status_of(w);
    case NIC_DLPI_CONTROL:
        return w->control;
    case NIC_DLPI_VECTOR:
        return w->vector;
    case NIC_DLPI_REPLY:
        return w->reply.size;
    case NIC_DLPI_INDICATION:
        return w->indication.size;
    case NIC_DLPI_POLL ... NIC_DLPI_WINDOW - 1:
        return read_poll(w, at - NIC_DLPI_POLL);
    default:
        return 0;
    }
}

static void write_register(NicDlpiWindow *w, hwaddr at, uint32_t value)
{
    switch (at) {
    case NIC_DLPI_CONTROL:
        w->control = value & (NIC_DLPI_HAS_REPLY | NIC_DLPI_HAS_INDICATION);
        break;
    case NIC_DLPI_VECTOR:
        nic_window_set_vector(w, value);
        break;
    case NIC_DLPI_REQUEST:
        make_request(w, value);
        break;
    case NIC_DLPI_REPLY:
        w->reply.size = 0;
        break;
    case NIC_DLPI_INDICATION:
        w->indication.size = 0;
        nic_window_indicate(w);
        break;
    case NIC_DLPI_DIRECT ... NIC_DLPI_POLL - 1:
        ring_doorbell(w, (at - NIC_DLPI_DIRECT) / NIC_DLPI_DIRECT_STRIDE);
        break;
    case NIC_DLPI_POLL ... NIC_DLPI_WINDOW - 1:
        write_poll(w, at - NIC_DLPI_POLL, value);
        break;
    default:
        break;
    }
}

/* The bytes at @at, or NULL when no data is there. */
static uint8_t *find_data(NicDlpiWindow *w, hwaddr at, bool is_write)
{
    if (at >= NIC_DLPI_REQUEST_DATA &&
        at < NIC_DLPI_REQUEST_DATA + NIC_DLPI_REQUEST_SIZE) {
        return w->request + (at - NIC_DLPI_REQUEST_DATA);
    }
    if (is_write) {
        return NULL;
    }
    if (at >= NIC_DLPI_REPLY_DATA &&
        at < NIC_DLPI_REPLY_DATA + NIC_DLPI_MESSAGE_SIZE) {
        return w->reply.data + (at - NIC_DLPI_REPLY_DATA);
    }
    if (at >= NIC_DLPI_INDICATION_DATA &&
        at < NIC_DLPI_INDICATION_DATA + NIC_DLPI_MESSAGE_SIZE) {
        return w->indication.data + (at - NIC_DLPI_INDICATION_DATA);
    }
    return NULL;
}

static uint64_t window_read(void *opaque, hwaddr at, unsigned size)
{
    NicDlpiWindow *w = opaque;
    const uint8_t *data = find_data(w, at, false);

    if (data) {
        return ldn_le_p(data, size);
    }
    return size == 4 ? read_register(w, at) : 0;
}

static void window_write(void *opaque, hwaddr at, uint64_t value,
                         unsigned size)
{
    NicDlpiWindow *w = opaque;
    uint8_t *data = find_data(w, at, true);

    if (data) {
        stn_le_p(data, size, value);
    } else if (size == 4) {
        write_register(w, at, value);
    }
}

/* Accesses are aligned: none reaches over the end of what it begins in. */
const MemoryRegionOps nic_window_ops = {
    .read = window_read,
    .write = window_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 4 },
};

static int window_pre_save(void *opaque)
{
    NicDlpiWindow *w = opaque;
    GByteArray *bytes = dlpi_stream_save(w->stream);

    g_free(w->state);
    w->state_size = bytes->len;
    w->state = g_byte_array_free(bytes, FALSE);
    return 0;
}

static int window_post_save(void *opaque)
{
    NicDlpiWindow *w = opaque;

    g_clear_pointer(&w->state, g_free);
    return 0;
}

static int window_pre_load(void *opaque)
{
    return window_post_save(opaque);
}

static bool sizes_are_valid(void *opaque, int version_id)
{
    NicDlpiWindow *w = opaque;

    return w->state_size <= NIC_WINDOW_STATE_MAX &&
           w->reply.size <= NIC_DLPI_MESSAGE_SIZE &&
           w->indication.size <= NIC_DLPI_MESSAGE_SIZE;
}

/* Before the stream: it looks at which rings are polled. */
static int window_post_load(void *opaque, int version_id)
{
    NicDlpiWindow *w = opaque;
    uint32_t vector = w->vector;
    g_autoptr(GError) error = NULL;
    bool ok = dlpi_stream_load(w->stream, w->state, w->state_size, &error);

    g_clear_pointer(&w->state, g_free);
    if (!ok) {
        error_report("%s.f%u: %s", w->card->id, w->number, error->message);
        return -EINVAL;
    }
    w->vector = NIC_DLPI_NO_VECTOR;
    nic_window_set_vector(w, vector);
    return 0;
}

static const VMStateDescription vmstate_message = {
    .name = "sunder-nic-dlpi/message",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(size, NicDlpiMessage),
        VMSTATE_UINT8_ARRAY(data, NicDlpiMessage, NIC_DLPI_MESSAGE_SIZE),
        VMSTATE_END_OF_LIST()
    },
};

const VMStateDescription vmstate_nic_window = {
    .name = "sunder-nic-dlpi",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = window_pre_save,
    .post_save = window_post_save,
    .pre_load = window_pre_load,
    .post_load = window_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(status, NicDlpiWindow),
        VMSTATE_UINT32(speed_mbps, NicDlpiWindow),
        VMSTATE_UINT64_ARRAY(seen, NicDlpiWindow, NIC_MAX_QUEUE_PAIRS),
        VMSTATE_UINT32(control, NicDlpiWindow),
        VMSTATE_UINT32(vector, NicDlpiWindow),
        VMSTATE_UINT8_ARRAY(request, NicDlpiWindow, NIC_DLPI_REQUEST_SIZE),
        VMSTATE_STRUCT(reply, NicDlpiWindow, 1, vmstate_message,
                       NicDlpiMessage),
        VMSTATE_STRUCT(indication, NicDlpiWindow, 1, vmstate_message,
                       NicDlpiMessage),
        VMSTATE_UINT32(state_size, NicDlpiWindow),
        VMSTATE_VALIDATE("sizes of DLPI messages and state", sizes_are_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(state, NicDlpiWindow, 0, NULL, state_size),
        VMSTATE_END_OF_LIST()
    },
};
