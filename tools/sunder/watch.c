/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --watch: a table that is shown again and again
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "watch.h"
#include "verbs.h"

#define SECOND_NS G_GUINT64_CONSTANT(1000000000)

/* ECMA-48: CUP (8.3.21), EL (8.3.41), ED (8.3.39); DECTCEM of DEC's VT200 */
#define CURSOR_HOME   "\033[H"
#define CLEAR_LINE    "\033[K"
#define CLEAR_BELOW   "\033[J"
#define CLEAR_ALL     "\033[H\033[2J"
#define CURSOR_HIDE   "\033[?25l"
#define CURSOR_SHOW   "\033[?25h"

/* A window that does not tell its size */
#define COLUMNS 80
#define ROWS    24

void watch_join_option(int *argc, char **argv)
{
    int to = 1;

    for (int at = 1; at < *argc; at++, to++) {
        const char *next = at + 1 < *argc ? argv[at + 1] : NULL;
        g_autofree char *joined = NULL;
        guint64 ns;

        if (!strcmp(argv[at], "--")) {
            memmove(argv + to, argv + at,
                    sizeof(*argv) * (size_t)(*argc - at));
            to += *argc - at;
            break;
        }
        argv[to] = argv[at];
        if (strcmp(argv[at], "--watch") && strcmp(argv[at], "-w")) {
            continue;
        }
        if (next && verb_parse_duration(next, SECOND_NS, &ns, NULL)) {
            at++;
        } else {
            next = WATCH_DEFAULT;
        }
        joined = g_strconcat("--watch=", next, NULL);
        /* Interned, as it has to live as long as argv. */
        argv[to] = (char *)g_intern_string(joined);
    }
    *argc = to;
    argv[to] = NULL;
}

bool watch_parse(const char *text, guint64 *ns, GError **error)
{
    if (!verb_parse_duration(text, SECOND_NS, ns, error)) {
        g_prefix_error(error, "--watch: ");
        return false;
    }
    if (*ns < WATCH_MIN_NS || *ns > WATCH_MAX_NS) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "--watch: \"%s\": expected 10ms to 24h", text);
        return false;
    }
    return true;
}

/* The bytes of the first @columns characters of a line of @size bytes */
static size_t watch_line_cut(const char *line, size_t size, unsigned columns)
{
    const char *at = line;

    while (at < line + size && columns--) {
        at = g_utf8_next_char(at);
    }
    return MIN((size_t)(at - line), size);
}

char *watch_frame(const char *text, unsigned columns, unsigned rows)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned count = g_strv_length(lines);
    GString *frame = g_string_new(CURSOR_HOME);
    unsigned shown;

    if (count && !*lines[count - 1]) {
        count--;        /* behind the last newline */
    }
    rows = MAX(rows, 2) - 1;    /* the cursor stands in the last one */
    shown = count > rows ? rows - 1 : count;
    for (unsigned i = 0; i < shown; i++) {
        g_string_append_len(frame, lines[i],
                            (gssize)watch_line_cut(lines[i], strlen(lines[i]),
                                                   columns));
        g_string_append(frame, CLEAR_LINE "\n");
    }
    if (shown < count) {
        g_string_append_printf(frame, "... %u more lines" CLEAR_LINE "\n",
                               count - shown);
    }
    g_string_append(frame, CLEAR_BELOW);
    return g_string_free(frame, FALSE);
}

static bool watch_is_terminal(void)
{
    const char *term = g_getenv("TERM");

    return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb");
}

static void watch_draw(const char *text, bool terminal, bool first)
{
    struct winsize size = { 0 };

    if (terminal) {
        g_autofree char *frame = NULL;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col ||
            !size.ws_row) {
            size.ws_col = COLUMNS;
            size.ws_row = ROWS;
        }
        frame = watch_frame(text, size.ws_col, size.ws_row);
        fputs(frame, stdout);
    } else {
        printf("%s%s", first ? "" : "\n", text);
    }
}

/*
 * While a showing is made, which waits for the emulator, a signal ends the
 * process at once: nothing of the table is out yet.
 */
static volatile sig_atomic_t watch_on_terminal;

static int watch_status(int signal)
{
    return signal == SIGINT ? 0 : 128 + signal;
}

static void watch_end(int signal)
{
    if (watch_on_terminal &&
        write(STDOUT_FILENO, CURSOR_SHOW, strlen(CURSOR_SHOW)) < 0) {
        /* The terminal has gone. */
    }
    _exit(watch_status(signal));
}

static void watch_let_end(bool let)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = watch_end };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], &action, NULL);
        sigaddset(&set, signals[i]);
    }
    sigprocmask(let ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

/* One showing; -1 to go on. */
static int watch_show(WatchShow *show, void *opaque, bool terminal,
                      bool first)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int status;

    if (!out) {
        return EXIT_FAILED;
    }
    watch_let_end(true);
    status = show(out, opaque);
    watch_let_end(false);
    fclose(out);
    if (size) {
        watch_draw(text, terminal, first);
    }
    free(text);
    /* A pipe that nobody reads any more ends the process by SIGPIPE. */
    return fflush(stdout) == 0 ? status : EXIT_FAILED;
}

/* Returns whether a signal has come before @until, in monotonic ns. */
static bool watch_wait(int signal_fd, gint64 until_us)
{
    struct pollfd pollfd = { .fd = signal_fd, .events = POLLIN };

    for (;;) {
        gint64 left = until_us - g_get_monotonic_time();
        int wait_ms = (int)CLAMP((left + 999) / 1000, 0, G_MAXINT);

        if (poll(&pollfd, 1, wait_ms) > 0) {
            return true;
        }
        if (left <= 0) {
            return false;
        }
    }
}

int watch_run(guint64 interval_ns, WatchShow *show, void *opaque)
{
    bool terminal = watch_is_terminal();
    int signal_fd = verb_signal_fd();
    gint64 next = g_get_monotonic_time();
    bool first = true;
    int status;

    watch_on_terminal = terminal;
    if (terminal) {
        fputs(CURSOR_HIDE CLEAR_ALL, stdout);
        fflush(stdout);
    }
    do {
        status = watch_show(show, opaque, terminal, first);
        first = false;
        /* A showing that took longer than the interval delays, not bunches. */
        next = MAX(next + (gint64)(interval_ns / 1000),
                   g_get_monotonic_time());
    } while (status < 0 && !watch_wait(signal_fd, next));
    if (terminal) {
        fputs(CURSOR_SHOW, stdout);
    }
    if (status < 0) {
        status = verb_signal_status(signal_fd);
    }
    close(signal_fd);
    return status == 128 + SIGINT ? watch_status(SIGINT) : status;
}
