# Needs Swift 6.2 or later. Whatever else is missing on Debian or Ubuntu, `make setup` installs;
# the other targets call it first, and it does nothing where nothing is missing.

SWIFT ?= swift
TIME ?= 60
FORMATTED = Package.swift $(wildcard Sources Tests Benchmarks Examples/Package.swift Examples/Sources \
	Fuzzing/Package.swift Fuzzing/Sources)

.PHONY: help setup setup-tests build demo examples test test-optimised torture coverage mutations fuzz tsan kill-loop format lint clean

help:
	@echo 'make demo            build the command and watch it work'
	@echo 'make test            run all tests'
	@echo 'make examples        build the examples and run them'
	@echo 'make test-optimised  run those crash and damage tests that do more when they are optimised'
	@echo 'make torture         run the crash and damage tests in full: TIME=60 seconds for each, SEED=number'
	@echo 'make build           build everything, optimised'
	@echo 'make coverage        run the tests and report the lines that they reach'
	@echo 'make mutations       break one line of the engine at a time and see whether the tests notice'
	@echo 'make fuzz            feed changed bytes to all that reads bytes, TIME=60 seconds each'
	@echo 'make tsan            look for data races'
	@echo 'make kill-loop       kill a writer five thousand times'
	@echo 'make format          put the sources into the house style'
	@echo 'make lint            check that they are in it'
	@echo 'make setup           install what the build needs'
	@echo 'make clean           remove what was built'

setup:
	@Scripts/setup.sh

build: setup
	$(SWIFT) build -c release

demo: setup
	$(SWIFT) build -c release --product closeroll
	@"$$($(SWIFT) build -c release --show-bin-path)/closeroll" demo

examples: setup
	$(SWIFT) build --package-path Examples
	@for name in BankAccount OrdersSystem Balances; do \
	  echo "== $$name"; "$$($(SWIFT) build --package-path Examples --show-bin-path)/$$name" || exit 1; done

setup-tests:
	@Scripts/setup.sh --tests

test: setup-tests
	$(SWIFT) test

test-optimised: setup
	@Scripts/torture.sh --short

torture: setup
	@TIME=$(TIME) SEED="$(SEED)" Scripts/torture.sh

coverage: setup-tests
	$(SWIFT) test --enable-code-coverage
	@Scripts/coverage.sh

mutations: setup
	@Scripts/mutate.py

fuzz: setup
	@TIME=$(TIME) Scripts/fuzz.sh $(TARGET)

tsan: setup
	@Scripts/tsan.sh

kill-loop: setup
	@Scripts/kill-loop.sh

format:
	$(SWIFT) format --in-place --recursive --parallel $(FORMATTED)

lint:
	$(SWIFT) format lint --strict --recursive --parallel $(FORMATTED)

clean:
	$(SWIFT) package clean
	$(SWIFT) package --package-path Examples clean
	$(SWIFT) package --package-path Fuzzing clean
	rm -rf .build-torture .build-tsan .build-mutations
