/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dlpi-message.h"

#define CAPABILITY_HEADER   12      /* primitive, offset, length */
#define SERVICE_CLDLS       2       /* connectionless */
#define WORD                sizeof(uint32_t)

static const struct {
    const char *name;
    uint32_t type;
} capabilities[] = {
    { "hcksum", DLPI_CAPAB_HCKSUM }, { "lso", DLPI_CAPAB_LSO },
    { "poll", DLPI_CAPAB_POLL }, { "direct", DLPI_CAPAB_DIRECT },
};
#define CAPABILITIES (sizeof(capabilities) / sizeof(*capabilities))

/* --- requests ---------------------------------------------------------- */

static void add_word(DlpiRequest *request, uint32_t word)
{
    if (request->size + WORD <= sizeof(request->bytes)) {
        memcpy(request->bytes + request->size, &word, WORD);
        request->size += WORD;
    }
}

void dlpi_request_words(DlpiRequest *request, uint32_t primitive,
                        const uint32_t *words, unsigned n)
{
    memset(request, 0, sizeof(*request));
    add_word(request, primitive);
    for (unsigned i = 0; i < n; i++) {
        add_word(request, words[i]);
    }
}

void dlpi_request_bind(DlpiRequest *request, uint32_t sap)
{
    dlpi_request_words(request, DLPI_BIND_REQ,
                       (uint32_t[]){ sap, 0, SERVICE_CLDLS, 0 }, 4);
}

bool dlpi_request_hex(DlpiRequest *request, const char *hex)
{
    memset(request, 0, sizeof(*request));
    for (; *hex; hex += 2) {
        unsigned byte;

        if (request->size == sizeof(request->bytes) || !hex[1] ||
            sscanf(hex, "%2x", &byte) != 1) {
            return false;
        }
        request->bytes[request->size++] = (uint8_t)byte;
    }
    return true;
}

static const DlpiOffer *find_offer(const DlpiOffer *offers, unsigned n,
                                   const char *name, size_t length)
{
    for (size_t i = 0; i < CAPABILITIES; i++) {
        if (strlen(capabilities[i].name) == length &&
            !strncmp(capabilities[i].name, name, length)) {
            for (unsigned j = 0; j < n; j++) {
                if (offers[j].type == capabilities[i].type) {
                    return &offers[j];
                }
            }
        }
    }
    return NULL;
}

/* Word 1 of each is its flags, of which the lowest enables. */
static void add_offer(DlpiRequest *request, const DlpiOffer *offer, bool on)
{
    add_word(request, offer->type);
    add_word(request, offer->n * WORD);
    for (uint32_t i = 0; i < offer->n; i++) {
        uint32_t word = offer->words[i];

        if (i == 1) {
            word = on ? word | DLPI_ENABLE : word & ~DLPI_ENABLE;
        }
        add_word(request, word);
    }
}

bool dlpi_request_enable(DlpiRequest *request, const DlpiOffer *offers,
                         unsigned n, const char *list, bool on)
{
    uint32_t length;

    dlpi_request_words(request, DLPI_CAPABILITY_REQ,
                       (uint32_t[]){ CAPABILITY_HEADER, 0 }, 2);
    do {
        size_t size = strcspn(list, ",");
        const DlpiOffer *offer = find_offer(offers, n, list, size);

        if (!offer) {
            return false;
        }
        add_offer(request, offer, on);
        list += size;
    } while (*list++);
    length = request->size - CAPABILITY_HEADER;
    memcpy(request->bytes + 2 * WORD, &length, WORD);
    return true;
}

/* --- answers ----------------------------------------------------------- */

static uint32_t word_of(const DlpiAnswer *answer, unsigned i)
{
    uint32_t word = 0;

    if ((i + 1) * WORD <= sizeof(answer->bytes)) {
        memcpy(&word, answer->bytes + i * WORD, WORD);
    }
    return word;
}

