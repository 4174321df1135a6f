/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start a process for a command, see spawn.h
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol.h"
#include "spawn.h"

/*
 * Process 1 moves to the root that commands run in before it says that
 * start-up is over; scripts/guest.d/init does so.
 */
#define COMMANDS_ROOT  "/proc/1/root"

#define EXIT_NO_FOLDER   126
#define EXIT_NO_COMMAND  127

/* The child's ends */
typedef struct ChildEnds {
    int input;
    int output;
    int errors;
} ChildEnds;

static void close_end(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void close_pipes(SpawnPipes *pipes)
{
    if (pipes->input != pipes->output) {
        close_end(&pipes->input);
    }
    close_end(&pipes->output);
    close_end(&pipes->errors);
    pipes->input = -1;
}

static void close_child(ChildEnds *child)
{
    if (child->input != child->output) {
        close_end(&child->input);
    }
    if (child->errors != child->output) {
        close_end(&child->errors);
    }
    close_end(&child->output);
}

/* One pipe; @ours is the one of its ends that must not block. */
static int make_pipe(int *read_end, int *write_end, const int *ours)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -1;
    }
    *read_end = ends[0];
    *write_end = ends[1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

/* A new terminal; our end is both input and output. */
static int open_terminal(const AgentExec *exec, SpawnPipes *pipes,
                         ChildEnds *child)
{
    struct winsize size = {
        .ws_row = exec->rows ? exec->rows : 24,
        .ws_col = exec->columns ? exec->columns : 80,
    };
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int unlock = 0;

    if (master < 0) {
        return -1;
    }
    pipes->input = master;
    pipes->output = master;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0) {
        return -1;
    }
    child->output = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    child->input = child->output;
    child->errors = child->output;
    return child->output < 0 ? -1 : ioctl(master, TIOCSWINSZ, &size);
}

static int open_pipes(uint16_t flags, SpawnPipes *pipes, ChildEnds *child)
{
    if (flags & AGENT_EXEC_NO_STDIN) {
        child->input = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (child->input < 0) {
            return -1;
        }
    } else if (make_pipe(&child->input, &pipes->input, &pipes->input) < 0) {
        return -1;
    }
    if (make_pipe(&pipes->output, &child->output, &pipes->output) < 0) {
        return -1;
    }
    if (flags & AGENT_EXEC_MERGE) {
        child->errors = child->output;
        return 0;
    }
    return make_pipe(&pipes->errors, &child->errors, &pipes->errors);
}

/* Tell @text and errno on standard error, and end. */
static _Noreturn void fail(const char *text, const char *name, int status)
{
    dprintf(STDERR_FILENO, "sunder-agent: %s %s: %s\n", text, name,
            strerror(errno));
    _exit(status);
}

static void set_environment(const AgentExec *exec, uint16_t flags)
{
    const char *entry;
    size_t offset = 0;

    clearenv();
    setenv("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/root", 1);
    setenv("USER", "root", 1);
    setenv("LANG", "C.UTF-8", 1);
    setenv("TERM", flags & AGENT_EXEC_PTY ? "vt100" : "dumb", 1);
    while ((entry = agent_exec_environment_next(exec, &offset))) {
        if (strchr(entry, '=')) {
            putenv((char *)entry);
        }
    }
}

/* In the child: everything between fork() and the shell. */
static _Noreturn void run(const AgentExec *exec, uint16_t flags,
                          const ChildEnds *child)
{
    const char *folder = exec->folder[0] ? exec->folder : "/root";
    sigset_t none;
    int adjust;

    setsid();
    dup2(child->input, STDIN_FILENO);
    dup2(child->output, STDOUT_FILENO);
    dup2(child->errors, STDERR_FILENO);
    if (flags & AGENT_EXEC_PTY) {
        ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    adjust = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (adjust >= 0 && write(adjust, "0", 1) < 0) {
        fail("cannot write", "oom_score_adj", EXIT_NO_COMMAND);
    }
    if (!(flags & AGENT_EXEC_EARLY) && chroot(COMMANDS_ROOT) < 0) {
        fail("cannot enter the root", COMMANDS_ROOT, EXIT_NO_FOLDER);
    }
    if (chdir(folder) < 0) {
        fail("cannot enter the folder", folder, EXIT_NO_FOLDER);
    }
    set_environment(exec, flags);
    execl("/bin/sh", "sh", "-c", exec->command, (char *)NULL);
    fail("cannot run", "/bin/sh", EXIT_NO_COMMAND);
}

pid_t spawn(const AgentExec *exec, uint16_t flags, SpawnPipes *pipes)
{
    ChildEnds child = { -1, -1, -1 };
    pid_t pid = -1;
    int error, result;

    *pipes = (SpawnPipes) { -1, -1, -1 };
    result = flags & AGENT_EXEC_PTY ? open_terminal(exec, pipes, &child)
                                    : open_pipes(flags, pipes, &child);
    if (result == 0) {
        pid = fork();
    }
    error = errno;
    if (pid == 0) {
        run(exec, flags, &child);
    }
    close_child(&child);
    if (pid < 0) {
        close_pipes(pipes);
        errno = error;
    }
    return pid;
}
