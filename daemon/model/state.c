// SPDX-License-Identifier: LGPL-2.1-or-later
#include "model/state.h"

/*
 * Volumes, snapshots and exports follow Cinder, with these differences: what
 * Cinder leaves to an administrator's reset has a way out here (error_deleting
 * may be deleted again, error_extending extended again), a job that cleaned up
 * behind itself gives back the state before it, and nothing stays in a
 * transitional state after a crash, because its job goes on. What a repair of a pool
 * could not save gets the status error from any other than a transitional one.
 */

#define BIT(state) (UINT32_C(1) << (state))

#define POOL(state) BIT(BVOL_POOL_STATUS_##state)

/* A pool's health is looked at again whenever it is opened; while it is trusted, whenever it is read. */
static const uint32_t pool_moves[] = {
	[BVOL_POOL_STATUS_CREATING] = POOL(AVAILABLE) | POOL(ERROR) | POOL(DELETED),
	[BVOL_POOL_STATUS_AVAILABLE] =
		POOL(READ_ONLY) | POOL(ERROR) | POOL(DELETING) | POOL(EXPORTING),
	[BVOL_POOL_STATUS_READ_ONLY] =
		POOL(AVAILABLE) | POOL(ERROR) | POOL(DELETING) | POOL(EXPORTING),
	[BVOL_POOL_STATUS_ERROR] =
		POOL(AVAILABLE) | POOL(READ_ONLY) | POOL(DELETING) | POOL(EXPORTING),
	[BVOL_POOL_STATUS_DELETING] = POOL(DELETED) | POOL(ERROR),
	[BVOL_POOL_STATUS_DELETED] = 0,
	/* Back when it turns out to be busy. */
	[BVOL_POOL_STATUS_EXPORTING] = POOL(EXPORTED) | POOL(AVAILABLE) | POOL(ERROR),
	/* Error: its metadata are damaged, and it waits for a repair. */
	[BVOL_POOL_STATUS_IMPORTING] = POOL(AVAILABLE) | POOL(ERROR) | POOL(DELETED),
	[BVOL_POOL_STATUS_EXPORTED] = 0,
};

const struct state_machine state_pool = {
	.names = &bvol_enum_pool_status,
	.moves = pool_moves, .n = sizeof(pool_moves) / sizeof(pool_moves[0]),
	.transitional = POOL(CREATING) | POOL(DELETING) | POOL(EXPORTING) | POOL(IMPORTING),
};

#define VOLUME(state) BIT(BVOL_VOLUME_STATUS_##state)

static const uint32_t volume_moves[] = {
	[BVOL_VOLUME_STATUS_CREATING] =
		VOLUME(AVAILABLE) | VOLUME(RESTORING_BACKUP) | VOLUME(ERROR),
	[BVOL_VOLUME_STATUS_AVAILABLE] =
		VOLUME(IN_USE) | VOLUME(EXTENDING) | VOLUME(REVERTING) | VOLUME(DELETING) |
		VOLUME(ERROR) | VOLUME(BACKING_UP) | VOLUME(RESTORING_BACKUP),
	/* In use is what has a session: first it logs out. */
	[BVOL_VOLUME_STATUS_IN_USE] =
		VOLUME(AVAILABLE) | VOLUME(EXTENDING) | VOLUME(ERROR) | VOLUME(BACKING_UP),
	/* Sessions come and go meanwhile: the end says which of the two it is. */
	[BVOL_VOLUME_STATUS_EXTENDING] =
		VOLUME(AVAILABLE) | VOLUME(IN_USE) | VOLUME(ERROR_EXTENDING),
	[BVOL_VOLUME_STATUS_REVERTING] = VOLUME(AVAILABLE) | VOLUME(ERROR),
	/* Back to available when it turns out to be busy. */
	[BVOL_VOLUME_STATUS_DELETING] =
		VOLUME(DELETED) | VOLUME(ERROR_DELETING) | VOLUME(AVAILABLE),
	[BVOL_VOLUME_STATUS_ERROR] = VOLUME(DELETING),
	[BVOL_VOLUME_STATUS_ERROR_EXTENDING] = VOLUME(EXTENDING) | VOLUME(DELETING) | VOLUME(ERROR),
	[BVOL_VOLUME_STATUS_ERROR_DELETING] = VOLUME(DELETING),
	[BVOL_VOLUME_STATUS_DELETED] = 0,
	/* It is read alone, so whatever becomes of the backup it is as it was. */
	[BVOL_VOLUME_STATUS_BACKING_UP] = VOLUME(AVAILABLE) | VOLUME(IN_USE),
	/* Back to available also when nothing was written yet. */
	[BVOL_VOLUME_STATUS_RESTORING_BACKUP] = VOLUME(AVAILABLE) | VOLUME(ERROR_RESTORING),
	[BVOL_VOLUME_STATUS_ERROR_RESTORING] = VOLUME(DELETING) | VOLUME(RESTORING_BACKUP),
};

const struct state_machine state_volume = {
	.names = &bvol_enum_volume_status,
	.moves = volume_moves, .n = sizeof(volume_moves) / sizeof(volume_moves[0]),
	.transitional = VOLUME(CREATING) | VOLUME(EXTENDING) | VOLUME(REVERTING) | VOLUME(DELETING) |
			VOLUME(BACKING_UP) | VOLUME(RESTORING_BACKUP),
};

#define SNAPSHOT(state) BIT(BVOL_SNAPSHOT_STATUS_##state)

