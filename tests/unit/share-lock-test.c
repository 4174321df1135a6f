/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks, the window into files, and which request is next. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "share-fixture.h"
#include "target-models/share/schedule.h"

#define WINDOW  (8u << 20)

static TestGuest *guest;
static FakeVolume *volume;
static uint64_t file, fh;
static unsigned completed;
static int completed_error;
static bool mapped[WINDOW >> 12], fails;

static void complete(void *opaque, void *token, size_t size)
{
    WireOutHeader header;

    cr_assert_eq(token, guest);
    cr_assert_geq(size, sizeof(header));
    memcpy(&header, guest->reply, sizeof(header));
    completed++;
    completed_error = header.error;
}

static int map(void *opaque, void *v, ShareOpen *open, uint64_t file_offset,
               uint64_t length, uint64_t offset, bool writable)
{
    if (fails) {
        return -ENOMEM;
    }
    memset(mapped + (offset >> 12), true, length >> 12);
    return 0;
}

static int unmap(void *opaque, uint64_t offset, uint64_t length)
{
    memset(mapped + (offset >> 12), false, length >> 12);
    return 0;
}

static void make(void)
{
    static const ShareWindowOps window = { map, unmap };
    static const ShareEngineOptions options = {
        .remote_locks = true, .wait_for_locks = true, .complete = complete,
        .window = &window, .window_size = WINDOW, .map_alignment = 12,
    };
    static const SharePolicy policy = { .dax = true };

    guest = test_guest_new(&options);
    volume = fake_volume_new();
    fake_add(volume, volume->root, "file", WIRE_S_IFREG | 0644, "hello");
    test_publish(guest, "data", volume, &policy);
    test_init(guest, WIRE_INIT_POSIX_LOCKS | WIRE_INIT_MAP_ALIGNMENT |
              WIRE_INIT_INODE_DAX);
    file = test_walk(guest, "data/file");
    test_open(guest, file, WIRE_O_RDWR, &fh);
}

static void drop(void)
{
    test_guest_free(guest);
    cr_expect(fake_volume_free(volume));
}

TestSuite(share_lock, .init = make, .fini = drop);

static int lock(WireOp op, uint64_t owner, uint32_t type)
{
    WireLkIn in = {
        .fh = fh, .owner = owner, .lk = { 0, INT64_MAX, type, 1 },
    };

    return test_call(guest, op, file, &in, sizeof(in), NULL, 0);
}

static int flush(uint64_t owner)
{
    WireFlushIn in = { .fh = fh, .lock_owner = owner };

    return test_call(guest, WIRE_FLUSH, file, &in, sizeof(in), NULL, 0);
}

Test(share_lock, owners_exclude_each_other)
{
    WireLkOut out;

    cr_expect_eq(lock(WIRE_SETLK, 1, WIRE_F_WRLCK), 0);
    cr_expect_eq(lock(WIRE_SETLK, 1, WIRE_F_WRLCK), 0);
    cr_expect_eq(lock(WIRE_SETLK, 2, WIRE_F_WRLCK), -EAGAIN);
    cr_expect_eq(lock(WIRE_GETLK, 2, WIRE_F_WRLCK), 0);
    memcpy(&out, guest->body, sizeof(out));
    cr_expect_eq(out.lk.type, WIRE_F_WRLCK);
    cr_expect_eq(lock(WIRE_SETLK, 1, WIRE_F_UNLCK), 0);
    cr_expect_eq(lock(WIRE_SETLK, 2, WIRE_F_WRLCK), 0);
}

Test(share_lock, a_close_ends_the_owners_locks)
{
    cr_expect_eq(lock(WIRE_SETLK, 1, WIRE_F_WRLCK), 0);
    cr_expect_eq(flush(2), 0);
    cr_expect_eq(lock(WIRE_SETLK, 2, WIRE_F_WRLCK), -EAGAIN);
    cr_expect_eq(flush(1), 0);
    cr_expect_eq(lock(WIRE_SETLK, 2, WIRE_F_WRLCK), 0);
}

Test(share_lock, who_waits_gets_it_when_it_is_free)
{
    lock(WIRE_SETLK, 1, WIRE_F_WRLCK);
    lock(WIRE_SETLKW, 2, WIRE_F_WRLCK);
    cr_expect_eq(guest->result, SHARE_LATER);
    cr_expect_eq(share_engine_retry_locks(guest->engine), 1);
    cr_expect_eq(completed, 0);
    cr_expect_eq(lock(WIRE_SETLK, 1, WIRE_F_UNLCK), 0);
    cr_expect_eq(completed, 1);
    cr_expect_eq(completed_error, 0);
    cr_expect_eq(lock(WIRE_SETLK, 1, WIRE_F_WRLCK), -EAGAIN);
}

