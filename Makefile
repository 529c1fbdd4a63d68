# The classic build: ./configure && make && make install
# What each step does stands in scripts/install.py; DESTDIR=/some/folder installs below there, for packaging.

# PYTHON, as ./configure found it
-include build/config.mk

SOURCES := $(shell find ftpd -name '*.py' -o -name '*.[ch]') pyproject.toml scripts/constraints.txt scripts/install.py
MODULES := $(wildcard libexec/*.py)

.PHONY: all install uninstall clean distclean check test help configured

all: configured build/made

configured:
	@test -f build/config.mk || { echo "make: nothing is configured yet: run ./configure first (./configure --help)" >&2; exit 1; }

build/made: build/packages $(MODULES)
	$(PYTHON) scripts/install.py look
	@touch $@

# what takes long: not done again for a module of libexec/ that changed
build/packages: build/config.mk $(SOURCES)
	$(PYTHON) scripts/install.py build
	@touch $@

# a file that ./configure writes: make can only say so, which "configured" does
build/config.mk: ;

install: all
	$(PYTHON) scripts/install.py install --destdir "$(DESTDIR)"

uninstall: configured
	$(PYTHON) scripts/install.py uninstall --destdir "$(DESTDIR)"

clean:
	rm -rf build/env build/source build/wheels build/packages build/made

distclean:
	rm -rf build

check:
	scripts/check

test:
	scripts/test

help:
	@echo "make              fetch and build what is installed, into build/"
	@echo "make install      install it where ./configure said; DESTDIR=folder puts it below that folder"
	@echo "make uninstall    remove what was installed; the configuration and data stay"
	@echo "make clean        remove what make built; distclean also what ./configure decided"
	@echo "make check, test  the checks and the tests of a checkout"
