/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-agent: runs commands in a guest for Sunder's host tools
 *
 * One process, one poll() loop, no thread. It is started by the initramfs
 * before anything that can fail, talks over a virtio-serial port (protocol.h)
 * and never waits for a disk, the network or the console.
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
#include "wire.h"

#ifndef AGENT_VERSION
#define AGENT_VERSION "0"
#endif

/* How often to look for the port while there is none */
#define SEARCH_FIRST_MS  10
#define SEARCH_LAST_MS   500

/* With the host away SIGIO tells of its return; this is for one missed */
#define AWAY_MS  1000

static Port port;
static bool ready;

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

static void handle_sync(const AgentFrame *frame)
{
    char boot_id[64];
    uint8_t payload[256];
    AgentSyncAck ack = {
        .protocol = AGENT_PROTOCOL_VERSION,
        .version = AGENT_VERSION,
        .boot_id = boot_id,
    };
    size_t size;

    if (frame->length != 8) {
        port_send_error(&port, 0, EBADMSG, "SYNC without a nonce");
        return;
    }
    commands_hang_up();
    read_boot_id(boot_id, sizeof(boot_id));
    ack.nonce = wire_get64(frame->payload);
    size = agent_sync_ack_pack(&ack, payload, sizeof(payload));
    port_send(&port, AGENT_SYNC_ACK, ready ? AGENT_ACK_READY : 0, 0, payload,
              size);
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

    while (takes_frames()) {
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

/* The host has left: what it started goes too. */
static void host_left(void)
{
    commands_hang_up();
    port_reset(&port);
    port_set_connected(&port, false);
}

static void port_gone(void)
{
    commands_hang_up();
    port_close(&port);
}

static void handle_port(short events)
{
    int count = 0;

    if (events & POLLHUP && !port.connected) {
        return;
    }
    port_set_connected(&port, true);
    if (events & POLLIN && takes_frames()) {
        do {
            count = port_receive(&port);
            handle_frames();
            /* What it sent before it left still counts. */
        } while (count > 0 && events & POLLHUP);
    }
    if (count < 0 || events & (POLLERR | POLLNVAL)) {
        port_gone();
    } else if (events & POLLHUP) {
        host_left();
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
 * Wait for something to do and do it. While the host is away the port would
 * wake poll() at once: then it is asked once each time round.
 */
static void step(int signals, int *search_ms)
{
    struct pollfd fds[2 + AGENT_COMMANDS_MAX * COMMAND_FDS];
    struct pollfd at_port = { .fd = port.fd };
    int timeout = -1;
    nfds_t count;

    fds[0] = (struct pollfd) { .fd = signals, .events = POLLIN };
    fds[1] = (struct pollfd) { .fd = -1 };
    if (port.fd < 0) {
        timeout = *search_ms;
        *search_ms += *search_ms < SEARCH_LAST_MS ? SEARCH_FIRST_MS : 0;
    } else if (!port.connected) {
        timeout = AWAY_MS;
    } else {
        fds[1].fd = port.fd;
        fds[1].events = (takes_frames() ? POLLIN : 0) |
                        (port.start < port.end ? POLLOUT : 0);
    }
    count = 2 + commands_poll(&port, fds + 2, &timeout);
    poll(fds, count, timeout);

    handle_signals(signals);
    if (port.fd < 0) {
        if (port_open(&port)) {
            *search_ms = SEARCH_FIRST_MS;
        }
    } else {
        at_port.events = POLLIN;
        poll(&at_port, 1, 0);
        handle_port(at_port.revents);
    }
    if (port.connected) {
        handle_frames();
    }
    commands_run(&port);
    if (port.connected && !port_flush(&port)) {
        port_gone();
    }
}

int main(void)
{
    int search_ms = SEARCH_FIRST_MS;
    int signals = open_signals();
    FILE *adjust = fopen("/proc/self/oom_score_adj", "we");

    if (signals < 0) {
        perror("sunder-agent: signalfd");
        return 1;
    }
    /* When memory is short, what it runs goes before it does. */
    if (adjust) {
        fputs("-1000", adjust);
        fclose(adjust);
    }
    port_init(&port);
    for (;;) {
        step(signals, &search_ms);
    }
}
