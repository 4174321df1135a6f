/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookie buffer
 *
 * Models the shared buffer of US 7,234,038: one cookie for each physical
 * page frame, which all processors can read.  A translation cached by a
 * processor carries the cookie that the frame had when the translation
 * was made.  While the two are equal the mapping is still the one that
 * was cached; once they differ the processor translates again.  So a
 * mapping is taken away from every processor by one write to the buffer,
 * and no processor is interrupted.
 *
 * Concepts:
 *
 * - A mapping is a virtual page placed in a frame, with its rights.  It
 *   is held by a page-table entry of the form of Intel SDM volume 3A,
 *   4.5: bit 0 present, bit 1 writable, bits 51:12 the frame.
 * - The cookie of a frame changes whenever a mapping of the frame is
 *   taken away or loses a right.  It need not change when one is added:
 *   no processor holds a translation that an added mapping contradicts.
 *   A frame with several mappings (shared memory) has one cookie: taking
 *   one mapping away makes the translations of the others be made again,
 *   which costs time and nothing else.
 * - Order.  Who takes a mapping away writes the page-table entry first
 *   and changes the cookie after it.  Who translates reads the entry,
 *   then the cookie, then the entry again: if it is the same, the cookie
 *   was read while the mapping was there, so taking it away is yet to
 *   change this cookie (or has changed it already, and the translation
 *   is made once more than needed).  Reading the cookie last, without
 *   the second look, would marry an old entry to a new cookie for ever.
 * - A memory operation counts only if the cookies are equal after its
 *   data was accessed: compare first and access then, and the frame may
 *   change hands in between.  A processor does both at once, by keeping
 *   the buffer's line until the operation retires and restarting the
 *   operation if the line is taken from it.  Threads of a program can do
 *   so for loads: load the data, then ask cookie_valid(); see there.
 * - ABA.  An entry that changes and changes back between the two looks
 *   of a translation does no harm: the mapping is there at the second
 *   look.  A cookie that comes round to an old value would: see Width.
 * - Width.  A cookie of W bits has 2^W - 1 values; the one left over,
 *   COOKIE_CLOSED, equals nothing.  Without precautions a translation
 *   not used while its frame lost exactly a multiple of 2^W - 1 mappings
 *   would be taken for valid.  A frame that loses a mapping every 100
 *   cycles of 3 GHz, which is as fast as a processor can, gets there in
 *   9 milliseconds with 18 bits, 143 seconds with 32, and 19,500 years
 *   with 64.  As narrow cookies make a small buffer (32 bits: sixteen to
 *   a line, 0.1 % of memory), the values are made to run out safely
 *   instead: the change that would reuse one closes the frame, the
 *   caller has every processor drop its translations, once, by the old
 *   way (an interrupt), and opens it again.  With 32 bits that is one
 *   shoot-down in 4,294,967,295 changes of one frame; with 1 bit it is
 *   the old way on every change.  It is safe at any width.
 *
 * Thread safe, and no call waits for another thread.  Nothing is global.
 */
#ifndef SUNDER_PAGING_COOKIES_H
#define SUNDER_PAGING_COOKIES_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No cookie: equals none. */
#define COOKIE_CLOSED         UINT64_MAX
#define COOKIE_MAX_WIDTH      64
#define COOKIE_MAX_FRAMES     (UINT64_C(1) << 40)   /* of 52-bit addresses */

/* Page-table entries; Intel SDM volume 3A, 4.5.4, table 4-20 */
#define COOKIE_ENTRY_PRESENT  (UINT64_C(1) << 0)
#define COOKIE_ENTRY_WRITABLE (UINT64_C(1) << 1)
#define COOKIE_FRAME_SHIFT    12
#define COOKIE_FRAME_MASK     (((UINT64_C(1) << 52) - 1) & ~UINT64_C(0xfff))

typedef struct CookieBuffer CookieBuffer;

/* A page-table entry, which several threads read and write. */
typedef _Atomic uint64_t CookieEntry;

