#!/bin/sh
# What the project needs from the system, installed when it is missing.
#
#   tools.sh cross             arm-none-eabi-gcc, newlib and qemu-system-arm; exit 1 when they cannot be had
#   tools.sh headers           gemmlowp's headers and the C++ library's for arm-none-eabi-g++, for tests of
#                              TFLite's kernels on a core; exit 1 when they cannot be had
#   tools.sh ser2net           ser2net, for the tests of network lines; exit 1 when it cannot be had
#   tools.sh browser           Chromium, for the tests of the report's page; exit 1 when it cannot be had
#   tools.sh venv PYTHON DIR   a virtual environment in DIR
#   tools.sh same PYTHON DIR   exit 1 when that in DIR is of another Python than the one that was asked for, if any
#
# Packages come from the system's package manager, through sudo when the user is not root. Where there is no
# apt-get, it says exactly what to install and leaves the rest to the user.
set -u

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else return 1; fi
}

apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    mkdir -p build
    echo "installing: $* (log: build/apt.log)"
    {
        as_root apt-get update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
    } >build/apt.log 2>&1
}

cross_present() {
    command -v arm-none-eabi-gcc >/dev/null 2>&1 && command -v qemu-system-arm >/dev/null 2>&1 &&
        echo '#include <math.h>
#include <string.h>' | arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -fsyntax-only -xc - >/dev/null 2>&1
}

cross() {
    cross_present && return 0
    apt_install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm && cross_present && return 0
    cat >&2 <<'TEXT'
**********************************************************************************************************
The cross compiler and the emulator are missing and could not be installed. Install them, then run this again:

  Debian, Ubuntu   sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
  Fedora           sudo dnf install arm-none-eabi-gcc-cs arm-none-eabi-newlib qemu-system-arm
  Arch             sudo pacman -S arm-none-eabi-gcc arm-none-eabi-newlib qemu-system-arm
  macOS            brew install --cask gcc-arm-embedded && brew install qemu

Until then no Cortex-M is emulated: the same firmware source runs as a process of this host (native:).
**********************************************************************************************************
TEXT
    return 1
}

headers_present() {
    [ -f /usr/include/gemmlowp/fixedpoint/fixedpoint.h ] &&
        echo '#include <algorithm>' |
        arm-none-eabi-g++ -mcpu=cortex-m4 -mthumb -fsyntax-only -xc++ - >/dev/null 2>&1
}

headers() {
    headers_present && return 0
    command -v arm-none-eabi-g++ >/dev/null 2>&1 || return 1
    apt_install libgemmlowp-dev libstdc++-arm-none-eabi-dev && headers_present
}

ser2net_present() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v ser2net >/dev/null 2>&1
}

browser_present() {
    command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
        command -v google-chrome >/dev/null 2>&1
}

venv() {
    [ -x "$2/bin/python" ] && "$2/bin/python" -m pip --version >/dev/null 2>&1 && return 0
    if [ -z "$1" ] || ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        echo "Python 3.10 or newer is needed (Debian: apt-get install python3 python3-venv; PYTHON=… says which)" >&2
        return 1
    fi
    "$1" -m venv "$2" >/dev/null 2>&1 && return 0
    rm -rf "$2"
    apt_install python3-venv
    "$1" -m venv "$2"
}

version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

same() {
    [ -z "$1" ] && return 0
    wanted=$(version "$1") || {
        echo "$1 is no Python that runs here" >&2
        return 1
    }
    there=$(version "$2/bin/python")
    [ "$wanted" = "$there" ] && return 0
    echo "$2 has Python $there, not $wanted: remove it, or have another one with VENV=.venv-$wanted" >&2
    return 1
}

case "${1:-}" in
    cross) cross ;;
    headers) headers ;;
    ser2net) ser2net_present || { apt_install ser2net && ser2net_present; } ;;
    browser) browser_present || { apt_install chromium && browser_present; } ;;
    venv) venv "$2" "$3" ;;
    same) same "$2" "$3" ;;
    *)
        sed -n '2,13p' "$0" >&2
        exit 2
        ;;
esac
