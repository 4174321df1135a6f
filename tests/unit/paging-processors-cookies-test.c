/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page-mapping cookie buffer
 */
#include <criterion/criterion.h>
#include <pthread.h>

#include "target-models/paging/cookies.h"

#define FRAMES  16
#define PRESENT COOKIE_ENTRY_PRESENT

static uint64_t entry_of(uint64_t frame)
{
    return frame << COOKIE_FRAME_SHIFT | PRESENT;
}

Test(cookies, begin_at_zero)
{
    CookieBuffer *buffer = cookie_buffer_new(FRAMES, 32);

    cr_expect_eq(cookie_buffer_frames(buffer), FRAMES);
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        cr_expect_eq(cookie_buffer_read(buffer, frame), 0);
    }
    cookie_buffer_free(buffer);
}

Test(cookies, of_impossible_buffers_are_refused)
{
    cr_expect_null(cookie_buffer_new(0, 32));
    cr_expect_null(cookie_buffer_new(FRAMES, 0));
    cr_expect_null(cookie_buffer_new(FRAMES, 65));
    cr_expect_null(cookie_buffer_new(COOKIE_MAX_FRAMES + 1, 32));
    cr_expect_null(cookie_buffer_new(SIZE_MAX, 32));
    cookie_buffer_free(NULL);
}

Test(cookies, of_frames_that_do_not_exist_are_closed)
{
    CookieBuffer *buffer = cookie_buffer_new(FRAMES, 32);

    cr_expect_eq(cookie_buffer_read(buffer, FRAMES), COOKIE_CLOSED);
    cr_expect_eq(cookie_buffer_read(buffer, UINT64_MAX), COOKIE_CLOSED);
    cr_expect_eq(cookie_buffer_change(buffer, FRAMES), COOKIE_CHANGED);
    cookie_buffer_open(buffer, FRAMES);
    cookie_buffer_set(buffer, UINT64_MAX, 1);
    cookie_buffer_free(buffer);
}

Test(cookies, change_for_one_frame_only)
{
    CookieBuffer *buffer = cookie_buffer_new(FRAMES, 32);

    cr_expect_eq(cookie_buffer_change(buffer, 3), COOKIE_CHANGED);
    cr_expect_eq(cookie_buffer_read(buffer, 3), 1);
    cr_expect_eq(cookie_buffer_read(buffer, 2), 0);
    cr_expect_eq(cookie_buffer_read(buffer, 4), 0);
    cookie_buffer_free(buffer);
}

Test(cookies, translation_is_valid_until_the_cookie_changes)
{
    CookieBuffer *buffer = cookie_buffer_new(FRAMES, 32);
    CookieEntry entry = entry_of(5);
    CookieTranslation translation = cookie_translate(buffer, &entry);

    cr_expect_eq(translation.entry, entry_of(5));
    cr_expect_eq(translation.cookie, 0);
    cr_expect(cookie_valid(buffer, &translation));
    cookie_buffer_change(buffer, 5);
    cr_expect_not(cookie_valid(buffer, &translation));
    translation = cookie_translate(buffer, &entry);
    cr_expect(cookie_valid(buffer, &translation));
    cookie_buffer_free(buffer);
}

Test(cookies, translation_of_nothing_is_not_kept)
{
    CookieBuffer *buffer = cookie_buffer_new(FRAMES, 32);
    CookieEntry none = 0, outside = entry_of(FRAMES);
    CookieTranslation translation = cookie_translate(buffer, &none);

    cr_expect_eq(translation.cookie, COOKIE_CLOSED);
    cr_expect_not(cookie_valid(buffer, &translation));
    translation = cookie_translate(buffer, &outside);
    cr_expect_eq(translation.cookie, COOKIE_CLOSED);
    cr_expect_not(cookie_valid(buffer, &translation));
    cookie_buffer_free(buffer);
}

