# Number plate reading device: build, demo and tests on Debian 12.
#
#   make demo              central and a unit on the synthetic drive
#   make demo FOOTAGE=X    on a photograph, folder, video, /dev/videoN or rtsp:// address
#   make test              everything that must hold
#   make help              the rest
#
# The machine needs git, make and Go; everything else is installed from Debian's
# packages, as root or through sudo.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOLANGCI_LINT_VERSION := 2.15.0
# How long `make fuzz` spends on each fuzz target.
FUZZTIME ?= 20s
# Sysroots (700 MB each) are kept between checkouts, as Go keeps its cache.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nrd
PREFIX ?= /usr/local

# --- Debian packages, by what they are for ---------------------------------

OPENCV := calib3d core dnn features2d flann highgui imgcodecs imgproc ml objdetect photo stitching video videoio
PACKAGES_build := gcc g++ libc6-dev pkg-config $(OPENCV:%=libopencv-%-dev) libtesseract-dev libleptonica-dev libturbojpeg0-dev
PACKAGES_run := ca-certificates
PACKAGES_test := protobuf-compiler mosquitto mosquitto-clients chromium libnss3-tools ffmpeg gpsd openssl systemd swtpm swtpm-tools fuse3 e2fsprogs mount rabbitmq-server \
	gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
	gstreamer1.0-plugins-ugly gstreamer1.0-libav gir1.2-gst-rtsp-server-1.0 python3-gi
# npm fetches one file; where there is one already, Debian's and its packages are not needed.
PACKAGES_test += $(if $(shell command -v npm),,npm)
PACKAGES_bench := valgrind ffmpeg mmdebstrap debian-archive-keyring qemu-system-arm cpio
PACKAGES_train := tesseract-ocr python3-numpy python3-opencv python3-pil python3-torch python3-onnx libopenblas0-pthread ffmpeg
PACKAGES_arm := mmdebstrap debian-archive-keyring gcc-aarch64-linux-gnu g++-aarch64-linux-gnu \
	gcc-arm-linux-gnueabihf g++-arm-linux-gnueabihf qemu-user-static
# Unpacked, not installed, for each ARM architecture.
PACKAGES_sysroot := $(OPENCV:%=libopencv-%-dev) libtesseract-dev libleptonica-dev libturbojpeg0-dev libc6-dev libstdc++-12-dev

# --- Go ---------------------------------------------------------------------

# gocv's own flags ask for a newer OpenCV than Debian 12 has: customenv leaves
# them out and these take their place.
export GOFLAGS := -buildvcs=false -tags=customenv
export CGO_CPPFLAGS := -I/usr/include/opencv4
export CGO_CXXFLAGS := -g0 -O2 -std=c++11
LINKED := calib3d features2d video videoio objdetect dnn imgcodecs imgproc core
export CGO_LDFLAGS := -Wl,--as-needed $(LINKED:%=-lopencv_%) -lopencv_highgui -lopencv_photo

.PHONY: environment
environment: ## the exports that go needs when it is called by hand
	@printf 'export %s="%s"\n' GOFLAGS '$(GOFLAGS)' CGO_CPPFLAGS '$(CGO_CPPFLAGS)' CGO_CXXFLAGS '$(CGO_CXXFLAGS)' CGO_LDFLAGS '$(CGO_LDFLAGS)'

# What is built for use leaves out what is not called, and fetches OpenCV's library
# for video when it first wants one (capture/libraries.cpp): so it starts with 70
# libraries instead of 250. They stand in -extldflags, not in CGO_LDFLAGS, so that
# changing them does not compile gocv again.
SECTIONS := -ffunction-sections -fdata-sections
TRIMMED := -Wl,--as-needed -Wl,--gc-sections -lopencv_imgproc -lopencv_core

STAMP := -X main.version=$(VERSION)
LINT := build/tools/golangci-lint-$(GOLANGCI_LINT_VERSION)

.PHONY: build
build: deps-build ## bin/nrd-agent and bin/central
	CGO_CFLAGS='-g0 -O2 $(SECTIONS)' CGO_CXXFLAGS='$(CGO_CXXFLAGS) $(SECTIONS)' CGO_LDFLAGS= \
		go build -trimpath -ldflags '$(STAMP) -extldflags "$(TRIMMED)"' -o bin/nrd-agent ./cmd/nrd-agent
	CGO_ENABLED=0 go build -trimpath -ldflags '$(STAMP)' -o bin/central ./cmd/central