unsigned dlpi_answer_offers(const DlpiAnswer *answer, DlpiOffer *offers)
{
    unsigned at = word_of(answer, 1) / WORD;
    unsigned end = at + word_of(answer, 2) / WORD;
    unsigned n = 0;

    if (word_of(answer, 0) != DLPI_CAPABILITY_ACK) {
        return 0;
    }
    while (at + 2 <= end && end <= sizeof(answer->bytes) / WORD &&
           n < DLPI_OFFERS) {
        DlpiOffer *offer = &offers[n++];

        *offer = (DlpiOffer) {
            .type = word_of(answer, at),
            .n = word_of(answer, at + 1) / (uint32_t)WORD,
        };
        if (offer->n > sizeof(offer->words) / WORD) {
            return n - 1;
        }
        for (uint32_t i = 0; i < offer->n; i++) {
            offer->words[i] = word_of(answer, at + 2 + i);
        }
        at += 2 + offer->n;
    }
    return n;
}

static const char *type_name(uint32_t type)
{
    for (size_t i = 0; i < CAPABILITIES; i++) {
        if (capabilities[i].type == type) {
            return capabilities[i].name;
        }
    }
    return "?";
}

static void print_offers(const DlpiAnswer *answer)
{
    DlpiOffer offers[DLPI_OFFERS];
    unsigned n = dlpi_answer_offers(answer, offers);

    printf("DL_CAPABILITY_ACK: %u capabilities\n", n);
    for (unsigned i = 0; i < n; i++) {
        const DlpiOffer *o = &offers[i];

        printf("         %-8s %s, flags 0x%x", type_name(o->type),
               o->words[1] & DLPI_ENABLE ? "enabled" : "offered",
               o->words[1]);
        if (o->type == DLPI_CAPAB_LSO) {
            printf(", at most %u bytes", o->words[2]);
        } else if (o->type != DLPI_CAPAB_HCKSUM) {
            printf(", BAR %u offset 0x%x stride %u rings %u", o->words[2],
                   o->words[3], o->words[4], o->words[5]);
        }
        putchar('\n');
    }
}

static void print_info(const DlpiAnswer *answer)
{
    static const char *const states[] = {
        [DLPI_UNBOUND] = "unbound", [DLPI_IDLE] = "bound",
        [DLPI_UNATTACHED] = "unattached",
    };
    uint32_t state = word_of(answer, 6);
    uint32_t address = word_of(answer, 14);

    printf("DL_INFO_ACK: %s, SDU %u", state <= DLPI_UNATTACHED &&
           states[state] ? states[state] : "?", word_of(answer, 1));
    if (address && address + 6 <= answer->size) {
        const uint8_t *a = answer->bytes + address;

        printf(", address %02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2],
               a[3], a[4], a[5]);
    }
    putchar('\n');
}

static void print_notification(uint32_t note)
{
    static const struct {
        uint32_t note;
        const char *name;
    } notes[] = {
        { DLPI_NOTE_LINK_DOWN, "link down" }, { DLPI_NOTE_LINK_UP, "link up" },
        { DLPI_NOTE_SPEED, "speed" },
        { DLPI_NOTE_CAPAB_RENEG, "renegotiate" },
    };

    printf("DL_NOTIFY_IND:");
    for (size_t i = 0; i < sizeof(notes) / sizeof(*notes); i++) {
        printf("%s%s", note & notes[i].note ? " " : "",
               note & notes[i].note ? notes[i].name : "");
    }
    putchar('\n');
}

bool dlpi_print_answer(const DlpiAnswer *answer)
{
    if (!answer->size) {
        printf("no answer\n");
        return false;
    }
    switch (word_of(answer, 0)) {
    case DLPI_ERROR_ACK:
        printf("DL_ERROR_ACK: error 0x%x\n", word_of(answer, 2));
        return false;
    case DLPI_INFO_ACK:
        print_info(answer);
        break;
    case DLPI_CAPABILITY_ACK:
        print_offers(answer);
        break;
    case DLPI_NOTIFY_IND:
        print_notification(word_of(answer, 1));
        break;
    case DLPI_OK_ACK:
        printf("DL_OK_ACK\n");
        break;
    case DLPI_BIND_ACK:
        printf("DL_BIND_ACK: SAP 0x%x\n", word_of(answer, 1));
        break;
    case DLPI_NOTIFY_ACK:
        printf("DL_NOTIFY_ACK: 0x%x can be notified\n", word_of(answer, 1));
        break;
    default:
        printf("primitive 0x%x, %u bytes\n", word_of(answer, 0),
               answer->size);
    }
    return true;
}
