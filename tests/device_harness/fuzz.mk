# The C frame decoder and session under libFuzzer (clang), ASan and UBSan.
#
#   make -f fuzz.mk BUILD=dir [SECONDS=60]     what is found is left in dir

SECONDS ?= 60
here := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
harness := $(here)/../../device_harness
sources := $(here)/fuzz_session.c $(wildcard $(harness)/agent/*.c) $(wildcard $(harness)/engines/kernels/*.c)
flags := -std=c99 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -DCV_LIBFUZZER \
         '-DCV_BUILD_ID="fuzz"' -I$(harness)/agent -I$(harness)/engines/kernels

fuzz: $(BUILD)/fuzz_session
	@mkdir -p $(BUILD)/corpus
	COVERIFY_FUZZ_MODEL=$(here)/../../firmware_models/networks/digits_mlp.tflite \
	  $(BUILD)/fuzz_session -max_total_time=$(SECONDS) -max_len=6000 -artifact_prefix=$(BUILD)/ $(BUILD)/corpus

$(BUILD)/fuzz_session: $(sources)
	@mkdir -p $(@D)
	clang $(flags) $(sources) -o $@
