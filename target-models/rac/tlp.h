/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers of Transaction Layer Packets
 *
 * What a port logs when a request fails: the header of the request, as
 * four doublewords in the order of the AER Header Log Register (PCI
 * Express Base Specification 5.0, 2.2.1 for the layout, 7.8.4.8 for the
 * log).
 */
#ifndef SUNDER_RAC_TLP_H
#define SUNDER_RAC_TLP_H

#include <stdbool.h>
#include <stdint.h>

#include "rac.h"

/* A request that the root complex makes on behalf of a CPU. */
typedef struct TlpRequest {
    RacSpace space;
    bool write;
    uint16_t requester;         /* bus << 8 | device << 3 | function */
    uint16_t completer;         /* of a configuration request */
    bool direct;                /* configuration: type 0, not type 1 */
    uint64_t address;           /* byte address, or configuration offset */
    unsigned size;              /* 1 to 8 bytes */
} TlpRequest;

/* Fills in the four doublewords of @request's header. */
void tlp_request_header(const TlpRequest *request, uint32_t header[4]);

#endif
