/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: what a rule may ask for at which point. */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac.h"
#include "hw/pci/pci.h"
#include "hw/pci/pcie_regs.h"

#define NO  FAULT_PARAM_NONE
#define MAY FAULT_PARAM_OPTIONAL
#define YES FAULT_PARAM_REQUIRED

#define END { .name = NULL }

/* The operators of illumos bofi: usr/src/uts/common/sys/bofi.h. */
#define VALUE_OPERATORS \
    { "and", FAULT_KIND_VALUE, YES, NO, FAULT_OP_ANY, RAC_OUTCOME_AND, \
      "clears the bits that value has clear" }, \
    { "or", FAULT_KIND_VALUE, YES, NO, FAULT_OP_ANY, RAC_OUTCOME_OR, \
      "sets the bits of value" }, \
    { "xor", FAULT_KIND_VALUE, YES, NO, FAULT_OP_ANY, RAC_OUTCOME_XOR, \
      "flips the bits of value" }, \
    { "equal", FAULT_KIND_VALUE, YES, NO, FAULT_OP_ANY, RAC_OUTCOME_EQUAL, \
      "puts value in place of the data" }

const FaultOutcome rac_access_outcomes[] = {
    { "unsupported-request", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_ANY,
      RAC_OUTCOME_UNSUPPORTED_REQUEST,
      "the device rejects the request; reads give all-ones" },
    { "completer-abort", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_ANY,
      RAC_OUTCOME_COMPLETER_ABORT,
      "the device aborts the request; reads give all-ones" },
    { "completion-timeout", FAULT_KIND_ANSWER, NO, MAY, FAULT_OP_ANY,
      RAC_OUTCOME_COMPLETION_TIMEOUT,
      "no answer; the CPU waits for duration, or the controller's "
      "completion-timeout-ms" },
    { "poisoned", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_ANY,
      RAC_OUTCOME_POISONED,
      "the data arrives marked as bad and is discarded" },
    { "drop", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_WRITE,
      RAC_OUTCOME_DROP,
      "the write is lost without a trace" },
    VALUE_OPERATORS,
    { "delay", FAULT_KIND_DELAY, NO, YES, FAULT_OP_ANY,
      RAC_OUTCOME_DELAY,
      "the CPU waits for duration, then the access goes on" },
    END
};

const FaultOutcome rac_link_outcomes[] = {
    { "link-down", FAULT_KIND_ACTION, NO, MAY, FAULT_OP_ANY,
      RAC_OUTCOME_LINK_DOWN,
      "surprise removal; the card is back after duration, when the rule "
      "is removed, or when another is plugged" },
    { "link-flap", FAULT_KIND_ACTION, NO, MAY, FAULT_OP_ANY,
      RAC_OUTCOME_LINK_FLAP,
      "the link is lost for duration (100 ms) with the card present" },
    { "error", FAULT_KIND_ACTION, YES, NO, FAULT_OP_ANY,
      RAC_OUTCOME_ERROR,
      "the port detects the uncorrectable error whose AER status bit "
      "number is value", PCI_ERR_UNC_SUPPORTED },
    END
};

const FaultOutcome rac_interrupt_outcomes[] = {
    { "lost", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_ANY, RAC_OUTCOME_LOST,
      "the interrupt never arrives" },
    { "delayed", FAULT_KIND_ANSWER, NO, YES, FAULT_OP_ANY,
      RAC_OUTCOME_DELAYED,
      "the interrupt arrives after duration" },
    { "extra", FAULT_KIND_VALUE, MAY, NO, FAULT_OP_ANY, RAC_OUTCOME_EXTRA,
      "the interrupt arrives value (1) more times" },
    { "spurious", FAULT_KIND_ACTION, MAY, NO, FAULT_OP_ANY,
      RAC_OUTCOME_SPURIOUS,
      "an interrupt without cause, of vector value (0)" },
    END
};

const FaultOutcome rac_dma_outcomes[] = {
    { "blocked", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_ANY,
      RAC_OUTCOME_BLOCKED,
      "the request is rejected; nothing is read or written" },
    { "drop", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_WRITE, RAC_OUTCOME_DROP,
      "the write is lost without a trace" },
    { "delay", FAULT_KIND_ANSWER, NO, YES, FAULT_OP_WRITE,
      RAC_OUTCOME_DELAY,
      "the write reaches memory after duration, behind later ones" },
    VALUE_OPERATORS,
    END
};
