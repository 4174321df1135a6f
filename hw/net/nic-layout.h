/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties of sunder-nic that need more than a number; nic-layout.c. */
#ifndef SUNDER_HW_NET_NIC_LAYOUT_H
#define SUNDER_HW_NET_NIC_LAYOUT_H

#include "hw/net/nic.h"

extern const PropertyInfo nic_prop_ports;       /* char **, NULL at the end */
extern const PropertyInfo nic_prop_threshold;   /* double */
extern const PropertyInfo nic_prop_lacp_rate;   /* bool: fast */
extern const PropertyInfo nic_prop_duplex;      /* bool: full */

/*
 * Reads card->layout: groups with their ports, functions with their
 * groups.  False with @errp: it cannot be.
 */
bool nic_layout_parse(NicCard *card, Error **errp);

#endif
