/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends frames to a guest's network card, for tests/bench/net.
 *
 * Bursts at a rate, or as fast as the guest takes them.  Now and then a frame
 * is an echo request with the time in it: what comes back tells how long a
 * frame takes, and that all frames before it have arrived.  So no more than
 * a window of frames is ever on its way (QEMU's netdev "stream" would read
 * them all and keep them, and crash when the stream ends meanwhile), and the
 * last is waited for.  What was sent is printed as JSON.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <gio/gio.h>

#include "net-load-wire.h"

#define NS_PER_S        G_GINT64_CONSTANT(1000000000)
#define ECHO_FRAMES     256     /* frames from one echo request to the next */
#define WINDOW          8       /* echo requests: more frames than rings and
                                   sockets hold */
#define LOST_US         G_USEC_PER_SEC
#define LAST_TRIES      10
#define MAX_ECHOES      (1u << 20)
#define POLL_MS         20
#define FIRST_FLOW      1024    /* source port */

typedef struct Load {
    Wire *wire;
    const char *path;
    FrameRoute route;
    guint8 frames[WIRE_BURST][FRAME_BYTES];
    int burst;
    int flows;
    int echo_every;             /* bursts; 0: ECHO_FRAMES */
    double rate;                /* bursts a second; 0: no limit */
    double seconds;
    gboolean lossy;
    guint64 sent, late, bursts, unanswered;
    double elapsed;

    GThread *reader;
    int over;                   /* atomic: the reader may end */
    GMutex lock;                /* of what follows */
    GCond replied;
    guint64 echoes;             /* sent */
    guint64 seen;               /* answered, of them, or lost, and before */
    gint64 *delays;             /* nanoseconds */
    guint n_delays;
} Load;

static gint64 now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void sleep_until(gint64 when_ns)
{
    struct timespec t = { when_ns / NS_PER_S, when_ns % NS_PER_S };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) {
    }
}

static void note_reply(Load *load, const FrameEcho *echo)
{
    g_mutex_lock(&load->lock);
    load->seen = CLAMP(echo->number, load->seen, load->echoes);
    if (load->n_delays < MAX_ECHOES) {
        load->delays[load->n_delays++] = now_ns() - echo->time_ns;
    }
    g_cond_signal(&load->replied);
    g_mutex_unlock(&load->lock);
}

/* Reads what the guest sends, so that it never has to wait. */
static gpointer read_replies(gpointer opaque)
{
    Load *load = opaque;
    guint8 frame[2048];
    FrameEcho echo;

    while (!g_atomic_int_get(&load->over)) {
        gssize size = wire_receive(load->wire, frame, sizeof(frame), POLL_MS);

        if (size < 0) {
            break;
        }
        if (frame_is_reply(frame, MIN(size, (gssize)sizeof(frame)), &echo)) {
            note_reply(load, &echo);
        }
    }
    return NULL;
}

/* Waits until less than @most echo requests are unanswered. */
static gboolean wait_for_replies(Load *load, guint64 most)
{
    gint64 end = g_get_monotonic_time() + LOST_US;
    gboolean good = TRUE;

    g_mutex_lock(&load->lock);
    while (good && load->echoes - load->seen >= most) {
        good = g_cond_wait_until(&load->replied, &load->lock, end);
    }
    if (!good) {
        load->unanswered += load->echoes - load->seen;
        load->seen = load->echoes;
    }
    g_mutex_unlock(&load->lock);
    return good;
}

static void make_echo(Load *load, guint8 frame[FRAME_BYTES])
{
    FrameEcho echo = { .time_ns = now_ns() };

    g_mutex_lock(&load->lock);
    echo.number = ++load->echoes;
    g_mutex_unlock(&load->lock);
    frame_make_echo(frame, &load->route, &echo);
}

static gboolean send_burst(Load *load, GError **error)
{
    gboolean echo = load->bursts++ % load->echo_every == 0;

    if (echo && load->rate == 0 && !load->lossy) {
        wait_for_replies(load, WINDOW);
    }
    if (echo) {
        make_echo(load, load->frames[0]);
    } else {
        frame_make_udp(load->frames[0], &load->route, FIRST_FLOW);
    }
    load->sent += load->burst;
    return wire_send(load->wire, load->frames, load->burst, error);
}

/* The answer to the last echo request tells that all has arrived. */
static gboolean send_last(Load *load, GError **error)
{
    wait_for_replies(load, 1);
    for (unsigned i = 0; i < LAST_TRIES; i++) {
        make_echo(load, load->frames[0]);
        load->sent++;
        if (!wire_send(load->wire, load->frames, 1, error)) {
            return FALSE;
        }
        if (wait_for_replies(load, 1)) {
            return TRUE;
        }
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                "%s: the guest answers no echo request", load->path);
    return FALSE;
}

