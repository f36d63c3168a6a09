# SPDX-License-Identifier: LGPL-2.1-or-later
"""rtslib_export.py TARGET DEVICE INITIATOR - the peer of export.py: an export made and deleted."""
import sys

from rtslib_fb import (LUN, TPG, BlockStorageObject, FabricModule, MappedLUN, NetworkPortal,
                       NodeACL, Target)


def main():
    name, device, initiator = sys.argv[1:]
    backstore = BlockStorageObject("peer", dev=device)
    target = Target(FabricModule("iscsi"), name)
    tpg = TPG(target, 1)
    tpg.set_attribute("authentication", 1)
    lun = LUN(tpg, 0, backstore)
    acl = NodeACL(tpg, initiator)
    acl.chap_userid = "peer"
    acl.chap_password = "secret-of-peer"
    MappedLUN(acl, 0, lun)
    NetworkPortal(tpg, "127.0.0.1", 3260)
    tpg.enable = True
    target.delete()
    backstore.delete()


main()
