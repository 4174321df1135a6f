/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs of `sunder`, one file each
 *
 * A verb gets its own arguments, argv[0] being the verb, and returns the exit
 * status (error.h). Options are read with verb_parse(), so that --help and
 * errors look alike everywhere.
 */
#ifndef SUNDER_VERBS_H
#define SUNDER_VERBS_H

#include <stdbool.h>

#include <glib.h>
#include <json-glib/json-glib.h>

#include "machine.h"

typedef struct Verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;        /* one line */
} Verb;

/* Ends with an entry whose name is NULL. */
extern const Verb verb_table[];

int verb_run(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_console(int argc, char **argv);
int verb_log(int argc, char **argv);
int verb_exec(int argc, char **argv);
int verb_stop(int argc, char **argv);
int verb_qmp(int argc, char **argv);
int verb_fault(int argc, char **argv);
int verb_rac(int argc, char **argv);
int verb_iommu(int argc, char **argv);
int verb_balloon(int argc, char **argv);
int verb_net(int argc, char **argv);
int verb_share(int argc, char **argv);
int verb_snap(int argc, char **argv);
int verb_scenario(int argc, char **argv);   /* scenario.c */
int verb_completion(int argc, char **argv);
int verb_version(int argc, char **argv);

/*
 * Read the options of a verb. @usage is what follows "sunder", e.g.
 * "stop [OPTION...] NAME"; @text explains, and may be NULL. Arguments that are
 * no options are left in *@argv, which is NULL-terminated and begins with the
 * first of them; "--" ends the options. --help prints and exits with 0.
 *
 * Returns -1 to go on, or the exit status after an error that was printed.
 */
int verb_parse(int *argc, char ***argv, const char *usage, const char *text,
               const GOptionEntry *entries);

/* Print "sunder VERB: message" and a hint to --help; returns EXIT_USAGE. */
int verb_usage(const char *verb, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Print "sunder: message" and return the status @error stands for. */
int verb_fail(const GError *error);

/*
 * The subcommand in argv[1] out of @table (ends with a NULL name), run with
 * the arguments behind it; --help and errors list the table.
 */
int verb_dispatch(const char *verb, const Verb *table, int argc,
                  char **argv);

/* Open the machine @name, or print why not and return NULL, *@status set. */
Machine *verb_machine(const char *name, int *status);

/*
 * Run a QMP command on machine @name; NULL after printing why not, *@status
 * set. @arguments may be NULL.
 */
JsonNode *verb_qmp_execute(const char *name, const char *command,
                           JsonObject *arguments, int *status);

/*
 * Block SIGINT, SIGTERM and SIGHUP and return a descriptor that becomes
 * readable when one arrives: for machine_set_cancel_fd().
 */
int verb_signal_fd(void);

/* 128 and the number of the signal that made @signal_fd readable. */
int verb_signal_status(int signal_fd);

/*
 * @text, which came from a machine, made harmless for a terminal: what is no
 * printable character is written \u{HEX}, and what is very long is cut.  NULL
 * gives "?".  The caller frees it.
 */
char *verb_printable(const char *text);

/* The same for a message: newlines stay, and nothing is cut. */
char *verb_printable_lines(const char *text);

/* Print JSON, indented, with a newline. Takes @node. */
void verb_print_json(JsonNode *node);

/* "50ms", "2s", "1500us", "3m", "250" (@unit) to nanoseconds. */
bool verb_parse_duration(const char *text, guint64 unit_ns, guint64 *ns,
                         GError **error);

/*
 * The time limit of option @option in milliseconds, seconds where @text has no
 * unit; -1 (no limit) when @text is NULL.
 */
bool verb_parse_timeout(const char *option, const char *text, int *ms,
                        GError **error);

/* Decimal, or hexadecimal with 0x; no sign, no space, nothing behind it. */
bool verb_parse_number(const char *text, guint64 *value, GError **error);

#endif /* SUNDER_VERBS_H */
