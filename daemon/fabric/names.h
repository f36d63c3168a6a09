/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be written into an iSCSI target: names, portals, CHAP credentials.
 * Users' texts come out of here in one spelling and harmless, or not at all.
 */
#ifndef BVOL_FABRIC_NAMES_H
#define BVOL_FABRIC_NAMES_H

#include <stddef.h>

#include <linux/bvol.h>

#include "util/err.h"

#define NAMES_PORTAL	64	/* "[IPv6]:PORT" and the final NUL */
/* Of a CHAP secret: initiators take 12 at least, some of them 16 at most; these are 92 bits. */
#define NAMES_SECRET	16

/*
 * An initiator's name (RFC 7143, 4.2.7: iqn., eui. or naa.) as initiators send
 * it, which is in lower case.
 */
int names_initiator(const char *text, char ret[BVOL_WWN_MAX + 1], struct err *e);
/* What comes before the ":" of every target: "iqn.YYYY-MM.DOMAIN". */
int names_prefix(const char *text, struct err *e);

/*
 * A numeric address and a port, "10.0.0.1:3260" or "[fd00::1]:3260", which a
 * socket of this node could have now. Does not block.
 */
int names_portal(const char *text, char ret[NAMES_PORTAL], struct err *e);
/* Its form alone: the address may come up later. */
int names_portal_form(const char *text, struct err *e);
/*
 * Try to listen there as the kernel's target does, which tells nobody why it
 * could not: 0 or a negative errno.
 */
int names_portal_try(const char *portal);

/* n random characters of the 56 that nobody mistakes for another, and the final NUL. */
int names_random(char *ret, size_t n, struct err *e);

#endif
