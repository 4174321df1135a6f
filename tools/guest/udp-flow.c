/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp-flow: numbered datagrams of many flows, and what became of them
 *
 * One end sends, the other counts for each flow what was lost, what came in
 * another order and what came twice, and how long nothing came at all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "number.h"
#include "udp-flow.h"

#define PORT            9000u
#define BATCH           64u
#define DATAGRAM_MAX    1472u       /* of an Ethernet frame without tags */
#define RECEIVE_BUFFER  (16 << 20)
#define END_TIMES       10u         /* some may be lost */
#define END_EVERY_NS    20000000
#define NS_PER_MS       1000000u

typedef struct Options {
    const char *to;         /* NULL: receive */
    unsigned port;
    unsigned flows;
    unsigned rate;          /* datagrams a second, all flows together */
    unsigned burst;         /* of them sent without a pause */
    unsigned size;
    unsigned ms;            /* how long to send */
    unsigned count;         /* send so many instead, or a few more; 0: not */
    unsigned idle_ms;       /* receive: end after so long without one */
    unsigned wait_ms;       /* receive: for the first one */
    const char *output;     /* go on in the background, and write here */
    bool json;
} Options;

static const char program[] = "udp-flow";

static const char usage[] =
    "Usage: udp-flow [OPTION...]           receive and count\n"
    "       udp-flow --to ADDRESS [OPTION...]  send\n"
    "\n"
    "  -p, --port N      UDP port of the receiver (default 9000)\n"
    "  -o, --output FILE go on in the background, once the sockets are there,\n"
    "                    and make FILE with what there is to print in the end\n"
    "Sending:\n"
    "  -t, --to ADDRESS  IPv4 address of the receiver\n"
    "  -f, --flows N     source ports (default 16)\n"
    "  -r, --rate N      datagrams a second, all together (default 1000)\n"
    "  -b, --burst N     of them sent without a pause (default 1)\n"
    "  -s, --size BYTES  of a datagram's payload (default 64)\n"
    "  -m, --ms N        how long (default 3000)\n"
    "  -n, --count N     so many instead, or more: each flow has as many\n"
    "Receiving:\n"
    "  -i, --idle MS     end when none came for so long (default 5000)\n"
    "  -w, --wait MS     for the first one (default 30000)\n"
    "  -j, --json        one JSON object\n"
    "\n"
    "The receiver ends when the sender has, and prints what was received,\n"
    "lost, reordered and duplicated, and the longest time without any.\n";

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s: error: %s: %s\n", program, what, strerror(errno));
    exit(2);
}

static void sleep_until(uint64_t ns)
{
    struct timespec at = {
        .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S),
    };

    while (!interrupted && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
                                           &at, NULL) == EINTR) {
    }
}

/*
 * With --output the caller goes on from here.  What it waits for is that
 * there is somebody to send to.
 */
static void detach(const Options *options)
{
    pid_t child = options->output ? fork() : 0;

    if (child < 0) {
        fail("fork");
    }
    if (child > 0) {
        _exit(0);
    }
    if (options->output &&
        (setsid() < 0 || !freopen("/dev/null", "r", stdin) ||
         !freopen("/dev/null", "w", stdout) ||
         !freopen("/dev/null", "w", stderr))) {
        exit(2);
    }
}

/* The place of the result: whole as soon as it is there */
static FILE *open_result(const Options *options, char *name, size_t size)
{
    FILE *file;

    if (!options->output) {
        return stdout;
    }
    snprintf(name, size, "%s.new", options->output);
    file = fopen(name, "w");
    if (!file) {
        exit(2);
    }
    return file;
}

static int close_result(const Options *options, FILE *file, const char *name)
{
    bool good = fflush(file) == 0 && !ferror(file);

    if (options->output) {
        good &= fclose(file) == 0 && rename(name, options->output) == 0;
    }
    return good ? 0 : 2;
}

/* --- sending ----------------------------------------------------------- */

static void open_flows(const Options *options, int *sockets)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)options->port),
    };

    if (inet_pton(AF_INET, options->to, &to.sin_addr) != 1) {
        fprintf(stderr, "%s: error: --to %s: expected an IPv4 address\n",
                program, options->to);
        exit(2);
    }
    for (unsigned i = 0; i < options->flows; i++) {
        sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (sockets[i] < 0 ||
            connect(sockets[i], (struct sockaddr *)&to, sizeof(to)) < 0) {
            fail(options->to);
        }
    }
}

