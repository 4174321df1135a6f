/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine: how it ended, for a program and for a person
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine-private.h"
#include "state.h"

/* How far back in a log we look: some hundred lines. */
#define TAIL_BYTES    65536
#define REPORT_LINES  30

/* A panic with its registers and call trace */
#define REPORT_PANIC_LINES  80
#define REPORT_BEFORE_PANIC 5

#define REAP_POLL_US  1000

/* Between the end of QMP and that of the process; and of its lock */
#define END_TIMEOUT_MS     5000
#define RELEASE_TIMEOUT_MS 1000

/* What Linux prints first of all (kernel/panic.c) */
#define PANIC_TEXT    "Kernel panic - not syncing"
#define POWER_TEXT    "reboot: Power down"

const char *machine_ending_text(MachineEnding ending)
{
    static const char *const texts[] = {
        [MACHINE_RUNNING] = "running",
        [MACHINE_PANICKED] = "panicked",
        [MACHINE_RESET] = "reset",
        [MACHINE_POWERED_OFF] = "powered-off",
        [MACHINE_QUIT] = "quit",
        [MACHINE_DIED] = "died",
    };

    return texts[ending];
}

bool machine_reap(Machine *machine, int timeout_ms)
{
    gint64 deadline = deadline_after(timeout_ms);

    while (machine->owner && !machine->exited) {
        pid_t got = waitpid(machine->pid, &machine->exit_status, WNOHANG);

        if (got == machine->pid || (got < 0 && errno == ECHILD)) {
            machine->exited = true;
        } else if (deadline_left(deadline) == 0) {
            return false;
        } else {
            g_usleep(REAP_POLL_US);
        }
    }
    return machine->exited;
}

/* Whether a process with our directory on its command line has that number. */
static bool machine_pid_is_ours(const Machine *machine)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline",
                                            (int)machine->pid);
    g_autofree char *text = NULL;
    gsize length;

    return machine->pid > 0 &&
           g_file_get_contents(path, &text, &length, NULL) &&
           memmem(text, length, machine->directory,
                  strlen(machine->directory));
}

bool machine_gone(Machine *machine)
{
    /* Its owner may hold the claim for a while after the emulator's end. */
    return machine->owner ? machine_reap(machine, 0)
                          : !state_claimed(machine->directory) ||
                            !machine_pid_is_ours(machine);
}

