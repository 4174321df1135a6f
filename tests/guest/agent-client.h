/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host of the agent's protocol that does as a test tells it
 *
 * Unlike the command line's it hides nothing: every frame can be sent, good
 * or damaged, and what comes back is collected per command. Whatever does not
 * come within the time given ends the test.
 */
#ifndef SUNDER_TESTS_AGENT_CLIENT_H
#define SUNDER_TESTS_AGENT_CLIENT_H

#include <glib.h>

#include "agent/frame.h"
#include "agent/message.h"

typedef struct Client {
    int fd;
    AgentParser parser;
    GHashTable *outcomes;        /* id -> Outcome */
    GString *errors;             /* texts of ERROR frames of id 0 */
    unsigned errors_count;
    uint64_t nonce;              /* of the SYNC_ACK that came last */
    uint16_t ack_flags;
    char boot_id[64];
} Client;

/* What came of one command */
typedef struct Outcome {
    GString *output;
    GString *errors;
    uint64_t acknowledged;       /* bytes of STDIN */
    gboolean done;               /* EXIT or ERROR came */
    int status;                  /* as wait(2) gives it */
    uint32_t error;              /* errno of ERROR, else 0 */
    gboolean discard;            /* count output, do not keep it */
    uint64_t output_size;
} Outcome;

/* Connect to the socket at @path; waits up to 10 s for it to exist. */
Client *client_new(const char *path);

/* Close the connection. */
void client_free(Client *client);

/* SYNC with a fresh nonce, and wait for its answer. */
void client_sync(Client *client, unsigned seconds);

/* Send a frame. */
void client_send(Client *client, AgentType type, uint16_t flags, uint32_t id,
                 const void *payload, size_t length);

/* Send bytes as they are. */
void client_send_raw(Client *client, const void *data, size_t size);

/* Start @command; its id is the return value. */
uint32_t client_start(Client *client, const char *command, uint16_t flags);
uint32_t client_start_exec(Client *client, const AgentExec *exec,
                           uint16_t flags);

/* What is known of command @id so far. */
Outcome *client_outcome(Client *client, uint32_t id);

/* Receive whatever comes within @milliseconds. Returns FALSE if nothing. */
gboolean client_receive(Client *client, int milliseconds);

/* Receive until command @id is done. */
Outcome *client_wait(Client *client, uint32_t id, unsigned seconds);

/* client_start() and client_wait() for up to a minute. */
Outcome *client_run(Client *client, const char *command, uint16_t flags);

#endif /* SUNDER_TESTS_AGENT_CLIENT_H */
