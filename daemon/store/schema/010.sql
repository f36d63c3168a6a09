-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- Repositories of backups that this daemon knows, and the backups in them. What is said here of a
-- backup is a copy of what its manifest says: the repository is the truth, and can be read again.

CREATE TABLE "repository" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT NOT NULL UNIQUE CHECK ("name" <> ''),
	"path" TEXT NOT NULL CHECK ("path" <> ''),
	"key_file" TEXT,
	"encrypted" INTEGER NOT NULL,
	"keyed" INTEGER NOT NULL,
	"chunk_size" INTEGER NOT NULL,
	"compression" TEXT NOT NULL,
	"packs" INTEGER,
	"bytes" INTEGER,
	"writers" INTEGER,
	"created_at" INTEGER NOT NULL,
	"scanned_at" INTEGER,
	"error" TEXT
) STRICT, WITHOUT ROWID;

-- The name is missing where the manifest is damaged.
CREATE TABLE "backup" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT,
	"status" TEXT NOT NULL,
	"repository_id" TEXT NOT NULL REFERENCES "repository" DEFERRABLE INITIALLY DEFERRED,
	"size" INTEGER,
	"volume_id" TEXT,
	"volume_name" TEXT,
	"volume_type" TEXT,
	"extra_specs" TEXT,
	"project" TEXT,
	"snapshot_id" TEXT,
	"parent_id" TEXT,
	"is_incremental" INTEGER,
	"chunk_size" INTEGER,
	"chunks" INTEGER,
	"zero_chunks" INTEGER,
	"same_chunks" INTEGER,
	"stored_chunks" INTEGER,
	"patched_chunks" INTEGER,
	"added" INTEGER,
	"data_at" INTEGER,
	"created_at" INTEGER,
	"updated_at" INTEGER,
	"error" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "backup_name" ON "backup" ("name");
CREATE INDEX "backup_repository" ON "backup" ("repository_id");
CREATE INDEX "backup_volume" ON "backup" ("volume_id");
CREATE INDEX "backup_parent" ON "backup" ("parent_id");

ALTER TABLE "job" ADD COLUMN "repository_id" TEXT;
ALTER TABLE "job" ADD COLUMN "backup_id" TEXT;
ALTER TABLE "job" ADD COLUMN "share" INTEGER;
ALTER TABLE "job" ADD COLUMN "made" INTEGER;
ALTER TABLE "job" ADD COLUMN "report" TEXT;
