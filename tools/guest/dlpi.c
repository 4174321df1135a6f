/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dlpi: speaks DLPI with the network card, through the mailbox in its BAR
 *
 * Maps one function's window of the mailbox (hw/net/nic-dlpi.h) and does what
 * the words say, one after another, each answered by a line.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "dlpi-message.h"
#include "hw/net/nic-dlpi.h"
#include "mmio-device.h"
#include "number.h"

#define NS_PER_MS   1000000u

static const char usage[] =
    "Usage: dlpi ADDRESS[,FUNCTION] WORD...\n"
    "\n"
    "ADDRESS is that of function 0 (00:04.0); FUNCTION says whose stream it\n"
    "is (0). Words, done in this order, each with a line for the answer:\n"
    "\n"
    "  info           DL_INFO_REQ\n"
    "  attach=PPA     DL_ATTACH_REQ; detach\n"
    "  bind=SAP       DL_BIND_REQ; unbind\n"
    "  ask            DL_CAPABILITY_REQ for what there is\n"
    "  enable=LIST    of hcksum, lso, poll, direct: as ask found them\n"
    "  disable=LIST\n"
    "  notify=MASK    DL_NOTIFY_REQ\n"
    "  wait=MS        for an indication, and say which; none: an error\n"
    "  poll=RING,on   do not interrupt for a receive ring; RING,off\n"
    "  arrived=RING   packets since it was last asked\n"
    "  kick=RING      look at a virtqueue: 2n receives, 2n + 1 sends\n"
    "  raw=HEX        any bytes\n"
    "\n"
    "A word with a ! before it must be refused. Exit status: 0; 1 a request\n"
    "was refused that should not, or the other way; 2 usage.\n";

typedef struct Dlpi {
    MmioRegister window;
    DlpiAnswer answer;
    /* What "ask" or "enable" found last */
    DlpiOffer offers[DLPI_OFFERS];
    unsigned n_offers;
} Dlpi;

static uint32_t get(const Dlpi *d, unsigned offset)
{
    return d->window.word[offset / 4];
}

static void put(const Dlpi *d, unsigned offset, uint32_t value)
{
    d->window.word[offset / 4] = value;
}

static void read_message(const Dlpi *d, unsigned offset, uint32_t size,
                         uint8_t *bytes)
{
    for (uint32_t i = 0; i < size && i < NIC_DLPI_MESSAGE_SIZE; i += 4) {
        uint32_t word = get(d, offset + i);

        memcpy(bytes + i, &word, sizeof(word));
    }
}

/* Sends a request; the reply is there at once. */
static void transact(Dlpi *d, const DlpiRequest *request)
{
    for (unsigned i = 0; i < NIC_DLPI_REQUEST_SIZE && i < request->size;
         i += 4) {
        uint32_t word;

        memcpy(&word, request->bytes + i, sizeof(word));
        put(d, NIC_DLPI_REQUEST_DATA + i, word);
    }
    put(d, NIC_DLPI_REQUEST, request->size);
    memset(&d->answer, 0, sizeof(d->answer));
    d->answer.size = get(d, NIC_DLPI_REPLY);
    read_message(d, NIC_DLPI_REPLY_DATA, d->answer.size, d->answer.bytes);
    put(d, NIC_DLPI_REPLY, 0);
}

static bool ask_and_print(Dlpi *d, const DlpiRequest *request)
{
    transact(d, request);
    return dlpi_print_answer(&d->answer);
}

static bool do_ask(Dlpi *d, const DlpiRequest *request)
{
    bool good = ask_and_print(d, request);

    if (good) {
        d->n_offers = dlpi_answer_offers(&d->answer, d->offers);
    }
    return good;
}

static bool do_enable(Dlpi *d, const char *list, bool on)
{
    DlpiRequest request;

    if (!dlpi_request_enable(&request, d->offers, d->n_offers, list, on)) {
        fprintf(stderr, "dlpi: error: %s: expected of hcksum, lso, poll and "
                "direct what \"ask\" has shown\n", list);
        exit(2);
    }
    return do_ask(d, &request);
}

static bool do_wait(Dlpi *d, unsigned ms)
{
    uint64_t end = now_ns() + (uint64_t)ms * NS_PER_MS;

    while (!(get(d, NIC_DLPI_STATUS) & NIC_DLPI_HAS_INDICATION)) {
        if (now_ns() > end) {
            printf("no indication in %u ms\n", ms);
            return false;
        }
    }
    memset(&d->answer, 0, sizeof(d->answer));
    d->answer.size = get(d, NIC_DLPI_INDICATION);
    read_message(d, NIC_DLPI_INDICATION_DATA, d->answer.size,
                 d->answer.bytes);
    put(d, NIC_DLPI_INDICATION, 0);
    return dlpi_print_answer(&d->answer);
}

static bool do_poll(Dlpi *d, const char *value)
{
    char word[4] = "";
    unsigned ring, at;

    if (sscanf(value, "%u,%3s", &ring, word) != 2 ||
        (strcmp(word, "on") && strcmp(word, "off")) || ring > 31) {
        fprintf(stderr, "dlpi: error: poll=%s: expected RING,on or "
                "RING,off\n", value);
        exit(2);
    }
    at = NIC_DLPI_POLL + ring * NIC_DLPI_POLL_STRIDE + NIC_DLPI_POLL_MODE;
    put(d, at, !strcmp(word, "on"));
    printf("ring %u is %spolled\n", ring, get(d, at) ? "" : "not ");
    return get(d, at) == !strcmp(word, "on");
}

