"""Secrets of endpoints: what they look like, how they are kept, and how a key is replaced."""

from __future__ import annotations

import asyncio
import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from engine.errors import ConfigurationError, InvalidInput
from engine.secrets import MAKE_A_KEY, SecretBox, SecretUnreadable, decode_secret, new_secret

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_a_new_secret_is_one_of_standard_webhooks() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(decode_secret(secret)) == 32
    assert new_secret() != secret


def test_what_is_kept_shows_nothing_and_comes_back() -> None:
    box = SecretBox(OLD)
    secret = new_secret()
    kept = box.encrypt(secret)
    assert secret.removeprefix("whsec_")[:16] not in kept
    assert box.decrypt(kept) == secret
    assert OLD not in repr(box)


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    kept = SecretBox(OLD).encrypt("whsec_x")
    both = SecretBox(f"{NEW}, {OLD}")
    assert both.decrypt(kept) == "whsec_x"
    assert not both.is_under_first_key(kept)
    fresh = both.encrypt("whsec_x")
    assert both.is_under_first_key(fresh)
    assert SecretBox(NEW).decrypt(fresh) == "whsec_x"
    with pytest.raises(SecretUnreadable):
        SecretBox(OLD).decrypt(fresh)


@pytest.mark.parametrize(
    "keys",
    ["", "abc", f"{OLD},", f"{OLD},{base64.b64encode(b'short').decode()}", "é" * 44],
    ids=["none", "no base64", "an empty second", "a short second", "no ASCII"],
)
def test_a_malformed_key_is_refused_by_its_place_and_not_shown(keys: str) -> None:
    place = 1 + keys.count(",")
    with pytest.raises(ConfigurationError, match=f"SIGNALBOX_SECRET_KEY: key {place} is not") as refusal:
        SecretBox(keys)
    assert "token_bytes(32)" in str(refusal.value)
    assert OLD not in str(refusal.value)


def test_the_one_liner_of_the_message_makes_a_key() -> None:
    code = MAKE_A_KEY.split('"')[1]
    key = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert SecretBox(key).decrypt(SecretBox(key).encrypt("whsec_x")) == "whsec_x"


def test_without_a_key_and_a_place_for_one_nothing_is_encrypted() -> None:
    with pytest.raises(InvalidInput, match="set SIGNALBOX_SECRET_KEY"):
        SecretBox(None).encrypt("whsec_x")
    with pytest.raises(SecretUnreadable):
        SecretBox(None).decrypt(SecretBox(OLD).encrypt("whsec_x"))


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "signalbox.db.key"
    box = SecretBox(None, path)
    with pytest.raises(SecretUnreadable):
        box.decrypt(SecretBox(OLD).encrypt("whsec_x"))
    assert not path.exists()  # reading makes none
    kept = box.encrypt("whsec_x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SecretBox(None, path).decrypt(kept) == "whsec_x"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


async def test_two_that_make_the_key_file_at_once_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "signalbox.db.key"
    boxes = [SecretBox(None, path) for _ in range(8)]
    kept = await asyncio.gather(*(asyncio.to_thread(box.encrypt, "whsec_x") for box in boxes))
    for each in kept:
        assert {box.decrypt(each) for box in boxes} == {"whsec_x"}


def test_a_key_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signalbox.db.key"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match=r"signalbox\.db\.key: key 1"):
        SecretBox(None, path).encrypt("whsec_x")
