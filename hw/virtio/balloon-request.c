/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-balloon: requests of the inflate and the deflate queue, and reports
 * of free pages.
 *
 * Whatever page numbers a driver names: only those in RAM of this machine are
 * looked at, and naming others does nothing.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/ramblock.h"
#include "hw/virtio/balloon.h"
#include "migration/misc.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "system/system.h"
#include "hw/trace.h"
#include "target-models/sweep/sweep.h"

/* How long pages wait for the rest of their super page, in host time. */
#define GIVE_DELAY_MS 20

/* Page numbers that are sorted together. */
#define SLICE 16384

/*
 * Page numbers that are looked at before the main loop gets its turn, and
 * what a request counts as at the least: as many as Linux puts in one.
 */
#define PAGES_AT_ONCE     32768
#define PAGES_OF_REQUEST  256

bool balloon_may_discard(Error **errp)
{
    const char *why = NULL;

    /* As the emulator ends, there is nobody left to ask about migrations. */
    if (runstate_check(RUN_STATE_SHUTDOWN)) {
        why = "the machine is shut down";
    } else if (ram_block_discard_is_disabled()) {
        why = "a device of this machine (vfio, vhost-vdpa and the like) has "
              "all of its memory pinned; remove the device";
    } else if (migration_in_incoming_postcopy()) {
        why = "a postcopy migration is coming in; wait for its end";
    } else if (migration_in_bg_snapshot()) {
        why = "a background snapshot is being taken; wait for its end";
    }
    if (why) {
        error_setg(errp, "%s", why);
    }
    return !why;
}

/*
 * A part of RAM: @length bytes at @offset of @block, at guest-physical
 * @address.  All of it whole pages.
 */
typedef struct RamPart {
    RAMBlock *block;
    uint64_t address;
    uint64_t offset;
    uint64_t length;
} RamPart;

typedef bool RamFunc(SunderBalloon *b, const RamPart *part);

static bool is_ram(MemoryRegion *mr)
{
    return memory_region_is_ram(mr) && !memory_region_is_ram_device(mr) &&
           !memory_region_is_rom(mr) && !memory_region_is_romd(mr) &&
           !memory_region_is_nonvolatile(mr) && mr->ram_block;
}

/* The whole pages of @s. */
static RamPart section_part(const MemoryRegionSection *s)
{
    uint64_t start = s->offset_within_address_space;
    uint64_t end = start + int128_get64(s->size);
    uint64_t first = ROUND_UP(start, BALLOON_PAGE_SIZE);
    uint64_t last = QEMU_ALIGN_DOWN(end, BALLOON_PAGE_SIZE);

    return (RamPart){
        .block = s->mr->ram_block,
        .address = first,
        .offset = s->offset_within_region + (first - start),
        .length = last > first ? last - first : 0,
    };
}

/*
 * Calls @func for what of @run is RAM.  Returns whether all calls returned
 * true.
 */
static bool foreach_ram(SunderBalloon *b, BalloonRun run, RamFunc *func)
{
    uint64_t at = run.first << BALLOON_PAGE_SHIFT;
    uint64_t end = (run.first + run.count) << BALLOON_PAGE_SHIFT;
    bool all = true;

    while (at < end) {
        MemoryRegionSection s = memory_region_find(get_system_memory(), at,
                                                   end - at);
        RamPart part;

        if (!s.mr) {
            break;
        }
        part = section_part(&s);
        if (!is_ram(s.mr)) {
            trace_sunder_balloon_no_ram(b->id, part.address, part.length);
        } else if (part.length) {
            all = func(b, &part) && all;
        }
        at = s.offset_within_address_space + int128_get64(s.size);
        memory_region_unref(s.mr);
    }
    return all;
}

static BalloonRun part_run(const RamPart *part)
{
    return (BalloonRun){ part->address >> BALLOON_PAGE_SHIFT,
                         part->length >> BALLOON_PAGE_SHIFT };
}

/*
 * Others map the file behind private memory: a hole in it would change what
 * they see.  Locked memory cannot be given back.
 */
static bool block_may_discard(RAMBlock *block)
{
    return !(block->flags & RAM_READONLY_FD) && !should_mlock(mlock_state) &&
           (qemu_ram_is_shared(block) || !qemu_ram_is_named_file(block));
}

static bool discard(SunderBalloon *b, RAMBlock *block, uint64_t offset,
                    uint64_t length)
{
    int ret;

    sunder_sweeper_discards(b->sweeper, block, offset, length);
    ret = ram_block_discard_range(block, offset, length);
    trace_sunder_balloon_discard(b->id, qemu_ram_get_idstr(block), offset,
                                 length, ret);
    return ret == 0;
}

/*
 * Huge pages go back whole or not at all: when all of the guest's pages in
 * them are in the balloon.
 */
