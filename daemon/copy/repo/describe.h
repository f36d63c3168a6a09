/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repositories and backups as objects, as they are shown and kept in a database. */
#ifndef BVOL_REPO_DESCRIBE_H
#define BVOL_REPO_DESCRIBE_H

#include "bvol.h"
#include "copy/repo/manifest.h"

/* The manifest's texts that say what was backed up. An extra spec's name follows its prefix. */
#define TEXT_NAME		"name"
#define TEXT_VOLUME_ID		"volume_id"
#define TEXT_VOLUME_NAME	"volume_name"
#define TEXT_VOLUME_TYPE	"volume_type"
#define TEXT_SNAPSHOT_ID	"snapshot_id"
#define TEXT_PROJECT		"project"
#define TEXT_SPEC		"extra_specs."

/* NULL without memory; for bvol_free(). */
struct bvol_backup *manifest_describe(const struct manifest *m);
/* All but how many backups there are. o keeps what else it has. */
int repo_describe(const struct repo *repo, struct bvol_repository *o, struct err *e);

#endif
