/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trace points of hw/trace-events. */
#include "trace/trace-sunder_hw.h"
