-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- Whether a pool's free chunks were overwritten: nobody has looked after those of older pools.

ALTER TABLE "pool" ADD COLUMN "scrub" TEXT NOT NULL DEFAULT 'unscrubbed';
ALTER TABLE "pool" ADD COLUMN "scrubbed_at" INTEGER;
