"""A phone that is none: the device's side of adb, and Android's programs as shell scripts."""