/* The end of a file, at most TAIL_BYTES, as valid UTF-8 text. */
static char *tail_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_autofree char *bytes = g_malloc(TAIL_BYTES);
    struct stat stat;
    ssize_t got = -1;

    if (fd >= 0 && fstat(fd, &stat) == 0) {
        got = pread(fd, bytes, TAIL_BYTES,
                    stat.st_size > TAIL_BYTES ? stat.st_size - TAIL_BYTES : 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    for (ssize_t i = 0; i < got; i++) {
        bytes[i] = bytes[i] ? bytes[i] : ' ';
    }
    return g_utf8_make_valid(bytes, MAX(got, 0));
}

/* Without escape sequences (ECMA-48, 5.4) and other control characters. */
static char *tail_plain(const char *text)
{
    g_autoptr(GRegex) escapes = g_regex_new(
        "\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|"
        "\x1b[@-_]|[\x01-\x08\x0b-\x1f\x7f]", 0, 0, NULL);

    return g_regex_replace_literal(escapes, text, -1, 0, "", 0, NULL);
}

static char *tail_lines(const char *path, unsigned lines)
{
    g_autofree char *raw = tail_read(path);
    g_autofree char *plain = tail_plain(raw);
    char *at = plain + strlen(g_strchomp(plain));

    while (at > plain && lines) {
        at--;
        lines -= *at == '\n';
    }
    return g_strdup(*at == '\n' ? at + 1 : at);
}

char *machine_console_tail(const Machine *machine, unsigned lines)
{
    g_autofree char *path = machine_path(machine, MACHINE_CONSOLE_LOG);

    return tail_lines(path, lines);
}

static bool machine_console_has(const Machine *machine, const char *text)
{
    g_autofree char *path = machine_path(machine, MACHINE_CONSOLE_LOG);
    g_autofree char *tail = tail_read(path);

    return strstr(tail, text) != NULL;
}

MachineEnding machine_ending(Machine *machine)
{
    MachineEnding ending = machine->ending;

    if (ending == MACHINE_RUNNING) {
        if (!machine_gone(machine) && !machine->qmp_closed) {
            return MACHINE_RUNNING;
        }
        /* No event told: it died, or it ended before anybody listened. */
        ending = !machine->owner && machine_console_has(machine, POWER_TEXT)
                 ? MACHINE_POWERED_OFF : MACHINE_DIED;
    }
    if ((ending == MACHINE_RESET || !machine->owner) &&
        machine_console_has(machine, PANIC_TEXT)) {
        return MACHINE_PANICKED;
    }
    return ending;
}

static const char *report_shutdown_reason(JsonObject *event)
{
    JsonObject *data = json_object_get_object_member(event, "data");

    return data ? json_object_get_string_member_with_default(data, "reason",
                                                             "") : "";
}

static MachineEnding report_ending(const char *reason)
{
    static const struct {
        const char *reason;
        MachineEnding ending;
    } endings[] = {
        /* ShutdownCause in QEMU's qapi/run-state.json */
        { "guest-shutdown", MACHINE_POWERED_OFF },
        { "guest-reset", MACHINE_RESET },
        { "subsystem-reset", MACHINE_RESET },
        { "guest-panic", MACHINE_PANICKED },
        { "host-error", MACHINE_DIED },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++) {
        if (!strcmp(reason, endings[i].reason)) {
            return endings[i].ending;
        }
    }
    return MACHINE_QUIT;
}

void machine_note_event(JsonObject *event, void *opaque)
{
    Machine *machine = opaque;
    const char *name =
        json_object_get_string_member_with_default(event, "event", "");

    if (!strcmp(name, "GUEST_PANICKED")) {
        machine->ending = MACHINE_PANICKED;
    } else if (!strcmp(name, "SHUTDOWN") &&
               machine->ending != MACHINE_PANICKED) {
        machine->ending = report_ending(report_shutdown_reason(event));
    }
    if (machine->faults_log && g_str_has_prefix(name, "SUNDER_")) {
        g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
        g_autofree char *line = NULL;

        json_node_set_object(node, event);
        line = json_to_string(node, FALSE);
        fprintf(machine->faults_log, "%s\n", line);
        fflush(machine->faults_log);
    }
}

static const char *report_sentence(MachineEnding ending)
{
    static const char *const sentences[] = {
        [MACHINE_RUNNING] = "the machine is running",
        [MACHINE_PANICKED] = "the guest's kernel panicked",
        [MACHINE_RESET] = "the guest reset itself",
        [MACHINE_POWERED_OFF] = "the guest switched itself off",
        [MACHINE_QUIT] = "the emulator was told to quit",
        [MACHINE_DIED] = "the emulator died",
    };

    return sentences[ending];
}

static void report_add_exit(const Machine *machine, GString *report)
{
    if (!machine->exited) {
        return;
    }
    if (WIFSIGNALED(machine->exit_status)) {
        g_string_append_printf(report, " (killed by signal %d, %s)",
                               WTERMSIG(machine->exit_status),
                               g_strsignal(WTERMSIG(machine->exit_status)));
    } else if (WEXITSTATUS(machine->exit_status)) {
        g_string_append_printf(report, " (exit status %d)",
                               WEXITSTATUS(machine->exit_status));
    }
}

/* A panic's first line says most: from shortly before it, if it is there. */
static char **report_from_panic(char **lines)
{
    for (char **line = lines; *line; line++) {
        if (strstr(*line, PANIC_TEXT)) {
            return line - MIN(line - lines, REPORT_BEFORE_PANIC);
        }
    }
    return lines;
}

static void report_add_log(const Machine *machine, GString *report,
                           const char *title, const char *file, bool panic)
{
    g_autofree char *path = machine_path(machine, file);
    g_autofree char *tail = tail_lines(path, panic ? REPORT_PANIC_LINES
                                                   : REPORT_LINES);
    g_auto(GStrv) lines = g_strsplit(tail, "\n", -1);

    if (!*tail) {
        return;
    }
    g_string_append_printf(report, "\n%s:", title);
    for (char **line = panic ? report_from_panic(lines) : lines; *line;
         line++) {
        g_string_append_printf(report, "\n  | %s", *line);
    }
}

char *machine_report(Machine *machine)
{
    MachineEnding ending = machine_ending(machine);
    GString *report = g_string_new(NULL);

    g_string_append_printf(report, "%s: %s", machine->name,
                           report_sentence(ending));
    report_add_exit(machine, report);
    report_add_log(machine, report, "the emulator said", MACHINE_QEMU_LOG,
                   false);
    report_add_log(machine, report, "last lines of the console",
                   MACHINE_CONSOLE_LOG, ending == MACHINE_PANICKED);
    return g_string_free(report, FALSE);
}

/* So that who hears of the end finds the name free, as a rule. */
static void machine_await_release(Machine *machine)
{
    gint64 deadline = deadline_after(RELEASE_TIMEOUT_MS);

    while (state_claimed(machine->directory) && deadline_left(deadline) > 0) {
        g_usleep(REAP_POLL_US);
    }
}

bool machine_fail_ended(Machine *machine, GError **error)
{
    MachineEnding ending;
    g_autofree char *report = NULL;
    bool guest;

    if (machine->owner) {
        machine_reap(machine, END_TIMEOUT_MS);
    } else {
        machine_await_release(machine);
    }
    ending = machine_ending(machine);
    guest = ending == MACHINE_PANICKED || ending == MACHINE_RESET ||
            ending == MACHINE_POWERED_OFF;
    report = machine_report(machine);
    g_set_error_literal(error, SUNDER_ERROR,
                        guest ? SUNDER_ERROR_GUEST : SUNDER_ERROR_DIED,
                        report);
    return false;
}
