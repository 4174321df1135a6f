/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serve the host on one port, see serve.h
 *
 * One poll() loop, no thread; it never waits for a disk, the network or the
 * console.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "message.h"
#include "port.h"
#include "serve.h"
#include "wire.h"

#ifndef AGENT_VERSION
#define AGENT_VERSION "0"
#endif

/* How often to look for a port whose device is gone */
#define SEARCH_MS  500

/* With the host away SIGIO tells of its return; this is for one missed */
#define AWAY_MS  10000

/*
 * Linux learns of a host that leaves or comes from a work queue, and of what
 * the host sent by interrupt: what a new connection sends may be here before
 * the old one's end shows. An absence shorter than this is none.
 */
#define LEAVE_MS  100

static Port port;
static bool ready;
static int64_t leave_at;     /* ms when the host has left for good, or 0 */
static bool sync_waits;      /* a SYNC of the connection to come was read */
static uint64_t sync_nonce;

static void read_boot_id(char *text, size_t size)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    text[0] = '\0';
    if (file) {
        if (fgets(text, (int)size, file)) {
            text[strcspn(text, "\n")] = '\0';
        }
        fclose(file);
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* A connection begins: the one before is over, whatever it still had. */
static void begin_connection(uint64_t nonce)
{
    char boot_id[64];
    uint8_t payload[256];
    AgentSyncAck ack = {
        .nonce = nonce,
        .protocol = AGENT_PROTOCOL_VERSION,
        .version = AGENT_VERSION,
        .boot_id = boot_id,
    };
    size_t size;

    commands_hang_up();
    read_boot_id(boot_id, sizeof(boot_id));
    size = agent_sync_ack_pack(&ack, payload, sizeof(payload));
    port_send(&port, AGENT_SYNC_ACK, ready ? AGENT_ACK_READY : 0, 0, payload,
              size);
}

static void handle_sync(const AgentFrame *frame)
{
    if (frame->length != 8) {
        port_send_error(&port, 0, EBADMSG, "SYNC without a nonce");
        return;
    }
    sync_nonce = wire_get64(frame->payload);
    if (port.connected) {
        begin_connection(sync_nonce);
    } else {
        sync_waits = true;
    }
}

static void handle_frame(const AgentFrame *frame)
{
    char text[64];

    switch (frame->type) {
    case AGENT_SYNC:
        handle_sync(frame);
        break;
    case AGENT_EXEC:
    case AGENT_STDIN:
    case AGENT_STDIN_EOF:
    case AGENT_SIGNAL:
    case AGENT_RESIZE:
        command_frame(&port, frame);
        break;
    default:
        snprintf(text, sizeof(text), "frame of unknown type %u", frame->type);
        port_send_error(&port, frame->id, EPROTO, text);
        break;
    }
}

/* Every frame has one short answer at most: it must fit. */
static bool takes_frames(void)
{
    return port_room(&port) >= PORT_CONTROL_ROOM;
}

static void handle_frames(void)
{
    AgentFrame frame;
    AgentParse result;

    while (takes_frames() && !sync_waits) {
        result = agent_parser_next(&port.parser, &frame);
        if (result == AGENT_PARSE_MORE) {
            return;
        }
        if (result == AGENT_PARSE_FRAME) {
            handle_frame(&frame);
        } else {
            port_send_error(&port, 0, EBADMSG, agent_parse_text(result));
        }
    }
}

/*
 * The host has left: what it started goes too. What it had sent still counts,
 * up to the SYNC of a connection that Linux has not told us of yet.
 */
static void host_left(void)
{
    port_drop_queue(&port);
    while (!sync_waits && port_receive(&port) > 0) {
        handle_frames();
        port_drop_queue(&port);
    }
    if (!sync_waits) {
        agent_parser_reset(&port.parser);
    }
    commands_hang_up();
}

static void host_away(void)
{
    if (port.connected) {
        port_set_connected(&port, false);
        leave_at = now_ms() + LEAVE_MS;
    } else if (leave_at && now_ms() >= leave_at) {
        leave_at = 0;
        host_left();
    }
}

static void host_here(void)
{
    leave_at = 0;
    port_set_connected(&port, true);
    if (sync_waits) {
        sync_waits = false;
        begin_connection(sync_nonce);
    }
}

static void port_gone(void)
{
    commands_hang_up();
    port_close(&port);
    leave_at = 0;
    sync_waits = false;
}

static void handle_port(void)
{
    struct pollfd at_port = { .fd = port.fd, .events = POLLIN };

    poll(&at_port, 1, 0);
    if (at_port.revents & (POLLERR | POLLNVAL)) {
        port_gone();
    } else if (at_port.revents & POLLHUP) {
        host_away();
    } else {
        host_here();
        if (at_port.revents & POLLIN && takes_frames() &&
            port_receive(&port) < 0) {
            port_gone();
        }
    }
}

static void handle_signals(int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            commands_reap();
        } else if (info.ssi_signo == SIGUSR1) {
            ready = true;
            commands_ready(&port);
        }
    }
}

/* SIGCHLD: a command ended; SIGUSR1: start-up is over; SIGIO: the host came */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGIO);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/*
 * How long to wait for something to happen, in ms, and for what of the port.
 * While the host is away the port would wake poll() at once, for ever.
 */
static int plan_wait(struct pollfd *at_port)
{
    int timeout = -1;

    *at_port = (struct pollfd) { .fd = -1 };
    if (port.fd < 0) {
        timeout = SEARCH_MS;
    } else if (leave_at) {
        timeout = LEAVE_MS;
    } else if (!port.connected) {
        timeout = AWAY_MS;
    } else {
        at_port->fd = port.fd;
        at_port->events = (takes_frames() ? POLLIN : 0) |
                          (port.start < port.end ? POLLOUT : 0);
    }
    return timeout;
}

/* Wait for something to do and do it. */
static void step(int signals)
{
    struct pollfd fds[2 + AGENT_COMMANDS_MAX * COMMAND_FDS];
    int timeout = plan_wait(&fds[1]);
    nfds_t count;

    fds[0] = (struct pollfd) { .fd = signals, .events = POLLIN };
    count = 2 + commands_poll(&port, fds + 2, &timeout);
    poll(fds, count, timeout);

    handle_signals(signals);
    if (port.fd >= 0) {
        handle_port();
    } else {
        port_open(&port);
    }
    if (port.connected) {
        handle_frames();
    }
    commands_run(&port);
    if (port.connected && !port_flush(&port)) {
        port_gone();
    }
}

void serve(unsigned number, bool is_ready)
{
    int signals = open_signals();

    if (signals < 0) {
        return;
    }
    ready = is_ready;
    if (ready) {
        commands_ready(&port);
    }
    port_init(&port, number);
    port_open(&port);
    for (;;) {
        step(signals);
    }
}
