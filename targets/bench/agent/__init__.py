"""The program that measures one model in one process, on this machine or on a device.

It needs Python 3.9 or newer, the standard library, numpy and one runtime. `targets.bench.archive`
packs this folder and the `session` modules of the runtimes into one zip file, `agent.pyz`, that is
copied to the device. Nothing else of this project is in that file.
"""
