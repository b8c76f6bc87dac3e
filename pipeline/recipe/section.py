"""The base of every table of a recipe, and the types that tables share.

Plug-ins declare their own settings with it, so this module imports none of them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from targets.registry import Registry

PositiveInt = Annotated[int, Field(ge=1, strict=True)]
NonNegativeInt = Annotated[int, Field(ge=0, strict=True)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of every table: frozen; unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    DECIDES_NOTHING: ClassVar[frozenset[str]] = frozenset()
    """Keys that decide no byte of a result beside what the digest of the data says."""


class NoSettings(Section):
    """Settings of a plug-in that has none of its own."""


class PluginSection(Section):
    """A table that names a plug-in; its further keys are the plug-in's own settings.

    `Settings` of the plug-in checks them. They are attributes of `settings`, and keys of the table
    in TOML, in `--set` and in a dump.
    """

    PLUGINS: ClassVar[Registry[Any]]
    PLUGIN_KEY: ClassVar[str]
    """The key that names the plug-in."""

    settings: SerializeAsAny[Section] = NoSettings()

    @classmethod
    def settings_in(cls, table: Mapping[str, object]) -> type[Section] | None:
        """`Settings` of the plug-in that `table` names; None for an unknown one: another error."""
        name = table.get(cls.PLUGIN_KEY, cls.model_fields[cls.PLUGIN_KEY].default)
        if not isinstance(name, str) or name not in cls.PLUGINS:
            return None
        settings: type[Section] = cls.PLUGINS[name].Settings
        return settings

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, table: object) -> object:
        if not isinstance(table, dict):
            return table
        shared = cls.model_fields.keys() - {"settings"}
        own = {key: value for key, value in table.items() if key not in shared}
        rest = {key: value for key, value in table.items() if key in shared}
        return {**rest, "settings": (cls.settings_in(table), own)}

    @field_validator("settings", mode="before")
    @classmethod
    def _check(cls, gathered: tuple[type[Section] | None, dict[str, object]]) -> Section:
        model, own = gathered
        return NoSettings() if model is None else model.model_validate(own)

    @model_serializer(mode="wrap")
    def _flat(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        table: dict[str, object] = dump(self)
        own = table.pop("settings", None)
        return table | own if isinstance(own, dict) else table
