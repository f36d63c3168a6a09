# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A thin front: meson builds what runs in user space, Kbuild the module.
#
#	make			build all into build/
#	make check		everything that can be tested, in VMs with real kernels
#	make demo		the main job, told step by step, in a VM
#	make bench		the figures, against the peers; ONLY="MEASURE..." some of them
#	make install		programs, library, unit and man pages under $(DESTDIR)$(PREFIX)
#
# check, demo and bench install what they need when run as root on Debian 12.

# The module's Kbuild includes no file of this name: make -C …/build M=$PWD reads Kbuild.
PREFIX ?= /usr
BUILD ?= build
KERNELS = 6.1 6.12

.PHONY: all user module deps check demo bench install clean

all: user module

$(BUILD)/build.ninja:
	@tests/deps build
	meson setup $(BUILD) --prefix=$(PREFIX)

user: $(BUILD)/build.ninja
	ninja -C $(BUILD)

module:
	@tests/deps build
	@for k in $(KERNELS); do BVOL_BUILD=$(BUILD) kmod/build $$k || exit 1; done

deps:
	@tests/deps build unit s3 lint vm

check: deps
	@tests/check

demo:
	@tests/deps build vm
	@$(MAKE) --no-print-directory -s user
	@BVOL_BUILD=$(BUILD) kmod/build 6.12
	@tests/vm/run --kernel 6.12 --disk 4G --disk 4G -- tests/demo

bench:
	@tests/deps build vm bench
	@$(MAKE) --no-print-directory -s all
	@tests/bench/run $(ONLY)

install: user
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD)
