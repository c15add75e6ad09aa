"""Features that GrowthBook has encrypted: AES-128 in CBC mode, with the key of an SDK connection."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from flagstaff.errors import ConfigError, MissingExtraError, Problem, RulesError
from flagstaff.formats.suggest import did_you_mean

__all__ = ["check_options", "decrypted"]

_OPTION = "decryption_key"
_SECTIONS = {
    "encryptedFeatures": "features",
    "encryptedExperiments": "experiments",
    "encryptedSavedGroups": "savedGroups",
}
_KEY_BYTES = 16


def check_options(options: Mapping[str, Any]) -> None:
    """ConfigError where an option is unknown, the key is none, or nothing here can decrypt."""
    for name, value in options.items():
        if name != _OPTION:
            hint = did_you_mean(str(name), [_OPTION])
            raise ConfigError("format_options", f"of growthbook are {_OPTION}, not {name!r}{hint}")
        if _bytes(value) is None:
            raise ConfigError(
                "format_options", f"{_OPTION} must be 16 bytes in base64, as GrowthBook shows it"
            )
    if options and find_spec("cryptography") is None:
        raise MissingExtraError("reading encrypted features", "growthbook")


def decrypted(document: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with its encrypted parts in plain. RulesError where they can't be read."""
    hidden = {name: document[name] for name in _SECTIONS if document.get(name)}
    if not hidden:
        return document
    plain = {name: value for name, value in document.items() if name not in _SECTIONS}
    key = _bytes(options.get(_OPTION))
    for name, written in hidden.items():
        if key is None:
            way_out = f'give the key of the SDK connection: format_options={{"{_OPTION}": ...}}'
            raise RulesError([Problem(name, f"of a document of GrowthBook is encrypted: {way_out}")])
        plain[_SECTIONS[name]] = _read(name, written, key)
    return plain


def _read(name: str, written: Any, key: bytes) -> Any:
    try:
        initial, ciphertext = (b64decode(part, validate=True) for part in written.split("."))
        return json.loads(_plain(initial, ciphertext, key))
    except (AttributeError, TypeError, ValueError, RecursionError):
        problem = f"of a document of GrowthBook can't be decrypted: is {_OPTION} that of this SDK connection?"
        raise RulesError([Problem(name, problem)]) from None


def _plain(initial: bytes, ciphertext: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC
    from cryptography.hazmat.primitives.padding import PKCS7

    decryptor, padding = Cipher(AES(key), CBC(initial)).decryptor(), PKCS7(AES.block_size).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return padding.update(padded) + padding.finalize()


def _bytes(written: object) -> bytes | None:
    """The key; None where it is none."""
    try:
        key = b64decode(written, validate=True) if isinstance(written, str) else b""
    except ValueError:
        return None
    return key if len(key) == _KEY_BYTES else None
