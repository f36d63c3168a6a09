-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- How a pool gets more space, and when somebody is told that it has little.

ALTER TABLE "pool" ADD COLUMN "spares" TEXT;
ALTER TABLE "pool" ADD COLUMN "warn" TEXT DEFAULT '80,90,95';
ALTER TABLE "pool" ADD COLUMN "grow" INTEGER DEFAULT 80 CHECK ("grow" BETWEEN 1 AND 99);
ALTER TABLE "pool" ADD COLUMN "data_warned" INTEGER;
ALTER TABLE "pool" ADD COLUMN "metadata_warned" INTEGER;
ALTER TABLE "job" ADD COLUMN "devices" TEXT;