.PHONY: demo
demo: build deps-run ## the whole way on one machine: FOOTAGE=photograph, folder, video, device or address
	exec scripts/demo $(if $(FOOTAGE),'$(FOOTAGE)')

.PHONY: deps
deps: ## install every Debian package that any target needs
	@scripts/packages $(sort $(PACKAGES_build) $(PACKAGES_run) $(PACKAGES_test) $(PACKAGES_bench) $(PACKAGES_train) $(PACKAGES_arm))

.PHONY: deps-build deps-run deps-test deps-bench deps-train deps-arm
deps-build deps-run deps-test deps-bench deps-train deps-arm: deps-%:
	@scripts/packages $(PACKAGES_$*)

# --- Checks -----------------------------------------------------------------

.PHONY: test
test: deps check-generated check-units vet lint test-go faults-short test-train test-demo test-arm ## everything that must hold

# matprofile counts every image that OpenCV still holds, for the leak tests.
.PHONY: test-go
test-go: deps-build deps-run deps-test axe ## every Go test, with the race detector
	go test -race -tags customenv,matprofile -timeout 20m ./...
	CGO_ENABLED=0 go build -o /dev/null ./cmd/central

.PHONY: powercut
powercut: deps-test ## the power is cut after every write of the buffer, of lists, what is published, keys and what is trusted, and of central's store
	POWERCUT_EVERY=1 go test -timeout 60m -run 'PowerCut|Fsync' -v ./internal/powercut ./uplink ./hotlist ./hotlist/fetch ./internal/trust ./internal/agent ./collector/lists ./collector/store/sqlite

.PHONY: test-brokers
test-brokers: deps-test ## the link and the whole way behind central's own broker, mosquitto and RabbitMQ (test-go runs this too)
	CGO_ENABLED=1 go test -race -timeout 15m -run Broker ./internal/link ./uplink ./collector

.PHONY: test-train
test-train: deps-train deps-build ## the training pipeline on a handful of plates, and what it exports in the agent's engine
	$(MAKE) -C recognise/train smoke
	NRD_TRAINED=/tmp/train-data-smoke/model go test -count 1 -run TestOurNetworksGiveWhatOpenCVGives ./recognise/network

.PHONY: test-demo
test-demo: build deps-run ## the demonstration: its reads arrive and its hits are right
	scripts/check-demo

# Where the rendered test set is written, outside of the repository: 120 pictures
# of each of eleven categories, 160 MB, a quarter of an hour of processor time.
RENDERED ?= /tmp/nrd-rendered

.PHONY: rendered-testset
rendered-testset: deps-train ## render the test set of street scenes to RENDERED
	cd recognise/train && OPENBLAS_NUM_THREADS=1 /usr/bin/python3 testset.py --out '$(RENDERED)'

.PHONY: evaluate-rendered
evaluate-rendered: build deps-run ## how well the rendered test set is read, by category; fails where a target is missed
	@[ -f '$(RENDERED)/truth.csv' ] || $(MAKE) rendered-testset
	bin/nrd-agent evaluate --json --by category --truth '$(RENDERED)/truth.csv' --html '$(RENDERED)/report.html' '$(RENDERED)' >'$(RENDERED)/report.json'
	scripts/check-evaluation '$(RENDERED)/report.json'

# A truth file with boxes and the folder of its photographs, which are personal data, as what WORSENED holds is.
TRUTH    ?= /tmp/photographs/truth.csv
PHOTOGRAPHS ?= $(dir $(TRUTH))images
WORSENED ?= /tmp/nrd-worsened

.PHONY: evaluate-worsened
evaluate-worsened: build deps-run deps-train ## photographs of TRUTH once more, small, turned, pressed, defocused, dark, moved: how well they are read
	/usr/bin/python3 recognise/train/worsen.py --truth '$(TRUTH)' --images '$(PHOTOGRAPHS)' --out '$(WORSENED)'
	bin/nrd-agent evaluate --by category --by region --truth '$(WORSENED)/truth.csv' '$(WORSENED)'

.PHONY: vet
vet: deps-build ## go vet and gofmt
	go vet ./...
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); \
	[ -z "$$unformatted" ] || { echo "not formatted by gofmt: $$unformatted" >&2; exit 1; }

