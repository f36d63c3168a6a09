-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- A column has the name of its field; ids are UUIDs as text, times are nanoseconds since 1970,
-- sizes are bytes, lists are lines. Values of enumerations are not listed here: the field tables
-- check them on the way in and out, and a new one needs no new schema.
--
-- References are checked at the end of a transaction, so that it may write in any order. What is
-- history (a job's objects, the snapshot a volume was made from) outlives what it names and
-- references nothing. An index ends with the key, so that walks in the order of keys can use it.

CREATE TABLE "pool" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT NOT NULL CHECK ("name" <> ''),
	"status" TEXT NOT NULL,
	"provider" TEXT NOT NULL,
	"devices" TEXT NOT NULL,
	"chunk_size" INTEGER NOT NULL CHECK ("chunk_size" > 0),
	"over_subscription" INTEGER NOT NULL CHECK ("over_subscription" > 0),
	"reserve" INTEGER NOT NULL CHECK ("reserve" BETWEEN 0 AND 100),
	"error" TEXT,
	"created_at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX "pool_name" ON "pool" ("name");

CREATE TABLE "volume" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT NOT NULL CHECK ("name" <> ''),
	"status" TEXT NOT NULL,
	"size" INTEGER NOT NULL CHECK ("size" > 0),
	"pool_id" TEXT REFERENCES "pool" DEFERRABLE INITIALLY DEFERRED,
	"snapshot_id" TEXT,
	"project" TEXT NOT NULL CHECK ("project" <> ''),
	"error" TEXT,
	"created_at" INTEGER NOT NULL,
	"updated_at" INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX "volume_name" ON "volume" ("name", "project");
CREATE INDEX "volume_pool" ON "volume" ("pool_id");
CREATE INDEX "volume_project" ON "volume" ("project");

CREATE TABLE "snapshot" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"name" TEXT NOT NULL CHECK ("name" <> ''),
	"status" TEXT NOT NULL,
	"size" INTEGER NOT NULL CHECK ("size" > 0),
	"volume_id" TEXT NOT NULL REFERENCES "volume" DEFERRABLE INITIALLY DEFERRED,
	"pool_id" TEXT NOT NULL REFERENCES "pool" DEFERRABLE INITIALLY DEFERRED,
	"project" TEXT NOT NULL CHECK ("project" <> ''),
	"error" TEXT,
	"created_at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX "snapshot_name" ON "snapshot" ("name", "project");
CREATE INDEX "snapshot_volume" ON "snapshot" ("volume_id");
CREATE INDEX "snapshot_pool" ON "snapshot" ("pool_id");
CREATE INDEX "snapshot_project" ON "snapshot" ("project");

CREATE TABLE "export" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"status" TEXT NOT NULL,
	"fabric" TEXT NOT NULL,
	"volume_id" TEXT NOT NULL REFERENCES "volume" DEFERRABLE INITIALLY DEFERRED,
	"target" TEXT,
	"tpgt" INTEGER CHECK ("tpgt" BETWEEN 0 AND 65535),
	"lun" INTEGER,
	"size" INTEGER CHECK ("size" > 0),
	"portals" TEXT,
	"initiators" TEXT,
	"auth_method" TEXT,
	"auth_user" TEXT,
	"auth_secret" TEXT,
	"project" TEXT NOT NULL CHECK ("project" <> ''),
	"error" TEXT,
	"created_at" INTEGER NOT NULL,
	-- Two targets of one name are one target to an initiator.
	UNIQUE ("fabric", "target", "tpgt")
) STRICT, WITHOUT ROWID;
CREATE INDEX "export_volume" ON "export" ("volume_id");
CREATE INDEX "export_project" ON "export" ("project");

CREATE TABLE "job" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"kind" TEXT NOT NULL CHECK ("kind" <> ''),
	"status" TEXT NOT NULL,
	"step" TEXT,
	"progress" INTEGER CHECK ("progress" BETWEEN 0 AND 100),
	"volume_id" TEXT,
	"snapshot_id" TEXT,
	"export_id" TEXT,
	"pool_id" TEXT,
	"error" TEXT,
	"size" INTEGER,
	"force" INTEGER,
	"tried" TEXT,
	"uid" INTEGER,
	"pid" INTEGER,
	"created_at" INTEGER NOT NULL,
	"updated_at" INTEGER
) STRICT, WITHOUT ROWID;

-- A limit that is NULL is the configured default, -1 is none.
CREATE TABLE "quota" (
	"project" TEXT PRIMARY KEY CHECK ("project" <> ''),
	"volumes" INTEGER CHECK ("volumes" >= -1),
	"snapshots" INTEGER CHECK ("snapshots" >= -1),
	"gigabytes" INTEGER CHECK ("gigabytes" >= -1)
) STRICT, WITHOUT ROWID;

-- The thin provider's own. id is the pool's UUID. next_dev_id only grows: a number is not given
-- twice in a pool's life.
CREATE TABLE "thin_pool" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"transaction_id" INTEGER NOT NULL CHECK ("transaction_id" >= 0),
	"next_dev_id" INTEGER NOT NULL CHECK ("next_dev_id" BETWEEN 0 AND 16777216)
) STRICT, WITHOUT ROWID;

-- id is the UUID of the volume, the snapshot or the job that the device was made for; state is
-- planned, live or doomed. Device numbers have 24 bits.
CREATE TABLE "thin_dev" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36),
	"pool_id" TEXT NOT NULL REFERENCES "thin_pool" DEFERRABLE INITIALLY DEFERRED,
	"dev_id" INTEGER NOT NULL CHECK ("dev_id" BETWEEN 0 AND 16777215),
	"size" INTEGER NOT NULL CHECK ("size" > 0),
	"state" TEXT NOT NULL,
	UNIQUE ("pool_id", "dev_id")
) STRICT, WITHOUT ROWID;
CREATE INDEX "thin_dev_pool" ON "thin_dev" ("pool_id");

-- The operation in flight, one a pool: id is the pool's UUID, kind is create, snap or delete.
CREATE TABLE "thin_op" (
	"id" TEXT PRIMARY KEY CHECK (length("id") = 36)
		REFERENCES "thin_pool" DEFERRABLE INITIALLY DEFERRED,
	"kind" TEXT NOT NULL,
	"device_id" TEXT NOT NULL,
	"dev_id" INTEGER NOT NULL CHECK ("dev_id" BETWEEN 0 AND 16777215),
	"origin_dev_id" INTEGER CHECK ("origin_dev_id" BETWEEN 0 AND 16777215),
	"next_transaction_id" INTEGER NOT NULL CHECK ("next_transaction_id" > 0)
) STRICT, WITHOUT ROWID;