Test(share_lock, who_waits_may_be_interrupted)
{
    WireInterruptIn in;

    lock(WIRE_SETLK, 1, WIRE_F_WRLCK);
    lock(WIRE_SETLKW, 2, WIRE_F_WRLCK);
    in.unique = guest->unique;
    test_call(guest, WIRE_INTERRUPT, 0, &in, sizeof(in), NULL, 0);
    cr_expect_eq(guest->result, 0);
    cr_expect_eq(completed, 1);
    cr_expect_eq(completed_error, -EINTR);
    /* an interrupt that comes before its request */
    in.unique = guest->unique + 2;
    test_call(guest, WIRE_INTERRUPT, 0, &in, sizeof(in), NULL, 0);
    cr_expect_eq(lock(WIRE_SETLKW, 2, WIRE_F_WRLCK), -EINTR);
}

Test(share_lock, who_waits_learns_that_the_share_has_gone)
{
    lock(WIRE_SETLK, 1, WIRE_F_WRLCK);
    lock(WIRE_SETLKW, 2, WIRE_F_WRLCK);
    share_engine_remove(guest->engine, "data", (ShareTime){ 0, 0 });
    cr_expect_eq(completed, 1);
    cr_expect_eq(completed_error, -ESTALE);
}

Test(share_lock, only_so_many_wait)
{
    lock(WIRE_SETLK, 1, WIRE_F_WRLCK);
    for (unsigned i = 0; i < SHARE_MAX_WAITING; i++) {
        lock(WIRE_SETLKW, 2, WIRE_F_WRLCK);
        cr_assert_eq(guest->result, SHARE_LATER);
    }
    cr_expect_eq(lock(WIRE_SETLKW, 2, WIRE_F_WRLCK), -ENOLCK);
    cr_expect_eq(share_engine_state(guest->engine).waiting,
                 SHARE_MAX_WAITING);
}

Test(share_lock, a_region_that_makes_no_sense_is_refused)
{
    WireLkIn in = { .fh = fh, .owner = 1, .lk = { 10, 9, 1, 1 } };

    cr_expect_eq(test_call(guest, WIRE_SETLK, file, &in, sizeof(in), NULL,
                           0), -EINVAL);
    in.lk = (WireFileLock){ 0, UINT64_MAX, 1, 1 };
    cr_expect_eq(test_call(guest, WIRE_SETLK, file, &in, sizeof(in), NULL,
                           0), -EINVAL);
    in.lk = (WireFileLock){ 0, 1, 3, 1 };
    cr_expect_eq(test_call(guest, WIRE_SETLK, file, &in, sizeof(in), NULL,
                           0), -EINVAL);
}

Test(share_lock, owners_of_locks_count_as_handles)
{
    test_guest_free(guest);
    cr_expect(fake_volume_free(volume));
    guest = test_guest_new(&(ShareEngineOptions){
        .remote_locks = true, .max_handles = 2 });
    volume = fake_volume_new();
    fake_add(volume, volume->root, "file", WIRE_S_IFREG | 0644, "hello");
    test_publish(guest, "data", volume, NULL);
    test_init(guest, WIRE_INIT_POSIX_LOCKS);
    file = test_walk(guest, "data/file");
    test_open(guest, file, WIRE_O_RDWR, &fh);
    cr_expect_eq(lock(WIRE_SETLK, 1, WIRE_F_WRLCK), 0);
    cr_expect_eq(lock(WIRE_SETLK, 2, WIRE_F_RDLCK), -ENOLCK);
    cr_expect_eq(volume->opens, 2);
}

/* --- The window ------------------------------------------------------- */

static int setup(uint64_t offset, uint64_t length, uint64_t flags)
{
    WireSetupMappingIn in = {
        .fh = WIRE_NO_HANDLE, .len = length, .flags = flags,
        .moffset = offset,
    };

    return test_call(guest, WIRE_SETUPMAPPING, file, &in, sizeof(in), NULL,
                     0);
}

