-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- An operation on a thin pool may have several devices: each knows which one it is part of.

ALTER TABLE "thin_dev" ADD COLUMN "operation" INTEGER NOT NULL DEFAULT 0;
UPDATE "thin_dev" SET "operation" = "thin_op"."next_transaction_id" FROM "thin_op"
	WHERE "thin_op"."device_id" = "thin_dev"."id";
ALTER TABLE "thin_op" DROP COLUMN "kind";
ALTER TABLE "thin_op" DROP COLUMN "device_id";
ALTER TABLE "thin_op" DROP COLUMN "dev_id";
ALTER TABLE "thin_op" DROP COLUMN "origin_dev_id";

-- The volume that a volume is a copy of; it may be gone since.
ALTER TABLE "volume" ADD COLUMN "source_volume_id" TEXT;
CREATE INDEX "volume_source" ON "volume" ("source_volume_id");

-- Groups of volumes, and their snapshots of one moment.

CREATE TABLE "group" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT NOT NULL CHECK ("name" <> ''),
	"status" TEXT NOT NULL,
	"project" TEXT NOT NULL CHECK ("project" <> ''),
	"created_at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX "group_name" ON "group" ("name", "project");

CREATE TABLE "group_snapshot" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT NOT NULL CHECK ("name" <> ''),
	"status" TEXT NOT NULL,
	"group_id" TEXT NOT NULL REFERENCES "group" DEFERRABLE INITIALLY DEFERRED,
	"pool_id" TEXT NOT NULL REFERENCES "pool" DEFERRABLE INITIALLY DEFERRED,
	"project" TEXT NOT NULL CHECK ("project" <> ''),
	"error" TEXT,
	"created_at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX "group_snapshot_name" ON "group_snapshot" ("name", "project");
CREATE INDEX "group_snapshot_group" ON "group_snapshot" ("group_id");

ALTER TABLE "volume" ADD COLUMN "group_id" TEXT REFERENCES "group" DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX "volume_group" ON "volume" ("group_id");
ALTER TABLE "snapshot" ADD COLUMN "group_snapshot_id" TEXT
	REFERENCES "group_snapshot" DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX "snapshot_group_snapshot" ON "snapshot" ("group_snapshot_id");
-- Nanoseconds.
ALTER TABLE "snapshot" ADD COLUMN "pause" INTEGER;
ALTER TABLE "job" ADD COLUMN "group_snapshot_id" TEXT;

-- Types of volumes. extra_specs has a line KEY=VALUE for each.

CREATE TABLE "volume_type" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT NOT NULL UNIQUE CHECK ("name" <> ''),
	"description" TEXT,
	"public" INTEGER NOT NULL,
	"extra_specs" TEXT,
	"created_at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE "volume" ADD COLUMN "volume_type_id" TEXT
	REFERENCES "volume_type" DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX "volume_type_of" ON "volume" ("volume_type_id");
