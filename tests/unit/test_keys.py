"""API keys: how they are written, what is refused without ever repeating it, and how they are found."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_clock import FakeClock
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from engine.errors import ConfigurationError
from models.enums import Role
from server.access import Admission, Unauthenticated
from server.key_file import KeyFile
from server.keys import ANYONE, ApiKey, Keys, parse_lines, parse_list
from server.settings import Settings, read_settings

ONE, OTHER = "one-key-of-24-characters", "another-key:with-a-colon"


@pytest.fixture(autouse=True)
def _no_settings_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("SIGNALBOX_"):
            monkeypatch.delenv(name)


def test_a_list() -> None:
    first, second = parse_list(f" ci : operator : {ONE} , me:admin:{OTHER},")
    assert (first.name, first.role, second.name, second.role) == ("ci", Role.OPERATOR, "me", Role.ADMIN)
    keys = Keys((first, second))
    assert (keys.find(ONE), keys.find(OTHER), keys.find(ONE[:-1]), keys.find("")) == (first, second, None, None)
    assert (len(keys), keys.is_open, first in keys, ANYONE in keys) == (2, False, True, False)


def test_only_hashes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_API_KEYS", f"ci:operator:{ONE}")
    settings = read_settings()
    assert ONE not in repr(settings) + repr(settings.model_dump())
    assert repr(settings.api_keys[0]) == "ApiKey(name='ci', role=<Role.OPERATOR: 2>)"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hunter2-hunter2-hunter2", "entry 1 is not name:role:key"),
        (f"a:admin:{ONE},hunter2:hunter2", "entry 2 is not name:role:key"),
        ("ci:hunter2-hunter2-hunter2:admin", "entry 1: its role is none of viewer, operator, admin"),
        (f"ci:Admin:hunter2{ONE}", "entry 1: its role is none of"),
        ("hunter2hunter2hunter2:admin:ci", "entry 1: its key has 2 characters, and 16 to 256 are needed"),
        ("ci:admin:", "entry 1: its key has 0 characters"),
        ("ci:admin:" + "hunter2" * 50, "entry 1: its key has 350 characters"),
        ("ci:admin:hunter2 hunter2 hunter2", "entry 1: a key is made of visible ASCII"),
        ("ci:admin:hunter2hunter2hunteré", "entry 1: a key is made of visible ASCII"),
        (f":admin:hunter2{ONE}", "entry 1: a name has"),
        (f"a b:admin:hunter2{ONE}", "entry 1: a name has"),
        (f"ci:admin:hunter2{ONE},ci:viewer:hunter2{OTHER}", "there are two keys with the name ci"),
        (f"ci:admin:hunter2{ONE},me:viewer:hunter2{ONE}", "ci and me have the same key"),
    ],
)
def test_refusals_never_repeat_a_key(text: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_API_KEYS", text)
    with pytest.raises(ConfigurationError) as refused:
        read_settings()
    assert str(refused.value).startswith("SIGNALBOX_API_KEYS: ")
    assert reason in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert ONE not in str(refused.value)


def test_lines_with_comments() -> None:
    found = parse_lines(f"# who: why\n\nci:operator:{ONE}\r\n  me:viewer:{OTHER}  \n")
    assert [key.name for key in found] == ["ci", "me"]
    with pytest.raises(ValueError, match=r"line 3: its role"):
        parse_lines(f"\n# x\nci:root:{ONE}\n")


@pytest.mark.parametrize("value", ["", " ", ","])
def test_an_empty_setting_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_API_KEYS", value)
    monkeypatch.setenv("SIGNALBOX_API_KEYS_FILE", "")
    monkeypatch.setenv("SIGNALBOX_RATE_LIMIT", "")
    settings = read_settings()
    assert (settings.api_keys, settings.api_keys_file, settings.rate_limit) == ((), None, None)


def connection(**headers: str) -> HTTPConnection:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "headers": raw})


def socket(**headers: str) -> WebSocket:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return WebSocket({"type": "websocket", "headers": raw, "state": {}}, receive=None, send=None)  # type: ignore[arg-type]


@pytest.fixture
def admission() -> Admission:
    return Admission(Keys(parse_list(f"ci:operator:{ONE},me:admin:{OTHER}")))


@pytest.mark.parametrize("value", [f"Bearer {ONE}", f"bearer {ONE}", f" BEARER   {ONE} "])
def test_the_header(admission: Admission, value: str) -> None:
    assert admission.request(connection(authorization=value)).name == "ci"


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer ", ONE, f"Basic {ONE}", f"Bearer {ONE}x", f"Bearer{ONE}", "é"]
)
def test_headers_that_are_refused(admission: Admission, value: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        admission.request(connection(**({} if value is None else {"authorization": value})))
    assert (refused.value.status, refused.value.code) == (401, "UNAUTHENTICATED")
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    assert ONE not in str(refused.value)


@pytest.mark.parametrize("payload", [{"Authorization": f"Bearer {ONE}"}, {"authorization": f"Bearer {ONE}"}])
def test_the_payload_of_connection_init_goes_first(admission: Admission, payload: dict[str, Any]) -> None:
    assert admission.socket(socket(authorization=f"Bearer {OTHER}"), payload).name == "ci"
    assert admission.socket(socket(authorization=f"Bearer {OTHER}"), {"x": 1}).name == "me"


@pytest.mark.parametrize("value", [1, [], {}, "", ONE, f"Bearer {ONE}x"])
def test_payloads_that_are_refused(admission: Admission, value: object) -> None:
    with pytest.raises(Unauthenticated):
        admission.socket(socket(authorization=f"Bearer {ONE}"), {"Authorization": value})


def test_without_keys_everyone_is_an_admin() -> None:
    admission = Admission(Keys(None))
    assert admission.request(connection()) is ANYONE
    assert admission.socket(socket(), {"Authorization": 1}) is ANYONE
    assert ANYONE.role is Role.ADMIN


def change(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


async def found_twice(file: Any, *, is_usable: bool = True) -> None:
    """Two turns of the loop; one that fails, fails again until the file is well."""
    failures = 0
    for _ in range(3):
        try:
            await file.service.run_once()
        except ConfigurationError as error:
            assert str(error).startswith("SIGNALBOX_API_KEYS_FILE: ")  # noqa: PT017 - it need not fail at once
            failures += 1
    assert failures == 0 if is_usable else failures >= 2


class TestKeyFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "keys"
        path.write_text(f"ci:operator:{ONE}\n")
        return path

    @pytest.fixture
    def file(self, path: Path) -> Any:
        keys = Keys(())
        changes: list[int] = []

        async def changed() -> None:
            changes.append(len(keys))

        service = KeyFile(path, parse_list(f"env:admin:{'e' * 16}"), keys, FakeClock())
        service.listen(changed)
        service.load()
        return SimpleNamespace(service=service, keys=keys, changes=changes)

    async def test_a_revoked_key_and_a_new_role(self, file: Any, path: Path) -> None:
        old = file.keys.find(ONE)
        assert old in file.keys
        change(path, f"ci:viewer:{ONE}\nme:admin:{OTHER}\n".encode())
        await file.service.run_once()
        assert old in file.keys  # found once: it may be half written
        await file.service.run_once()
        assert (old in file.keys, file.keys.find(ONE).role, len(file.keys)) == (False, Role.VIEWER, 3)
        await file.service.run_once()
        assert file.changes == [3]
        change(path, b"# nobody\n")
        await found_twice(file)
        assert (file.keys.find(ONE), file.keys.find("e" * 16).name, file.keys.is_open) == (None, "env", False)

    @pytest.mark.parametrize(
        "content", [b"ci:root:x", b"\xff\xfe", b"x" * 1_000_001, f"env:admin:{OTHER}".encode(), None]
    )
    async def test_a_file_that_cannot_be_used_changes_nothing(
        self, file: Any, path: Path, content: bytes | None
    ) -> None:
        change(path, content)
        await found_twice(file, is_usable=False)
        assert file.keys.find(ONE).name == "ci"
        assert file.changes == []
        change(path, f"ci:viewer:{ONE}\n".encode())
        await found_twice(file)
        assert file.keys.find(ONE).role is Role.VIEWER

    def test_at_the_start_it_must_be_usable(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="No such file"):
            KeyFile(tmp_path / "none", (), Keys(())).load()


def test_settings_know_no_keys_by_default() -> None:
    assert Settings.model_fields["api_keys"].default == ()
    assert ApiKey("a", Role.VIEWER, b"x") == ApiKey("a", Role.VIEWER, b"x")
