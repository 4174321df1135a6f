/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: the control queue of a function
 *
 * target-models/net/control.h knows the commands; here they meet the
 * virtqueue, and what they changed meets the function.
 */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "hw/trace.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "target-models/net/control.h"
#include "target-models/net/rss.h"

QEMU_BUILD_BUG_ON(NIC_MAX_QUEUE_PAIRS > CONTROL_MAX_PAIRS);

/* Bytes of a saved state, at most. */
#define MAX_STATE   (64 * 1024)

#define FEATURE(name)   (1ull << VIRTIO_NET_F_##name)
/* Those of one pair of queues. */
#define FEATURES        (FEATURE(CTRL_VQ) | FEATURE(CTRL_RX) | \
                         FEATURE(CTRL_VLAN) | FEATURE(CTRL_RX_EXTRA) | \
                         FEATURE(CTRL_MAC_ADDR) | \
                         FEATURE(CTRL_GUEST_OFFLOADS) | \
                         FEATURE(GUEST_ANNOUNCE) | FEATURE(NOTF_COAL) | \
                         FEATURE(VQ_NOTF_COAL) | FEATURE(HASH_REPORT))
#define FEATURES_OF_MANY (FEATURE(MQ) | FEATURE(RSS))

struct NicControl {
    Control model;
    MacFilter filter;           /* made by nic_control_filter() */
    NicRss rss;                 /* while model.hashes */
    NicSteer steer;             /* without */
    bool loaded;                /* offloads are those of a saved state */
};

uint64_t nic_control_features(const NicFunction *f)
{
    if (!(f->offered & FEATURE(CTRL_VQ))) {
        return 0;               /* virtio 1.2, 5.1.3.1: all need it */
    }
    return FEATURES | (f->n_pairs > 1 ? FEATURES_OF_MANY : 0);
}

void nic_control_config(const NicFunction *f, struct virtio_net_config *c)
{
    c->rss_max_key_size = NIC_RSS_KEY;
    c->rss_max_indirection_table_length = cpu_to_le16(NIC_RSS_TABLE);
    c->supported_hash_types = cpu_to_le32(NIC_HASH_TYPES);
}

const MacFilter *nic_control_filter(NicFunction *f)
{
    control_filter(&f->control->model, &f->control->filter);
    return &f->control->filter;
}

bool nic_control_receives(const NicFunction *f, unsigned bit)
{
    return control_receives(&f->control->model, bit);
}

/* --- which queue ------------------------------------------------------- */

static void apply_hash(NicFunction *f)
{
    NicControl *c = f->control;

    if (c->model.hashes) {
        nic_rss_init(&c->rss, &c->model.hash);
    }
    nic_steer_init(&c->steer);
}

/* A table may name more queues than the driver sends on. */
static unsigned used_pairs(const Control *model)
{
    const NicRssConfig *hash = &model->hash;
    unsigned pairs = model->pairs;

    if (!model->hashes || !hash->steers) {
        return pairs;
    }
    for (unsigned i = 0; i <= hash->mask; i++) {
        pairs = MAX(pairs, hash->table[i] + 1u);
    }
    return MAX(pairs, hash->unclassified + 1u);
}

unsigned nic_control_steer(NicFunction *f, const NicPacket *packet,
                           struct virtio_net_hdr_v1_hash *header)
{
    NicControl *c = f->control;
    NicHashReport report;
    uint32_t hash;

    if (c->model.hashes) {
        nic_rss_hash(&c->rss, packet, &hash, &report);
        if (header) {
            header->hash_value = cpu_to_le32(hash);
            header->hash_report = cpu_to_le16(report);
        }
        if (c->model.hash.steers) {
            return nic_rss_ring(&c->rss, hash, report) % f->pairs;
        }
    }
    return f->pairs > 1 ? nic_steer_ring(&c->steer, packet) % f->pairs : 0;
}

void nic_control_learn(NicFunction *f, const NicPacket *packet,
                       unsigned pair)
{
    if (!f->control->model.hash.steers) {
        nic_steer_sent(&f->control->steer, packet, pair);
    }
}

/* --- what a command changed -------------------------------------------- */

static void set_coalescing(NicRing *ring, const ControlCoalescing *to)
{
    uint64_t ns = to->us * UINT64_C(1000);

    if (ring->holdoff.threshold != to->packets ||
        ring->holdoff.holdoff_ns != ns) {
        nic_ring_set_holdoff(ring, to->packets, to->us);
    }
}

static void apply_coalescing(NicFunction *f)
{
    const ControlCoalescing *coalescing = f->control->model.coalescing;

    for (unsigned i = 0; i < f->n_pairs; i++) {
        set_coalescing(&f->rx[i], &coalescing[2 * i]);
        set_coalescing(&f->tx[i], &coalescing[2 * i + 1]);
    }
}

static void apply(NicFunction *f, unsigned changed)
{
    const Control *model = &f->control->model;

    if (changed & CONTROL_ADDRESS) {
        nic_address_put(f->mac, model->address);
    }
    if (changed & CONTROL_FILTER) {
        nic_function_set_filter(f, nic_control_filter(f));
    }
    if (changed & CONTROL_ANNOUNCED) {
        f->announcing = false;
    }
    if (changed & CONTROL_HASH) {
        apply_hash(f);
    }
    if (changed & (CONTROL_PAIRS | CONTROL_HASH)) {
        nic_function_set_pairs(f, used_pairs(model));
    }
    if (changed & CONTROL_OFFLOADS) {
        nic_offload_changed(f);
    }
    if (changed & CONTROL_COALESCING) {
        apply_coalescing(f);
    }
}