/* A burst that is late by more than a period is left out, not made up for. */
static gboolean send_all(Load *load, GError **error)
{
    gint64 begin = now_ns();
    gint64 end = begin + load->seconds * NS_PER_S;
    gint64 period = load->rate > 0 ? NS_PER_S / load->rate : 0;
    gint64 next = begin, now;

    while ((now = now_ns()) < end) {
        if (period && now > next + period) {
            load->late += (now - next) / period;
            next += (now - next) / period * period;
        }
        if (period && now < next) {
            sleep_until(next);
        }
        if (!send_burst(load, error)) {
            return FALSE;
        }
        next += period;
    }
    if (!send_last(load, error)) {
        return FALSE;
    }
    load->elapsed = (now_ns() - begin) / (double)NS_PER_S;
    return TRUE;
}

static int compare_delays(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

static double delay_us(const Load *load, double share)
{
    return load->n_delays ?
        load->delays[(guint)((load->n_delays - 1) * share)] / 1e3 : 0;
}

static void report(Load *load)
{
    qsort(load->delays, load->n_delays, sizeof(load->delays[0]),
          compare_delays);
    printf("{\"sent\": %" G_GUINT64_FORMAT ", \"late\": %" G_GUINT64_FORMAT
           ", \"seconds\": %.6f, \"replies\": %u, \"unanswered\": %"
           G_GUINT64_FORMAT ", \"p50-us\": %.1f, \"p99-us\": %.1f}\n",
           load->sent, load->late, load->elapsed, load->n_delays,
           load->unanswered,
           delay_us(load, 0.5), delay_us(load, 0.99));
}

/*
 * A burst is one: its first frame wakes up whoever reads, and that must not
 * take the processor from the others.  Only root may ask for this.
 */
static void be_first(void)
{
    struct sched_param p = { .sched_priority = 1 };

    sched_setscheduler(0, SCHED_FIFO, &p);
}

static gboolean run(Load *load, const char *kind, GError **error)
{
    gboolean good;

    load->wire = wire_open(kind, load->path, error);
    if (!load->wire) {
        return FALSE;
    }
    for (int i = 0; i < load->burst; i++) {
        frame_make_udp(load->frames[i], &load->route,
                       FIRST_FLOW + i % load->flows);
    }
    load->delays = g_new0(gint64, MAX_ECHOES);
    load->reader = g_thread_new("reader", read_replies, load);
    /* Sleeps as exact as the host can: not 50 microseconds longer. */
    prctl(PR_SET_TIMERSLACK, 1);
    if (load->rate > 0) {
        be_first();
    }
    good = send_all(load, error);
    g_atomic_int_set(&load->over, 1);
    g_thread_join(load->reader);
    wire_close(load->wire);
    return good;
}

static gboolean check(Load *load, char **words, GError **error)
{
    if (g_strv_length(words) != 7 ||
        !frame_parse_mac(words[3], load->route.to) ||
        !frame_parse_ip(words[4], &load->route.to_ip) ||
        !frame_parse_mac(words[5], load->route.from) ||
        !frame_parse_ip(words[6], &load->route.from_ip)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "wanted: dgram|stream SOCKET MAC IP OWN-MAC OWN-IP");
        return FALSE;
    }
    if (load->burst < 1 || load->burst > WIRE_BURST || load->flows < 1 ||
        load->rate < 0 || load->echo_every < 0 || load->seconds <= 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "a burst has 1 to %d frames; a rate, flows and seconds "
                    "are positive", WIRE_BURST);
        return FALSE;
    }
    load->path = words[2];
    if (!load->echo_every) {
        load->echo_every = MAX(1, ECHO_FRAMES / load->burst);
    }
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autofree Load *load = g_new0(Load, 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(
        "dgram|stream SOCKET MAC IP OWN-MAC OWN-IP");
    const GOptionEntry entries[] = {
        { "burst", 0, 0, G_OPTION_ARG_INT, &load->burst,
          "Frames of a burst", "N" },
        { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &load->rate,
          "Bursts a second; 0: no limit", "N" },
        { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &load->seconds,
          "How long", "S" },
        { "flows", 0, 0, G_OPTION_ARG_INT, &load->flows,
          "Different source ports", "N" },
        { "echo-every", 0, 0, G_OPTION_ARG_INT, &load->echo_every,
          "Every Nth burst begins with an echo request", "N" },
        { "lossy", 0, 0, G_OPTION_ARG_NONE, &load->lossy,
          "Frames get lost: waiting for answers is of no use", NULL },
        { NULL }
    };

    load->burst = 1;
    load->flows = 1;
    load->seconds = 1;
    g_mutex_init(&load->lock);
    g_cond_init(&load->replied);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        !check(load, argv, &error) ||
        !run(load, argv[1], &error)) {
        fprintf(stderr, "bench-net-load: %s\n", error->message);
        return 1;
    }
    report(load);
    g_free(load->delays);
    return 0;
}
