# just --list shows these; `just` itself comes with the dev group: .venv/bin/just

default:
    @just --list

# the default suite
test *args:
    ./test {{args}}

# linters, types, layers
check:
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    .venv/bin/mypy
    .venv/bin/lint-imports

# fault tests in full size (about half an hour)
fault *args:
    .venv/bin/pytest -m fault -q --timeout 900 {{args}}

# what takes longer to install: Jasmin's SMPP server as a carrier (PyPI)
nightly *args:
    .venv/bin/pytest -m nightly -q --timeout 600 {{args}}

# whole trips beside Kannel: same carrier, load and sink, the medians and their ratios (needs gcc, and apt as root once)
bench-kannel reps="3":
    bench/kannel.sh run {{reps}}

# kill -9 at full load beside Kannel: what was lost, what was sent twice
bench-kill reps="1":
    bench/kannel.sh kill {{reps}}

# this version beside the checkout of another one, and beside itself with limits and idempotency keys
bench-versions checkout reps="3":
    bench/versions.sh {{checkout}} {{reps}}

# minutes of steady load with receipts 30 s later
bench-steady minutes="10" rate="1000":
    .venv/bin/python bench/steady.py {{minutes}} {{rate}}

# cost of each database step at 10^4, 10^5 and 10^6 stored messages
bench-depth:
    .venv/bin/python bench/depth.py

# a page of the list by each filter, over so many messages of one plan
bench-list count="100000":
    .venv/bin/python bench/list.py {{count}}

# webhooks from the queue to a fast receiver, beside a bare client loop
bench-hooks events="60000":
    .venv/bin/python bench/hooks.py --events {{events}}

# a plan's message beside another plan with so many queued
bench-fair count="1000000":
    .venv/bin/python bench/fairness.py {{count}}

# number ranges: import, load, look-up, memory
bench-numbers count="2000000":
    .venv/bin/python bench/number_ranges.py {{count}}

# routes: load, choice, memory
bench-routing count="100000":
    .venv/bin/python bench/routing.py {{count}}

# single pieces, in process
bench:
    .venv/bin/python bench/text.py
    .venv/bin/python bench/token_check.py
    .venv/bin/python bench/smpp_session.py
    .venv/bin/python bench/hook_client.py
    .venv/bin/python bench/api_inprocess.py 20000
