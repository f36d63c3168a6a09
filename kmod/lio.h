/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is seen of LIO, by probes on its functions and one of its tracepoints.
 *
 * No reference to LIO's modules is held: probes come and go with them.
 */
#ifndef _BVOL_LIO_H
#define _BVOL_LIO_H

#include <linux/types.h>

struct bvol_lio_counters {
	u64 login_failures;
	u64 command_errors;
	u64 lost;	/* records that found no room */
};

void bvol_lio_counters(struct bvol_lio_counters *counters);

/*
 * Put a sentence on the @n-th source of events that this kernel or LIO does
 * not offer into @buf; false when there is no such source.
 */
bool bvol_lio_unavailable(unsigned int n, char *buf, size_t size);

int bvol_lio_init(void);
/* No hook runs afterwards. */
void bvol_lio_stop(void);
/* What the hooks saw has been entered in the tables afterwards. */
void bvol_lio_drain(void);
void bvol_lio_exit(void);

#endif
