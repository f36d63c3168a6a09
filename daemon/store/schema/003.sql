-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- A volume that was asked for in one pool is not made in another.

ALTER TABLE "job" ADD COLUMN "pinned" INTEGER;