static const uint32_t snapshot_moves[] = {
	[BVOL_SNAPSHOT_STATUS_CREATING] = SNAPSHOT(AVAILABLE) | SNAPSHOT(ERROR),
	[BVOL_SNAPSHOT_STATUS_AVAILABLE] =
		SNAPSHOT(DELETING) | SNAPSHOT(ERROR) | SNAPSHOT(BACKING_UP),
	/* Back to available when it turns out to be busy. */
	[BVOL_SNAPSHOT_STATUS_DELETING] =
		SNAPSHOT(DELETED) | SNAPSHOT(ERROR_DELETING) | SNAPSHOT(AVAILABLE),
	[BVOL_SNAPSHOT_STATUS_ERROR] = SNAPSHOT(DELETING),
	[BVOL_SNAPSHOT_STATUS_ERROR_DELETING] = SNAPSHOT(DELETING),
	[BVOL_SNAPSHOT_STATUS_DELETED] = 0,
	[BVOL_SNAPSHOT_STATUS_BACKING_UP] = SNAPSHOT(AVAILABLE),
};

const struct state_machine state_snapshot = {
	.names = &bvol_enum_snapshot_status,
	.moves = snapshot_moves, .n = sizeof(snapshot_moves) / sizeof(snapshot_moves[0]),
	.transitional = SNAPSHOT(CREATING) | SNAPSHOT(DELETING) | SNAPSHOT(BACKING_UP),
};

#define BACKUP(state) BIT(BVOL_BACKUP_STATUS_##state)

static const uint32_t backup_moves[] = {
	[BVOL_BACKUP_STATUS_CREATING] = BACKUP(AVAILABLE) | BACKUP(ERROR),
	/* Error: it was found damaged. */
	[BVOL_BACKUP_STATUS_AVAILABLE] = BACKUP(RESTORING) | BACKUP(DELETING) | BACKUP(ERROR) | BACKUP(DELETED),
	[BVOL_BACKUP_STATUS_DELETING] = BACKUP(DELETED) | BACKUP(ERROR_DELETING),
	[BVOL_BACKUP_STATUS_RESTORING] = BACKUP(AVAILABLE),
	/* Available: the repository has a whole one again. */
	[BVOL_BACKUP_STATUS_ERROR] = BACKUP(AVAILABLE) | BACKUP(DELETING) | BACKUP(DELETED),
	[BVOL_BACKUP_STATUS_ERROR_DELETING] = BACKUP(DELETING) | BACKUP(DELETED),
	[BVOL_BACKUP_STATUS_DELETED] = 0,
};

const struct state_machine state_backup = {
	.names = &bvol_enum_backup_status,
	.moves = backup_moves, .n = sizeof(backup_moves) / sizeof(backup_moves[0]),
	.transitional = BACKUP(CREATING) | BACKUP(DELETING) | BACKUP(RESTORING),
};

#define EXPORT(state) BIT(BVOL_EXPORT_STATUS_##state)

static const uint32_t export_moves[] = {
	/* Deleted: it could not be made, and nothing of it is left. */
	[BVOL_EXPORT_STATUS_CREATING] = EXPORT(AVAILABLE) | EXPORT(ERROR) | EXPORT(DELETED),
	/* Error: what the kernel had of it could not be put back at a start. */
	[BVOL_EXPORT_STATUS_AVAILABLE] = EXPORT(DELETING) | EXPORT(ERROR),
	[BVOL_EXPORT_STATUS_DELETING] = EXPORT(DELETED) | EXPORT(ERROR_DELETING),
	[BVOL_EXPORT_STATUS_ERROR] = EXPORT(AVAILABLE) | EXPORT(DELETING),
	[BVOL_EXPORT_STATUS_ERROR_DELETING] = EXPORT(DELETING),
	[BVOL_EXPORT_STATUS_DELETED] = 0,
};

const struct state_machine state_export = {
	.names = &bvol_enum_export_status,
	.moves = export_moves, .n = sizeof(export_moves) / sizeof(export_moves[0]),
	.transitional = EXPORT(CREATING) | EXPORT(DELETING),
};

#define JOB(state) BIT(BVOL_JOB_STATUS_##state)

static const uint32_t job_moves[] = {
	/* A job that finds everything done, or is refused by its first step, never runs. */
	[BVOL_JOB_STATUS_QUEUED] = JOB(RUNNING) | JOB(UNDOING) | JOB(DONE) | JOB(FAILED),
	[BVOL_JOB_STATUS_RUNNING] = JOB(UNDOING) | JOB(DONE) | JOB(FAILED),
	/* Running: it begins again elsewhere. */
	[BVOL_JOB_STATUS_UNDOING] = JOB(RUNNING) | JOB(FAILED),
	[BVOL_JOB_STATUS_DONE] = 0,
	[BVOL_JOB_STATUS_FAILED] = 0,
};

const struct state_machine state_job = {
	.names = &bvol_enum_job_status,
	.moves = job_moves, .n = sizeof(job_moves) / sizeof(job_moves[0]),
	.transitional = JOB(QUEUED) | JOB(RUNNING) | JOB(UNDOING),
};

bool state_may(const struct state_machine *m, uint32_t from, uint32_t to)
{
	return from < m->n && to < m->n && (m->moves[from] & BIT(to));
}

bool state_transitional(const struct state_machine *m, uint32_t state)
{
	return state < m->n && (m->transitional & BIT(state));
}