.PHONY: lint
lint: deps-build $(LINT) ## golangci-lint with the rules of .golangci.yml
	$(LINT) run ./...

$(LINT):
	@mkdir -p build/tools
	GOFLAGS= GOBIN=$(CURDIR)/build/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT_VERSION)
	mv build/tools/golangci-lint $@

AXE_VERSION := 4.14.1
AXE_SHA256 := e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

# The accessibility checker stays out of the repository. Without it the browser
# tests say what was not checked, and in CI they fail.
.PHONY: axe
axe: build/axe/axe.min.js ## fetch axe-core, with which the officer's screen and central's console are checked for accessibility
build/axe/axe.min.js: | deps-test
	@mkdir -p build/axe
	cd build/axe && npm pack --silent axe-core@$(AXE_VERSION) && echo '$(AXE_SHA256)  axe-core-$(AXE_VERSION).tgz' | sha256sum --check --quiet
	tar -C build/axe --strip-components=1 -xzf build/axe/axe-core-$(AXE_VERSION).tgz package/axe.min.js
	touch $@

.PHONY: bench
bench: deps-build deps-run ## every benchmark, five times
	go test -run '^$$' -bench . -benchmem -count 5 ./...

# How many millions of statuses `make bench-lists` packs.
STATUSES ?= 45

.PHONY: bench-lists
bench-lists: deps-build deps-test ## the lists' speed and memory on one core beside what is allowed; fails where it is missed
	NRD_STATUSES=$(STATUSES) scripts/bench-lists

.PHONY: bench-arm
bench-arm: deps-bench build/arm64/nrd-agent ## a photograph, and matches in a list of statuses, on an emulated machine with arm64; fails where a limit is missed
	scripts/sysroot arm64 $(CACHE)/kernel-arm64 linux-image-arm64 busybox-static
	scripts/bench-arm-reading build/arm64/nrd-agent $(CACHE)/sysroot-arm64 $(CACHE)/kernel-arm64
	NRD_STATUSES=$(STATUSES) scripts/bench-arm $(CACHE)/kernel-arm64

.PHONY: strangers
strangers: deps-build ## ten thousand connections of strangers: memory stays bounded, devices come in
	NRD_STRANGERS=10000 go test -run Strangers -v ./collector/ingest

# How much footage `make soak` plays, as fast as the machine can.
SOAK ?= 2h
.PHONY: soak
soak: deps-build ## hours of footage: OpenCV's pictures and the memory must not grow
	SOAK=$(SOAK) go test -tags customenv,matprofile -timeout 0 -count 1 -v -run TestFootageLeaksNothing ./recognise/

.PHONY: callgrind
callgrind: build deps-bench ## instructions for one photograph and one frame, counted by valgrind
	scripts/instructions bin/nrd-agent

.PHONY: fuzz
fuzz: deps-build ## each fuzz target for FUZZTIME
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$package; \
		done; \
	done

# How long `make faults` goes on with new seeds, and how many processes it kills
# at least. It mounts disks: as root.
FAULTS_TIME ?= 0
FAULTS_KILLS ?= 1000

.PHONY: faults faults-short faults-planted
faults: deps-build deps-test ## each kind of fault alone, then mixed, FAULTS_KILLS kills: nothing may be lost
	go run ./internal/faults -time $(FAULTS_TIME) -kills $(FAULTS_KILLS)

faults-short: deps-build deps-test ## a minute of kills, power cuts, a full disk and a bad link, and one planted bug that must be found
	go run ./internal/faults -short

faults-planted: deps-build deps-test ## planted bugs of each kind, each of which must be found
	go run ./internal/faults -planted

GENERATED := uplink/wire/wire.pb.go

.PHONY: generate
generate: build/_generated/$(GENERATED) ## write the code that is generated from uplink/wire/wire.proto
	cp $< $(GENERATED)

.PHONY: check-generated
check-generated: build/_generated/$(GENERATED) ## fails where generated code is not current
	diff $(GENERATED) $<

build/_generated/$(GENERATED): uplink/wire/wire.proto go.mod
	@scripts/packages protobuf-compiler
	@mkdir -p build/_generated build/tools
	go build -o build/tools/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go
	protoc --plugin=build/tools/protoc-gen-go --go_out=build/_generated --go_opt=module=nrd uplink/wire/wire.proto

# --- ARM --------------------------------------------------------------------