static bool do_arrived(Dlpi *d, unsigned ring)
{
    printf("ring %u: %u arrived\n", ring,
           get(d, NIC_DLPI_POLL + ring * NIC_DLPI_POLL_STRIDE +
               NIC_DLPI_POLL_ARRIVED));
    return true;
}

static bool do_kick(Dlpi *d, unsigned queue)
{
    put(d, NIC_DLPI_DIRECT + queue * NIC_DLPI_DIRECT_STRIDE, queue);
    printf("queue %u kicked\n", queue);
    return true;
}

static bool do_raw(Dlpi *d, const char *hex)
{
    DlpiRequest request;

    if (!dlpi_request_hex(&request, hex)) {
        fprintf(stderr, "dlpi: error: raw=%s: expected bytes as pairs of "
                "hexadecimal digits\n", hex);
        exit(2);
    }
    return ask_and_print(d, &request);
}

static unsigned value_of(const char *word, const char *value, uint64_t most)
{
    return (unsigned)number_of("dlpi", word, value ? value : "", 0, most);
}

/* What needs no value */
static bool do_plain(Dlpi *d, const char *word, bool *known)
{
    static const struct {
        const char *word;
        uint32_t primitive;
        uint32_t words;
    } requests[] = {
        { "info", DLPI_INFO_REQ, 0 },
        { "detach", DLPI_DETACH_REQ, 0 },
        { "unbind", DLPI_UNBIND_REQ, 0 },
        { "ask", DLPI_CAPABILITY_REQ, 2 },
    };
    DlpiRequest request;

    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        if (!strcmp(word, requests[i].word)) {
            *known = true;
            dlpi_request_words(&request, requests[i].primitive,
                               (uint32_t[]){ 0, 0 }, requests[i].words);
            return requests[i].words ? do_ask(d, &request)
                                     : ask_and_print(d, &request);
        }
    }
    *known = false;
    return false;
}

static bool do_request(Dlpi *d, const char *word, const char *value)
{
    DlpiRequest request;

    if (!strcmp(word, "attach")) {
        dlpi_request_words(&request, DLPI_ATTACH_REQ,
                           (uint32_t[]){ value_of(word, value, UINT32_MAX) },
                           1);
    } else if (!strcmp(word, "bind")) {
        dlpi_request_bind(&request, value_of(word, value, UINT32_MAX));
    } else if (!strcmp(word, "notify")) {
        dlpi_request_words(&request, DLPI_NOTIFY_REQ,
                           (uint32_t[]){ value_of(word, value, UINT32_MAX),
                                         0 }, 2);
    } else {
        fprintf(stderr, "dlpi: error: %s: no such word\n%s", word, usage);
        exit(2);
    }
    return ask_and_print(d, &request);
}

static bool do_word(Dlpi *d, const char *word, const char *value)
{
    bool known, good = do_plain(d, word, &known);

    if (known) {
        return good;
    }
    if (!strcmp(word, "wait")) {
        return do_wait(d, value_of(word, value, 600000));
    }
    if (!strcmp(word, "enable") || !strcmp(word, "disable")) {
        return do_enable(d, value ? value : "", !strcmp(word, "enable"));
    }
    if (!strcmp(word, "poll")) {
        return do_poll(d, value ? value : "");
    }
    if (!strcmp(word, "arrived")) {
        return do_arrived(d, value_of(word, value, 31));
    }
    if (!strcmp(word, "kick")) {
        return do_kick(d, value_of(word, value, 63));
    }
    if (!strcmp(word, "raw")) {
        return do_raw(d, value ? value : "");
    }
    return do_request(d, word, value);
}

/* "!WORD=VALUE"; returns whether it went as it should. */
static bool do_argument(Dlpi *d, char *argument)
{
    bool refused = *argument == '!';
    char *word = argument + refused;
    char *value = strchr(word, '=');
    bool good;

    if (value) {
        *value++ = '\0';
    }
    printf("%-8s ", word);
    fflush(stdout);
    good = do_word(d, word, value);
    if (good == refused) {
        printf("         expected %s\n", refused ? "a refusal" : "success");
    }
    return good != refused;
}

static void open_window(Dlpi *d, char *text)
{
    char *comma = strchr(text, ',');
    unsigned function = comma ? value_of("FUNCTION", comma + 1, 7) : 0;
    char place[64];

    if (comma) {
        *comma = '\0';
    }
    snprintf(place, sizeof(place), "%s,%d,0x%x", text, NIC_DLPI_BAR,
             function * NIC_DLPI_WINDOW);
    mmio_register_open(&d->window, place);
    if (get(d, NIC_DLPI_ID) != NIC_DLPI_ID_VALUE ||
        get(d, NIC_DLPI_VERSION) != NIC_DLPI_VERSION_VALUE) {
        fprintf(stderr, "dlpi: error: %s: BAR %d is no DLPI mailbox of "
                "version %d\n", text, NIC_DLPI_BAR, NIC_DLPI_VERSION_VALUE);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static Dlpi dlpi;
    int status = 0;

    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc < 3) {
        fputs(usage, stderr);
        return 2;
    }
    open_window(&dlpi, argv[1]);
    for (int i = 2; i < argc; i++) {
        status |= do_argument(&dlpi, argv[i]) ? 0 : 1;
    }
    return status;
}
