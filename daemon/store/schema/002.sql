-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- What a pool has promised and what a project has are sums of sizes: with the size in the index they
-- are made without a look at the table. The key stays in front of it, for walks.

DROP INDEX "volume_pool";
CREATE INDEX "volume_pool" ON "volume" ("pool_id", "id", "size");
DROP INDEX "volume_project";
CREATE INDEX "volume_project" ON "volume" ("project", "id", "size");
DROP INDEX "snapshot_project";
CREATE INDEX "snapshot_project" ON "snapshot" ("project", "id", "size");
