# The face of the project. `sudo make test` on a fresh Debian 12 machine needs nothing else.
.PHONY: help setup build test fuzz bench format lint demo demo-clean demo-ha clean

help:
	@sed -n 's/^## //p' Makefile

## make setup       install the Debian packages that building and testing need (root)
setup:
	scripts/setup.sh build test

## make build       the program at build/release/cloudless
build:
	scripts/setup.sh build
	cmake --preset release
	cmake --build --preset release --target cloudless

## make test        install what is needed, build, run every test
test:
	scripts/test.sh

## make fuzz        every fuzz target with sanitizers, FUZZ_SECONDS each (60)
fuzz:
	scripts/setup.sh build test
	scripts/fuzz.sh

## make bench       benchmarks, each beside a real peer (scripts/bench.sh PART: one of them)
bench:
	scripts/bench.sh

## make demo        a one-node cluster on this machine, step by step (root)
demo:
	scripts/demo.sh

## make demo-ha     three nodes on this machine, one of them powered off (root)
demo-ha:
	scripts/demo-ha.sh

## make demo-clean  remove all that the demos made (root)
demo-clean:
	scripts/demo-clean.sh

## make format      clang-format everything
format:
	git ls-files '*.cpp' '*.hpp' '*.ipp' | xargs clang-format-19 -i

## make lint        formatting and clang-tidy, findings are errors
lint:
	scripts/lint.sh

clean:
	rm -rf build
