/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --watch: a table that is shown again and again
 *
 * On a terminal each showing takes the place of the one before, cut to the
 * window.  Elsewhere (a pipe, a file, TERM=dumb) showings follow each other
 * whole, with an empty line between.  Ctrl-C ends it with exit status 0, as
 * that is how one ends it; SIGTERM and SIGHUP with theirs (error.h).
 *
 * A verb that has the option calls watch_join_option() first, reads it as a
 * string, and watch_run() in the end:
 *
 *     watch_join_option(argc, argv);
 *     ... { "watch", 'w', 0, G_OPTION_ARG_STRING, &options.watch, ...
 *     if (options.watch && !watch_parse(options.watch, &ns, &error)) ...
 *     return watch_run(ns, show, opaque);
 */
#ifndef SUNDER_WATCH_H
#define SUNDER_WATCH_H

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>

/* What --watch stands for without SECONDS; the limits of SECONDS. */
#define WATCH_DEFAULT "1s"
#define WATCH_MIN_NS  (10 * G_GUINT64_CONSTANT(1000000))
#define WATCH_MAX_NS  (86400 * G_GUINT64_CONSTANT(1000000000))

/*
 * Write the table to @out, whole.
 *
 * Returns -1 to be called again later, or the exit status to end with, having
 * said why on standard error; what it wrote is shown then too.
 */
typedef int WatchShow(FILE *out, void *opaque);

/*
 * Make one word "--watch=SECONDS" of "--watch [SECONDS]" (and of "-w"), which
 * GOption cannot read: "--watch" takes the next word only if that is a time.
 * Words behind "--" are left alone.
 */
void watch_join_option(int *argc, char **argv);

/* "2", "500ms": to nanoseconds; an error names --watch and the limits. */
bool watch_parse(const char *text, guint64 *ns, GError **error);

/*
 * Call @show every @interval_ns until it ends it or a signal comes; returns
 * the exit status.  Takes SIGINT, SIGTERM and SIGHUP: while @show runs they end
 * the process at once.
 */
int watch_run(guint64 interval_ns, WatchShow *show, void *opaque);

/*
 * @text, cut to @columns characters a line and @rows lines (the last tells how
 * many are left out), as the terminal is to get it: the cursor goes home, and
 * what was there before is cleared behind each line and below.  The caller
 * frees it.
 */
char *watch_frame(const char *text, unsigned columns, unsigned rows);

#endif /* SUNDER_WATCH_H */
