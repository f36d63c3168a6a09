-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- How fast a pool's wipes may be, what a job was told meanwhile, and how far it has come.

ALTER TABLE "pool" ADD COLUMN "wipe_rate" INTEGER NOT NULL DEFAULT 0 CHECK ("wipe_rate" >= 0);
ALTER TABLE "job" ADD COLUMN "cancelled" INTEGER;
ALTER TABLE "job" ADD COLUMN "paused" INTEGER;
ALTER TABLE "job" ADD COLUMN "rate_limit" INTEGER;
ALTER TABLE "job" ADD COLUMN "bytes_done" INTEGER;
ALTER TABLE "job" ADD COLUMN "bytes_total" INTEGER;

-- The thin provider's own: what the wipe of a device has durably done. id is the device's. The data
-- space is cut into parts of so many chunks; counts says how many chunks of each were wiped.
CREATE TABLE "thin_wipe" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"job_id" TEXT NOT NULL,
	"policy" TEXT NOT NULL,
	"verify" INTEGER NOT NULL,
	"part" INTEGER NOT NULL CHECK ("part" > 0),
	"counts" TEXT NOT NULL,
	"discarded" INTEGER NOT NULL,
	"started_at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What became of the bytes of what is gone. Records are only ever added; nothing is referenced, as
-- nothing of it is there any more.
CREATE TABLE "proof" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"number" INTEGER NOT NULL UNIQUE CHECK ("number" > 0),
	"what" TEXT NOT NULL,
	"object_id" TEXT NOT NULL,
	"name" TEXT NOT NULL,
	"project" TEXT NOT NULL,
	"pool" TEXT NOT NULL,
	"pool_id" TEXT NOT NULL,
	"devices" TEXT NOT NULL,
	"policy" TEXT NOT NULL,
	"verified" INTEGER NOT NULL,
	"extents" INTEGER NOT NULL,
	"bytes" INTEGER NOT NULL,
	"bytes_overwritten" INTEGER NOT NULL,
	"bytes_discarded" INTEGER NOT NULL,
	"done" TEXT NOT NULL,
	"started_at" INTEGER NOT NULL,
	"finished_at" INTEGER NOT NULL,
	"uid" INTEGER,
	"job_id" TEXT NOT NULL,
	"previous" TEXT NOT NULL CHECK (length("previous") = 64),
	"hash" TEXT NOT NULL CHECK (length("hash") = 64)
) STRICT, WITHOUT ROWID;
CREATE INDEX "proof_object" ON "proof" ("object_id");
CREATE INDEX "proof_project" ON "proof" ("project");
CREATE INDEX "proof_hash" ON "proof" ("hash");

-- The end of that chain, one row: how many records there are, and which is the last.
CREATE TABLE "proof_head" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"number" INTEGER NOT NULL,
	"last_id" TEXT NOT NULL,
	"hash" TEXT NOT NULL
) STRICT, WITHOUT ROWID;
