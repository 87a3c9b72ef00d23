/* test/support/support_clock.h: the clock of test programs, which can be told to count work. Time
 * that other programs take then does not count: estimates can be compared with what work takes on a
 * machine that is busy with other things. */
#ifndef PS_TEST_SUPPORT_CLOCK_H
#define PS_TEST_SUPPORT_CLOCK_H

#include <stdbool.h>

/* True: ps_clock counts the processor time of this process, of all its threads together. False, as
 * at the start: seconds. */
extern bool clock_counts_work;

#endif
