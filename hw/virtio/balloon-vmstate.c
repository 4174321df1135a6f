/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-balloon: its state in a migration.  The machine has stopped: no
 * request waits, no sweep is under way, nothing is held.
 */
#include "qemu/osdep.h"
#include "hw/virtio/balloon.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"

static int device_pre_save(void *opaque)
{
    SunderBalloon *b = opaque;
    GByteArray *bytes = balloon_pages_save(b->pages);

    g_free(b->pages_state.data);
    b->pages_state.size = bytes->len;
    b->pages_state.data = g_byte_array_free(bytes, FALSE);
    return 0;
}

static int device_post_save(void *opaque)
{
    SunderBalloon *b = opaque;

    g_clear_pointer(&b->pages_state.data, g_free);
    return 0;
}

static int device_pre_load(void *opaque)
{
    return device_post_save(opaque);
}

static uint64_t memory_pages(void)
{
    return sunder_balloon_memory() >> BALLOON_PAGE_SHIFT;
}

static bool pages_size_is_valid(void *opaque, int version_id)
{
    SunderBalloon *b = opaque;

    return b->pages_state.size <= BALLOON_STATE_MAX(memory_pages());
}

static int device_post_load(void *opaque, int version_id)
{
    SunderBalloon *b = opaque;
    g_autoptr(GError) error = NULL;
    bool ok = balloon_pages_load(b->pages, b->pages_state.data,
                                 b->pages_state.size, memory_pages(), &error);

    g_clear_pointer(&b->pages_state.data, g_free);
    if (!ok) {
        error_report("%s: %s", b->id, error->message);
        return -EINVAL;
    }
    balloon_stats_schedule(b);
    return 0;
}

const VMStateDescription vmstate_sunder_balloon_device = {
    .name = "sunder-balloon-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = device_pre_save,
    .post_save = device_post_save,
    .pre_load = device_pre_load,
    .post_load = device_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(target, SunderBalloon),
        VMSTATE_UINT32(shown, SunderBalloon),
        VMSTATE_UINT32(actual, SunderBalloon),
        VMSTATE_UINT32(poison, SunderBalloon),
        VMSTATE_BOOL(withheld, SunderBalloon),
        VMSTATE_BOOL(sweep_wanted, SunderBalloon),
        VMSTATE_UINT64_ARRAY(stats, SunderBalloon, VIRTIO_BALLOON_S_NR),
        VMSTATE_INT64(stats_updated_s, SunderBalloon),
        VMSTATE_UINT32(stats_interval_s, SunderBalloon),
        VMSTATE_BOOL(stats_read, SunderBalloon),
        VMSTATE_UINT32(pages_state.size, SunderBalloon),
        VMSTATE_VALIDATE("pages_state.size fits the machine's memory",
                         pages_size_is_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(pages_state.data, SunderBalloon, 0,
                                     NULL, pages_state.size),
        VMSTATE_END_OF_LIST()
    },
};

const VMStateDescription vmstate_sunder_balloon = {
    .name = "sunder-balloon",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    },
};
