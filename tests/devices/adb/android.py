"""Android's own programs, as far as a measurement calls them, as shell scripts with a state.

They print what Android 14 prints (recorded format, shortened), and note every call.
"""

from pathlib import Path

PROPERTIES = {
    "ro.product.model": "Pixel 7",
    "ro.board.platform": "gs201",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.sdk": "34",
    "ro.build.version.release": "14",
    "ro.build.fingerprint": "google/panther/panther:14/UQ1A.240205.002/1:user/release-keys",
}

THERMAL = """IsStatusOverride: false
ThermalEventListeners:
Thermal Status: $(cat $S/thermal)
Cached temperatures:
 Temperature{mValue=99.0, mType=0, mName=old, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
 Temperature{mValue=41.5, mType=0, mName=BIG, mStatus=0}
 Temperature{mValue=39.0, mType=0, mName=LITTLE, mStatus=0}
 Temperature{mValue=88.0, mType=2, mName=battery, mStatus=0}
Current cooling devices from HAL:
 CoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
Temperature static thresholds from HAL:
 TemperatureThreshold{mType=0, mName=BIG, mHotThrottlingThresholds=[NaN, 115.0]}
"""

BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  status: 2
  level: 45
  scale: 50
  voltage: 4123
  temperature: 312
"""

SCRIPTS = {
    "getprop": 'cat "$S/prop/$1" 2>/dev/null',
    "dumpsys": f"""case $1 in
thermalservice) cat <<END
{THERMAL}END
;;
battery) cat <<END
{BATTERY}END
;;
power) echo "  mWakefulness=$(cat $S/wakefulness)";;
esac""",
    "settings": """case $1 in
get) cat "$S/$2.$3" 2>/dev/null || echo null;;
put) echo "$4" >"$S/$2.$3";;
delete) rm -f "$S/$2.$3";;
esac""",
    "svc": 'echo 7 >"$S/global.stay_on_while_plugged_in"',
    "input": """case $2 in
224) echo Awake >"$S/wakefulness";;
223) echo Asleep >"$S/wakefulness";;
esac""",
    "wm": ":",
}


class Android:
    """The programs below `folder`/bin, and their state below `folder`/state.

    `seen_as` is the folder's path on the device, if it has another one there.
    """

    def __init__(self, folder: Path, *, seen_as: str | None = None, shell: str = "/bin/sh") -> None:
        self.bin, self.state, self.sysfs = folder / "bin", folder / "state", folder / "sys"
        (self.state / "prop").mkdir(parents=True)
        self.bin.mkdir()
        state = f"{seen_as or folder}/state"
        for name, body in SCRIPTS.items():
            head = f'#!{shell}\nS={state}\necho "${{0##*/}} $*" >>"$S/calls"\n'
            (self.bin / name).write_text(f"{head}{body}\n")
            (self.bin / name).chmod(0o755)
        for name, value in PROPERTIES.items():
            (self.state / "prop" / name).write_text(f"{value}\n")
        self.set("wakefulness", "Asleep")
        self.set("thermal", "0")

    def set(self, name: str, value: str) -> None:
        (self.state / name).write_text(f"{value}\n")

    def get(self, name: str) -> str | None:
        path = self.state / name
        return path.read_text().strip() if path.exists() else None

    def cores(self, *khz: int) -> None:
        for number, speed in enumerate(khz):
            folder = self.sysfs / f"devices/system/cpu/cpu{number}/cpufreq"
            folder.mkdir(parents=True)
            (folder / "cpuinfo_max_freq").write_text(f"{speed}\n")
            (folder / "scaling_governor").write_text("sched_pixel\n")
