from __future__ import annotations

import os

import pytest

from bedrock_local import open_session
from bedrock_local.protocol.errors import SettingsError
from bedrock_local.settings import Settings, read_settings, write_settings


def test_settings_are_read_as_they_were_written(tmp_path):
    settings = Settings(clock="realistic", seconds={"Scheduled": 5}, speed=60)
    write_settings(tmp_path, settings)
    assert read_settings(tmp_path) == settings


def test_a_setting_that_the_file_does_not_have_has_its_default(tmp_path):
    (tmp_path / "settings.json").write_text('{"clock": "realistic"}')
    assert read_settings(tmp_path) == Settings(clock="realistic")
    (tmp_path / "settings.json").unlink()
    assert read_settings(tmp_path) == Settings()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"clok": "instant"}', "unknown field `clok`; choose from clock, seconds, "),
        ('{"clock": "slow"}', "clock: Invalid enum value 'slow'; choose from instant, realistic"),
        ('{"seconds": {"Completed": 1}}', "seconds: Invalid enum value 'Completed'; choose from Submitted, "),
        ('{"speed": 0}', ">= 0.001"),
        ('{"speed"', "correct it, or delete the file for the defaults"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path, text, reason):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(ValueError, match=r"settings\.json: ") as caught:
        read_settings(tmp_path)
    assert reason in str(caught.value)


def test_seconds_by_status_take_precedence_over_the_preset():
    settings = Settings(clock="realistic", seconds={"Submitted": 5})
    assert (settings.minimum_seconds("Submitted"), settings.minimum_seconds("Validating")) == (5, 60)


def test_a_wrong_value_is_refused_before_it_is_written(tmp_path):
    open_session(tmp_path, settings=Settings(min_records=7))
    with pytest.raises(ValueError, match="clock: Invalid enum value 'fast'; choose from instant, realistic"):
        open_session(tmp_path, settings=Settings(clock="fast"))
    assert read_settings(tmp_path).min_records == 7


@pytest.mark.parametrize("account", ["12345678901", "1234567890123", "12345678901a", "123456789012\n", ""])
def test_an_account_has_twelve_digits(tmp_path, account):
    with pytest.raises(SettingsError, match="account"):
        open_session(tmp_path / "emulator", settings=Settings(account=account))


@pytest.mark.parametrize("name", ["reused_token", "roles", "ended_models"])
def test_the_choices_of_a_setting_that_may_be_missing_are_listed(tmp_path, name):
    with pytest.raises(SettingsError, match=rf"^{name}: Invalid enum value 'x'; choose from \w+, \w+"):
        open_session(tmp_path / "emulator", settings=Settings(**{name: "x"}))


def test_settings_that_are_edited_in_place_are_read_again(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"seed": 1}')
    assert read_settings(tmp_path).seed == 1
    path.write_text('{"seed": 2}')  # as long, and within a tick of the clock of the file system
    assert read_settings(tmp_path).seed == 2
    os.utime(path, ns=(0, 10**18))
    assert read_settings(tmp_path) is read_settings(tmp_path)
    path.write_text('{"seed": 3}')
    assert read_settings(tmp_path).seed == 3
    path.unlink()
    assert read_settings(tmp_path) == Settings()