/* What the host itself cannot send now is lost like any other. */
static bool send_one(const Options *options, int fd, uint32_t flow,
                     uint64_t number)
{
    uint8_t data[DATAGRAM_MAX] = { 0 };
    FlowHeader header = {
        .magic = FLOW_MAGIC, .flow = flow, .number = number,
    };

    memcpy(data, &header, sizeof(header));
    return send(fd, data, options->size, 0) == (ssize_t)options->size;
}

static void send_end(const Options *options, int fd, uint64_t number)
{
    uint64_t now = now_ns();

    for (unsigned i = 0; i < END_TIMES; i++) {
        sleep_until(now + i * END_EVERY_NS);
        send_one(options, fd, FLOW_END, number);
    }
}

static bool sent_all(const Options *options, uint64_t sent, uint64_t began)
{
    return options->count
        ? sent >= options->count
        : now_ns() - began >= (uint64_t)options->ms * NS_PER_MS;
}

static int run_sender(const Options *options)
{
    static int sockets[FLOWS_MAX];
    uint64_t began, sent = 0, refused = 0, rounds;
    char name[PATH_MAX];
    FILE *out;

    open_flows(options, sockets);
    detach(options);
    began = now_ns();
    /* Whole rounds over all flows, so that each has the same number. */
    while (!interrupted &&
           (sent % options->flows || !sent_all(options, sent, began))) {
        if (!send_one(options, sockets[sent % options->flows],
                      (uint32_t)(sent % options->flows),
                      sent / options->flows)) {
            refused++;
        }
        if (++sent % options->burst == 0) {
            sleep_until(began + sent * NS_PER_S / options->rate);
        }
    }
    rounds = sent / options->flows;
    send_end(options, sockets[0], rounds);
    out = open_result(options, name, sizeof(name));
    fprintf(out, "flows %u sent %" PRIu64 " refused %" PRIu64 "\n",
            options->flows, sent, refused);
    return close_result(options, out, name);
}

/* --- receiving --------------------------------------------------------- */

typedef struct Receiver {
    int fd;
    Flow flows[FLOWS_MAX];
    uint64_t last_ns;           /* when one came; 0: none has */
    uint64_t gap_ns;            /* the longest time between two */
    uint64_t strange;           /* that no sender of ours has sent */
    uint64_t end;               /* how many each flow had; 0: not told */
    unsigned sender_flows;
    bool ended;
} Receiver;

static void take(Receiver *r, const uint8_t *data, size_t size, uint64_t now)
{
    FlowHeader header;

    if (size >= sizeof(header)) {
        memcpy(&header, data, sizeof(header));
    }
    if (size < sizeof(header) || header.magic != FLOW_MAGIC) {
        r->strange++;
        return;
    }
    if (header.flow == FLOW_END) {
        r->end = header.number;
        r->ended = true;
        return;
    }
    if (header.flow >= FLOWS_MAX ||
        !flow_add(&r->flows[header.flow], header.number)) {
        r->strange++;
        return;
    }
    if (header.flow >= r->sender_flows) {
        r->sender_flows = header.flow + 1;
    }
    if (r->last_ns && now - r->last_ns > r->gap_ns) {
        r->gap_ns = now - r->last_ns;
    }
    r->last_ns = now;
}

/* What is there, without waiting */
static void take_all(Receiver *r)
{
    static uint8_t data[BATCH][DATAGRAM_MAX];
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    int n;

    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec) { data[i], DATAGRAM_MAX };
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while ((n = recvmmsg(r->fd, messages, BATCH, MSG_DONTWAIT, NULL)) > 0) {
        uint64_t now = now_ns();

        for (int i = 0; i < n; i++) {
            take(r, data[i], messages[i].msg_len, now);
        }
    }
}

