/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and wires of nic-nonsense.h. */
#include "qemu/osdep.h"
#include "nic-nonsense.h"
#include "qemu/bswap.h"

#define LARGEST     9000        /* bytes of a frame */

uint32_t below(Fuzzer *f, uint32_t limit)
{
    return g_rand_int(f->rand) % limit;
}

uint64_t random64(Fuzzer *f)
{
    return (uint64_t)g_rand_int(f->rand) << 32 | g_rand_int(f->rand);
}

uint64_t nonsense(Fuzzer *f)
{
    switch (below(f, 4)) {
    case 0:
        return below(f, 2) ? UINT64_MAX : 0;
    case 1:
        return UINT64_C(1) << below(f, 64);
    case 2:
        return ~(UINT64_C(1) << below(f, 64));
    default:
        return random64(f);
    }
}

void fill_random(Fuzzer *f, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes[i] = below(f, 4) ? below(f, 4) : nonsense(f);
    }
}

/* --- wires ------------------------------------------------------------- */

static size_t make_lacp(Fuzzer *f, uint8_t *frame)
{
    frame_make(frame, UINT64_C(0x0180c2000002), random64(f), 0x8809, 0);
    fill_random(f, frame + 14, 110);
    frame[14] = 1 + below(f, 3);        /* LACP, Marker, something */
    frame[15] = 1;
    frame[16] = 1;                      /* actor, 20 bytes */
    frame[17] = below(f, 8) ? 20 : below(f, 256);
    frame[36] = 2;                      /* partner, 20 bytes */
    frame[37] = below(f, 8) ? 20 : below(f, 256);
    return below(f, 8) ? 124 : 15 + below(f, 109);
}

static size_t make_segment(Fuzzer *f, uint8_t *frame)
{
    size_t length = 54 + below(f, 1460);

    frame_make(frame, below(f, 2) ? UINT64_C(0xffffffffffff) : random64(f),
               UINT64_C(0x020000000001), 0x0800, 0);
    fill_random(f, frame + 14, 40);
    memset(frame + 54, 0, length - 54);
    frame[14] = below(f, 8) ? 0x45 : nonsense(f);
    stw_be_p(frame + 16, below(f, 8) ? length - 14 : nonsense(f));
    frame[23] = below(f, 8) ? 6 : 17;
    frame[46] = below(f, 8) ? 0x50 : nonsense(f);
    return length;
}

void fuzzer_bring_frames(Fuzzer *f)
{
    uint8_t frame[LARGEST];
    unsigned wire = below(f, WIRES), n = 1 + below(f, 8);
    size_t length;

    for (unsigned i = 0; i < n; i++) {
        switch (below(f, 4)) {
        case 0:
            length = make_lacp(f, frame);
            break;
        case 1:
            length = below(f, 8) ? below(f, 64) : below(f, LARGEST);
            fill_random(f, frame, length);
            break;
        default:
            length = make_segment(f, frame);
            break;
        }
        wire_send(f->m, wire, frame, length);
    }
}
