/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookie buffer
 */
#include "target-models/paging/cookies.h"

/* An entry that changes so often under one look is changed all the time. */
#define TRANSLATE_TRIES 8

struct CookieBuffer {
    size_t frames;
    uint64_t last;              /* the greatest value of a cookie */
    _Atomic uint64_t *cookies;
};

CookieBuffer *cookie_buffer_new(size_t frames, unsigned width)
{
    CookieBuffer *buffer;
    _Atomic uint64_t *cookies;

    if (!frames || frames > COOKIE_MAX_FRAMES || !width ||
        width > COOKIE_MAX_WIDTH) {
        return NULL;
    }
    cookies = g_try_new(_Atomic uint64_t, frames);
    if (!cookies) {
        return NULL;
    }
    for (size_t i = 0; i < frames; i++) {
        atomic_init(&cookies[i], 0);
    }
    buffer = g_new0(CookieBuffer, 1);
    buffer->frames = frames;
    buffer->last = (COOKIE_CLOSED >> (COOKIE_MAX_WIDTH - width)) - 1;
    buffer->cookies = cookies;
    return buffer;
}

void cookie_buffer_free(CookieBuffer *buffer)
{
    if (buffer) {
        g_free(buffer->cookies);
        g_free(buffer);
    }
}

size_t cookie_buffer_frames(const CookieBuffer *buffer)
{
    return buffer->frames;
}

uint64_t cookie_buffer_read(const CookieBuffer *buffer, uint64_t frame)
{
    if (frame >= buffer->frames) {
        return COOKIE_CLOSED;
    }
    return atomic_load_explicit(&buffer->cookies[frame],
                                memory_order_acquire);
}

CookieChange cookie_buffer_change(CookieBuffer *buffer, uint64_t frame)
{
    _Atomic uint64_t *cookie;
    uint64_t old, new;

    if (frame >= buffer->frames) {
        return COOKIE_CHANGED;
    }
    cookie = &buffer->cookies[frame];
    old = atomic_load_explicit(cookie, memory_order_relaxed);
    do {
        if (old == COOKIE_CLOSED) {
            /*
             * Who closed it has yet to shoot down.  Our entry was written
             * before this look, and every translation of it that is kept
             * was made before the frame was closed, hence before that.
             */
            return COOKIE_CHANGED;
        }
        new = old == buffer->last ? COOKIE_CLOSED : old + 1;
        /*
         * Release: who sees the new cookie sees the page-table entry that
         * was written before it.  Acquire: what follows, such as writes of
         * the frame's new owner, does not come before.
         */
    } while (!atomic_compare_exchange_weak_explicit(cookie, &old, new,
                                                    memory_order_acq_rel,
                                                    memory_order_acquire));
    return new == COOKIE_CLOSED ? COOKIE_EXHAUSTED : COOKIE_CHANGED;
}

void cookie_buffer_open(CookieBuffer *buffer, uint64_t frame)
{
    uint64_t closed = COOKIE_CLOSED;

    if (frame < buffer->frames) {
        atomic_compare_exchange_strong_explicit(&buffer->cookies[frame],
                                                &closed, 0,
                                                memory_order_acq_rel,
                                                memory_order_relaxed);
    }
}

void cookie_buffer_set(CookieBuffer *buffer, uint64_t frame,
                       uint64_t value)
{
    if (frame < buffer->frames && value <= buffer->last) {
        atomic_store_explicit(&buffer->cookies[frame], value,
                              memory_order_release);
    }
}

CookieTranslation cookie_translate(const CookieBuffer *buffer,
                                   const CookieEntry *entry)
{
    CookieTranslation translation = { 0, COOKIE_CLOSED };

    for (unsigned i = 0; i < TRANSLATE_TRIES; i++) {
        uint64_t cookie;

        translation.entry = atomic_load_explicit(entry,
                                                 memory_order_acquire);
        if (!(translation.entry & COOKIE_ENTRY_PRESENT)) {
            return translation;
        }
        cookie = cookie_buffer_read(buffer,
                                    cookie_entry_frame(translation.entry));
        /* The acquire of the cookie keeps the second look behind it. */
        if (atomic_load_explicit(entry, memory_order_relaxed) ==
            translation.entry) {
            translation.cookie = cookie;
            return translation;
        }
    }
    return translation;
}