static int take_away(uint64_t offset, uint64_t length)
{
    WireRemoveMappingIn in = { 1 };
    WireRemoveMappingOne one = { offset, length };

    return test_call(guest, WIRE_REMOVEMAPPING, 0, &in, sizeof(in), &one,
                     sizeof(one));
}

static unsigned pages(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(mapped); i++) {
        n += mapped[i];
    }
    return n;
}

Test(share_lock, files_are_mapped_into_the_window)
{
    cr_expect_eq(setup(0, 2 << 20, WIRE_MAP_WRITE), 0);
    cr_expect_eq(setup(4 << 20, 2 << 20, WIRE_MAP_READ), 0);
    cr_expect_eq(pages(), 1024);
    cr_expect_eq(share_engine_state(guest->engine).mappings, 2);
    cr_expect_eq(take_away(1 << 20, 4 << 20), 0);
    cr_expect_eq(pages(), 512);
    cr_expect_eq(volume->opens, 1);
}

Test(share_lock, what_is_not_within_the_window_is_refused)
{
    static const uint64_t wrong[][2] = {
        { WINDOW, 4096 }, { 0, 0 }, { 0, WINDOW + 4096 }, { 100, 4096 },
        { 4096, 100 }, { UINT64_MAX - 4095, 8192 }, { 4096, WINDOW },
        { 1ull << 63, 1ull << 63 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        cr_expect_eq(setup(wrong[i][0], wrong[i][1], 0), -EINVAL);
        cr_expect_eq(take_away(wrong[i][0], wrong[i][1]), -EINVAL);
    }
    cr_expect_eq(pages(), 0);
}

Test(share_lock, mappings_go_with_their_share_and_their_guest)
{
    cr_expect_eq(setup(0, 2 << 20, 0), 0);
    /* one in the middle of the other */
    cr_expect_eq(setup(1 << 20, 4096, 0), 0);
    cr_expect_eq(share_engine_state(guest->engine).mappings, 3);
    share_engine_remove(guest->engine, "data", (ShareTime){ 0, 0 });
    cr_expect_eq(pages(), 0);
    cr_expect_eq(setup(0, 4096, 0), -ESTALE);
}

Test(share_lock, a_mapping_that_fails_is_none)
{
    fails = true;
    cr_expect_eq(setup(0, 4096, 0), -ENOMEM);
    cr_expect_eq(share_engine_state(guest->engine).mappings, 0);
    cr_expect_eq(volume->opens, 1);
}

/* --- Which is next ---------------------------------------------------- */

Test(share_lock, one_node_does_not_take_all_the_threads)
{
    ShareSchedule *s = share_schedule_new(2);
    char requests[6];
    uint64_t node;

    for (unsigned i = 0; i < 4; i++) {
        share_schedule_add(s, 7, &requests[i]);
    }
    share_schedule_add(s, 8, &requests[4]);
    cr_expect_eq(share_schedule_next(s, &node), &requests[0]);
    cr_expect_eq(share_schedule_next(s, &node), &requests[1]);
    cr_expect_eq(share_schedule_next(s, &node), &requests[4]);
    cr_expect_eq(node, 8);
    cr_expect_null(share_schedule_next(s, &node));
    cr_expect_eq(share_schedule_waiting(s), 2);
    cr_expect_not(share_schedule_done(s, 8));
    cr_expect(share_schedule_done(s, 7));
    share_schedule_add(s, 9, &requests[5]);
    /* it came before */
    cr_expect_eq(share_schedule_next(s, &node), &requests[2]);
    cr_expect_eq(share_schedule_next(s, &node), &requests[5]);
    share_schedule_free(s);
}

Test(share_lock, requests_of_different_nodes_go_in_their_order)
{
    ShareSchedule *s = share_schedule_new(1);
    char requests[100];
    uint64_t node;

    for (unsigned i = 0; i < 100; i++) {
        share_schedule_add(s, i * 7 % 50, &requests[i]);
    }
    for (unsigned i = 0; i < 50; i++) {
        cr_expect_eq(share_schedule_next(s, &node), &requests[i]);
    }
    cr_expect_null(share_schedule_next(s, &node));
    for (unsigned i = 0; i < 50; i++) {
        share_schedule_done(s, (49 - i) * 7 % 50);
    }
    for (unsigned i = 50; i < 100; i++) {
        cr_expect_eq(share_schedule_next(s, &node), &requests[i]);
        share_schedule_done(s, node);
    }
    cr_expect_eq(share_schedule_waiting(s), 0);
    share_schedule_free(s);
}
