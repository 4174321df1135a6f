/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of a wire: what QEMU's netdevs "dgram" and "stream", or
 * sunder-nic-dgram, are connected to.  One thread may send while another
 * receives.
 */
#ifndef SUNDER_BENCH_NET_LOAD_WIRE_H
#define SUNDER_BENCH_NET_LOAD_WIRE_H

#include "net-load-frame.h"

#define WIRE_BURST 256

typedef struct Wire Wire;

/*
 * Connects to the emulator's socket at @path; @kind is "dgram" or "stream".
 * A datagram socket of ours is bound to @path with ".peer" behind it.
 */
Wire *wire_open(const char *kind, const char *path, GError **error);
void wire_close(Wire *wire);

/* Sends @n frames, at most WIRE_BURST, in one go; waits for room. */
gboolean wire_send(Wire *wire, guint8 (*frames)[FRAME_BYTES], unsigned n,
                   GError **error);

/*
 * The next frame, or the first @size bytes of it: its size, 0 if there was
 * none for @wait_ms, -1 if there will be none.
 */
gssize wire_receive(Wire *wire, guint8 *buffer, gsize size, int wait_ms);

#endif
