# Needs Swift 6.2 or later. Whatever else is missing on Debian or Ubuntu, `make setup` installs;
# the other targets call it first, and it does nothing where nothing is missing.

SWIFT ?= swift
FORMATTED = Package.swift $(wildcard Sources Tests Benchmarks)

.PHONY: help setup build demo test torture coverage format lint clean

help:
	@echo 'make demo      build the command and watch it work'
	@echo 'make test      run all tests'
	@echo 'make torture   run the crash and damage tests in full: TIME=seconds for each, SEED=number'
	@echo 'make build     build everything, optimised'
	@echo 'make coverage  run the tests and report the lines that they reach'
	@echo 'make format    put the sources into the house style'
	@echo 'make lint      check that they are in it'
	@echo 'make setup     install what the build needs'
	@echo 'make clean     remove what was built'

setup:
	@Scripts/setup.sh

build: setup
	$(SWIFT) build -c release

demo: setup
	$(SWIFT) build -c release --product closeroll
	@"$$($(SWIFT) build -c release --show-bin-path)/closeroll" demo

test: setup
	$(SWIFT) test

torture: setup
	@TIME="$(or $(TIME),$(SECONDS),60)" SEED="$(SEED)" Scripts/torture.sh

coverage: setup
	$(SWIFT) test --enable-code-coverage
	@Scripts/coverage.sh

format:
	$(SWIFT) format --in-place --recursive --parallel $(FORMATTED)

lint:
	$(SWIFT) format lint --strict --recursive --parallel $(FORMATTED)

clean:
	$(SWIFT) package clean