/* --- the queue --------------------------------------------------------- */

static void run_command(NicFunction *f, const VirtQueueElement *element,
                        ControlAnswer *answer)
{
    size_t size = iov_size(element->out_sg, element->out_num);
    g_autofree uint8_t *data = NULL;

    if (size > CONTROL_MAX_COMMAND) {
        *answer = (ControlAnswer) { .ok = false };
        return;
    }
    data = g_malloc0(size + 1);
    iov_to_buf(element->out_sg, element->out_num, 0, data, size);
    control_command(&f->control->model, data, size, answer);
    trace_sunder_nic_control(f->id, data[0], size > 1 ? data[1] : 0, size,
                             answer->ok);
}

/* Virtio 1.3, 5.1.6.5: the result follows the acknowledgement. */
static size_t put_answer(const VirtQueueElement *element,
                         const ControlAnswer *answer)
{
    uint8_t bytes[1 + CONTROL_MAX_RESULT] = {
        answer->ok ? VIRTIO_NET_OK : VIRTIO_NET_ERR
    };

    memcpy(bytes + 1, answer->result, answer->n_result);
    return iov_from_buf(element->in_sg, element->in_num, 0, bytes,
                        1 + answer->n_result);
}

static bool handle_element(NicFunction *f, VirtQueue *vq)
{
    g_autofree VirtQueueElement *element =
        virtqueue_pop(vq, sizeof(VirtQueueElement));
    ControlAnswer answer;

    if (!element) {
        return false;
    }
    if (iov_size(element->in_sg, element->in_num) < 1) {
        virtqueue_detach_element(vq, element, 0);
        nic_function_break(f, "%s: a control command has no room for its "
                           "acknowledgement", f->id);
        return false;
    }
    run_command(f, element, &answer);
    if (!answer.ok) {
        f->bad_requests++;
    }
    apply(f, answer.changed);
    virtqueue_push(vq, element, put_answer(element, &answer));
    virtio_notify(VIRTIO_DEVICE(f), vq);
    return true;
}

void nic_control_handle(VirtIODevice *vdev, VirtQueue *vq)
{
    while (handle_element(NIC_FUNCTION(vdev), vq)) {
        continue;
    }
}

void nic_control_announce(NicFunction *f)
{
    if (nic_function_is_running(f) &&
        nic_function_has(f, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
        nic_function_has(f, VIRTIO_NET_F_CTRL_VQ)) {
        f->control->model.announcing = true;
        f->announcing = true;
        nic_function_config_changed(f);
    }
}

/* --- the driver comes and goes ----------------------------------------- */

void nic_control_set_features(NicFunction *f, uint64_t features)
{
    NicControl *c = f->control;

    if (c->loaded) {
        c->model.features = features;
    } else {
        control_set_features(&c->model, features);
    }
    nic_offload_changed(f);
}

void nic_control_reset(NicFunction *f)
{
    NicControl *c = f->control;

    c->loaded = false;
    control_reset(&c->model);
    apply_hash(f);
    nic_offload_changed(f);
}

bool nic_control_realize(NicFunction *f, Error **errp)
{
    ControlConfig config = {
        .address = nic_address_get(f->mac_address.a),
        .max_pairs = f->n_pairs,
        .receive = { f->card->rx_threshold, f->card->rx_holdoff_us },
    };

    f->control = g_new0(NicControl, 1);
    control_init(&f->control->model, &config);
    apply_hash(f);
    return true;
}

void nic_control_unrealize(NicFunction *f)
{
    g_clear_pointer(&f->control, g_free);
}

/* --- migration --------------------------------------------------------- */

static int put_state(QEMUFile *file, void *opaque, size_t size,
                     const VMStateField *field, JSONWriter *vmdesc)
{
    NicFunction *f = opaque;
    g_autoptr(GByteArray) state = control_save(&f->control->model);

    qemu_put_be32(file, state->len);
    qemu_put_buffer(file, state->data, state->len);
    return 0;
}

static int get_state(QEMUFile *file, void *opaque, size_t size,
                     const VMStateField *field)
{
    NicFunction *f = opaque;
    NicControl *c = f->control;
    uint32_t n = qemu_get_be32(file);
    g_autofree uint8_t *data = NULL;
    g_autoptr(GError) error = NULL;

    if (n > MAX_STATE) {
        error_report("%s: the state of its control queue has %u bytes, more "
                     "than the %u that it can have", f->id, n, MAX_STATE);
        return -EINVAL;
    }
    data = g_malloc(n + 1);
    if (qemu_get_buffer(file, data, n) != n) {
        return -EINVAL;
    }
    if (!control_load(&c->model, data, n, &error)) {
        error_report("%s: %s", f->id, error->message);
        return -EINVAL;
    }
    c->loaded = true;
    apply_hash(f);
    return 0;
}

const VMStateInfo nic_control_vmstate_info = {
    .name = "sunder-nic-control",
    .get = get_state,
    .put = put_state,
};
