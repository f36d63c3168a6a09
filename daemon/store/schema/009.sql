-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- The thin provider's own: a repair of a pool's metadata that is done but for the exchange of the
-- two places, and what devices will have lost by it.

ALTER TABLE "thin_pool" ADD COLUMN "mended" INTEGER NOT NULL DEFAULT 0 CHECK ("mended" >= 0);
ALTER TABLE "thin_dev" ADD COLUMN "lost" INTEGER NOT NULL DEFAULT 0 CHECK ("lost" >= 0);