/* With W bits there are 2^W - 1 values, and then the frame closes. */
Test(cookies, run_out_after_their_last_value)
{
    for (unsigned width = 1; width <= 10; width++) {
        CookieBuffer *buffer = cookie_buffer_new(1, width);
        CookieEntry entry = entry_of(0);
        unsigned values = (1u << width) - 1;

        for (unsigned lap = 0; lap < 3; lap++) {
            CookieTranslation translation;

            for (unsigned i = 0; i + 1 < values; i++) {
                cr_assert_eq(cookie_buffer_read(buffer, 0), i);
                cr_assert_eq(cookie_buffer_change(buffer, 0),
                             COOKIE_CHANGED);
            }
            translation = cookie_translate(buffer, &entry);
            cr_expect(cookie_valid(buffer, &translation));
            cr_expect_eq(cookie_buffer_change(buffer, 0),
                         COOKIE_EXHAUSTED, "width %u", width);
            cr_expect_eq(cookie_buffer_read(buffer, 0), COOKIE_CLOSED);
            cr_expect_not(cookie_valid(buffer, &translation));
            translation = cookie_translate(buffer, &entry);
            cr_expect_not(cookie_valid(buffer, &translation));
            /* One is enough to shoot down. */
            cr_expect_eq(cookie_buffer_change(buffer, 0), COOKIE_CHANGED);
            cr_expect_eq(cookie_buffer_read(buffer, 0), COOKIE_CLOSED);
            cookie_buffer_open(buffer, 0);
            cr_expect_eq(cookie_buffer_read(buffer, 0), 0);
        }
        cookie_buffer_free(buffer);
    }
}

Test(cookies, of_64_bits_end_one_before_the_closed_one)
{
    CookieBuffer *buffer = cookie_buffer_new(1, 64);

    cookie_buffer_set(buffer, 0, UINT64_MAX - 2);
    cr_expect_eq(cookie_buffer_change(buffer, 0), COOKIE_CHANGED);
    cr_expect_eq(cookie_buffer_read(buffer, 0), UINT64_MAX - 1);
    cr_expect_eq(cookie_buffer_change(buffer, 0), COOKIE_EXHAUSTED);
    cookie_buffer_free(buffer);
}

Test(cookies, opening_an_open_frame_does_nothing)
{
    CookieBuffer *buffer = cookie_buffer_new(1, 8);

    cookie_buffer_change(buffer, 0);
    cookie_buffer_open(buffer, 0);
    cr_expect_eq(cookie_buffer_read(buffer, 0), 1);
    cookie_buffer_set(buffer, 0, 255);      /* no value of 8 bits */
    cr_expect_eq(cookie_buffer_read(buffer, 0), 1);
    cookie_buffer_free(buffer);
}

#define THREADS 4
#define CHANGES 20000

typedef struct Changer {
    CookieBuffer *buffer;
    unsigned exhausted, changed;
} Changer;

static void *changer_main(void *opaque)
{
    Changer *changer = opaque;

    for (unsigned i = 0; i < CHANGES; i++) {
        if (cookie_buffer_change(changer->buffer, 0) == COOKIE_EXHAUSTED) {
            changer->exhausted++;
            cookie_buffer_open(changer->buffer, 0);
        } else {
            changer->changed++;
        }
    }
    return NULL;
}

/* Changes of many threads: none is lost unless the frame was closed. */
static void change_together(unsigned width, Changer changers[THREADS],
                            uint64_t *cookie)
{
    CookieBuffer *buffer = cookie_buffer_new(1, width);
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        changers[i] = (Changer) { buffer, 0, 0 };
        pthread_create(&threads[i], NULL, changer_main, &changers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    *cookie = cookie_buffer_read(buffer, 0);
    cookie_buffer_free(buffer);
}

Test(cookies, count_the_changes_of_all_threads)
{
    Changer changers[THREADS];
    uint64_t cookie;

    change_together(64, changers, &cookie);
    cr_expect_eq(cookie, THREADS * CHANGES);
}

Test(cookies, run_out_for_one_thread_at_a_time)
{
    Changer changers[THREADS];
    unsigned exhausted = 0, changed = 0;
    uint64_t cookie;

    change_together(4, changers, &cookie);
    for (unsigned i = 0; i < THREADS; i++) {
        exhausted += changers[i].exhausted;
        changed += changers[i].changed;
    }
    /* 14 changes in a lap, the 15th closes; more fall on the closed one. */
    cr_expect_lt(cookie, 15);
    cr_expect_eq(exhausted + changed, THREADS * CHANGES);
    cr_expect_geq(changed, exhausted * 14 + cookie);
}
