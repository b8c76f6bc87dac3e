# What a device is, as lines "key<TAB>value"; for any POSIX shell (dash, bash, mksh with toybox).
# An absent thing has no line. Read by targets/devices/probe.py.

say() { [ -n "$2" ] && printf '%s\t%s\n' "$1" "$2"; }
flat() { tr -d '\000' | tr '\n\t' '  '; }
file() { [ -r "$2" ] && say "$1" "$(flat <"$2" 2>/dev/null)"; }

python_facts='
import platform, struct, sys
from importlib import metadata, util
def version(name):
    try:
        return metadata.version(name) if util.find_spec(name) else ""
    except metadata.PackageNotFoundError:
        return ""
print("|".join([sys.executable, platform.python_version(), str(struct.calcsize("P") * 8), version("numpy")]))
'

echo BEGIN-PROBE
say arch "$(uname -m)"
say kernel "$(uname -r)"
say node "$(uname -n)"
say long_bit "$(getconf LONG_BIT 2>/dev/null)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
say os "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '"')"
file model /proc/device-tree/model || file model /sys/firmware/devicetree/base/model
say cpu_name "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)"
say cpu_flags "$(sed -n -e 's/^flags[^:]*: *//p' -e 's/^Features[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)"
say mem_kb "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo 2>/dev/null)"
folder=$HOME
[ -d "$folder" ] && [ -w "$folder" ] || folder=/data/local/tmp
say disk_free_kb "$(df -Pk "$folder" 2>/dev/null | sed -n '$s/.* \([0-9][0-9]*\)  *[0-9]*% .*/\1/p')"
file loadavg /proc/loadavg

seen=' '
for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
  path=$(command -v $name 2>/dev/null) || continue
  real=$(readlink -f "$path")
  case "$seen" in *" $real "*) continue ;; esac
  seen="$seen$real "
  say python "$("$path" -I -c "$python_facts" 2>/dev/null)"
done

for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  [ -d "$cpu" ] || continue
  id=${cpu##*/cpu}
  say cpu "$id"
  file "governor.$id" "$cpu/cpufreq/scaling_governor"
  file "max_khz.$id" "$cpu/cpufreq/cpuinfo_max_freq"
done
if command -v vcgencmd >/dev/null 2>&1; then
  say throttled "$(vcgencmd get_throttled 2>/dev/null | sed -n 's/^throttled=//p')"
fi

for tool in timeout sha256sum tar; do
  command -v $tool >/dev/null 2>&1 || say missing $tool
done
# A program under qemu-user is qemu in the eyes of other processes. (This text is in the arguments
# of the one that started it: only the first word is looked at.)
parent=$(tr '\000' '\n' <"/proc/$PPID/cmdline" 2>/dev/null | head -n 1)
case "$EDGE_DISTILL_EMULATED$parent" in
1* | */qemu-*) say emulated 1 ;;
esac
echo END-PROBE