.PHONY: arm64 armhf
arm64: build/arm64/nrd-agent ## build/arm64/nrd-agent, for 64-bit units
armhf: build/armhf/nrd-agent ## build/armhf/nrd-agent, for 32-bit units

build/arm64/nrd-agent: CROSS = GOARCH=arm64
build/arm64/nrd-agent: TRIPLET = aarch64-linux-gnu
build/armhf/nrd-agent: CROSS = GOARCH=arm GOARM=7
build/armhf/nrd-agent: TRIPLET = arm-linux-gnueabihf

.PHONY: build/arm64/nrd-agent build/armhf/nrd-agent
build/arm64/nrd-agent build/armhf/nrd-agent: build/%/nrd-agent: deps-arm
	scripts/sysroot $* $(CACHE)/sysroot-$* $(PACKAGES_sysroot)
	sysroot=$(CACHE)/sysroot-$*; \
	env CGO_ENABLED=1 GOOS=linux $(CROSS) \
		CC="$(TRIPLET)-gcc --sysroot=$$sysroot" CXX="$(TRIPLET)-g++ --sysroot=$$sysroot" \
		CGO_CPPFLAGS="-I$$sysroot/usr/include/opencv4" \
		CGO_CFLAGS="-g0 -O2 $(SECTIONS)" CGO_CXXFLAGS="$(CGO_CXXFLAGS) $(SECTIONS)" CGO_LDFLAGS= \
	go build -trimpath -o $@ \
		-ldflags '$(STAMP) -s -w -extldflags "$(TRIMMED)"' ./cmd/nrd-agent

# A photograph takes qemu 20 s of processor time.
ARM_PHOTOGRAPHS := rear-near dusk-rear motorcycle two-vehicles no-plate

.PHONY: test-arm
test-arm: build build/arm64/nrd-agent deps-run ## the arm64 agent under qemu reads what the amd64 one reads; the networks' layers on processors without AVX2 and without AVX-512
	scripts/compare-arm bin/nrd-agent build/arm64/nrd-agent $(CACHE)/sysroot-arm64 $(ARM_PHOTOGRAPHS:%=testdata/photographs/%.jpg)
	go test -c -o build/network.test ./recognise/network
	cd recognise/network && for cpu in Nehalem Haswell; do qemu-x86_64-static -cpu $$cpu ../../build/network.test -test.v -test.run '^(TestAConvolutionIsWhatItIsDefinedAs|TestASmallNetworkWithEveryOperationRuns)$$' || exit 1; done

# --- Footage, packaging -----------------------------------------------------

.PHONY: drive
drive: deps-train ## render testdata's drive and photographs again (seven minutes of processor time)
	cd testdata/render && /usr/bin/python3 photographs.py && /usr/bin/python3 drive.py

UNITS := packaging/nrd-agent.service packaging/central.service

.PHONY: install
install: build ## programs, systemd units, users and folders, under DESTDIR
	install -D --mode 755 --target-directory '$(DESTDIR)$(PREFIX)/bin' bin/nrd-agent bin/central
	install -D --mode 644 --target-directory '$(DESTDIR)/usr/lib/systemd/system' $(UNITS)
	sed --in-place 's#^ExecStart=/usr/local/#ExecStart=$(PREFIX)/#' $(UNITS:packaging/%='$(DESTDIR)/usr/lib/systemd/system/%')
	install -D --mode 644 packaging/nrd.sysusers '$(DESTDIR)/usr/lib/sysusers.d/nrd.conf'
	install -D --mode 644 packaging/nrd.tmpfiles '$(DESTDIR)/usr/lib/tmpfiles.d/nrd.conf'

# The exposure of systemd-analyze is from 0 (closed) to 10; 2.5 is allowed.
.PHONY: check-units
check-units: deps-test ## the systemd units are valid and closed
	@mkdir -p build/units
	@for unit in $(UNITS); do \
		sed 's#^ExecStart=.*#ExecStart=/bin/true#' $$unit >build/units/$${unit##*/}; \
		systemd-analyze verify --man=no build/units/$${unit##*/}; \
		systemd-analyze security --offline=true --threshold=25 build/units/$${unit##*/} | tail -1; \
	done

.PHONY: clean
clean: ## remove what was built; sysroots stay in $(CACHE)
	rm -rf bin build

.PHONY: help
help:
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 18
