/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting the emulator as a child process
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "spawn.h"

typedef struct SpawnChild {
    char *const *argv;
    int log;
    int claim;
    int report;        /* a failure's errno goes here */
    bool detached;
    pid_t parent;
} SpawnChild;

/*
 * Between fork and exec: the process may have had other threads, so only
 * functions that are safe in signal handlers (signal-safety(7)).
 */
static G_NORETURN void spawn_child(const SpawnChild *child)
{
    struct sigaction normal = { .sa_handler = SIG_DFL };
    sigset_t none;
    int failure, null;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    sigaction(SIGPIPE, &normal, NULL);
    setsid();
    if (!child->detached) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != child->parent) {
            _exit(EXIT_FAILED);     /* it died before the line above */
        }
    }
    null = open("/dev/null", O_RDONLY);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
        dup2(child->log, STDOUT_FILENO) >= 0 &&
        dup2(child->log, STDERR_FILENO) >= 0 &&
        fcntl(child->claim, F_SETFD, 0) == 0) {
        execv(child->argv[0], child->argv);
    }
    failure = errno;
    while (write(child->report, &failure, sizeof(failure)) < 0 &&
           errno == EINTR) {
    }
    _exit(EXIT_FAILED);
}

pid_t spawn_emulator(char *const *argv, int log, int claim, bool detached,
                     GError **error)
{
    SpawnChild child = {
        .argv = argv, .log = log, .claim = claim, .detached = detached,
        .parent = getpid(),
    };
    int report[2];
    int failure = 0;
    ssize_t got;
    pid_t pid;

    if (pipe2(report, O_CLOEXEC) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "cannot make a pipe: %s", g_strerror(errno));
        return -1;
    }
    child.report = report[1];
    pid = fork();
    if (pid == 0) {
        spawn_child(&child);
    }
    failure = pid < 0 ? errno : 0;
    close(report[1]);
    /* End of file here means that exec closed the other end. */
    do {
        got = pid < 0 ? 0 : read(report[0], &failure, sizeof(failure));
    } while (got < 0 && errno == EINTR);
    close(report[0]);
    if (!failure) {
        return pid;
    }
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "%s: cannot be run: %s", argv[0], g_strerror(failure));
    return -1;
}
