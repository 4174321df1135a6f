/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of DLPI share; not for the others of the card. */
#ifndef SUNDER_HW_NET_NIC_DLPI_INTERNAL_H
#define SUNDER_HW_NET_NIC_DLPI_INTERNAL_H

#include "hw/net/nic-dlpi.h"
#include "hw/net/nic.h"

/* Bytes of a stream's state, with room for what later versions add. */
#define NIC_WINDOW_STATE_MAX    4096

/* A message that waits to be taken. */
typedef struct NicDlpiMessage {
    uint32_t size;              /* 0: none */
    uint8_t data[NIC_DLPI_MESSAGE_SIZE];
} NicDlpiMessage;

/* A function's stream and window. */
typedef struct NicDlpiWindow {
    NicCard *card;
    unsigned number;            /* of the function */
    DlpiStream *stream;
    MemoryRegion region;
    uint8_t status;             /* that virtio's driver set last */
    bool changing;              /* the direct channel follows afterwards */
    bool open;                  /* what DIRECT says of it */
    bool holds;                 /* virtio's notifiers, and sets none */
    bool bound;
    uint16_t sap;
    uint32_t levels;            /* promiscuous, a bit each */
    uint32_t speed_mbps;        /* told last */
    uint64_t seen[NIC_MAX_QUEUE_PAIRS];     /* packets, by polling */
    uint32_t control;
    uint32_t vector;
    uint8_t request[NIC_DLPI_REQUEST_SIZE];
    NicDlpiMessage reply;
    NicDlpiMessage indication;
    uint8_t *state;             /* of the stream, while in transit */
    uint32_t state_size;
} NicDlpiWindow;

struct NicDlpi {
    bool live;
    MemoryRegion bar;
    NicDlpiWindow windows[NIC_MAX_FUNCTIONS];
};

/* NULL while the function is plugged off. */
static inline NicFunction *nic_window_function(const NicDlpiWindow *w)
{
    return w->card->functions[w->number];
}

extern const MemoryRegionOps nic_window_ops;

/* MSI-X vector of function 0 to interrupt by, or NIC_DLPI_NO_VECTOR. */
void nic_window_set_vector(NicDlpiWindow *w, uint32_t vector);
/* Shows the stream's next indication, if the last one was taken. */
void nic_window_indicate(NicDlpiWindow *w);

extern const VMStateDescription vmstate_nic_window;

#endif

