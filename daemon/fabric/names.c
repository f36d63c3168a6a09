// SPDX-License-Identifier: LGPL-2.1-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "fabric/names.h"
#include "util/cleanup.h"
#include "util/str.h"

#define DIGITS		"0123456789"
#define HEX		DIGITS "abcdef"
#define LETTERS		"abcdefghijklmnopqrstuvwxyz"

/* "YYYY-MM.", the month in which the authority had its domain. */
static bool is_date(const char *s)
{
	return strspn(s, DIGITS) == 4 && s[4] == '-' && strspn(s + 5, DIGITS) == 2 &&
	       s[7] == '.' && strncmp(s + 5, "00", 2) > 0 && strncmp(s + 5, "12", 2) <= 0;
}

/* A domain with its words in reverse, and anything after ":"; stringprep leaves these characters. */
static bool is_iqn(const char *s)
{
	const char *domain;
	size_t len;

	if (strncmp(s, "iqn.", 4) || !is_date(s + 4))
		return false;
	domain = s + 12;
	len = strspn(domain, LETTERS DIGITS "-.");
	if (!len || *domain == '.' || domain[len - 1] == '.' || strstr(domain, ".."))
		return false;
	return !domain[len] || (domain[len] == ':' && domain[len + 1] &&
				!domain[strspn(domain, LETTERS DIGITS "-.:")]);
}

static bool is_hex(const char *s, size_t len)
{
	return strlen(s) == len && strspn(s, HEX) == len;
}

static bool is_name(const char *s)
{
	if (!strncmp(s, "eui.", 4))
		return is_hex(s + 4, 16);
	if (!strncmp(s, "naa.", 4))
		return is_hex(s + 4, 16) || is_hex(s + 4, 32);
	return is_iqn(s);
}

int names_initiator(const char *text, char ret[BVOL_WWN_MAX + 1], struct err *e)
{
	size_t i, len = strlen(text);
	char shown[128];

	str_escape(text, shown, sizeof(shown));
	if (len > BVOL_WWN_MAX)
		return err_set(e, -EINVAL, "the initiator name %s... is longer than %d bytes", shown,
			       BVOL_WWN_MAX);
	for (i = 0; i <= len; i++)
		ret[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	if (!is_name(ret))
		return err_set(e, -EINVAL, "\"%s\" is not an initiator name; it has to look like "
			       "iqn.1993-08.org.debian:01:abc, eui.0123456789abcdef or "
			       "naa.0123456789abcdef", shown);
	return 0;
}

int names_prefix(const char *text, struct err *e)
{
	size_t room = BVOL_WWN_MAX - (1 + 36);	/* ":" and a UUID */
	char shown[128];

	str_escape(text, shown, sizeof(shown));
	if (strlen(text) > room || !is_iqn(text))
		return err_set(e, -EINVAL, "the prefix of target names \"%s\" has to look like "
			       "iqn.2026-01.net.example, at most %zu bytes in lower case", shown,
			       room);
	return 0;
}

/* An address without its brackets and a port; -EINVAL. */
static int parse_portal(const char *text, struct sockaddr_storage *ret, socklen_t *len)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	const char *colon = strrchr(text, ':');
	char address[INET6_ADDRSTRLEN + 2];
	unsigned long port;
	size_t n;

	if (!colon || strspn(colon + 1, DIGITS) != strlen(colon + 1) || strlen(colon + 1) > 5 ||
	    colon[1] == '0')
		return -EINVAL;
	port = strtoul(colon + 1, NULL, 10);
	n = (size_t)(colon - text);
	if (!port || port > 65535 || !n || n >= sizeof(address))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	memcpy(address, text, n);
	address[n] = '\0';
	if (address[0] == '[' && address[n - 1] == ']') {
		address[n - 1] = '\0';
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((in_port_t)port);
		*len = sizeof(*v6);
		return inet_pton(AF_INET6, address + 1, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((in_port_t)port);
	*len = sizeof(*v4);
	return inet_pton(AF_INET, address, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

static void set_port(struct sockaddr_storage *address, in_port_t port)
{
	if (address->ss_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = port;
	else
		((struct sockaddr_in *)address)->sin_port = port;
}

/* Same address, same text: the kernel and we know a portal by its spelling. */
static void print_portal(const struct sockaddr_storage *address, char ret[NAMES_PORTAL])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	char text[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET6)
		snprintf(ret, NAMES_PORTAL, "[%s]:%u",
			 inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)),
			 ntohs(v6->sin6_port));
	else
		snprintf(ret, NAMES_PORTAL, "%s:%u",
			 inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)),
			 ntohs(v4->sin_port));
}

static bool is_multicast(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return IN_MULTICAST(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
}

static int portal_address(const char *text, struct sockaddr_storage *address, socklen_t *len,
			  struct err *e)
{
	char shown[128];

	if (parse_portal(text, address, len) == 0 && !is_multicast(address))
		return 0;
	str_escape(text, shown, sizeof(shown));
	return err_set(e, -EINVAL, "\"%s\" is not a portal; write ADDRESS:PORT with a numeric "
		       "address, as 10.0.0.1:3260 or [fd00::1]:3260", shown);
}

int names_portal_form(const char *text, struct err *e)
{
	struct sockaddr_storage address;
	socklen_t len;

	return portal_address(text, &address, &len, e);
}

/*
 * The kernel's target binds also to an address that no interface has, so that
 * portals come back at boot before the network does. Asked for by a user, such
 * an address is a slip of the pen.
 */
int names_portal(const char *text, char ret[NAMES_PORTAL], struct err *e)
{
	struct sockaddr_storage address;
	_cleanup_close_ int fd = -1;
	socklen_t len;
	int r = portal_address(text, &address, &len, e);

	if (r < 0)
		return r;
	print_portal(&address, ret);
	set_port(&address, 0);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0)
		return err_set(e, -errno, "this node cannot listen at the portal %s (%s); name an "
			       "address that one of its interfaces has", ret, strerror(errno));
	return 0;
}

int names_portal_try(const char *portal)
{
	struct sockaddr_storage address;
	_cleanup_close_ int fd = -1;
	const int one = 1;
	socklen_t len;

	if (parse_portal(portal, &address, &len) < 0)
		return -EINVAL;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 1) < 0)
		return -errno;
	return 0;
}

/*
 * Without U no text begins with NULL, which stands for "none" in the kernel's
 * target, and without 0 none with 0x, which some initiators take for binary.
 * 256 is not a multiple of 56: bytes from 224 on are drawn again.
 */
int names_random(char *ret, size_t n, struct err *e)
{
	static const char letters[] = "ABCDEFGHJKLMNPQRSTVWXYZabcdefghijkmnopqrstuvwxyz23456789";
	const unsigned char many = sizeof(letters) - 1;
	unsigned char bytes[64];
	size_t got = 0, i;

	_Static_assert(sizeof(letters) - 1 == 56, "letters");
	while (got < n) {
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return err_set(e, -EIO, "the kernel gave no random bytes");
		for (i = 0; i < sizeof(bytes) && got < n; i++)
			if (bytes[i] < 256 / many * many)
				ret[got++] = letters[bytes[i] % many];
	}
	ret[n] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}
