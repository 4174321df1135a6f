/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DLPI messages in a program of the guest: making requests, reading answers
 *
 * What they hold: target-models/net/dlpi.h.
 */
#ifndef SUNDER_GUEST_DLPI_MESSAGE_H
#define SUNDER_GUEST_DLPI_MESSAGE_H

#include "target-models/net/dlpi.h"

#define DLPI_OFFERS 8

typedef struct DlpiRequest {
    uint8_t bytes[DLPI_MAX_REQUEST];
    uint32_t size;
} DlpiRequest;

typedef struct DlpiAnswer {
    uint8_t bytes[DLPI_MAX_REPLY];
    uint32_t size;
} DlpiAnswer;

/* A capability as it was acknowledged: its words, to be sent back. */
typedef struct DlpiOffer {
    uint32_t type;
    uint32_t words[8];
    uint32_t n;
} DlpiOffer;

void dlpi_request_words(DlpiRequest *request, uint32_t primitive,
                        const uint32_t *words, unsigned n);
void dlpi_request_bind(DlpiRequest *request, uint32_t sap);

/* False: @hex is not pairs of digits, or too long. */
bool dlpi_request_hex(DlpiRequest *request, const char *hex);

/*
 * Enable or disable the capabilities that @list names ("hcksum,lso"), as
 * @offers has them. False: one is not among them.
 */
bool dlpi_request_enable(DlpiRequest *request, const DlpiOffer *offers,
                         unsigned n, const char *list, bool on);

/* The capabilities in a DL_CAPABILITY_ACK, at most DLPI_OFFERS. */
unsigned dlpi_answer_offers(const DlpiAnswer *answer, DlpiOffer *offers);

/* Say it in a line, or several; false: it is a DL_ERROR_ACK or nothing. */
bool dlpi_print_answer(const DlpiAnswer *answer);

#endif /* SUNDER_GUEST_DLPI_MESSAGE_H */
