/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_LOG_H
#define BVOL_LOG_H

/*
 * One line to standard error with the priority prefix of sd-daemon(3) when the
 * journal reads it. Control characters and bytes that are not UTF-8 are
 * escaped, so that a user's text can't forge a line. Any thread.
 */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)	log_line(3, __VA_ARGS__)
#define log_warn(...)	log_line(4, __VA_ARGS__)
#define log_notice(...)	log_line(5, __VA_ARGS__)
#define log_info(...)	log_line(6, __VA_ARGS__)
#define log_debug(...)	log_line(7, __VA_ARGS__)

/* Lines above this priority number are dropped; 6 at first. */
extern int log_max;

#endif
