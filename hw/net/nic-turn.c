/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: what is done before the main loop waits
 *
 * Netdevs hand over frames, and drivers ring doorbells, in the middle of a
 * turn of the main loop.  A bottom half for each would take another turn,
 * with a poll of all descriptors, which costs more than a burst does.  So it
 * is done at the end of the same turn: when the main loop is about to wait
 * it asks all who have descriptors of their own, and this card as well.
 */
#include "qemu/osdep.h"
#include "nic-port.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"

/* Times that what came meanwhile is done, too, in one turn. */
#define MOST_TIMES  4

static QemuThread main_thread;

/* Wires before drivers: an answer may be there by the time it is looked for. */
static void do_all(NicCard *card)
{
    bool sent = nic_transmit_scheduled(card);

    for (unsigned i = 0; i < card->n_ports; i++) {
        nic_stage_end(&card->ports[i], sent);
    }
    nic_card_announce(card);
}

static void about_to_wait(Notifier *n, void *data)
{
    NicCard *card = container_of(n, NicCard, turn);
    const MainLoopPoll *poll = data;
    unsigned times = 0;

    if (!card->wanted || poll->state != MAIN_LOOP_POLL_FILL) {
        return;
    }
    while (card->wanted && times++ < MOST_TIMES) {
        card->wanted = false;
        do_all(card);
    }
    QLIST_FOREACH(card, &nic_cards, next) {
        if (card->wanted) {
            qemu_notify_event();    /* it is not to wait yet */
            break;
        }
    }
}

void nic_turn_want(NicCard *card)
{
    card->wanted = true;
    if (!qemu_thread_is_self(&main_thread)) {
        qemu_notify_event();    /* a processor: the main loop may wait */
    }
}

void nic_turn_realize(NicCard *card)
{
    qemu_thread_get_self(&main_thread);
    card->turn.notify = about_to_wait;
    main_loop_poll_add_notifier(&card->turn);
}

void nic_turn_unrealize(NicCard *card)
{
    main_loop_poll_remove_notifier(&card->turn);
}
