-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- What becomes of the bytes of what is deleted. A job without a wish takes its pool's.

ALTER TABLE "pool" ADD COLUMN "wipe" TEXT NOT NULL DEFAULT 'zero';
ALTER TABLE "pool" ADD COLUMN "verify" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "job" ADD COLUMN "wipe" TEXT;
ALTER TABLE "job" ADD COLUMN "verify" INTEGER;
