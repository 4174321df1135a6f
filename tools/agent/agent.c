/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-agent: runs commands in a guest for Sunder's host tools
 *
 * The initramfs starts it before anything that can fail. Each of its ports
 * (protocol.h) is served by a process of its own, so that connections do not
 * know of each other; this one starts them, again if one should die, and
 * passes on that start-up is over.
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port.h"
#include "serve.h"

/* How often to look for ports: at first they are about to appear */
#define SEARCH_FIRST_MS  10
#define SEARCH_STEP_MS   10
#define SEARCH_LAST_MS   2000

static pid_t servers[AGENT_PORTS_MAX];
static bool ready;

static void start_server(unsigned number)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        serve(number, ready);
        _exit(1);
    }
    servers[number] = pid > 0 ? pid : 0;
}

/* Start what ports without a server need. Returns true if there were any. */
static bool start_servers(void)
{
    unsigned present = port_numbers();
    bool started = false;

    for (unsigned i = 0; i < AGENT_PORTS_MAX; i++) {
        if (!servers[i] && present & 1u << i) {
            start_server(i);
            started = true;
        }
    }
    return started;
}

static void reap_servers(void)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (unsigned i = 0; i < AGENT_PORTS_MAX; i++) {
            servers[i] = servers[i] == pid ? 0 : servers[i];
        }
    }
}

static void start_up_is_over(void)
{
    ready = true;
    for (unsigned i = 0; i < AGENT_PORTS_MAX; i++) {
        if (servers[i]) {
            kill(servers[i], SIGUSR1);
        }
    }
}

static void handle_signals(int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            reap_servers();
        } else {
            start_up_is_over();
        }
    }
}

/* Servers inherit the blocked SIGUSR1: none is lost while one starts. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int main(void)
{
    struct pollfd wait = { .fd = open_signals(), .events = POLLIN };
    FILE *adjust = fopen("/proc/self/oom_score_adj", "we");
    int search_ms = SEARCH_FIRST_MS;

    if (wait.fd < 0) {
        perror("sunder-agent: signalfd");
        return 1;
    }
    /* When memory is short, what it runs goes before it does. */
    if (adjust) {
        fputs("-1000", adjust);
        fclose(adjust);
    }
    for (;;) {
        if (start_servers()) {
            search_ms = SEARCH_FIRST_MS;
        } else if (search_ms < SEARCH_LAST_MS) {
            search_ms += SEARCH_STEP_MS;
        }
        poll(&wait, 1, search_ms);
        handle_signals(wait.fd);
    }
}
