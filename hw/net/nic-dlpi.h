/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: the DLPI mailbox
 *
 * Registers through which a driver, or a program in the guest, exchanges
 * DLPI messages (target-models/net/dlpi.h) with the card.  They are in BAR
 * NIC_DLPI_BAR of function 0, which has a window for the stream of each
 * function.  Nothing is included here: a guest program uses this file as it
 * is.
 *
 * Concepts
 *
 * Request: its bytes are written to NIC_DLPI_REQUEST_DATA, then their number
 *   to NIC_DLPI_REQUEST.  The reply is there when that write has ended.
 * Reply: NIC_DLPI_REPLY bytes in NIC_DLPI_REPLY_DATA, until it is said to be
 *   taken or another request is made.
 * Indication: the same for what the card says by itself.  The next one comes
 *   once this one is taken.
 * Stream: one for each function, with the function's number as its only PPA.
 *   A virtio driver has it attached and bound when it has accepted its
 *   features; what it negotiated and what is asked here are the same stream.
 *   A reset of the function resets it and its window.
 * Direct channel: with DIRECT enabled, a write to a ring's doorbell makes
 *   the card look at it; virtio's own notifications take a shorter way, too
 *   (ioeventfd), in which the processor that writes them does not wait.
 * Polling: with POLL enabled, a receive ring can be told not to interrupt.
 *
 * All registers are 32 bits, little endian, and do nothing when accessed in
 * another size; data may be accessed in any size.  What is not named reads 0
 * and ignores writes.
 */
#ifndef SUNDER_HW_NET_NIC_DLPI_H
#define SUNDER_HW_NET_NIC_DLPI_H

#define NIC_DLPI_BAR                3
/* Function n's registers are at n times this. */
#define NIC_DLPI_WINDOW             0x1000

/* Read only: "DLPI", the version of all this, the number of windows. */
#define NIC_DLPI_ID                 0x000
#define NIC_DLPI_ID_VALUE           0x49504c44
#define NIC_DLPI_VERSION            0x004
#define NIC_DLPI_VERSION_VALUE      1
#define NIC_DLPI_WINDOWS            0x008

/* Read only: NIC_DLPI_HAS_*. */
#define NIC_DLPI_STATUS             0x00c
/* Which of them interrupt when they come. */
#define NIC_DLPI_CONTROL            0x010
#define NIC_DLPI_HAS_REPLY          0x1
#define NIC_DLPI_HAS_INDICATION     0x2

/* MSI-X vector of function 0; reads NO_VECTOR when there is no such. */
#define NIC_DLPI_VECTOR             0x014
#define NIC_DLPI_NO_VECTOR          0xffff

/* Write: bytes of the request.  Above DLPI_MAX_REQUEST: DL_BADPRIM. */
#define NIC_DLPI_REQUEST            0x018
/* Read: bytes, 0 for none.  Write anything: it is taken. */
#define NIC_DLPI_REPLY              0x01c
#define NIC_DLPI_INDICATION         0x020

#define NIC_DLPI_REQUEST_DATA       0x400
#define NIC_DLPI_REQUEST_SIZE       0x400
/* Read only. */
#define NIC_DLPI_REPLY_DATA         0x800
#define NIC_DLPI_INDICATION_DATA    0x900
#define NIC_DLPI_MESSAGE_SIZE       0x100

/*
 * Interface of DIRECT: write anything to have virtqueue i looked at, i being
 * 2n for receiving and 2n + 1 for sending.  Does nothing while DIRECT is not
 * enabled.
 */
#define NIC_DLPI_DIRECT             0xc00
#define NIC_DLPI_DIRECT_STRIDE      4

/*
 * Interface of POLL, for receive ring n.  While POLL is not enabled all read
 * 0 and ignore writes.
 *
 * Mode: 1, no interrupts; 0, interrupts.  Going back to 0 interrupts at once
 *   when something arrived that was not asked for.
 * Arrived: packets put in the ring while polling, since it was last read.
 */
#define NIC_DLPI_POLL               0xd00
#define NIC_DLPI_POLL_STRIDE        8
#define NIC_DLPI_POLL_MODE          0
#define NIC_DLPI_POLL_ARRIVED       4

#endif