static bool discard_huge(SunderBalloon *b, const RamPart *part, uint64_t page)
{
    uint64_t offset = QEMU_ALIGN_DOWN(part->offset, page);
    bool all = true;

    for (; offset < part->offset + part->length; offset += page) {
        uint64_t address = part->address + (offset - part->offset);
        BalloonRun run = { address >> BALLOON_PAGE_SHIFT,
                           page >> BALLOON_PAGE_SHIFT };

        if (address % page || !balloon_pages_contain(b->pages, run) ||
            !discard(b, part->block, offset, page)) {
            all = false;
        }
    }
    return all;
}

static bool give_part(SunderBalloon *b, const RamPart *part)
{
    uint64_t page = qemu_ram_pagesize(part->block);

    if (!block_may_discard(part->block)) {
        return false;
    }
    if (page > BALLOON_PAGE_SIZE) {
        return discard_huge(b, part, page);
    }
    return discard(b, part->block, part->offset, part->length);
}

static bool give_run(BalloonRun run, void *opaque)
{
    return foreach_ram(opaque, run, give_part);
}

static bool tells_host(SunderBalloon *b)
{
    return virtio_vdev_has_feature(VIRTIO_DEVICE(b),
                                   VIRTIO_BALLOON_F_MUST_TELL_HOST);
}

static void give(SunderBalloon *b, BalloonGive what)
{
    if (!balloon_may_discard(NULL)) {
        b->refused = true;
        return;
    }
    if (b->refused) {
        b->refused = false;
        balloon_pages_retry(b->pages);
    }
    balloon_pages_give(b->pages, what, give_run, b);
}

void balloon_give_held(SunderBalloon *b)
{
    timer_del(b->give_timer);
    if (tells_host(b)) {
        give(b, BALLOON_GIVE_ALL);
    }
}

static bool ignore_run(BalloonRun run, void *opaque)
{
    return true;
}

/* What could not be given may be in use again as soon as we answer. */
static void hold_nothing(SunderBalloon *b)
{
    balloon_pages_retry(b->pages);
    balloon_pages_give(b->pages, BALLOON_GIVE_HELD, ignore_run, b);
}

static void give_soon(SunderBalloon *b)
{
    timer_mod(b->give_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + GIVE_DELAY_MS);
}

/* After the pages of a request are in the account. */
static void give_requested(SunderBalloon *b)
{
    if (tells_host(b)) {
        give(b, BALLOON_GIVE_WHOLE);
        give_soon(b);
    } else {
        give(b, BALLOON_GIVE_HELD);
        hold_nothing(b);
    }
}

static bool add_part(SunderBalloon *b, const RamPart *part)
{
    balloon_pages_add(b->pages, part_run(part));
    return true;
}

static bool remove_part(SunderBalloon *b, const RamPart *part)
{
    balloon_pages_remove(b->pages, part_run(part));
    return true;
}

/*
 * The page numbers of a request from @skip on, SLICE at most.  Returns how
 * many.
 */
static size_t read_pfns(const VirtQueueElement *e, size_t skip,
                        uint32_t *pfns)
{
    size_t bytes = iov_to_buf(e->out_sg, e->out_num, skip * sizeof(*pfns),
                              pfns, SLICE * sizeof(*pfns));
    size_t n = bytes / sizeof(*pfns);

    for (size_t i = 0; i < n; i++) {
        pfns[i] = le32_to_cpu(pfns[i]);
    }
    return n;
}

/*
 * A request may be as long as a driver likes, and one descriptor may name the
 * same memory over and over: more pages than the machine has need no look.
 * With @lie, pages from number *lie on take the place of the driver's.
 * Returns how many were looked at.
 */
static size_t foreach_page(SunderBalloon *b, const VirtQueueElement *e,
                         const uint32_t *lie, RamFunc *func)
{
    g_autofree uint32_t *pfns = g_new(uint32_t, SLICE);
    g_autofree SweepPfnRun *runs = g_new(SweepPfnRun, SLICE);
    size_t limit = sunder_balloon_memory() >> BALLOON_PAGE_SHIFT;
    size_t n;

    for (size_t done = 0; done < limit; done += n) {
        unsigned n_runs;

        n = read_pfns(e, done, pfns);
        if (n == 0) {
            return done;
        }
        for (size_t i = 0; lie && i < n; i++) {
            pfns[i] = *lie + done + i;
        }
        n_runs = sweep_pfns_coalesce(pfns, n, runs, NULL);
        trace_sunder_balloon_request(b->id, n, n_runs);
        for (unsigned i = 0; i < n_runs; i++) {
            foreach_ram(b, (BalloonRun){ runs[i].first, runs[i].count },
                        func);
        }
    }
    qemu_log_mask(LOG_GUEST_ERROR, "%s: request with more pages than the "
                  "machine has; ignoring the rest\n", b->id);
    return limit;
}