/* A translation, as a TLB keeps it. */
typedef struct CookieTranslation {
    uint64_t entry;             /* 0: nothing is mapped there */
    uint64_t cookie;            /* COOKIE_CLOSED: not to be kept */
} CookieTranslation;

typedef enum CookieChange {
    COOKIE_CHANGED,             /* done */
    COOKIE_EXHAUSTED,           /* shoot down, then cookie_buffer_open() */
} CookieChange;

/*
 * cookie_buffer_new:
 * @frames: number of frames, 1 to COOKIE_MAX_FRAMES
 * @width: bits of a cookie, 1 to COOKIE_MAX_WIDTH
 *
 * Returns: a buffer whose cookies are all 0, freed with
 * cookie_buffer_free(); or NULL if an argument is out of range or there
 * is no memory for it.
 */
CookieBuffer *cookie_buffer_new(size_t frames, unsigned width);
void cookie_buffer_free(CookieBuffer *buffer);

size_t cookie_buffer_frames(const CookieBuffer *buffer);

/*
 * cookie_buffer_read:
 *
 * Returns: the cookie of @frame; COOKIE_CLOSED while it is closed, or if
 * there is no such frame.  An acquire load: what was written before the
 * cookie became what is returned is visible.
 */
uint64_t cookie_buffer_read(const CookieBuffer *buffer, uint64_t frame);

/*
 * cookie_buffer_change:
 *
 * Takes the validity from every cached translation to @frame.  The
 * page-table entry must have been written before; the frame may be given
 * to another use as soon as COOKIE_CHANGED is returned.
 *
 * Returns: COOKIE_EXHAUSTED if the values have run out: the frame is
 * closed, no translation to it is valid or can be kept, and the caller
 * must make every TLB that can hold one drop it and then call
 * cookie_buffer_open().  Exactly one caller is told so; others who
 * change the closed frame are done at once, as there is nothing left
 * that could be valid.  A frame that does not exist: COOKIE_CHANGED.
 *
 * Dropping includes the translation that a processor is just making: an
 * interrupt in the middle of it makes it begin anew, as processors do.
 */
CookieChange cookie_buffer_change(CookieBuffer *buffer, uint64_t frame);

/* Begins again with cookie 0.  Does nothing to a frame that is open. */
void cookie_buffer_open(CookieBuffer *buffer, uint64_t frame);

/*
 * cookie_buffer_set:
 *
 * Makes the cookie of @frame @value (less than the width's greatest), so
 * that a test need not count to 2^32.  Not for use beside other threads.
 */
void cookie_buffer_set(CookieBuffer *buffer, uint64_t frame,
                       uint64_t value);

/* Returns: the frame that @entry maps to. */
static inline uint64_t cookie_entry_frame(uint64_t entry)
{
    return (entry & COOKIE_FRAME_MASK) >> COOKIE_FRAME_SHIFT;
}

/*
 * cookie_translate:
 * @entry: the page-table entry of the page
 *
 * Makes a translation, in the order that Concepts tells.
 *
 * Returns: the translation.  Its cookie is COOKIE_CLOSED when nothing is
 * mapped, when the frame is closed, and when the entry changed under it
 * a few times in a row; an operation then tries again, and nothing is
 * put into a TLB.
 */
CookieTranslation cookie_translate(const CookieBuffer *buffer,
                                   const CookieEntry *entry);

/*
 * cookie_valid:
 *
 * Returns: whether @translation still holds.  To read memory with it,
 * load the data first, with acquire, and ask then; if the answer is no,
 * forget the data and translate again.  Whoever writes to a frame that
 * it got by cookie_buffer_change() stores with release.  (On x86 these
 * are plain loads and stores.)  Then data of a new owner is never taken
 * for the old one's.
 */
static inline bool cookie_valid(const CookieBuffer *buffer,
                                const CookieTranslation *translation)
{
    return translation->cookie != COOKIE_CLOSED &&
           cookie_buffer_read(buffer,
                              cookie_entry_frame(translation->entry)) ==
           translation->cookie;
}

#endif