static void open_receiver(const Options *options, Receiver *r)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)options->port),
    };
    int size = RECEIVE_BUFFER;

    r->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (r->fd < 0 || bind(r->fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        fail("the port");
    }
    /* Needs root, as which we run; else the loss would be our own. */
    setsockopt(r->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

static void print_totals(const Options *options, const Receiver *r,
                         FILE *out)
{
    FlowTotals t = flow_totals(r->flows, r->sender_flows, r->end);
    double gap = (double)r->gap_ns / NS_PER_MS;

    if (options->json) {
        fprintf(out, "{\"flows\": %u, \"received\": %" PRIu64
                ", \"lost\": %" PRIu64 ", \"reordered\": %" PRIu64
                ", \"duplicated\": %" PRIu64 ", \"strange\": %" PRIu64
                ", \"gap-ms\": %.1f, \"ended\": %s}\n", t.flows, t.received,
                t.lost, t.reordered, t.duplicated, r->strange, gap,
                r->ended ? "true" : "false");
        return;
    }
    fprintf(out, "flows %u received %" PRIu64 " lost %" PRIu64 " reordered %"
            PRIu64 " duplicated %" PRIu64 " strange %" PRIu64
            " gap %.1f ms%s\n", t.flows, t.received, t.lost, t.reordered,
            t.duplicated, r->strange, gap,
            r->ended ? "" : ", the end was not heard");
}

static int run_receiver(const Options *options)
{
    static Receiver r;
    struct pollfd wait = { .events = POLLIN };
    int timeout_ms = (int)options->wait_ms;
    char name[PATH_MAX];
    FILE *out;
    int status;

    open_receiver(options, &r);
    detach(options);
    wait.fd = r.fd;
    /* Those that are late may come behind the end. */
    while (!interrupted && poll(&wait, 1, timeout_ms) > 0) {
        take_all(&r);
        timeout_ms = (int)(r.ended ? 300 : options->idle_ms);
    }
    out = open_result(options, name, sizeof(name));
    print_totals(options, &r, out);
    status = close_result(options, out, name);
    for (unsigned i = 0; i < FLOWS_MAX; i++) {
        flow_clear(&r.flows[i]);
    }
    return status ? status : r.sender_flows ? 0 : 1;
}

/* ----------------------------------------------------------------------- */

static unsigned option_number(const char *option, uint64_t least,
                              uint64_t most)
{
    return (unsigned)number_of(program, option, optarg, least, most);
}

static bool parse_one(Options *options, int option)
{
    switch (option) {
    case 't':
        options->to = optarg;
        return true;
    case 'p':
        options->port = option_number("port", 1, UINT16_MAX);
        return true;
    case 'f':
        options->flows = option_number("flows", 1, FLOWS_MAX);
        return true;
    case 'r':
        options->rate = option_number("rate", 1, 10000000);
        return true;
    case 'b':
        options->burst = option_number("burst", 1, 100000);
        return true;
    case 's':
        options->size = option_number("size", sizeof(FlowHeader),
                                      DATAGRAM_MAX);
        return true;
    case 'm':
        options->ms = option_number("ms", 1, 3600000);
        return true;
    case 'n':
        options->count = option_number("count", 1, UINT32_MAX);
        return true;
    case 'i':
        options->idle_ms = option_number("idle", 1, 3600000);
        return true;
    case 'w':
        options->wait_ms = option_number("wait", 1, 3600000);
        return true;
    case 'o':
        options->output = optarg;
        return true;
    case 'j':
        options->json = true;
        return true;
    default:
        return false;
    }
}

static Options parse(int argc, char **argv)
{
    static const struct option long_options[] = {
        { "to", required_argument, NULL, 't' },
        { "port", required_argument, NULL, 'p' },
        { "flows", required_argument, NULL, 'f' },
        { "rate", required_argument, NULL, 'r' },
        { "burst", required_argument, NULL, 'b' },
        { "size", required_argument, NULL, 's' },
        { "ms", required_argument, NULL, 'm' },
        { "count", required_argument, NULL, 'n' },
        { "idle", required_argument, NULL, 'i' },
        { "wait", required_argument, NULL, 'w' },
        { "output", required_argument, NULL, 'o' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    Options options = {
        .port = PORT, .flows = 16, .rate = 1000, .burst = 1, .size = 64,
        .ms = 3000, .idle_ms = 5000, .wait_ms = 30000,
    };
    int option;

    while ((option = getopt_long(argc, argv, "t:p:f:r:b:s:m:n:i:w:o:jh",
                                 long_options, NULL)) >= 0) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (!parse_one(&options, option)) {
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: error: %s: no argument expected\n", program,
                argv[optind]);
        exit(2);
    }
    return options;
}

int main(int argc, char **argv)
{
    Options options = parse(argc, argv);
    struct sigaction action = { .sa_handler = on_signal };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return options.to ? run_sender(&options) : run_receiver(&options);
}