void balloon_answer(SunderBalloon *b, VirtQueue *vq, VirtQueueElement *e)
{
    virtqueue_push(vq, e, 0);
    virtio_notify(VIRTIO_DEVICE(b), vq);
    g_free(e);
}

/*
 * The next request after those of @done pages.  A driver that makes new ones
 * available as fast as they are answered must not keep everybody else waiting.
 */
static VirtQueueElement *next_request(SunderBalloon *b, VirtQueue *vq,
                                      size_t done)
{
    if (done >= PAGES_AT_ONCE) {
        qemu_bh_schedule(b->request_bh);
        return NULL;
    }
    return virtqueue_pop(vq, sizeof(VirtQueueElement));
}

static size_t inflate(SunderBalloon *b, VirtQueueElement *e)
{
    uint32_t first;
    bool lies = balloon_fault_lies(b, &first);
    size_t pages = foreach_page(b, e, lies ? &first : NULL, add_part);

    give_requested(b);
    return MAX(pages, PAGES_OF_REQUEST);
}

void balloon_handle_inflate(VirtIODevice *vdev, VirtQueue *vq)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);
    VirtQueueElement *e;
    size_t done = 0;

    while (!b->waiting && (e = next_request(b, vq, done))) {
        done += inflate(b, e);
        if (!balloon_sweep_keep(b, e)) {
            balloon_answer(b, vq, e);
        }
    }
}

void balloon_handle_deflate(VirtIODevice *vdev, VirtQueue *vq)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);
    VirtQueueElement *e;
    size_t done = 0;

    while ((e = next_request(b, vq, done))) {
        size_t pages = foreach_page(b, e, NULL, remove_part);

        done += MAX(pages, PAGES_OF_REQUEST);
        balloon_answer(b, vq, e);
    }
}

/*
 * The ranges of a report are buffers that the driver lets us write to, so
 * they come mapped; one that is no RAM is a bounce buffer in no block.
 */
static void report_range(SunderBalloon *b, const struct iovec *range)
{
    ram_addr_t offset;
    RAMBlock *block = qemu_ram_block_from_host(range->iov_base, false,
                                               &offset);
    uint64_t page, first, last;

    if (!block || !is_ram(block->mr) || !block_may_discard(block)) {
        return;
    }
    page = qemu_ram_pagesize(block);
    first = ROUND_UP(offset, page);
    last = QEMU_ALIGN_DOWN(offset + range->iov_len, page);
    last = MIN(last, QEMU_ALIGN_DOWN(qemu_ram_get_used_length(block), page));
    if (last > first) {
        discard(b, block, first, last - first);
    }
}

/*
 * Reported pages come back as zeroes.  A driver with another poison value
 * wants to find that (virtio 1.2, section 5.5.6.7.2).
 */
void balloon_handle_report(VirtIODevice *vdev, VirtQueue *vq)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);
    VirtQueueElement *e;
    size_t done = 0;

    while ((e = next_request(b, vq, done))) {
        done += PAGES_OF_REQUEST;
        if (b->poison == 0 && balloon_may_discard(NULL)) {
            for (unsigned i = 0; i < e->in_num; i++) {
                report_range(b, &e->in_sg[i]);
            }
        }
        trace_sunder_balloon_report(b->id, e->in_num, b->poison);
        balloon_answer(b, vq, e);
    }
}

static void handle_requests(void *opaque)
{
    SunderBalloon *b = opaque;
    VirtIODevice *vdev = VIRTIO_DEVICE(b);

    if (!vdev->vm_running) {
        return;     /* when it runs again */
    }
    balloon_handle_inflate(vdev, b->inflate_vq);
    balloon_handle_deflate(vdev, b->deflate_vq);
    if (b->report_vq) {
        balloon_handle_report(vdev, b->report_vq);
    }
}

static void give_after_delay(void *opaque)
{
    balloon_give_held(opaque);
}

void balloon_request_realize(SunderBalloon *b)
{
    b->pages = balloon_pages_new();
    b->give_timer = timer_new_ms(QEMU_CLOCK_REALTIME, give_after_delay, b);
    b->request_bh = qemu_bh_new(handle_requests, b);
}

void balloon_request_unrealize(SunderBalloon *b)
{
    g_clear_pointer(&b->request_bh, qemu_bh_delete);
    g_clear_pointer(&b->give_timer, timer_free);
    g_clear_pointer(&b->pages, balloon_pages_free);
}

/*
 * After a migration all pages are held: some came with what they held when
 * they were sent first, and the host had them back only later.
 */
void balloon_request_resume(SunderBalloon *b)
{
    if (balloon_pages_held(b->pages) == 0) {
        return;
    } else if (tells_host(b)) {
        give_soon(b);
    } else {
        hold_nothing(b);
    }
}

void balloon_request_reset(SunderBalloon *b)
{
    timer_del(b->give_timer);
    qemu_bh_cancel(b->request_bh);
    balloon_pages_clear(b->pages);
    b->refused = false;
}
