/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of DLPI share; not for its callers. */
#ifndef SUNDER_NET_DLPI_INTERNAL_H
#define SUNDER_NET_DLPI_INTERNAL_H

#include "dlpi.h"

#define DLPI_NOTES  (DLPI_NOTE_LINK_DOWN | DLPI_NOTE_LINK_UP | \
                     DLPI_NOTE_SPEED | DLPI_NOTE_CAPAB_RENEG)

struct DlpiStream {
    const DlpiOps *ops;
    void *opaque;
    DlpiState state;
    uint32_t ppa;
    uint16_t sap;
    DlpiInfo info;              /* valid while attached */
    uint8_t promiscuous;        /* a bit for each level that is on */
    uint32_t notes;             /* asked for */
    uint32_t pending;           /* to be fetched */
    uint32_t generation;        /* of handles; the upper half of them */
    unsigned n_enabled;
    DlpiCapability enabled[DLPI_CAPABILITIES];
    DlpiStats stats;
};

/* Appends one capability. */
void dlpi_add_capability(GByteArray *out, const DlpiCapability *c);
/* Whether a type has an interface. */
bool dlpi_has_interface(uint32_t type);

/* The reply to a whole DL_CAPABILITY_REQ. */
void dlpi_stream_capability_req(DlpiStream *stream, const uint8_t *data,
                                size_t size, GByteArray *reply);
/* What there is to be had now, with handles. */
unsigned dlpi_stream_offered(DlpiStream *stream,
                             DlpiCapability list[DLPI_CAPABILITIES]);
/* Enables @list and no more.  Returns: whether the NIC did. */
bool dlpi_stream_enable(DlpiStream *stream, const DlpiCapability *list,
                        unsigned n);
void dlpi_stream_error(DlpiStream *stream, uint32_t primitive,
                       DlpiErrno code, GByteArray *reply);

#endif
